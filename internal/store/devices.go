package store

import (
	"context"
	"time"

	"latchkey/internal/account"
)

// RecordDevice stores that a user signed in with a user agent from a network. unseen reports whether the pair is new,
// and first whether it is the user's first.
func (tx *Tx) RecordDevice(
	ctx context.Context, user account.ID, agent, network string, now time.Time,
) (unseen, first bool, err error) {
	seen, err := tx.exec(ctx, `UPDATE devices SET seen_at = ? WHERE user_id = ? AND network = ? AND agent = ?`,
		micros(now), user, network, agent)
	if err != nil || seen > 0 {
		return false, false, err
	}
	var others bool
	if err := tx.get(ctx, &others, `SELECT EXISTS (SELECT 1 FROM devices WHERE user_id = ?)`, user); err != nil {
		return false, false, err
	}
	_, err = tx.exec(ctx, `INSERT INTO devices (user_id, agent, network, seen_at) VALUES (?, ?, ?, ?)
		ON CONFLICT (user_id, network, agent) DO NOTHING`, user, agent, network, micros(now))
	return true, !others, err
}

// DeleteOldDevices deletes at most limit devices not seen since a time, and returns their number.
func (q *Queries) DeleteOldDevices(ctx context.Context, since time.Time, limit int) (removed int64, err error) {
	at := micros(since)
	return q.exec(ctx, `DELETE FROM devices WHERE seen_at < ? AND (user_id, network, agent) IN
		(SELECT user_id, network, agent FROM devices WHERE seen_at < ? LIMIT ?)`, at, at, limit)
}
