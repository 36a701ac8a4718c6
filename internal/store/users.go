package store

import (
	"context"
	"database/sql"
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

// CredentialsByName returns the credentials of the user with a canonical username or, if emailKey is not empty, a
// canonical email address.
//
// Errors: NOT_FOUND.
func (q *Queries) CredentialsByName(ctx context.Context, usernameKey, emailKey string) (c Credentials, err error) {
	if emailKey != "" {
		err = q.get(ctx, &c, credentialsQuery+`email_key = ?`, emailKey)
		return c, err
	}
	err = q.get(ctx, &c, credentialsQuery+`username_key = ?`, usernameKey)
	return c, err
}

// PendingCredentials returns the credentials of the newest PENDING account with a canonical email address.
//
// Errors: NOT_FOUND.
func (q *Queries) PendingCredentials(ctx context.Context, emailKey string) (c Credentials, err error) {
	err = q.get(ctx, &c, credentialsQuery+`pending_email_key = ? AND status = 'PENDING'
		ORDER BY created_at DESC, id DESC LIMIT 1`, emailKey)
	return c, err
}

// CredentialsByID returns the credentials of a user.
//
// Errors: NOT_FOUND.
func (q *Queries) CredentialsByID(ctx context.Context, id account.ID) (c Credentials, err error) {
	err = q.get(ctx, &c, credentialsQuery+`id = ?`, id)
	return c, err
}

const userColumns = `u.id AS user_id, u.username AS user_username, u.email, u.pending_email, u.email_verified, u.name,
	u.role, u.status, u.created_at AS user_created_at, u.last_login_at, p.id AS profile_id, p.username AS profile_username,
	p.description, p.location, p.is_organizer, p.date_joined, p.updated_on`

const userTables = `users u LEFT JOIN profiles p ON p.user_id = u.id`

type userRow struct {
	UserID          account.ID       `db:"user_id"`
	Username        string           `db:"user_username"`
	Email           sql.Null[string] `db:"email"`
	PendingEmail    sql.Null[string] `db:"pending_email"`
	EmailVerified   bool             `db:"email_verified"`
	Name            string           `db:"name"`
	Role            account.Role     `db:"role"`
	Status          account.Status   `db:"status"`
	CreatedAt       int64            `db:"user_created_at"`
	LastLoginAt     sql.Null[int64]  `db:"last_login_at"`
	ProfileID       sql.Null[string] `db:"profile_id"`
	ProfileUsername sql.Null[string] `db:"profile_username"`
	Description     sql.Null[string] `db:"description"`
	Location        sql.Null[string] `db:"location"`
	IsOrganizer     sql.Null[bool]   `db:"is_organizer"`
	DateJoined      sql.Null[int64]  `db:"date_joined"`
	UpdatedOn       sql.Null[int64]  `db:"updated_on"`
}

func (r *userRow) scanDest() []any {
	return []any{(*string)(&r.UserID), &r.Username, &r.Email, &r.PendingEmail, &r.EmailVerified, &r.Name,
		(*string)(&r.Role), (*string)(&r.Status), &r.CreatedAt, &r.LastLoginAt, &r.ProfileID, &r.ProfileUsername,
		&r.Description, &r.Location, &r.IsOrganizer, &r.DateJoined, &r.UpdatedOn}
}

func (r *userRow) user() *account.User {
	user := &account.User{
		ID:            r.UserID,
		Username:      r.Username,
		Email:         fromNull(r.Email),
		PendingEmail:  fromNull(r.PendingEmail),
		EmailVerified: r.EmailVerified,
		Name:          r.Name,
		Role:          r.Role,
		Status:        r.Status,
		CreatedAt:     fromMicros(r.CreatedAt),
		LastLoginAt:   fromNullMicros(r.LastLoginAt),
	}
	if r.ProfileID.Valid {
		user.Profile = &account.Profile{
			ID:          account.ID(r.ProfileID.V),
			UserID:      r.UserID,
			Username:    r.ProfileUsername.V,
			Description: r.Description.V,
			Location:    r.Location.V,
			IsOrganizer: r.IsOrganizer.V,
			DateJoined:  fromMicros(r.DateJoined.V),
			UpdatedOn:   fromMicros(r.UpdatedOn.V),
		}
	}
	return user
}

func usersOf(rows []userRow) []*account.User {
	users := make([]*account.User, len(rows))
	for i := range rows {
		users[i] = rows[i].user()
	}
	return users
}

// User returns a user with their profile.
//
// Errors: NOT_FOUND.
func (q *Queries) User(ctx context.Context, id account.ID) (*account.User, error) {
	var row userRow
	err := q.get(ctx, &row, `SELECT `+userColumns+` FROM `+userTables+` WHERE u.id = ?`, id)
	if err != nil {
		return nil, err
	}
	return row.user(), nil
}

// Users returns at most limit users whose IDs come after one, in the order of their IDs, which is that of their
// creation.
func (q *Queries) Users(ctx context.Context, after account.ID, limit int) ([]*account.User, error) {
	var rows []userRow
	err := q.scanAll(ctx, &rows, `SELECT `+userColumns+` FROM `+userTables+`
		WHERE u.id > ? ORDER BY u.id LIMIT ?`, after, limit)
	return usersOf(rows), err
}

// NamesTaken reports which of a canonical username and a canonical email address a user has already. An empty one
// counts as free.
func (q *Queries) NamesTaken(ctx context.Context, usernameKey, emailKey string) (username, email bool, err error) {
	var row struct {
		Username bool `db:"username"`
		Email    bool `db:"email"`
	}
	err = q.get(ctx, &row, `SELECT EXISTS (SELECT 1 FROM users WHERE username_key = ?) AS username,
		EXISTS (SELECT 1 FROM users WHERE email_key = ?) AS email`, usernameKey, emailKey)
	return row.Username, row.Email, err
}

// InsertUser adds a user without a profile. A PENDING user does not have the email address yet, and shares it with
// other pending users; their profile is stored as a draft for PublishProfile.
//
// Errors: TAKEN at username or email.
func (q *Queries) InsertUser(ctx context.Context, u *account.User, passwordHash string) error {
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
	_, err := q.exec(ctx, `INSERT INTO users (id, username, username_key, email, email_key, pending_email_key,
		profile_draft, email_verified, name, role, status, password_hash, epoch, created_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?)`,
		u.ID, u.Username, account.UsernameKey(u.Username), u.Email, emailKey, pendingKey, draft, u.EmailVerified, u.Name,
		u.Role, u.Status, passwordHash, micros(u.CreatedAt))
	return err
}

// PublishProfile inserts the profile that a user has as a draft, if any.
func (tx *Tx) PublishProfile(ctx context.Context, user account.ID) error {
	var draft *string
	if err := tx.get(ctx, &draft, `SELECT profile_draft FROM users WHERE id = ?`, user); err != nil || draft == nil {
		return err
	}
	var profile account.Profile
	if err := json.Unmarshal([]byte(*draft), &profile); err != nil {
		return err
	}
	if err := tx.execUser(ctx, `UPDATE users SET profile_draft = NULL WHERE id = ?`, user); err != nil {
		return err
	}
	return tx.InsertProfile(ctx, &profile)
}

// SetName sets a user's display name.
//
// Errors: NOT_FOUND.
func (q *Queries) SetName(ctx context.Context, id account.ID, name string) error {
	return q.execUser(ctx, `UPDATE users SET name = ? WHERE id = ?`, name, id)
}

// SetUsername renames an active user whose epoch is the given one, and their profile. ok is false if the user has
// changed meanwhile.
//
// Errors: TAKEN at username.
func (tx *Tx) SetUsername(ctx context.Context, id account.ID, epoch int64, username string) (ok bool, err error) {
	key := account.UsernameKey(username)
	rows, err := tx.exec(ctx, `UPDATE users SET username = ?, username_key = ?
		WHERE id = ? AND epoch = ? AND status = 'ACTIVE'`, username, key, id, epoch)
	if err != nil || rows == 0 {
		return false, err
	}
	_, err = tx.exec(ctx, `UPDATE profiles SET username = ?, username_key = ? WHERE user_id = ?`, username, key, id)
	return err == nil, err
}

// SetPassword replaces the password hash of an active user whose epoch is the given one, cancels a pending change of
// the email address, and increments the epoch, which ends every session. It returns the new epoch; ok is false if the
// user has changed meanwhile.
func (q *Queries) SetPassword(
	ctx context.Context, id account.ID, epoch int64, hash string,
) (next int64, ok bool, err error) {
	ok, err = q.execReturning(ctx, &next, `UPDATE users SET password_hash = ?, pending_email = NULL,
		pending_email_key = NULL, epoch = epoch + 1 WHERE id = ? AND epoch = ? AND status = 'ACTIVE' RETURNING epoch`,
		hash, id, epoch)
	return next, ok, err
}

// Rehash replaces a hash by another one of the same password, unless the password has changed meanwhile.
func (q *Queries) Rehash(ctx context.Context, id account.ID, old, hash string) error {
	_, err := q.exec(ctx, `UPDATE users SET password_hash = ? WHERE id = ? AND password_hash = ?`, hash, id, old)
	return err
}

// SetLastLogin stores when an active user whose epoch is the given one signed in; ok is false if the user has changed
// meanwhile. Other sign-ins of the user wait until the transaction ends.
func (tx *Tx) SetLastLogin(ctx context.Context, id account.ID, epoch int64, now time.Time) (ok bool, err error) {
	rows, err := tx.exec(ctx, `UPDATE users SET last_login_at = ? WHERE id = ? AND epoch = ? AND status = 'ACTIVE'`,
		micros(now), id, epoch)
	return rows == 1, err
}

// DeleteUser deletes an active user whose epoch is the given one, with all their rows and the emails that are not sent
// yet. ok is false if the user has changed meanwhile.
func (tx *Tx) DeleteUser(ctx context.Context, id account.ID, epoch int64) (ok bool, err error) {
	rows, err := tx.exec(ctx, `DELETE FROM users WHERE id = ? AND epoch = ? AND status = 'ACTIVE'`, id, epoch)
	if err != nil || rows == 0 {
		return false, err
	}
	err = tx.deleteUnsentMails(ctx, id)
	return err == nil, err
}

// LockAdmins makes other transactions that call it wait until this one ends, so that each sees the administrators that
// the one before left. It must be the first call.
func (tx *Tx) LockAdmins(ctx context.Context, now time.Time) error {
	return tx.lock(ctx, "admins_held_at", now)
}

// OtherAdmin reports whether there is an active administrator besides a user. Only after LockAdmins does the result
// hold until the transaction ends.
func (tx *Tx) OtherAdmin(ctx context.Context, user account.ID) (exists bool, err error) {
	err = tx.aggregate(ctx, &exists, `SELECT EXISTS
		(SELECT 1 FROM users WHERE role = 'ADMIN' AND status = 'ACTIVE' AND id <> ?)`, user)
	return exists, err
}

// Disable disables a user: it increments the epoch, which ends every session, cancels a pending change of the email
// address and deletes emails that are not sent yet.
//
// Errors: NOT_FOUND, also for a PENDING user.
func (tx *Tx) Disable(ctx context.Context, user account.ID) error {
	if err := tx.execUser(ctx, `UPDATE users SET status = 'DISABLED', pending_email = NULL, pending_email_key = NULL,
		epoch = epoch + 1 WHERE id = ? AND status <> 'PENDING'`, user); err != nil {
		return err
	}
	return tx.deleteUnsentMails(ctx, user)
}

// Enable activates a disabled user.
//
// Errors: NOT_FOUND, also for a user who is not disabled.
func (q *Queries) Enable(ctx context.Context, user account.ID) error {
	return q.execUser(ctx, `UPDATE users SET status = 'ACTIVE' WHERE id = ? AND status = 'DISABLED'`, user)
}

// SetRole sets a user's role and increments the epoch, which ends every session.
//
// Errors: NOT_FOUND.
func (q *Queries) SetRole(ctx context.Context, user account.ID, role account.Role) error {
	return q.execUser(ctx, `UPDATE users SET role = ?, epoch = epoch + 1 WHERE id = ?`, role, user)
}

// RemoveUser is DeleteUser for any status and epoch.
//
// Errors: NOT_FOUND.
func (tx *Tx) RemoveUser(ctx context.Context, user account.ID) error {
	if err := tx.execUser(ctx, `DELETE FROM users WHERE id = ?`, user); err != nil {
		return err
	}
	return tx.deleteUnsentMails(ctx, user)
}

// execUser is exec for a statement that changes one user.
//
// Errors: NOT_FOUND if it changes no row.
func (q *Queries) execUser(ctx context.Context, query string, args ...any) error {
	rows, err := q.exec(ctx, query, args...)
	if err == nil && rows == 0 {
		return account.NoSuchUser()
	}
	return err
}
