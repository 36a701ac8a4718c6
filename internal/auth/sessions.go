package auth

import (
	"context"
	"log/slog"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/audit"
	"latchkey/internal/store"
)

// Sessions returns a user's live sessions, last used first. Their ExpiresAt is when they end if they are not used
// again. Errors: UNAUTHENTICATED; FORBIDDEN unless the caller may see the user's private fields.
func (s *Service) Sessions(ctx context.Context, caller *account.Caller, user account.ID) ([]*account.Session, error) {
	if err := caller.RequireRole(account.Member); err != nil {
		return nil, err
	}
	if !caller.CanSee(user) {
		return nil, &account.Error{Code: account.Forbidden, Message: "Only the owner and staff can see this."}
	}
	return s.SessionsOf(ctx, user)
}

// session returns a live session, or nil.
func (s *Service) session(ctx context.Context, id account.ID) (*account.Session, error) {
	state, err := s.store.SessionState(ctx, id)
	if err != nil || !state.Live(s.Now(), s.IdleTTL) {
		return nil, ignoreNotFound(err)
	}
	state.Session.ExpiresAt = s.expiry(state.Session)
	return &state.Session, nil
}

// checkOwnsSession returns nil when the session is live and the caller's, else NOT_FOUND.
func (s *Service) checkOwnsSession(ctx context.Context, caller *account.Caller, id account.ID) error {
	session, err := s.session(ctx, id)
	if err != nil {
		return err
	}
	return caller.RequireSessionOwner(session)
}

// RevokeSession revokes one of the user's own sessions and returns its ID. Errors: UNAUTHENTICATED; BAD_USER_INPUT when
// id is not an ID; NOT_FOUND for a session that does not exist or is another user's.
func (s *Service) RevokeSession(ctx context.Context, actor account.Actor, id account.ID) (*account.ID, error) {
	caller, err := requireUserAndID(actor, id)
	if err != nil {
		return nil, err
	}
	if err := s.checkOwnsSession(ctx, caller, id); err != nil {
		return nil, err
	}
	if err := s.revoke(ctx, actor, id, caller.User.ID, revokedByUser, "revoked"); err != nil {
		return nil, err
	}
	return &id, nil
}

// SignOutEverywhere revokes the user's own sessions, except the current one with keepCurrent, and returns how many were
// live. A concurrent sign-in is refused. Errors: UNAUTHENTICATED.
func (s *Service) SignOutEverywhere(
	ctx context.Context, actor account.Actor, keepCurrent bool,
) (revoked int, err error) {
	caller, err := actor.RequireUser()
	if err != nil {
		return 0, err
	}
	now := s.Now()
	err = s.store.InTx(ctx, func(tx *store.Tx) error {
		revoked, err = tx.RevokeOthers(ctx, caller.User.ID, caller.SessionID, keepCurrent, now, now.Add(-s.IdleTTL))
		return err
	})
	if err != nil {
		return 0, notFoundToRevoked(err)
	}
	s.auditRevokedEverywhere(ctx, actor, caller.User.ID, int64(revoked))
	return revoked, nil
}

// SignOut revokes the session of an authentic refresh token of any generation and, unless the token is in the body,
// that of the caller's access token, even if that has expired. An unknown token, or one of an ended session, changes
// nothing and returns the same (RFC 7009, section 2.2). Errors: BAD_USER_INPUT when body and cookie are of two
// sessions.
func (s *Service) SignOut(ctx context.Context, actor account.Actor, from RefreshCredential) error {
	text, _, err := from.token()
	if err != nil {
		return err
	}
	state, _, err := s.refreshState(ctx, text)
	if err != nil {
		return err
	}
	if state != nil {
		session := state.Session
		if err := s.revoke(ctx, actor, session.ID, session.UserID, revokedBySignOut, "sign-out"); err != nil {
			return err
		}
	}
	if from.Body != nil {
		return nil
	}
	session, user, err := actor.Session()
	if session == "" {
		return err
	}
	return s.revoke(ctx, actor, session, user, revokedBySignOut, "sign-out")
}

// How a session was revoked, as it is stored with the session.
const (
	revokedByUser     = "revoked"
	revokedBySignOut  = "sign_out"
	revokedByOperator = "operator"
)

// revoke revokes one session of a user. reason is that of the event.
func (s *Service) revoke(
	ctx context.Context, actor account.Actor, session, user account.ID, stored, reason string,
) error {
	if err := s.store.Revoke(ctx, session, user, stored, s.Now()); err != nil {
		return err
	}
	s.Audit.Emit(ctx, audit.Event{
		Kind: audit.TokenRevoked, Actor: actor, Subject: user, Session: session, Reason: reason,
	})
	return nil
}

// RevokeAllSessions revokes every session that was created before now, on every node from its next request on, with the
// one-time tokens that exist and the emails that are not sent yet. It returns the time before which sessions are
// revoked, which never decreases. Errors: FORBIDDEN unless the actor is an operator.
func (s *Service) RevokeAllSessions(ctx context.Context, actor account.Actor) (before time.Time, err error) {
	if err := actor.RequireOperator(); err != nil {
		return time.Time{}, err
	}
	err = s.store.InTx(ctx, func(tx *store.Tx) error {
		before, err = tx.RevokeAllBefore(ctx, s.Now())
		return err
	})
	if err == nil {
		s.Audit.Emit(ctx, audit.Event{
			Kind: audit.TokenRevoked, Actor: actor, Reason: "restore-cut",
			Details: []slog.Attr{slog.Time("before", before)},
		})
	}
	return before, err
}

func (s *Service) auditRevokedEverywhere(ctx context.Context, actor account.Actor, user account.ID, sessions int64) {
	s.Audit.Emit(ctx, audit.Event{
		Kind: audit.TokenRevoked, Actor: actor, Subject: user, Reason: "everywhere",
		Details: []slog.Attr{slog.Int64("sessions", sessions)},
	})
}
