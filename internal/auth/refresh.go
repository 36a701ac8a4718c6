package auth

import (
	"context"
	"errors"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/audit"
	"latchkey/internal/store"
	"latchkey/internal/token"
)

// maxClockSkew is how far the clock may go back between a rotation and a replay within the grace period.
const maxClockSkew = 5 * time.Second

// refreshResult is the result of presenting a refresh token: one of these, or the reason why its session has ended. To
// the client all but resultRotated and resultReplayed look the same.
type refreshResult string

const (
	resultUnknown         refreshResult = "unknown"         // not issued here, or without a session
	resultDeleted         refreshResult = "deleted"         // its session was deleted
	resultRotated         refreshResult = "rotated"         // the current token: the next one was issued
	resultReplayed        refreshResult = "replayed"        // the previous token within the grace period: the same pair
	resultClockSkew       refreshResult = "clock went back" // the previous token, issued in the future
	resultReused          refreshResult = "reused"          // an older token: the session was revoked
	resultGenerationAhead refreshResult = "ahead of the database"
	resultRateLimited     refreshResult = "too many"
	resultUnknownKey      refreshResult = "its child was computed with a secret unknown here"
)

// RefreshCredential is the refresh token of a request: in the body, as a cookie, or both.
type RefreshCredential struct {
	Body, Cookie *string
}

// token returns the token of a request, which is the one in the body if there are two, and how to deliver the next one:
// in the same way. BAD_USER_INPUT when the cookie is of another session: one of the two is wrong.
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
			Message: "The refresh tokens in the body and in the cookie belong to different sessions.",
		}
	}
	return *p.Body, account.InBody, nil
}

// Refresh exchanges a refresh token for the next pair of tokens. It needs no access token and is not an authentication.
//
// A token is accepted once. The previous token returns the same next token again, byte for byte, within a short grace
// period, because responses get lost and tabs refresh at once. Any older token revokes the session with all its tokens
// (RFC 9700, section 4.14.2).
//
// User error: TOKEN_INVALID, whatever the cause. Errors: RATE_LIMITED after 60 refreshes of a session in a minute, or
// too many refused ones from the network; BAD_USER_INPUT when body and cookie are of two sessions.
func (s *Service) Refresh(
	ctx context.Context, actor account.Actor, from RefreshCredential, client ClientInfo,
) (*account.TokenPair, error) {
	text, delivery, err := from.token()
	if err != nil {
		return nil, err
	}
	state, presented, err := s.refreshState(ctx, text)
	if err != nil {
		return nil, err
	}
	if state == nil {
		return nil, s.refuse(ctx, actor, resultUnknown, nil, client)
	}
	pair, result, err := s.exchange(ctx, state, presented, client)
	switch {
	case account.IsCode(err, account.NotFound):
		return nil, s.refuse(ctx, actor, resultDeleted, state, client)
	case account.IsCode(err, account.RateLimited):
		s.Audit.Emit(ctx, audit.Event{
			Kind: audit.RateLimitExceeded, Actor: actor, Subject: state.User.ID, Session: state.Session.ID,
			Reason: "refreshes of a session",
		})
		return nil, err
	case err != nil:
		return nil, err
	case pair == nil:
		return nil, s.refuse(ctx, actor, result, state, client)
	}
	s.Audit.Emit(ctx, audit.Event{
		Kind: audit.SessionRenewed, Actor: actor, Subject: state.User.ID, Session: state.Session.ID, Reason: string(result),
	})
	pair.Delivery = delivery
	return pair, nil
}

// exchange returns the next pair for a presented token, or nil and the reason: with one statement for the current token
// of a live session, in a transaction otherwise.
func (s *Service) exchange(
	ctx context.Context, state *store.SessionState, presented token.Refresh, client ClientInfo,
) (pair *account.TokenPair, result refreshResult, err error) {
	now := s.Now()
	if result = s.evaluate(state, presented, now); result == resultRotated {
		pair, err = s.rotate(ctx, &s.store.Queries, state, presented, client, now)
	}
	if pair == nil && err == nil {
		err = s.store.InTx(ctx, func(tx *store.Tx) (err error) {
			pair, result, err = s.exchangeInTx(ctx, tx, state, presented, client)
			return err
		})
	}
	return pair, result, err
}

// exchangeInTx exchanges a token that is not the current one of its session, or was not a moment ago. Its time is that
// of the transaction, not of the request, which may have waited.
func (s *Service) exchangeInTx(
	ctx context.Context, tx *store.Tx, state *store.SessionState, presented token.Refresh, client ClientInfo,
) (*account.TokenPair, refreshResult, error) {
	now := s.Now()
	for range 2 {
		if pair, err := s.rotate(ctx, &tx.Queries, state, presented, client, now); pair != nil || err != nil {
			return pair, resultRotated, err
		}
		current, err := tx.SessionState(ctx, state.Session.ID)
		if err != nil {
			return nil, "", err
		}
		switch result := s.evaluate(current, presented, now); result {
		case resultRotated:
			// The statement saw the session after a concurrent change of the user, and the user before it. That change
			// is complete now.
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

// rotate exchanges the current token of a live session; it returns nil without an error for another token. The next
// pair is signed before the session changes, so that nothing can fail afterwards.
func (s *Service) rotate(
	ctx context.Context, db *store.Queries, state *store.SessionState, presented token.Refresh, client ClientInfo,
	now time.Time,
) (*account.TokenPair, error) {
	session := state.Session
	session.LastUsedAt = now
	pair, err := s.tokens(session, s.secrets.Current, state.Salt, presented.Generation+1, now)
	if err != nil {
		return nil, err
	}
	ok, err := db.Rotate(ctx, state.Session.ID, store.Rotation{
		Generation: presented.Generation,
		KeyID:      presented.KeyID,
		NextKeyID:  s.secrets.Current.KeyID(),
		Now:        now,
		IdleSince:  now.Add(-s.IdleTTL),
		IPAddress:  client.IPAddress,
	})
	if err != nil || !ok {
		return nil, err
	}
	return pair, nil
}

// replay returns the current pair of a session again.
func (s *Service) replay(
	ctx context.Context, tx *store.Tx, state *store.SessionState, now time.Time,
) (*account.TokenPair, refreshResult, error) {
	secret := s.secrets.Named(state.KeyID)
	if secret == nil {
		return nil, resultUnknownKey, nil
	}
	switch ok, err := tx.CountReplay(ctx, state.Session.ID, now); {
	case err != nil:
		return nil, "", err
	case !ok:
		current, err := tx.SessionState(ctx, state.Session.ID) // NOT_FOUND if it was deleted meanwhile
		if err != nil {
			return nil, "", err
		}
		return nil, resultRateLimited, errTooManyRefreshes(current, now)
	}
	pair, err := s.tokens(state.Session, secret, state.Salt, state.Generation, now)
	return pair, resultReplayed, err
}

func errTooManyRefreshes(state *store.SessionState, now time.Time) error {
	return &account.Error{
		Code:       account.RateLimited,
		Message:    "This session is refreshed too often. Try again later.",
		RetryAfter: max(state.RefreshesSince.Add(time.Minute).Sub(now), time.Second),
	}
}

// evaluate returns the result of presenting an authentic refresh token of a session. It changes nothing.
func (s *Service) evaluate(state *store.SessionState, r token.Refresh, now time.Time) refreshResult {
	sinceRotation := now.Sub(state.GenerationAt)
	isPrevious := r.Generation+1 == state.Generation
	tooMany := state.RefreshesSince.After(now.Add(-time.Minute)) && state.Refreshes >= account.RefreshesPerMinute
	switch ended := state.EndReason(now, s.IdleTTL); {
	case ended != "":
		return refreshResult(ended)
	case r.Generation == state.Generation && r.KeyID != state.KeyID, isPrevious && r.KeyID != state.ParentKeyID:
		// Computed with the other of the two secrets, which may have leaked, and not by this server.
		return resultUnknown
	case r.Generation > state.Generation:
		return resultGenerationAhead
	case isPrevious && sinceRotation < -maxClockSkew:
		return resultClockSkew
	case r.Generation < state.Generation && !(isPrevious && sinceRotation < s.Grace):
		return resultReused
	case tooMany:
		return resultRateLimited
	case isPrevious:
		return resultReplayed
	}
	return resultRotated
}

// refreshState returns the session of an authentic refresh token, and the parsed token; nil without an error for every
// other text, at the same cost.
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

// refuse counts and logs a refused token. It returns TOKEN_INVALID, or RATE_LIMITED after too many from the network.
func (s *Service) refuse(
	ctx context.Context, actor account.Actor, result refreshResult, state *store.SessionState, client ClientInfo,
) error {
	event := audit.Event{Kind: audit.RefreshTokenRefused, Actor: actor, Reason: string(result)}
	if state != nil {
		event.Subject, event.Session = state.User.ID, state.Session.ID
	}
	switch result {
	case resultReused:
		event.Kind = audit.TokenReused
	case resultClockSkew, resultGenerationAhead, resultUnknownKey:
		event.Warning = true
	}
	s.Audit.Emit(ctx, event)
	if err := s.limiter.Refreshes.Check(ctx, client.IPAddress); err != nil {
		return err
	}
	if err := s.limiter.Refreshes.Count(ctx, s.store, client.IPAddress); err != nil {
		return err
	}
	return account.UserError(account.TokenInvalid, "The refresh token is not valid. Sign in again.").At("refreshToken")
}
