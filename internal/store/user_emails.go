package store

import (
	"context"
	"time"

	"latchkey/internal/account"
)

// UsersByAddress returns at most limit users of an address in canonical form: first the one who has it, then those
// whose accounts wait for its confirmation, newest first.
func (q *Queries) UsersByAddress(ctx context.Context, emailKey string, limit int) ([]*account.User, error) {
	var rows []userRow
	err := q.scanAll(ctx, &rows, `SELECT `+userColumns+` FROM `+userTables+`
		WHERE u.email_key = ? OR (u.pending_email_key = ? AND u.status = 'PENDING')
		ORDER BY CASE WHEN u.status = 'PENDING' THEN 1 ELSE 0 END, u.created_at DESC, u.id DESC LIMIT ?`,
		emailKey, emailKey, limit)
	return usersOf(rows), err
}

// pendingForEmail selects the accounts that wait for an address, as many as one transaction can end. Others are left to the
// sweep: they cannot get an address that somebody has proven.
const pendingForEmail = `id IN (SELECT id FROM users WHERE pending_email_key = ? ORDER BY id LIMIT 1000)`

// LockEmail makes others that prove or claim an address wait until the transaction ends. Call it first: who holds the
// rows of those who have the address or wait for it holds all that Yield and the rest will touch.
func (tx *Tx) LockEmail(ctx context.Context, emailKey string) error {
	for _, statement := range []string{
		`UPDATE users SET epoch = epoch WHERE ` + pendingForEmail,
		`UPDATE users SET epoch = epoch WHERE email_key = ?`,
	} {
		if _, err := tx.exec(ctx, statement, emailKey); err != nil {
			return err
		}
	}
	return nil
}

// ReleaseUnverifiedEmail takes an address that user has proven to have from everybody who has not: accounts that wait for its
// confirmation end, unconfirmed ones lose it, and changes to it are dropped. Call it in a transaction, before user gets
// the address.
func (tx *Tx) ReleaseUnverifiedEmail(ctx context.Context, emailKey string, user account.ID) error {
	for _, statement := range []string{
		`UPDATE users SET email = NULL, email_key = NULL WHERE email_key = ? AND id <> ? AND NOT email_verified`,
		`DELETE FROM users WHERE ` + pendingForEmail + ` AND id <> ? AND status = 'PENDING'`,
		`UPDATE users SET pending_email = NULL, pending_email_key = NULL
			WHERE pending_email_key = ? AND id <> ? AND status <> 'PENDING'`,
		`DELETE FROM one_time_tokens WHERE address_key = ? AND user_id <> ?`,
	} {
		if _, err := tx.exec(ctx, statement, emailKey, user); err != nil {
			return err
		}
	}
	return nil
}

// Activate puts an account into use whose address is proven; ok is false when it does not wait for that address. It
// fails with TAKEN when another account has confirmed the address.
func (tx *Tx) Activate(ctx context.Context, user account.ID, emailKey string) (ok bool, err error) {
	rows, err := tx.exec(ctx, `UPDATE users SET status = 'ACTIVE', email_key = pending_email_key, email_verified = ?,
		pending_email_key = NULL WHERE id = ? AND status = 'PENDING' AND pending_email_key = ?`, true, user, emailKey)
	return rows == 1, err
}

// ResetPassword replaces the hash of a user whose address is proven, and with it all that was set before: every session
// ends, an account that waited for the address is put into use, and a change of address is dropped. ok is false when
// the account does not have or wait for that address, or is disabled. It fails with TAKEN when another account has
// confirmed the address.
func (tx *Tx) ResetPassword(ctx context.Context, user account.ID, emailKey, hash string) (ok bool, err error) {
	rows, err := tx.exec(ctx, `UPDATE users SET password_hash = ?, epoch = epoch + 1, status = 'ACTIVE', email_key = ?,
		email_verified = ?, pending_email = NULL, pending_email_key = NULL
		WHERE id = ? AND (email_key = ? AND status = 'ACTIVE' OR pending_email_key = ? AND status = 'PENDING')`,
		hash, emailKey, true, user, emailKey, emailKey)
	return rows == 1, err
}

// SetPendingEmail notes the address that an active user whose epoch is still the given one wants to have; ok is false
// when the user has changed meanwhile.
func (q *Queries) SetPendingEmail(ctx context.Context, user account.ID, epoch int64, email string) (ok bool, err error) {
	rows, err := q.exec(ctx, `UPDATE users SET pending_email = ?, pending_email_key = ?
		WHERE id = ? AND epoch = ? AND status = 'ACTIVE'`, email, account.EmailKey(email), user, epoch)
	return rows == 1, err
}

// ConfirmEmail gives a user the address they wait for, as proven, and ends every session; ok is false when they do not
// wait for that address. It fails with TAKEN when another account has confirmed it.
func (tx *Tx) ConfirmEmail(ctx context.Context, user account.ID, emailKey string) (ok bool, err error) {
	rows, err := tx.exec(ctx, `UPDATE users SET email = pending_email, email_key = pending_email_key, email_verified = ?,
		pending_email = NULL, pending_email_key = NULL, epoch = epoch + 1
		WHERE id = ? AND status = 'ACTIVE' AND pending_email_key = ?`, true, user, emailKey)
	return rows == 1, err
}

// RestoreEmail gives a user back an address that they have proven to have, drops a change that is under way and ends
// every session; ok is false when the account is not active. Where they have the address still, it stays as confirmed
// as it was. It fails with TAKEN when another account has confirmed it.
func (tx *Tx) RestoreEmail(ctx context.Context, user account.ID, email string) (ok bool, err error) {
	key := account.EmailKey(email)
	rows, err := tx.exec(ctx, `UPDATE users SET email = ?, email_key = ?,
		email_verified = CASE WHEN email_key = ? THEN email_verified ELSE ? END,
		pending_email = NULL, pending_email_key = NULL, epoch = epoch + 1 WHERE id = ? AND status = 'ACTIVE'`,
		email, key, key, true, user)
	return rows == 1, err
}

// DeletePendingUsers removes at most limit of the accounts that have waited for their confirmation since before a time, and
// returns how many it removed.
func (q *Queries) DeletePendingUsers(ctx context.Context, before time.Time, limit int) (removed int64, err error) {
	return q.exec(ctx, `DELETE FROM users WHERE status = 'PENDING' AND created_at < ? AND id IN
		(SELECT id FROM users WHERE pending_email_key IS NOT NULL AND status = 'PENDING' AND created_at < ? LIMIT ?)`,
		micros(before), micros(before), limit)
}
