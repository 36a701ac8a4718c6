package store

import (
	"context"
	"errors"
	"time"

	"latchkey/internal/account"
)

// Users returns at most limit users whose IDs come after one, in the order of their IDs, which is that of their making.
func (s *Store) Users(ctx context.Context, after account.ID, limit int) ([]*account.User, error) {
	var rows []userRow
	err := s.scanAll(ctx, &rows, `SELECT `+userColumns+` FROM `+userTables+`
		WHERE u.id > ? ORDER BY u.id LIMIT ?`, after, limit)
	return usersOf(rows), err
}

// LockAdmins makes others that hold the administrators wait until the transaction ends, so that each sees what the one
// before it left. Call it first.
func (s *Store) LockAdmins(ctx context.Context, now time.Time) error {
	return s.lock(ctx, "admins_held_at", now)
}

// OtherAdmin reports whether there is an active administrator besides a user.
func (s *Store) OtherAdmin(ctx context.Context, user account.ID) (exists bool, err error) {
	err = s.aggregate(ctx, &exists, `SELECT EXISTS
		(SELECT 1 FROM users WHERE role = 'ADMIN' AND status = 'ACTIVE' AND id <> ?)`, user)
	return exists, err
}

// Disable shuts a user out: it raises the epoch, which ends every session, and drops a change of address that is under
// way and mails that are not sent yet. Call it in a transaction. NOT_FOUND when there is no such user, or one that is
// PENDING.
func (s *Store) Disable(ctx context.Context, user account.ID) error {
	if err := s.execUser(ctx, `UPDATE users SET status = 'DISABLED', pending_email = NULL, pending_email_key = NULL,
		epoch = epoch + 1 WHERE id = ? AND status <> 'PENDING'`, user); err != nil {
		return err
	}
	return s.deleteUnsentMails(ctx, user)
}

// Enable lets a disabled user in again; NOT_FOUND when there is none.
func (s *Store) Enable(ctx context.Context, user account.ID) error {
	return s.execUser(ctx, `UPDATE users SET status = 'ACTIVE' WHERE id = ? AND status = 'DISABLED'`, user)
}

// SetRole changes what a user may do and raises the epoch, which ends every session; NOT_FOUND when there is no such
// user.
func (s *Store) SetRole(ctx context.Context, user account.ID, role account.Role) error {
	return s.execUser(ctx, `UPDATE users SET role = ?, epoch = epoch + 1 WHERE id = ?`, role, user)
}

// RevokeUserSessions ends all of a user's sessions for a reason that operators read, and returns how many lived; call it in a
// transaction. It raises the epoch, so that no session begins with what was read before. NOT_FOUND when there is no
// such user.
func (s *Store) RevokeUserSessions(
	ctx context.Context, user account.ID, reason string, now, idleSince time.Time,
) (revoked int64, err error) {
	// The user's row is held first, and the epoch rises last, while living and dead can be told apart.
	if err := s.execUser(ctx, `UPDATE users SET epoch = epoch WHERE id = ?`, user); err != nil {
		return 0, err
	}
	revoked, err = s.exec(ctx, `UPDATE sessions SET revoked_at = ?, revoke_reason = ? WHERE user_id = ? AND `+live,
		micros(now), reason, user, micros(now), micros(idleSince))
	if err != nil {
		return 0, err
	}
	return revoked, s.execUser(ctx, `UPDATE users SET epoch = epoch + 1 WHERE id = ?`, user)
}

// RemoveUser removes a user as DeleteUser does, whatever their status; NOT_FOUND when there is none.
func (s *Store) RemoveUser(ctx context.Context, user account.ID) error {
	if err := s.execUser(ctx, `DELETE FROM users WHERE id = ?`, user); err != nil {
		return err
	}
	return s.deleteUnsentMails(ctx, user)
}

// deleteUnsentMails removes the mails to a user that are not sent yet.
func (s *Store) deleteUnsentMails(ctx context.Context, user account.ID) error {
	_, err := s.exec(ctx, `DELETE FROM mails WHERE user_id = ? AND state IN ('ASKED', 'READY')`, user)
	return err
}

// Backup copies a SQLite database, as it is at one moment, into an empty file, while others go on reading and writing.
// It takes as long as it takes, or until ctx ends. PostgreSQL has a tool for that, so it fails there.
func (s *Store) Backup(ctx context.Context, path string) error {
	if s.dialect.backup == "" {
		return errors.ErrUnsupported
	}
	_, err := s.write.ExecContext(ctx, s.dialect.backup, path)
	return err
}

// Contended reports whether err says that others had hold of the database for too long.
func (s *Store) Contended(err error) bool {
	return err != nil && (errors.Is(err, context.DeadlineExceeded) || s.dialect.retryable(err))
}
