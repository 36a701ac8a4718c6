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

// clockSkew is how far our clock may have gone back between a rotation and a replay inside the grace.
const clockSkew = 5 * time.Second

// outcome is what became of a refresh token that was presented: one of these, or what ended its session. All but
// rotated and replayed look alike to the client.
type outcome string

const (
	unknown     outcome = "unknown"  // not one of ours, or of no session
	deleted     outcome = "deleted"  // of a session that is no more
	rotated     outcome = "rotated"  // the current one: its child was made
	replayed    outcome = "replayed" // the parent of the current one, inside the grace: the same child again
	backward    outcome = "clock went back"
	reused      outcome = "reused" // an older one: the session was ended
	ahead       outcome = "ahead of the database"
	rateLimited outcome = "too many"
	foreign     outcome = "its child was computed with a secret unknown here"
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
		return value(p.Cookie, ""), account.InCookie, nil
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
	family, presented, err := s.family(ctx, text)
	if err != nil {
		return nil, err
	}
	if family == nil {
		return nil, s.refuse(ctx, unknown, nil, client)
	}
	var pair *account.TokenPair
	now := s.Now()
	became := s.judge(family, presented, now)
	if became == rotated {
		pair, err = s.rotate(ctx, s.store, family, presented, client, now)
	}
	if pair == nil && err == nil {
		err = s.store.InTx(ctx, func(tx *store.Store) (err error) {
			pair, became, err = s.exchange(ctx, tx, family, presented, client)
			return err
		})
	}
	switch {
	case account.IsCode(err, account.NotFound):
		return nil, s.refuse(ctx, deleted, family, client)
	case account.IsCode(err, account.RateLimited):
		s.event(ctx, slog.LevelWarn, "excess_rate_limit_exceeded", family.User.ID, "kind", "refreshes of a session",
			"session", family.Session.ID)
		return nil, err
	case err != nil:
		return nil, err
	case pair == nil:
		return nil, s.refuse(ctx, became, family, client)
	}
	s.note("session_renewed", string(became))
	pair.Delivery = delivery
	return pair, nil
}

// rotate exchanges the current token of a live session; nil without an error when it is not that. The next pair is signed
// before the session moves on, so that nothing can fail afterwards.
func (s *Service) rotate(
	ctx context.Context, at *store.Store, family *store.SessionState, presented token.Refresh, client ClientInfo, now time.Time,
) (*account.TokenPair, error) {
	session := family.Session
	session.LastUsedAt = now
	pair, err := s.tokens(session, s.secrets.Current, family.Salt, presented.Generation+1, now)
	if err != nil {
		return nil, err
	}
	ok, err := at.Rotate(ctx, family.Session.ID, store.Rotation{
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
	ctx context.Context, tx *store.Store, family *store.SessionState, presented token.Refresh, client ClientInfo,
) (*account.TokenPair, outcome, error) {
	now := s.Now()
	for range 2 {
		if pair, err := s.rotate(ctx, tx, family, presented, client, now); pair != nil || err != nil {
			return pair, rotated, err
		}
		current, err := tx.SessionState(ctx, family.Session.ID)
		if err != nil {
			return nil, "", err
		}
		switch became := s.judge(current, presented, now); became {
		case rotated:
			// The statement saw the session after, but the user before, a change that is complete by now.
			continue
		case replayed:
			return s.replay(ctx, tx, current, now)
		case reused:
			return nil, became, tx.Revoke(ctx, current.Session.ID, current.Session.UserID, "refresh_reuse", now)
		case rateLimited:
			return nil, became, tooOften(current, now)
		default:
			return nil, became, nil
		}
	}
	return nil, "", errors.New("a refresh could be neither made nor refused")
}

// replay gives the child of the presented token out again.
func (s *Service) replay(
	ctx context.Context, tx *store.Store, f *store.SessionState, now time.Time,
) (*account.TokenPair, outcome, error) {
	secret := s.secrets.Named(f.KeyID)
	if secret == nil {
		return nil, foreign, nil
	}
	switch ok, err := tx.CountReplay(ctx, f.Session.ID, now); {
	case err != nil:
		return nil, "", err
	case !ok:
		current, err := tx.SessionState(ctx, f.Session.ID) // which may have been deleted meanwhile
		if err != nil {
			return nil, "", err
		}
		return nil, rateLimited, tooOften(current, now)
	}
	pair, err := s.tokens(f.Session, secret, f.Salt, f.Generation, now)
	return pair, replayed, err
}

func tooOften(f *store.SessionState, now time.Time) error {
	return &account.Error{
		Code:       account.RateLimited,
		Message:    "This session refreshes too often.",
		RetryAfter: max(f.RefreshesSince.Add(time.Minute).Sub(now), time.Second),
	}
}

// judge tells what presenting a genuine refresh token of the session comes to. It changes nothing.
func (s *Service) judge(f *store.SessionState, r token.Refresh, now time.Time) outcome {
	since := now.Sub(f.GenerationAt)
	parent := r.Generation+1 == f.Generation
	tooMany := f.RefreshesSince.After(now.Add(-time.Minute)) && f.Refreshes >= account.RefreshesPerMinute
	switch ended := f.EndReason(now, s.IdleTTL); {
	case ended != "":
		return outcome(ended)
	case r.Generation == f.Generation && r.KeyID != f.KeyID, parent && r.KeyID != f.ParentKeyID:
		// Made with the other secret of a change, which may have leaked, and not by us.
		return unknown
	case r.Generation > f.Generation:
		return ahead
	case parent && since < -clockSkew:
		return backward
	case r.Generation < f.Generation && !(parent && since < s.Grace):
		return reused
	case tooMany:
		return rateLimited
	case parent:
		return replayed
	}
	return rotated
}

// family returns the session that a genuine refresh token belongs to, and what the token says; nil without an error for
// every other text, at the same cost.
func (s *Service) family(ctx context.Context, text string) (*store.SessionState, token.Refresh, error) {
	refresh, ok := token.ParseRefresh(text)
	if !ok {
		return nil, refresh, nil
	}
	family, err := s.store.SessionState(ctx, account.IDOf(account.SessionKind, refresh.Session))
	if account.IsCode(err, account.NotFound) {
		s.secrets.VerifyMAC(refresh, nil)
		return nil, refresh, nil
	}
	if err != nil || !s.secrets.VerifyMAC(refresh, family.Salt) {
		return nil, refresh, err
	}
	return family, refresh, nil
}

// refuse counts and logs a refused token. It returns TOKEN_INVALID, or RATE_LIMITED when too many have come from the
// network.
func (s *Service) refuse(ctx context.Context, why outcome, f *store.SessionState, client ClientInfo) error {
	var user, session account.ID
	if f != nil {
		user, session = f.User.ID, f.Session.ID
	}
	level, event := slog.LevelInfo, "session_use_after_expire"
	switch why {
	case reused:
		level, event = slog.LevelWarn, "authn_token_reuse"
	case backward, ahead, foreign:
		level = slog.LevelWarn
	}
	s.event(ctx, level, event, user, "session", session, "why", why)
	if err := s.limiter.Refreshes.Check(ctx, client.IPAddress); err != nil {
		return err
	}
	if err := s.limiter.Refreshes.Count(ctx, s.store, client.IPAddress); err != nil {
		return err
	}
	return account.UserError(account.TokenInvalid, "The refresh token is not valid; sign in again.").At("refreshToken")
}

// VerifyToken reports whether a token would be accepted now, what it is for, and when it stops working by itself. It
// changes nothing.
func (s *Service) VerifyToken(ctx context.Context, text string) (*account.TokenInfo, error) {
	family, presented, err := s.family(ctx, text)
	if err != nil {
		return nil, err
	}
	if family == nil {
		caller, claims := s.authenticate(ctx, text)
		if caller.User == nil {
			return new(account.TokenInfo), caller.Err
		}
		return verdict(account.AccessToken, claims.ExpiresAt), nil
	}
	switch s.judge(family, presented, s.Now()) {
	case rotated, rateLimited:
		return verdict(account.RefreshToken, s.end(family.Session)), nil
	case replayed:
		return verdict(account.RefreshToken, earlier(family.GenerationAt.Add(s.Grace), s.end(family.Session))), nil
	}
	return new(account.TokenInfo), nil
}

func verdict(kind account.TokenKind, expires time.Time) *account.TokenInfo {
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
	family, _, err := s.family(ctx, text)
	if err != nil {
		return err
	}
	if family != nil {
		if err := s.signOut(ctx, family.Session.ID, family.Session.UserID); err != nil {
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
