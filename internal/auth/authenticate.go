package auth

import (
	"context"
	"errors"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/token"
)

// Authenticate returns the caller whom an access token represents: a user in a live session, or an anonymous caller
// with the reason. It reads the session's row every time, so that the end of a session ends its access tokens at once.
func (s *Service) Authenticate(ctx context.Context, accessToken string) *account.Caller {
	caller, _ := s.authenticate(ctx, accessToken)
	return caller
}

func (s *Service) authenticate(ctx context.Context, text string) (*account.Caller, token.Claims) {
	claims, err := s.Keys.Verify(text)
	switch {
	case errors.Is(err, token.ErrExpired):
		return &account.Caller{
			Subject:   account.ID(claims.Subject),
			SessionID: account.ID(claims.SessionID),
			Reason:    account.ReasonExpired,
		}, claims
	case err != nil:
		s.Log.DebugContext(ctx, "access token refused", "error", err)
		return &account.Caller{Reason: account.ReasonInvalid}, claims
	}
	now := s.Now()
	user, err := s.store.LiveUser(ctx, account.ID(claims.SessionID), now, now.Add(-s.IdleTTL))
	switch {
	case account.IsCode(err, account.NotFound):
		return &account.Caller{Reason: account.ReasonRevoked}, claims
	case err != nil:
		return &account.Caller{Err: err}, claims
	case user.ID != account.ID(claims.Subject):
		return &account.Caller{Reason: account.ReasonInvalid}, claims
	}
	return &account.Caller{User: user, Subject: user.ID, SessionID: account.ID(claims.SessionID)}, claims
}

// VerifyToken reports whether a token would be accepted now, of what kind it is, and when it expires. It changes
// nothing.
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
	expiry := s.expiry(state.Session)
	switch s.evaluate(state, presented, s.Now()) {
	case resultRotated, resultRateLimited:
		return validToken(account.RefreshToken, expiry), nil
	case resultReplayed:
		return validToken(account.RefreshToken, earlier(state.GenerationAt.Add(s.Grace), expiry)), nil
	}
	return new(account.TokenInfo), nil
}

func validToken(kind account.TokenKind, expires time.Time) *account.TokenInfo {
	return &account.TokenInfo{Valid: true, Kind: &kind, ExpiresAt: &expires}
}
