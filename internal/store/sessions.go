package store

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"latchkey/internal/account"
)

// SessionState is a session with what its refresh tokens are computed from, and its user as of now.
type SessionState struct {
	account.Liveness
	User           *account.User
	Salt           []byte
	KeyID          byte // of the secret that the generation was computed with
	ParentKeyID    byte // of the secret of the generation before
	Generation     uint64
	GenerationAt   time.Time
	Refreshes      int64 // in the minute that started at RefreshesSince
	RefreshesSince time.Time
}

// live is the condition for live sessions in a query on sessions; its arguments are now and idleSince.
const live = `revoked_at IS NULL AND expires_at > ? AND last_used_at > ? AND created_at >= ` + minAuthTime + `
	AND user_epoch = (SELECT epoch FROM users WHERE id = sessions.user_id AND status = 'ACTIVE')`

const sessionColumns = `s.id, s.user_epoch, s.created_at, s.last_used_at, s.expires_at, s.revoked_at, s.device_name,
	s.user_agent, s.ip_last`

type sessionRow struct {
	ID         account.ID      `db:"id"`
	UserEpoch  int64           `db:"user_epoch"`
	CreatedAt  int64           `db:"created_at"`
	LastUsedAt int64           `db:"last_used_at"`
	ExpiresAt  int64           `db:"expires_at"`
	RevokedAt  sql.Null[int64] `db:"revoked_at"`
	DeviceName string          `db:"device_name"`
	UserAgent  string          `db:"user_agent"`
	IPLast     string          `db:"ip_last"`
}

func (r *sessionRow) scanDest() []any {
	return []any{(*string)(&r.ID), &r.UserEpoch, &r.CreatedAt, &r.LastUsedAt, &r.ExpiresAt, &r.RevokedAt, &r.DeviceName,
		&r.UserAgent, &r.IPLast}
}

func (r *sessionRow) session(user account.ID) account.Session {
	return account.Session{
		ID:         r.ID,
		UserID:     user,
		UserEpoch:  r.UserEpoch,
		DeviceName: r.DeviceName,
		UserAgent:  r.UserAgent,
		IPAddress:  r.IPLast,
		CreatedAt:  fromMicros(r.CreatedAt),
		LastUsedAt: fromMicros(r.LastUsedAt),
		ExpiresAt:  fromMicros(r.ExpiresAt),
		RevokedAt:  fromNullMicros(r.RevokedAt),
	}
}

const sessionStateQuery = `SELECT ` + sessionColumns + `, s.salt, s.key_id, s.parent_key_id, s.generation,
	s.generation_at, s.refreshes, s.refreshes_since, u.epoch, ` + minAuthTime + ` AS min_auth_time, ` + userColumns + `
	FROM sessions s JOIN users u ON u.id = s.user_id LEFT JOIN profiles p ON p.user_id = u.id WHERE s.id = ?`

type sessionStateRow struct {
	sessionRow
	Salt           []byte `db:"salt"`
	KeyID          byte   `db:"key_id"`
	ParentKeyID    byte   `db:"parent_key_id"`
	Generation     uint64 `db:"generation"`
	GenerationAt   int64  `db:"generation_at"`
	Refreshes      int64  `db:"refreshes"`
	RefreshesSince int64  `db:"refreshes_since"`
	Epoch          int64  `db:"epoch"`
	MinAuthTime    int64  `db:"min_auth_time"`
	userRow
}

func (r *sessionStateRow) scanDest() []any {
	return slices.Concat(r.sessionRow.scanDest(), []any{&r.Salt, &r.KeyID, &r.ParentKeyID, &r.Generation, &r.GenerationAt,
		&r.Refreshes, &r.RefreshesSince, &r.Epoch, &r.MinAuthTime}, r.userRow.scanDest())
}

// SessionState returns a session, live or not, with its user and their profile, in one statement.
//
// Errors: NOT_FOUND.
func (q *Queries) SessionState(ctx context.Context, id account.ID) (*SessionState, error) {
	var row sessionStateRow
	if err := q.get(ctx, &row, sessionStateQuery, id); err != nil {
		return nil, err
	}
	user := row.user()
	return &SessionState{
		Liveness: account.Liveness{
			Session:     row.session(user.ID),
			Epoch:       row.Epoch,
			Status:      user.Status,
			MinAuthTime: fromMicros(row.MinAuthTime),
		},
		User:           user,
		Salt:           row.Salt,
		KeyID:          row.KeyID,
		ParentKeyID:    row.ParentKeyID,
		Generation:     row.Generation,
		GenerationAt:   fromMicros(row.GenerationAt),
		Refreshes:      row.Refreshes,
		RefreshesSince: fromMicros(row.RefreshesSince),
	}, nil
}

// LiveUser returns the user of a live session with their profile, in one statement.
//
// Errors: NOT_FOUND if there is no such session or it is not live.
func (q *Queries) LiveUser(ctx context.Context, session account.ID, now, idleSince time.Time) (*account.User, error) {
	var row userRow
	err := q.get(ctx, &row, `SELECT `+userColumns+` FROM `+userTables+`
		WHERE u.id = (SELECT user_id FROM sessions WHERE id = ? AND `+live+`)`, session, micros(now), micros(idleSince))
	if err != nil {
		return nil, err
	}
	return row.user(), nil
}

// InsertSession adds a session, at generation 0, for an active user whose epoch is that of the session; ok is false if
// the user has changed meanwhile.
func (q *Queries) InsertSession(
	ctx context.Context, session account.Session, salt []byte, keyID byte,
) (ok bool, err error) {
	created := micros(session.CreatedAt)
	rows, err := q.exec(ctx, `INSERT INTO sessions (id, user_id, user_epoch, salt, key_id, parent_key_id, generation,
		generation_at, created_at, last_used_at, expires_at, grace_replays, refreshes, refreshes_since, auth_time,
		device_name, user_agent, ip_created, ip_last)
		SELECT ?, u.id, u.epoch, ?, ?, ?, 0, ?, ?, ?, ?, 0, 0, ?, ?, ?, ?, ?, ?
		FROM users u WHERE u.id = ? AND u.epoch = ? AND u.status = 'ACTIVE'`,
		session.ID, salt, keyID, keyID, created, created, created, micros(session.ExpiresAt), created, created,
		session.DeviceName, session.UserAgent, session.IPAddress, session.IPAddress, session.UserID, session.UserEpoch)
	return rows == 1, err
}

// countRefresh counts the refreshes of the current minute; its arguments are minuteAgo, minuteAgo and now.
const countRefresh = `refreshes = CASE WHEN refreshes_since > ? THEN refreshes + 1 ELSE 1 END,
	refreshes_since = CASE WHEN refreshes_since > ? THEN refreshes_since ELSE ? END`

// Rotation is the step from one generation of a session to the next.
type Rotation struct {
	Generation uint64 // the current one
	KeyID      byte   // of the secret that it was computed with
	NextKeyID  byte   // of the secret for the next one
	Now        time.Time
	IdleSince  time.Time // sessions last used at or before it are not live
	IPAddress  string
}

// Rotate moves a live session to its next generation; ok is false, and nothing changes, if the session is not live, is
// at another generation or was refreshed too often.
func (q *Queries) Rotate(ctx context.Context, id account.ID, r Rotation) (ok bool, err error) {
	now, minuteAgo := micros(r.Now), micros(r.Now.Add(-time.Minute))
	rows, err := q.execBatched(ctx, `UPDATE sessions SET generation = generation + 1, parent_key_id = key_id, key_id = ?,
		generation_at = ?, last_used_at = ?, ip_last = ?, `+countRefresh+`
		WHERE id = ? AND generation = ? AND key_id = ? AND `+live+` AND (refreshes_since <= ? OR refreshes < ?)`,
		r.NextKeyID, now, now, r.IPAddress, minuteAgo, minuteAgo, now, id, int64(r.Generation), r.KeyID, now,
		micros(r.IdleSince), minuteAgo, account.RefreshesPerMinute)
	return rows == 1, err
}

// CountReplay counts that the child of a generation is returned again; ok is false, and nothing changes, if the session
// was refreshed too often.
func (q *Queries) CountReplay(ctx context.Context, id account.ID, now time.Time) (ok bool, err error) {
	minuteAgo := micros(now.Add(-time.Minute))
	rows, err := q.exec(ctx, `UPDATE sessions SET grace_replays = grace_replays + 1, `+countRefresh+`
		WHERE id = ? AND (refreshes_since <= ? OR refreshes < ?)`,
		minuteAgo, minuteAgo, micros(now), id, minuteAgo, account.RefreshesPerMinute)
	return rows == 1, err
}

// Replace revokes a session that a new one of the same user replaces, and returns the name of its device; ok is false
// if it was revoked before.
func (q *Queries) Replace(ctx context.Context, id, user account.ID, now time.Time) (device string, ok bool, err error) {
	ok, err = q.execReturning(ctx, &device, `UPDATE sessions SET revoked_at = ?, revoke_reason = 'replaced'
		WHERE id = ? AND user_id = ? AND revoked_at IS NULL RETURNING device_name`, micros(now), id, user)
	return device, ok, err
}

// Revoke revokes a user's session, unless it was revoked before. The reason is for operators.
func (q *Queries) Revoke(ctx context.Context, id, user account.ID, reason string, now time.Time) error {
	_, err := q.exec(ctx, `UPDATE sessions SET revoked_at = ?, revoke_reason = ?
		WHERE id = ? AND user_id = ? AND revoked_at IS NULL`, micros(now), reason, id, user)
	return err
}

// LiveSessions returns a user's live sessions, last used first.
func (q *Queries) LiveSessions(
	ctx context.Context, user account.ID, now, idleSince time.Time,
) ([]*account.Session, error) {
	var rows []sessionRow
	err := q.list(ctx, &rows, `SELECT `+sessionColumns+` FROM sessions s
		WHERE id IN (SELECT id FROM sessions WHERE user_id = ? AND `+live+`) ORDER BY last_used_at DESC, id DESC`,
		user, micros(now), micros(idleSince))
	sessions := make([]*account.Session, len(rows))
	for i := range rows {
		session := rows[i].session(user)
		sessions[i] = &session
	}
	return sessions, err
}

// RevokeOverLimit revokes a user's least recently used live sessions beyond a number, but never the newest. The
// transaction must have written the user's row before.
func (tx *Tx) RevokeOverLimit(ctx context.Context, user, newest account.ID, keep int, now, idleSince time.Time) error {
	at, idle := micros(now), micros(idleSince)
	_, err := tx.exec(ctx, `UPDATE sessions SET revoked_at = ?, revoke_reason = 'too_many'
		WHERE user_id = ? AND id <> ? AND `+live+` AND id NOT IN (SELECT id FROM sessions
			WHERE user_id = ? AND id <> ? AND `+live+` ORDER BY last_used_at DESC, id DESC LIMIT ?)`,
		at, user, newest, at, idle, user, newest, at, idle, keep-1)
	return err
}

// RevokeOthers revokes all of a user's sessions, the caller's own one only without keepOwn, and returns the number of
// live sessions that it revoked. It increments the epoch, so that no session starts from what was read before.
//
// Errors: NOT_FOUND, and nothing changes, if the caller's own session is not live.
func (tx *Tx) RevokeOthers(
	ctx context.Context, user, own account.ID, keepOwn bool, now, idleSince time.Time,
) (revoked int, err error) {
	at, idle := micros(now), micros(idleSince)
	// The first statement locks the user's row. The epoch is incremented last: then no session is live any more.
	if err := tx.execUser(ctx, `UPDATE users SET epoch = epoch WHERE id = ?`, user); err != nil {
		return 0, err
	}
	kept := account.ID("")
	if keepOwn {
		kept = own
	}
	var found account.ID
	if err := tx.get(ctx, &found, `SELECT id FROM sessions WHERE id = ? AND user_id = ? AND `+live,
		own, user, at, idle); err != nil {
		return 0, err
	}
	rows, err := tx.exec(ctx, `UPDATE sessions SET revoked_at = ?, revoke_reason = 'sign_out_everywhere'
		WHERE user_id = ? AND id <> ? AND `+live, at, user, kept, at, idle)
	if err != nil {
		return 0, err
	}
	if _, err := tx.exec(ctx, `UPDATE sessions SET user_epoch = user_epoch + 1 WHERE id = ? AND user_id = ? AND `+live,
		kept, user, at, idle); err != nil {
		return 0, err
	}
	return int(rows), tx.execUser(ctx, `UPDATE users SET epoch = epoch + 1 WHERE id = ?`, user)
}

// RevokeUserSessions revokes all of a user's sessions, with a reason for operators, and returns the number of live
// ones. It increments the epoch, so that no session starts from what was read before.
//
// Errors: NOT_FOUND.
func (tx *Tx) RevokeUserSessions(
	ctx context.Context, user account.ID, reason string, now, idleSince time.Time,
) (revoked int64, err error) {
	// The first statement locks the user's row. The epoch is incremented last: then no session is live any more.
	if err := tx.execUser(ctx, `UPDATE users SET epoch = epoch WHERE id = ?`, user); err != nil {
		return 0, err
	}
	revoked, err = tx.exec(ctx, `UPDATE sessions SET revoked_at = ?, revoke_reason = ? WHERE user_id = ? AND `+live,
		micros(now), reason, user, micros(now), micros(idleSince))
	if err != nil {
		return 0, err
	}
	return revoked, tx.execUser(ctx, `UPDATE users SET epoch = epoch + 1 WHERE id = ?`, user)
}

// RevokeAllBefore revokes all sessions created before a time, deletes all one-time tokens and unsent emails, and
// returns the time before which sessions are revoked: a later one if that was set before.
func (tx *Tx) RevokeAllBefore(ctx context.Context, before time.Time) (effective time.Time, err error) {
	if _, err := tx.exec(ctx, `INSERT INTO settings (name, value) VALUES ('min_auth_time', ?)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE settings.value < excluded.value`,
		micros(before)); err != nil {
		return effective, err
	}
	for _, statement := range []string{
		`DELETE FROM one_time_tokens`, `DELETE FROM mails WHERE state IN ('ASKED', 'READY')`,
	} {
		if _, err := tx.exec(ctx, statement); err != nil {
			return effective, err
		}
	}
	var at int64
	err = tx.get(ctx, &at, `SELECT `+minAuthTime)
	return fromMicros(at), err
}

// DeleteIdleSessions deletes at most limit sessions that have not been used since a time, and returns their number.
func (q *Queries) DeleteIdleSessions(ctx context.Context, since time.Time, limit int) (removed int64, err error) {
	at := micros(since) // checked again, as a session may be used while this waits for its row
	return q.exec(ctx, `DELETE FROM sessions WHERE last_used_at <= ?
		AND id IN (SELECT id FROM sessions WHERE last_used_at <= ? LIMIT ?)`, at, at, limit)
}
