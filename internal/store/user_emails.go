package store

import (
	"context"
	"time"

	"latchkey/internal/account"
)

// UsersByAddress returns at most limit users of a canonical email address: first the one who has it, then those whose
// PENDING accounts wait for its confirmation, newest first.
func (q *Queries) UsersByAddress(ctx context.Context, emailKey string, limit int) ([]*account.User, error) {
	var rows []userRow
	err := q.scanAll(ctx, &rows, `SELECT `+userColumns+` FROM `+userTables+`
		WHERE u.email_key = ? OR (u.pending_email_key = ? AND u.status = 'PENDING')
		ORDER BY CASE WHEN u.status = 'PENDING' THEN 1 ELSE 0 END, u.created_at DESC, u.id DESC LIMIT ?`,
		emailKey, emailKey, limit)
	return usersOf(rows), err
}

// pendingForEmail selects users with a pending email address, as many as one transaction can delete. The purge deletes
// the rest, which cannot get an address that another user has confirmed.
const pendingForEmail = `id IN (SELECT id FROM users WHERE pending_email_key = ? ORDER BY id LIMIT 1000)`

// LockEmail makes other transactions that confirm or claim an email address wait until this one ends. It must be the
// first call: it locks the rows of the users who have the address or wait for it, which are all that
// ReleaseUnverifiedEmail and the rest write.
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

// ReleaseUnverifiedEmail removes an email address that user has confirmed from all other users who have not: it deletes
// PENDING accounts, clears unverified addresses and cancels changes to the address. It comes before user gets the
// address.
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

// Activate activates a PENDING account that has confirmed its email address; ok is false if the account does not wait
// for that address.
//
// Errors: TAKEN if another account has confirmed the address.
func (tx *Tx) Activate(ctx context.Context, user account.ID, emailKey string) (ok bool, err error) {
	rows, err := tx.exec(ctx, `UPDATE users SET status = 'ACTIVE', email_key = pending_email_key, email_verified = ?,
		pending_email_key = NULL WHERE id = ? AND status = 'PENDING' AND pending_email_key = ?`, true, user, emailKey)
	return rows == 1, err
}

// ResetPassword replaces the password hash of a user who has confirmed the email address, ends every session, activates
// a PENDING account and cancels a pending change of the address. ok is false if the account neither has nor waits for
// that address, or is disabled.
//
// Errors: TAKEN if another account has confirmed the address.
func (tx *Tx) ResetPassword(ctx context.Context, user account.ID, emailKey, hash string) (ok bool, err error) {
	rows, err := tx.exec(ctx, `UPDATE users SET password_hash = ?, epoch = epoch + 1, status = 'ACTIVE', email_key = ?,
		email_verified = ?, pending_email = NULL, pending_email_key = NULL
		WHERE id = ? AND (email_key = ? AND status = 'ACTIVE' OR pending_email_key = ? AND status = 'PENDING')`,
		hash, emailKey, true, user, emailKey, emailKey)
	return rows == 1, err
}

// SetPendingEmail stores the email address that an active user whose epoch is the given one wants to have; ok is false
// if the user has changed meanwhile.
func (q *Queries) SetPendingEmail(
	ctx context.Context, user account.ID, epoch int64, email string,
) (ok bool, err error) {
	rows, err := q.exec(ctx, `UPDATE users SET pending_email = ?, pending_email_key = ?
		WHERE id = ? AND epoch = ? AND status = 'ACTIVE'`, email, account.EmailKey(email), user, epoch)
	return rows == 1, err
}

// ConfirmEmail gives a user their pending email address, as verified, and ends every session; ok is false if the user
// does not wait for that address.
//
// Errors: TAKEN if another account has confirmed the address.
func (tx *Tx) ConfirmEmail(ctx context.Context, user account.ID, emailKey string) (ok bool, err error) {
	rows, err := tx.exec(ctx, `UPDATE users SET email = pending_email, email_key = pending_email_key, email_verified = ?,
		pending_email = NULL, pending_email_key = NULL, epoch = epoch + 1
		WHERE id = ? AND status = 'ACTIVE' AND pending_email_key = ?`, true, user, emailKey)
	return rows == 1, err
}

// RestoreEmail gives a user back an earlier email address that they have confirmed, cancels a pending change and ends
// every session; ok is false if the account is not active. If the user still has the address, it stays verified or
// unverified as it was.
//
// Errors: TAKEN if another account has confirmed the address.
func (tx *Tx) RestoreEmail(ctx context.Context, user account.ID, email string) (ok bool, err error) {
	key := account.EmailKey(email)
	rows, err := tx.exec(ctx, `UPDATE users SET email = ?, email_key = ?,
		email_verified = CASE WHEN email_key = ? THEN email_verified ELSE ? END,
		pending_email = NULL, pending_email_key = NULL, epoch = epoch + 1 WHERE id = ? AND status = 'ACTIVE'`,
		email, key, key, true, user)
	return rows == 1, err
}

// DeletePendingUsers deletes at most limit PENDING accounts created before a time, and returns their number.
func (q *Queries) DeletePendingUsers(ctx context.Context, before time.Time, limit int) (removed int64, err error) {
	return q.exec(ctx, `DELETE FROM users WHERE status = 'PENDING' AND created_at < ? AND id IN
		(SELECT id FROM users WHERE pending_email_key IS NOT NULL AND status = 'PENDING' AND created_at < ? LIMIT ?)`,
		micros(before), micros(before), limit)
}
