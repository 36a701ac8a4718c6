package store

import (
	"context"
	"time"

	"latchkey/internal/account"
)

// OneTime is what a one-time token is for: a user, a purpose, and the email address it was sent to.
type OneTime struct {
	UserID     account.ID           `db:"user_id"`
	Purpose    account.MailTemplate `db:"purpose"` // the template of the email with the token
	Address    string               `db:"address"`
	AddressKey string               `db:"address_key"`
	CreatedAt  int64                `db:"created_at"`
	ExpiresAt  int64                `db:"expires_at"`
}

// Expired reports whether the token has expired at now.
func (t OneTime) Expired(now time.Time) bool { return t.ExpiresAt <= micros(now) }

const oneTimeColumns = `user_id, purpose, address, address_key, created_at, expires_at`

// UpsertToken stores the hash of a one-time token, in place of an older one of the user for the same purpose and
// address. If that one has not expired, the new one keeps its creation time: what was created in between is later.
func (q *Queries) UpsertToken(
	ctx context.Context, user account.ID, purpose account.MailTemplate, address string, hash []byte,
	now, expires time.Time,
) error {
	_, err := q.exec(ctx, `INSERT INTO one_time_tokens (user_id, purpose, address, address_key, hash, created_at,
		expires_at) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (user_id, purpose, address_key) DO UPDATE SET
		hash = excluded.hash, address = excluded.address, expires_at = excluded.expires_at, created_at = CASE
		WHEN one_time_tokens.expires_at > excluded.created_at THEN one_time_tokens.created_at ELSE excluded.created_at END`,
		user, purpose, address, account.EmailKey(address), hash, micros(now), micros(expires))
	return err
}

// OneTime returns what a token is for, expired or not.
//
// Errors: NOT_FOUND if no token has the hash and the purpose.
func (q *Queries) OneTime(ctx context.Context, hash []byte, purpose account.MailTemplate) (t OneTime, err error) {
	err = q.get(ctx, &t, `SELECT `+oneTimeColumns+` FROM one_time_tokens WHERE hash = ? AND purpose = ?`, hash, purpose)
	return t, err
}

// Redeem deletes a token and returns what it was for; ok is false if no token has the hash and the purpose, or it has
// expired. Of several concurrent calls one succeeds.
func (q *Queries) Redeem(
	ctx context.Context, hash []byte, purpose account.MailTemplate, now time.Time,
) (t OneTime, ok bool, err error) {
	ok, err = q.execReturning(ctx, &t, `DELETE FROM one_time_tokens WHERE hash = ? AND purpose = ? AND expires_at > ?
		RETURNING `+oneTimeColumns, hash, purpose, micros(now))
	return t, ok, err
}

// DeleteUserTokens deletes a user's one-time tokens except those that revert a change of the email address, which must
// outlive whatever a thief does next.
func (q *Queries) DeleteUserTokens(ctx context.Context, user account.ID) error {
	_, err := q.exec(ctx, `DELETE FROM one_time_tokens WHERE user_id = ? AND purpose <> ?`,
		user, account.EmailChangeNotice)
	return err
}

// DeleteUserTokensSince deletes those of a user's one-time tokens that were created with t or later.
func (q *Queries) DeleteUserTokensSince(ctx context.Context, t OneTime) error {
	_, err := q.exec(ctx, `DELETE FROM one_time_tokens WHERE user_id = ? AND created_at >= ?`, t.UserID, t.CreatedAt)
	return err
}

// ExtendToken sets the expiry of a user's token for a purpose and an address, unless it has expired at now.
func (q *Queries) ExtendToken(
	ctx context.Context, user account.ID, purpose account.MailTemplate, address string, now, expires time.Time,
) error {
	_, err := q.exec(ctx, `UPDATE one_time_tokens SET expires_at = ?
		WHERE user_id = ? AND purpose = ? AND address_key = ? AND expires_at > ?`,
		micros(expires), user, purpose, account.EmailKey(address), micros(now))
	return err
}

// DeleteToken deletes a user's token for a purpose and an address.
func (q *Queries) DeleteToken(
	ctx context.Context, user account.ID, purpose account.MailTemplate, address string,
) error {
	_, err := q.exec(ctx, `DELETE FROM one_time_tokens WHERE user_id = ? AND purpose = ? AND address_key = ?`,
		user, purpose, account.EmailKey(address))
	return err
}

// DeleteExpiredTokens deletes at most limit tokens that expired before a time, and returns their number.
func (q *Queries) DeleteExpiredTokens(ctx context.Context, before time.Time, limit int) (removed int64, err error) {
	return q.exec(ctx, `DELETE FROM one_time_tokens WHERE hash IN
		(SELECT hash FROM one_time_tokens WHERE expires_at < ? LIMIT ?)`, micros(before), limit)
}
