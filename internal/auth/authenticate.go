package auth

import (
	"context"
	"errors"

	"latchkey/internal/account"
	"latchkey/internal/token"
)

// Authenticate returns whoever an access token speaks for: a user in a live session, or somebody unknown and why. It
// reads the session's row every time, so what ends a session ends its access tokens at once.
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
