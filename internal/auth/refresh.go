package auth

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/store"
	"latchkey/internal/token"
)

// maxClockSkew is how far our clock may have gone back between a rotation and a replay inside the grace.
const maxClockSkew = 5 * time.Second

// refreshResult is what became of a refresh token that was presented: one of these, or what ended its session. All but
// rotated and replayed look alike to the client.
type refreshResult string

const (
	resultUnknown     refreshResult = "unknown"  // not one of ours, or of no session
	resultDeleted     refreshResult = "deleted"  // of a session that is no more
	resultRotated     refreshResult = "rotated"  // the current one: its child was made
	resultReplayed    refreshResult = "replayed" // the parent of the current one, inside the grace: the same child again
	resultClockSkew    refreshResult = "clock went back"
	resultReused      refreshResult = "reused" // an older one: the session was ended
	resultGenerationAhead       refreshResult = "ahead of the database"
	resultRateLimited refreshResult = "too many"
	resultUnknownKey     refreshResult = "its child was computed with a secret unknown here"
)

// RefreshCredential is a refresh token as it comes with a request: in the body, as a cookie, or both.
type RefreshCredential struct {
	Body, Cookie *string
}

// token returns the token that counts, which is the one in the body, and how its child is to travel: the same way. A
// cookie of another session beside it is BAD_USER_INPUT, for one of the two is there by mistake or by malice.
func (p RefreshCredential) token() (text string, delivery account.TokenDelivery, err error) {
	switch {
	case p.Body == nil:
		return orDefault(p.Cookie, ""), account.InCookie, nil
	case p.Cookie == nil:
		return *p.Body, account.InBody, nil
	}
	inBody, ok := token.ParseRefresh(*p.Body)
	inCookie, okToo := token.ParseRefresh(*p.Cookie)
	if !ok || !okToo || inBody.Session != inCookie.Session {
		return "", "", &account.Error{
			Code:    account.BadUserInput,
			Message: "The refresh token in the body and the one in the cookie belong to different sessions.",
		}
	}
	return *p.Body, account.InBody, nil
}

// Refresh exchanges a refresh token for the next pair. It needs no access token and is not an authentication. Mistake:
// TOKEN_INVALID, whatever is wrong; RATE_LIMITED after 60 refreshes of a session in a minute, or too many refused ones
// from the network; BAD_USER_INPUT when body and cookie are of two sessions.
//
// A token works once. Its direct child is given out again for a short while, the same bytes to everyone, because
// answers get lost and tabs refresh at once; any older token ends the session with all its tokens (RFC 9700, section
// 4.14.2).
func (s *Service) Refresh(ctx context.Context, from RefreshCredential, client ClientInfo) (*account.TokenPair, error) {
	text, delivery, err := from.token()
	if err != nil {
		return nil, err
	}
	state, presented, err := s.refreshState(ctx, text)
	if err != nil {
		return nil, err
	}
	if state == nil {
		return nil, s.refuse(ctx, resultUnknown, nil, client)
	}
	var pair *account.TokenPair
	now := s.Now()
	result := s.evaluate(state, presented, now)
	if result == resultRotated {
		pair, err = s.rotate(ctx, s.store, state, presented, client, now)
	}
	if pair == nil && err == nil {
		err = s.store.InTx(ctx, func(tx *store.Store) (err error) {
			pair, result, err = s.exchange(ctx, tx, state, presented, client)
			return err
		})
	}
	switch {
	case account.IsCode(err, account.NotFound):
		return nil, s.refuse(ctx, resultDeleted, state, client)
	case account.IsCode(err, account.RateLimited):
		s.event(ctx, slog.LevelWarn, "excess_rate_limit_exceeded", state.User.ID, "kind", "refreshes of a session",
			"session", state.Session.ID)
		return nil, err
	case err != nil:
		return nil, err
	case pair == nil:
		return nil, s.refuse(ctx, result, state, client)
	}
	s.note("session_renewed", string(result))
	pair.Delivery = delivery
	return pair, nil
}

// rotate exchanges the current token of a live session; nil without an error when it is not that. The next pair is signed
// before the session moves on, so that nothing can fail afterwards.
func (s *Service) rotate(
	ctx context.Context, at *store.Store, state *store.SessionState, presented token.Refresh, client ClientInfo, now time.Time,
) (*account.TokenPair, error) {
	session := state.Session
	session.LastUsedAt = now
	pair, err := s.tokens(session, s.secrets.Current, state.Salt, presented.Generation+1, now)
	if err != nil {
		return nil, err
	}
	ok, err := at.Rotate(ctx, state.Session.ID, store.Rotation{
		Generation: presented.Generation,
		KeyID:      presented.KeyID,
		NextKeyID:  s.secrets.Current.KeyID(),
		Now:        now,
		IdleCut:    now.Add(-s.IdleTTL),
		IPAddress:  client.IPAddress,
	})
	if err != nil || !ok {
		return nil, err
	}
	return pair, nil
}

// exchange is the transaction of Refresh for all that is not simply the current token, or was not a moment ago. Its time
// is that of the transaction, not of the request, which may have waited.
func (s *Service) exchange(
	ctx context.Context, tx *store.Store, state *store.SessionState, presented token.Refresh, client ClientInfo,
) (*account.TokenPair, refreshResult, error) {
	now := s.Now()
	for range 2 {
		if pair, err := s.rotate(ctx, tx, state, presented, client, now); pair != nil || err != nil {
			return pair, resultRotated, err
		}
		current, err := tx.SessionState(ctx, state.Session.ID)
		if err != nil {
			return nil, "", err
		}
		switch result := s.evaluate(current, presented, now); result {
		case resultRotated:
			// The statement saw the session after, but the user before, a change that is complete by now.
			continue
		case resultReplayed:
			return s.replay(ctx, tx, current, now)
		case resultReused:
			return nil, result, tx.Revoke(ctx, current.Session.ID, current.Session.UserID, "refresh_reuse", now)
		case resultRateLimited:
			return nil, result, errTooManyRefreshes(current, now)
		default:
			return nil, result, nil
		}
	}
	return nil, "", errors.New("a refresh could be neither made nor refused")
}

// replay gives the child of the presented token out again.
func (s *Service) replay(
	ctx context.Context, tx *store.Store, f *store.SessionState, now time.Time,
) (*account.TokenPair, refreshResult, error) {
	secret := s.secrets.Named(f.KeyID)
	if secret == nil {
		return nil, resultUnknownKey, nil
	}
	switch ok, err := tx.CountReplay(ctx, f.Session.ID, now); {
	case err != nil:
		return nil, "", err
	case !ok:
		current, err := tx.SessionState(ctx, f.Session.ID) // which may have been deleted meanwhile
		if err != nil {
			return nil, "", err
		}
		return nil, resultRateLimited, errTooManyRefreshes(current, now)
	}
	pair, err := s.tokens(f.Session, secret, f.Salt, f.Generation, now)
	return pair, resultReplayed, err
}

func errTooManyRefreshes(f *store.SessionState, now time.Time) error {
	return &account.Error{
		Code:       account.RateLimited,
		Message:    "This session refreshes too often.",
		RetryAfter: max(f.RefreshesSince.Add(time.Minute).Sub(now), time.Second),
	}
}

// evaluate tells what presenting a genuine refresh token of the session comes to. It changes nothing.
func (s *Service) evaluate(f *store.SessionState, r token.Refresh, now time.Time) refreshResult {
	since := now.Sub(f.GenerationAt)
	parent := r.Generation+1 == f.Generation
	tooMany := f.RefreshesSince.After(now.Add(-time.Minute)) && f.Refreshes >= account.RefreshesPerMinute
	switch ended := f.EndReason(now, s.IdleTTL); {
	case ended != "":
		return refreshResult(ended)
	case r.Generation == f.Generation && r.KeyID != f.KeyID, parent && r.KeyID != f.ParentKeyID:
		// Made with the other secret of a change, which may have leaked, and not by us.
		return resultUnknown
	case r.Generation > f.Generation:
		return resultGenerationAhead
	case parent && since < -maxClockSkew:
		return resultClockSkew
	case r.Generation < f.Generation && !(parent && since < s.Grace):
		return resultReused
	case tooMany:
		return resultRateLimited
	case parent:
		return resultReplayed
	}
	return resultRotated
}

// refreshState returns the session that a genuine refresh token belongs to, and what the token says; nil without an error for
// every other text, at the same cost.
func (s *Service) refreshState(ctx context.Context, text string) (*store.SessionState, token.Refresh, error) {
	refresh, ok := token.ParseRefresh(text)
	if !ok {
		return nil, refresh, nil
	}
	state, err := s.store.SessionState(ctx, account.IDOf(account.SessionKind, refresh.Session))
	if account.IsCode(err, account.NotFound) {
		s.secrets.VerifyMAC(refresh, nil)
		return nil, refresh, nil
	}
	if err != nil || !s.secrets.VerifyMAC(refresh, state.Salt) {
		return nil, refresh, err
	}
	return state, refresh, nil
}

// refuse counts and logs a refused token. It returns TOKEN_INVALID, or RATE_LIMITED when too many have come from the
// network.
func (s *Service) refuse(ctx context.Context, why refreshResult, f *store.SessionState, client ClientInfo) error {
	var user, session account.ID
	if f != nil {
		user, session = f.User.ID, f.Session.ID
	}
	level, event := slog.LevelInfo, "session_use_after_expire"
	switch why {
	case resultReused:
		level, event = slog.LevelWarn, "authn_token_reuse"
	case resultClockSkew, resultGenerationAhead, resultUnknownKey:
		level = slog.LevelWarn
	}
	s.event(ctx, level, event, user, "session", session, "why", why)
	if err := s.withinLimit(ctx, refreshes, account.Network(client.IPAddress), s.Limits.Refresh); err != nil {
		return err
	}
	if err := s.count(ctx, s.store, refreshes, client, s.Limits.Refresh); err != nil {
		return err
	}
	return account.UserError(account.TokenInvalid, "The refresh token is not valid; sign in again.").At("refreshToken")
}

// VerifyToken reports whether a token would be accepted now, what it is for, and when it stops working by itself. It
// changes nothing.
func (s *Service) VerifyToken(ctx context.Context, text string) (*account.TokenInfo, error) {
	state, presented, err := s.refreshState(ctx, text)
	if err != nil {
		return nil, err
	}
	if state == nil {
		caller, claims := s.authenticate(ctx, text)
		if caller.User == nil {
			return new(account.TokenInfo), caller.Err
		}
		return validToken(account.AccessToken, claims.ExpiresAt), nil
	}
	switch s.evaluate(state, presented, s.Now()) {
	case resultRotated, resultRateLimited:
		return validToken(account.RefreshToken, s.expiry(state.Session)), nil
	case resultReplayed:
		return validToken(account.RefreshToken, earlier(state.GenerationAt.Add(s.Grace), s.expiry(state.Session))), nil
	}
	return new(account.TokenInfo), nil
}

func validToken(kind account.TokenKind, expires time.Time) *account.TokenInfo {
	return &account.TokenInfo{Valid: true, Kind: &kind, ExpiresAt: &expires}
}

// SignOut ends the session of a genuine refresh token, of whatever generation, and, unless the token is in the body,
// that of the caller's access token, also when that has expired. A token that is unknown or whose session is over
// changes nothing, and answers the same (RFC 7009, section 2.2). BAD_USER_INPUT when body and cookie are of two
// sessions.
func (s *Service) SignOut(ctx context.Context, caller *account.Caller, from RefreshCredential) error {
	text, _, err := from.token()
	if err != nil {
		return err
	}
	state, _, err := s.refreshState(ctx, text)
	if err != nil {
		return err
	}
	if state != nil {
		if err := s.signOut(ctx, state.Session.ID, state.Session.UserID); err != nil {
			return err
		}
	}
	if from.Body != nil {
		return nil
	}
	if caller.SessionID == "" {
		return caller.Err
	}
	return s.signOut(ctx, caller.SessionID, caller.Subject)
}

func (s *Service) signOut(ctx context.Context, session, user account.ID) error {
	if err := s.store.Revoke(ctx, session, user, "sign_out", s.Now()); err != nil {
		return err
	}
	s.event(ctx, slog.LevelInfo, "authn_token_revoked", user, "session", session, "why", "sign-out")
	return nil
}
