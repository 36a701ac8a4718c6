package auth

import (
	"context"
	"log/slog"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/ratelimit"
	"latchkey/internal/store"
)

// Sessions returns a user's live sessions, newest use first; FORBIDDEN unless the caller may see the private half of
// the account. Their ExpiresAt is when they end if they are not used again.
func (s *Service) Sessions(ctx context.Context, caller *account.Caller, user account.ID) ([]*account.Session, error) {
	if err := caller.RequireRole(account.Member); err != nil {
		return nil, err
	}
	if !caller.CanSee(user) {
		return nil, &account.Error{Code: account.Forbidden, Message: "Only its owner and staff may see this."}
	}
	return s.SessionsOf(ctx, user)
}

// session returns a live session, or nil.
func (s *Service) session(ctx context.Context, id account.ID) (*account.Session, error) {
	family, err := s.store.SessionState(ctx, id)
	if err != nil || !family.Live(s.Now(), s.IdleTTL) {
		return nil, unlessAbsent(err)
	}
	family.Session.ExpiresAt = s.end(family.Session)
	return &family.Session, nil
}

// mayEnd returns nil when the session lives and is the caller's, else NOT_FOUND.
func (s *Service) mayEnd(ctx context.Context, caller *account.Caller, id account.ID) error {
	session, err := s.session(ctx, id)
	if err != nil {
		return err
	}
	return caller.RequireSessionOwner(session)
}

// RevokeSession ends one of the caller's sessions and returns its ID; NOT_FOUND for somebody else's and for nobody's.
func (s *Service) RevokeSession(ctx context.Context, caller *account.Caller, id account.ID) (*account.ID, error) {
	if err := admit(caller, id); err != nil {
		return nil, err
	}
	if err := s.mayEnd(ctx, caller, id); err != nil {
		return nil, err
	}
	if err := s.store.Revoke(ctx, id, caller.User.ID, "revoked", s.Now()); err != nil {
		return nil, err
	}
	s.event(ctx, slog.LevelInfo, "authn_token_revoked", caller.User.ID, "session", id, "why", "revoked")
	return &id, nil
}

// SignOutEverywhere ends the caller's sessions, but for the current one if that is to be kept, and returns how many
// lived. A sign-in that is under way meanwhile comes to nothing.
func (s *Service) SignOutEverywhere(
	ctx context.Context, caller *account.Caller, keepCurrent bool,
) (revoked int, err error) {
	if err := caller.RequireRole(account.Member); err != nil {
		return 0, err
	}
	now := s.Now()
	err = s.store.InTx(ctx, func(tx *store.Store) error {
		revoked, err = tx.RevokeOthers(ctx, caller.User.ID, caller.SessionID, keepCurrent, now, now.Add(-s.IdleTTL))
		return err
	})
	if err != nil {
		return 0, gone(err)
	}
	s.event(ctx, slog.LevelInfo, "authn_token_revoked", caller.User.ID, "why", "everywhere", "sessions", revoked)
	return revoked, nil
}

// RevokeAllSessions ends every session begun before now, on every node at its next request. Emails sent by now lose their
// tokens, and those not sent yet are not sent. It returns the time before which sessions are over; that never moves
// back.
func (s *Service) RevokeAllSessions(ctx context.Context) (cut time.Time, err error) {
	err = s.store.InTx(ctx, func(tx *store.Store) error {
		cut, err = tx.RevokeAllBefore(ctx, s.Now())
		return err
	})
	if err == nil {
		s.event(ctx, slog.LevelWarn, "authn_token_revoked", "", "why", "restore-cut", "before", cut)
	}
	return cut, err
}

// How long what is of no use any more is kept.
const (
	mailKept    = 48 * time.Hour      // the mails of a day are counted
	oneTimeKept = 30 * 24 * time.Hour // after expiry, to tell TOKEN_EXPIRED from TOKEN_INVALID
	pendingKept = 7 * 24 * time.Hour  // accounts whose address nobody confirms
	countsKept  = 30 * 24 * time.Hour // of what has been tried too often, once it may be tried again
)

// PurgeExpired removes what is of no use any more, a few rows at a time, and returns how many: sessions that have not been
// used for so long that they are dead, whatever else ended them; accounts that waited for a confirmation too long; old
// mails, one-time tokens and devices. Any number of nodes may sweep at once.
func (s *Service) PurgeExpired(ctx context.Context) (swept int64, err error) {
	now := s.Now()
	for _, broom := range []struct {
		sweep  func(ctx context.Context, before time.Time, limit int) (int64, error)
		before time.Time
	}{
		{s.store.DeleteIdleSessions, now.Add(-s.IdleTTL)},
		{s.store.DeletePendingUsers, now.Add(-pendingKept)},
		{s.store.DeleteOldMails, now.Add(-mailKept)},
		{s.store.DeleteExpiredTokens, now.Add(-oneTimeKept)},
		{s.store.DeleteOldDevices, now.Add(-ratelimit.KnownNetworkAge)},
		{s.store.DeleteOldWindows, now.Add(-ratelimit.MaxWindow)},
		{s.store.DeleteOldThrottles, now.Add(-countsKept)},
	} {
		for n := int64(1); n > 0; swept += n { // a smaller batch may be what other nodes have left of it
			if n, err = broom.sweep(ctx, broom.before, sweepBatch); err != nil {
				return swept, err
			}
		}
	}
	return swept, nil
}

const sweepBatch = 200
