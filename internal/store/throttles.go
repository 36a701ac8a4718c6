package store

import (
	"context"
	"time"

	"latchkey/internal/account"
)

// NetworkPrefix is the prefix of subjects that are counted for a network in a window of at most a day.
const NetworkPrefix = "network/"

// Counter counts a subject from a source: consecutive failures, or events in a window.
type Counter struct {
	Count int
	Since time.Time // when the window started
	Until time.Time // attempts are blocked until then
}

type counterRow struct {
	Count int   `db:"count"`
	Since int64 `db:"since"`
	Until int64 `db:"until"`
}

// Counter returns a counter, or the zero Counter.
func (q *Queries) Counter(ctx context.Context, subject, source string) (c Counter, err error) {
	var row counterRow
	err = q.get(ctx, &row, `SELECT count, since, until FROM throttles WHERE subject = ? AND source = ?`, subject, source)
	if account.IsCode(err, account.NotFound) {
		return c, nil
	}
	return Counter{Count: row.Count, Since: fromMicros(row.Since), Until: fromMicros(row.Until)}, err
}

// IncrementFailures counts one more consecutive failure and returns their number, for BlockUntil in the same
// transaction. counted is false, and nothing changes, while attempts are blocked.
func (tx *Tx) IncrementFailures(
	ctx context.Context, subject, source string, now time.Time,
) (failures int, counted bool, err error) {
	counted, err = tx.execReturning(ctx, &failures, `INSERT INTO throttles (subject, source, count, since, until,
		counted_at) VALUES (?, ?, 1, ?, 0, ?) ON CONFLICT (subject, source) DO UPDATE SET count = throttles.count + 1,
		counted_at = excluded.counted_at WHERE throttles.until <= excluded.counted_at RETURNING count`,
		subject, source, micros(now), micros(now))
	return failures, counted, err
}

// BlockUntil blocks attempts until a time.
func (tx *Tx) BlockUntil(ctx context.Context, subject, source string, until time.Time) error {
	_, err := tx.exec(ctx, `UPDATE throttles SET until = ? WHERE subject = ? AND source = ?`,
		micros(until), subject, source)
	return err
}

// IncrementEvents counts an event in the window that starts with the first one; counted is false, and nothing changes,
// if the window has the allowed number already.
func (q *Queries) IncrementEvents(
	ctx context.Context, subject, source string, allowed int, window time.Duration, now time.Time,
) (counted bool, err error) {
	at, over := micros(now), micros(now.Add(-window))
	rows, err := q.exec(ctx, `INSERT INTO throttles (subject, source, count, since, until, counted_at)
		VALUES (?, ?, 1, ?, 0, ?) ON CONFLICT (subject, source) DO UPDATE SET
		count = CASE WHEN throttles.since <= ? THEN 1 ELSE throttles.count + 1 END,
		since = CASE WHEN throttles.since <= ? THEN excluded.since ELSE throttles.since END,
		counted_at = excluded.counted_at WHERE throttles.since <= ? OR throttles.count < ?`,
		subject, source, at, at, over, over, over, allowed)
	return rows == 1, err
}

// ResetFailures sets the failures of a subject from a source to zero, unless attempts are blocked.
func (q *Queries) ResetFailures(ctx context.Context, subject, source string, now time.Time) error {
	_, err := q.exec(ctx, `DELETE FROM throttles WHERE subject = ? AND source = ? AND until <= ?`,
		subject, source, micros(now))
	return err
}

// ResetAllFailures sets the failures of a subject from all sources to zero.
func (q *Queries) ResetAllFailures(ctx context.Context, subject string) error {
	_, err := q.exec(ctx, `DELETE FROM throttles WHERE subject = ?`, subject)
	return err
}

// KnowsNetwork reports whether a user has signed in from a network since a time.
func (q *Queries) KnowsNetwork(
	ctx context.Context, user account.ID, network string, since time.Time,
) (known bool, err error) {
	err = q.get(ctx, &known, `SELECT EXISTS (SELECT 1 FROM devices WHERE user_id = ? AND network = ? AND seen_at >= ?)`,
		user, network, micros(since))
	return known, err
}

// DeleteOldWindows deletes at most limit counters of networks whose window started before a time, and returns their
// number.
func (q *Queries) DeleteOldWindows(ctx context.Context, before time.Time, limit int) (removed int64, err error) {
	at := micros(before)
	return q.exec(ctx, `DELETE FROM throttles WHERE since < ? AND (subject, source) IN (SELECT subject, source
		FROM throttles WHERE subject >= ? AND subject < ? AND since < ? LIMIT ?)`,
		at, NetworkPrefix, NetworkPrefix+"~", at, limit)
}

// DeleteOldThrottles deletes at most limit counters that have counted nothing since a time and block nothing, and
// returns their number.
func (q *Queries) DeleteOldThrottles(ctx context.Context, before time.Time, limit int) (removed int64, err error) {
	at := micros(before)
	return q.exec(ctx, `DELETE FROM throttles WHERE counted_at < ? AND until < ? AND (subject, source) IN
		(SELECT subject, source FROM throttles WHERE counted_at < ? AND until < ? LIMIT ?)`, at, at, at, at, limit)
}
