package store

import (
	"context"
	"encoding/json"
	"time"

	"latchkey/internal/account"
)

// Credentials are what a password is checked against.
type Credentials struct {
	UserID       account.ID     `db:"id"`
	Status       account.Status `db:"status"`
	Epoch        int64          `db:"epoch"`
	PasswordHash string         `db:"password_hash"`
}

const credentialsQuery = `SELECT id, status, epoch, password_hash FROM users WHERE `

// CredentialsByName returns the credentials of the user whose username or e-mail address has the canonical form; an
// empty key matches nobody. NOT_FOUND when there is none.
func (s *Store) CredentialsByName(ctx context.Context, usernameKey, emailKey string) (c Credentials, err error) {
	if emailKey != "" {
		err = s.get(ctx, &c, credentialsQuery+`email_key = ?`, emailKey)
		return c, err
	}
	err = s.get(ctx, &c, credentialsQuery+`username_key = ?`, usernameKey)
	return c, err
}

// PendingCredentials returns the credentials of the newest account that waits for the confirmation of an address in
// canonical form, or NOT_FOUND.
func (s *Store) PendingCredentials(ctx context.Context, emailKey string) (c Credentials, err error) {
	err = s.get(ctx, &c, credentialsQuery+`pending_email_key = ? AND status = 'PENDING' ORDER BY created_at DESC, id DESC LIMIT 1`,
		emailKey)
	return c, err
}

// CredentialsByID returns the credentials of a user, or NOT_FOUND.
func (s *Store) CredentialsByID(ctx context.Context, id account.ID) (c Credentials, err error) {
	err = s.get(ctx, &c, credentialsQuery+`id = ?`, id)
	return c, err
}

// User returns a user with their profile, or NOT_FOUND.
func (s *Store) User(ctx context.Context, id account.ID) (*account.User, error) {
	var row userRow
	err := s.get(ctx, &row, `SELECT `+userColumns+` FROM `+userTables+` WHERE u.id = ?`, id)
	if err != nil {
		return nil, err
	}
	return row.user(), nil
}

// NamesTaken tells which of two canonical forms somebody has already; an empty one counts as free.
func (s *Store) NamesTaken(ctx context.Context, usernameKey, emailKey string) (username, email bool, err error) {
	var row struct {
		Username bool `db:"username"`
		Email    bool `db:"email"`
	}
	err = s.get(ctx, &row, `SELECT EXISTS (SELECT 1 FROM users WHERE username_key = ?) AS username,
		EXISTS (SELECT 1 FROM users WHERE email_key = ?) AS email`, usernameKey, emailKey)
	return row.Username, row.Email, err
}

// InsertUser adds a user, without profile. It fails with TAKEN when the username or the address is not free. A PENDING
// user does not have the address yet, only waits for it, like perhaps others; their profile is kept as a draft for
// PublishProfile.
func (s *Store) InsertUser(ctx context.Context, u *account.User, passwordHash string) error {
	var emailKey, pendingKey, draft *string
	if u.Email != nil {
		key := account.EmailKey(*u.Email)
		emailKey = &key
	}
	if u.Status == account.Pending {
		emailKey, pendingKey = nil, emailKey
		text, err := json.Marshal(u.Profile)
		if err != nil {
			return err
		}
		draft = new(string(text))
	}
	_, err := s.exec(ctx, `INSERT INTO users (id, username, username_key, email, email_key, pending_email_key,
		profile_draft, email_verified, name, role, status, password_hash, epoch, created_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?)`,
		u.ID, u.Username, account.UsernameKey(u.Username), u.Email, emailKey, pendingKey, draft, u.EmailVerified, u.Name,
		u.Role, u.Status, passwordHash, micros(u.CreatedAt))
	return err
}

// PublishProfile adds the profile that a user has as a draft, if any; call it in a transaction.
func (s *Store) PublishProfile(ctx context.Context, user account.ID) error {
	var draft *string
	if err := s.get(ctx, &draft, `SELECT profile_draft FROM users WHERE id = ?`, user); err != nil || draft == nil {
		return err
	}
	var profile account.Profile
	if err := json.Unmarshal([]byte(*draft), &profile); err != nil {
		return err
	}
	if err := s.execUser(ctx, `UPDATE users SET profile_draft = NULL WHERE id = ?`, user); err != nil {
		return err
	}
	return s.InsertProfile(ctx, &profile)
}

// SetName changes how a user is called.
func (s *Store) SetName(ctx context.Context, id account.ID, name string) error {
	return s.execUser(ctx, `UPDATE users SET name = ? WHERE id = ?`, name, id)
}

// SetUsername renames an active user whose epoch is still the given one, and their profile; call it in a transaction.
// It fails with TAKEN when the name is not free; ok is false when the user has changed meanwhile.
func (s *Store) SetUsername(ctx context.Context, id account.ID, epoch int64, username string) (ok bool, err error) {
	key := account.UsernameKey(username)
	rows, err := s.exec(ctx, `UPDATE users SET username = ?, username_key = ?
		WHERE id = ? AND epoch = ? AND status = 'ACTIVE'`, username, key, id, epoch)
	if err != nil || rows == 0 {
		return false, err
	}
	_, err = s.exec(ctx, `UPDATE profiles SET username = ?, username_key = ? WHERE user_id = ?`, username, key, id)
	return err == nil, err
}

// SetPassword replaces the hash of an active user whose epoch is still the given one, drops a change of address that is
// under way, and raises the epoch, which ends every session. It returns the new epoch; ok is false when the user has
// changed meanwhile.
func (s *Store) SetPassword(
	ctx context.Context, id account.ID, epoch int64, hash string,
) (next int64, ok bool, err error) {
	ok, err = s.execReturning(ctx, &next, `UPDATE users SET password_hash = ?, pending_email = NULL, pending_email_key = NULL,
		epoch = epoch + 1 WHERE id = ? AND epoch = ? AND status = 'ACTIVE' RETURNING epoch`, hash, id, epoch)
	return next, ok, err
}

// Rehash replaces a hash by another of the same password, unless the password has changed meanwhile.
func (s *Store) Rehash(ctx context.Context, id account.ID, old, hash string) error {
	_, err := s.exec(ctx, `UPDATE users SET password_hash = ? WHERE id = ? AND password_hash = ?`, hash, id, old)
	return err
}

// SetLastLogin notes when a user gave their password, if they are active and their epoch is still the given one: ok
// tells. Until the transaction ends, other sign-ins of the user wait.
func (s *Store) SetLastLogin(ctx context.Context, id account.ID, epoch int64, now time.Time) (ok bool, err error) {
	rows, err := s.exec(ctx, `UPDATE users SET last_login_at = ? WHERE id = ? AND epoch = ? AND status = 'ACTIVE'`,
		micros(now), id, epoch)
	return rows == 1, err
}

// DeleteUser removes an active user whose epoch is still the given one, with all that is theirs, mails that are not
// sent yet included; call it in a transaction. ok is false when the user has changed meanwhile.
func (s *Store) DeleteUser(ctx context.Context, id account.ID, epoch int64) (ok bool, err error) {
	rows, err := s.exec(ctx, `DELETE FROM users WHERE id = ? AND epoch = ? AND status = 'ACTIVE'`, id, epoch)
	if err != nil || rows == 0 {
		return false, err
	}
	err = s.deleteUnsentMails(ctx, id)
	return err == nil, err
}

func (s *Store) execUser(ctx context.Context, query string, args ...any) error {
	rows, err := s.exec(ctx, query, args...)
	if err == nil && rows == 0 {
		return &account.Error{Code: account.NotFound, Message: "There is no such user."}
	}
	return err
}
