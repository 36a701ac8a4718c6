package auth

import (
	"context"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/store"
	"latchkey/internal/token"
)

// clockSkew is how far our clock may have gone back between a rotation and a replay inside the grace.
const clockSkew = 5 * time.Second

// outcome is what became of a refresh token that was presented. All but rotated and replayed look alike to the client.
type outcome string

const (
	unknown  outcome = "unknown"  // not one of ours, or of no session
	dead     outcome = "dead"     // of a session that is over
	rotated  outcome = "rotated"  // the current one: its child was made
	replayed outcome = "replayed" // the parent of the current one, inside the grace: the same child again
	backward outcome = "clock went back"
	reused   outcome = "reused" // an older one: the session was ended
	ahead    outcome = "ahead of the database"
	hurried  outcome = "too many"
	foreign  outcome = "its child was computed with a secret unknown here"
)

// Refresh exchanges a refresh token for the next pair. It needs no access token and is not an authentication. Mistake:
// TOKEN_INVALID, whatever is wrong; RATE_LIMITED after 60 refreshes of a session in a minute.
//
// A token works once. Its direct child is given out again for a short while, the same bytes to everyone, because
// answers get lost and tabs refresh at once; any older token ends the session with all its tokens (RFC 9700, section
// 4.14.2).
func (s *Service) Refresh(ctx context.Context, text *string, client Client) (*account.TokenPair, error) {
	now := s.Now()
	family, presented, err := s.family(ctx, value(text, ""))
	if err != nil {
		return nil, err
	}
	if family == nil {
		return nil, s.refuse(ctx, unknown, "")
	}
	var (
		pair   *account.TokenPair
		became outcome
	)
	err = s.store.InTx(ctx, func(tx *store.Store) error {
		idleCut := now.Add(-s.IdleTTL)
		ok, err := tx.Rotate(ctx, family.Session.ID, presented, now, idleCut, client.IPAddress, s.secrets.Current.KeyID())
		if err != nil {
			return err
		}
		if ok {
			became = rotated
			session := family.Session
			session.LastUsedAt = now
			pair, err = s.tokens(session, s.secrets.Current, family.Salt, presented+1, now)
			return err
		}
		current, err := tx.Family(ctx, family.Session.ID)
		if err != nil {
			return err
		}
		switch became = s.judge(current, presented, now); became {
		case replayed:
			secret := s.secrets.Named(current.KeyID)
			if secret == nil {
				became = foreign
				return nil
			}
			if err := tx.CountReplay(ctx, current.Session.ID, now); err != nil {
				return err
			}
			pair, err = s.tokens(current.Session, secret, current.Salt, current.Generation, now)
			return err
		case reused:
			return tx.Revoke(ctx, current.Session.ID, "refresh_reuse", now)
		case hurried:
			return &account.Error{
				Code:       account.RateLimited,
				Message:    "This session refreshes too often.",
				RetryAfter: current.RefreshesSince.Add(time.Minute).Sub(now),
			}
		}
		return nil
	})
	switch {
	case account.Failed(err, account.NotFound):
		return nil, s.refuse(ctx, dead, family.Session.ID)
	case err != nil:
		return nil, err
	case pair == nil:
		return nil, s.refuse(ctx, became, family.Session.ID)
	}
	return pair, nil
}

// judge tells what a presented generation means when it could not be rotated. It changes nothing.
func (s *Service) judge(f *store.Family, presented uint64, now time.Time) outcome {
	since := now.Sub(f.GenerationAt)
	parent := presented+1 == f.Generation
	tooMany := f.RefreshesSince.After(now.Add(-time.Minute)) && f.Refreshes >= store.RefreshesPerMinute
	switch {
	case !f.Live(now, s.IdleTTL):
		return dead
	case presented > f.Generation:
		return ahead
	case parent && since < -clockSkew:
		return backward
	case presented < f.Generation && !(parent && since < s.Grace):
		return reused
	case tooMany:
		return hurried
	case parent:
		return replayed
	}
	return rotated
}

// family returns the session that a genuine refresh token belongs to, and the token's generation; nil without an error
// for every other text, at the same cost.
func (s *Service) family(ctx context.Context, text string) (*store.Family, uint64, error) {
	refresh, ok := token.ParseRefresh(text)
	if !ok {
		return nil, 0, nil
	}
	family, err := s.store.Family(ctx, account.IDOf(account.SessionKind, refresh.Session))
	if account.Failed(err, account.NotFound) {
		s.secrets.Proves(refresh, nil)
		return nil, 0, nil
	}
	if err != nil || !s.secrets.Proves(refresh, family.Salt) {
		return nil, 0, err
	}
	// The previous secret, which may have leaked, makes no token for a generation that the current one computed.
	if refresh.Generation == family.Generation && refresh.KeyID != family.KeyID {
		return nil, 0, nil
	}
	return family, refresh.Generation, nil
}

func (s *Service) refuse(ctx context.Context, why outcome, session account.ID) error {
	log := s.Log.InfoContext
	if why == reused || why == backward || why == ahead || why == foreign {
		log = s.Log.WarnContext
	}
	log(ctx, "refresh refused", "why", why, "session", session)
	return account.Mistake(account.TokenInvalid, "The refresh token is not valid; sign in again.", "refreshToken")
}

// VerifyToken tells whether a token would be accepted now, what it is for, and when it stops working by itself. It
// changes nothing.
func (s *Service) VerifyToken(ctx context.Context, text string) (*account.Verdict, error) {
	family, presented, err := s.family(ctx, text)
	if err != nil {
		return nil, err
	}
	if family == nil {
		caller, claims := s.authenticate(ctx, text)
		if caller.User == nil {
			return new(account.Verdict), caller.Err
		}
		return verdict(account.AccessToken, claims.ExpiresAt), nil
	}
	switch s.judge(family, presented, s.Now()) {
	case rotated, replayed:
		return verdict(account.RefreshToken, s.end(family.Session)), nil
	}
	return new(account.Verdict), nil
}

func verdict(kind account.TokenKind, expires time.Time) *account.Verdict {
	return &account.Verdict{Valid: true, Kind: &kind, ExpiresAt: &expires}
}

// SignOut ends the session of a genuine refresh token, of whatever generation; without a token, the caller's own. A
// token that is unknown or whose session is over changes nothing, and answers the same (RFC 7009, section 2.2).
func (s *Service) SignOut(ctx context.Context, caller *account.Caller, text *string) error {
	session := caller.SessionID
	if text != nil {
		family, _, err := s.family(ctx, *text)
		if err != nil || family == nil {
			return err
		}
		session = family.Session.ID
	}
	if session == "" {
		return caller.Err
	}
	return s.store.Revoke(ctx, session, "sign_out", s.Now())
}
