package auth

import (
	"context"

	"latchkey/internal/account"
	"latchkey/internal/audit"
	"latchkey/internal/store"
)

// Activate verifies the email address of a pending account and activates it. User errors: TOKEN_INVALID, TOKEN_EXPIRED,
// TAKEN.
func (s *Service) Activate(ctx context.Context, actor account.Actor, text string) (*account.User, error) {
	var user *account.User
	err := s.redeem(ctx, account.Activation, text, func(tx *store.Tx, redeemed store.OneTime) (ok bool, err error) {
		if ok, err = tx.Activate(ctx, redeemed.UserID, redeemed.AddressKey); err != nil || !ok {
			return false, err
		}
		if err := tx.PublishProfile(ctx, redeemed.UserID); err != nil {
			return false, err
		}
		if err := tx.DeleteUserTokens(ctx, redeemed.UserID); err != nil {
			return false, err
		}
		user, err = tx.User(ctx, redeemed.UserID)
		return err == nil, err
	})
	if err != nil {
		return nil, err
	}
	s.Audit.Emit(ctx, audit.Event{Kind: audit.UserUpdated, Actor: actor, Subject: user.ID, Reason: "activated"})
	return user, nil
}

// ResendActivation sends the email with a token for Activate again, if an account is pending for the address, like
// RequestPasswordReset.
func (s *Service) ResendActivation(ctx context.Context, _ account.Actor, email string, client ClientInfo) error {
	return s.requestMail(ctx, account.Activation, email, client)
}
