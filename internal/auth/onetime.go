package auth

import (
	"context"

	"latchkey/internal/account"
	"latchkey/internal/store"
	"latchkey/internal/token"
)

// findOneTime returns the row of a one-time token. User errors at token: TOKEN_INVALID; TOKEN_EXPIRED for an authentic
// one.
func (s *Service) findOneTime(ctx context.Context, purpose account.MailTemplate, text string) (store.OneTime, error) {
	hash, ok := token.HashOneTime(text)
	if !ok {
		return store.OneTime{}, account.InvalidToken().At("token")
	}
	found, err := s.store.OneTime(ctx, hash, purpose)
	switch {
	case err != nil:
		return found, notFoundToInvalid(err)
	case found.Expired(s.Now()):
		return found, account.ExpiredToken().At("token")
	}
	return found, nil
}

// redeem uses a one-time token, which verifies an email address. It takes the address from every account that has not
// verified it and calls apply, in one transaction. apply returns false when the account has changed since the token was
// created.
//
// User errors at token: TOKEN_INVALID, TOKEN_EXPIRED, TAKEN.
func (s *Service) redeem(
	ctx context.Context, purpose account.MailTemplate, text string,
	apply func(tx *store.Tx, redeemed store.OneTime) (ok bool, err error),
) error {
	found, err := s.findOneTime(ctx, purpose, text)
	if err != nil {
		return err
	}
	hash, _ := token.HashOneTime(text)
	err = s.inTxWithMail(ctx, func(tx *store.Tx) error {
		if err := tx.LockEmail(ctx, found.AddressKey); err != nil {
			return err
		}
		redeemed, ok, err := tx.Redeem(ctx, hash, purpose, s.Now())
		if err == nil && ok {
			err = tx.ReleaseUnverifiedEmail(ctx, redeemed.AddressKey, redeemed.UserID)
		}
		if err == nil && ok {
			ok, err = apply(tx, redeemed)
		}
		if err == nil && !ok {
			err = account.InvalidToken().At("token")
		}
		return err
	})
	if account.IsCode(err, account.Taken) {
		return account.EmailTaken().At("token")
	}
	return err
}

// notFoundToInvalid turns the absence of what a one-time token refers to into TOKEN_INVALID.
func notFoundToInvalid(err error) error {
	if account.IsCode(err, account.NotFound) {
		return account.InvalidToken().At("token")
	}
	return err
}
