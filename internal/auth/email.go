package auth

import (
	"context"

	"latchkey/internal/account"
	"latchkey/internal/audit"
	"latchkey/internal/store"
)

// RequestEmailChange makes an address the user's pending one until ConfirmEmailChange. It sends an email with a token
// for ConfirmEmailChange to that address, and a notice with a token for CancelEmailChange to the current one. The
// response does not reveal whether another account has the new address. User errors: INVALID_CREDENTIALS and those of
// an email address. Errors: UNAUTHENTICATED; RATE_LIMITED.
func (s *Service) RequestEmailChange(
	ctx context.Context, actor account.Actor, in account.RequestEmailChangeInput, client ClientInfo,
) (*account.User, error) {
	caller, err := actor.RequireUser()
	if err != nil {
		return nil, err
	}
	check := func() *account.Error { return account.CheckEmail(in.NewEmail) }
	auth, err := s.reauthenticateAnd(ctx, caller, proof{in.CurrentPassword, client}, "newEmail", check)
	if err != nil {
		return nil, err
	}
	var user *account.User
	err = s.inTxWithMail(ctx, func(tx *store.Tx) error {
		ok, err := tx.SetPendingEmail(ctx, auth.User, auth.Epoch, in.NewEmail)
		if err != nil {
			return err
		}
		if !ok {
			return errSessionRevoked()
		}
		if user, err = tx.User(ctx, auth.User); err != nil {
			return err
		}
		if err := s.enqueueRequest(ctx, tx, account.EmailConfirmation, in.NewEmail, user.ID, client); err != nil {
			return err
		}
		return s.sendChangeNotice(ctx, tx, user, in.NewEmail, client)
	})
	if err != nil {
		return nil, notFoundToRevoked(err)
	}
	s.Audit.Emit(ctx, audit.Event{
		Kind: audit.UserUpdated, Actor: actor, Subject: user.ID, Reason: "change of address asked for",
	})
	return user, nil
}

// sendChangeNotice sends the notice of a requested change to the user's current address, unless there is none or it is
// the new one.
func (s *Service) sendChangeNotice(
	ctx context.Context, tx *store.Tx, user *account.User, newEmail string, client ClientInfo,
) error {
	if user.Email == nil || account.EmailKey(*user.Email) == account.EmailKey(newEmail) {
		return nil
	}
	notice := s.newMailTo(user, account.EmailChangeNotice, client)
	notice.NewEmail = newEmail
	return s.Outbox.EnqueueEmail(ctx, tx, notice, user.ID)
}

// ConfirmEmailChange replaces the address of an account by its pending one and revokes every session. User errors:
// TOKEN_INVALID, TOKEN_EXPIRED, TAKEN.
func (s *Service) ConfirmEmailChange(
	ctx context.Context, actor account.Actor, text string, client ClientInfo,
) (*account.User, error) {
	var user *account.User
	apply := func(tx *store.Tx, redeemed store.OneTime) (ok bool, err error) {
		before, err := tx.User(ctx, redeemed.UserID)
		if err != nil {
			return false, ignoreNotFound(err)
		}
		if ok, err = tx.ConfirmEmail(ctx, redeemed.UserID, redeemed.AddressKey); err != nil || !ok {
			return false, err
		}
		if err := tx.DeleteUserTokens(ctx, redeemed.UserID); err != nil {
			return false, err
		}
		if err := s.updateRevertToken(ctx, tx, before); err != nil {
			return false, err
		}
		if user, err = tx.User(ctx, redeemed.UserID); err != nil {
			return false, err
		}
		return true, s.enqueueNotice(ctx, tx, user, account.EmailChanged, client)
	}
	if err := s.redeem(ctx, account.EmailConfirmation, text, apply); err != nil {
		return nil, err
	}
	s.Audit.Emit(ctx, audit.Event{Kind: audit.UserUpdated, Actor: actor, Subject: user.ID, Reason: "address"})
	return user, nil
}

// updateRevertToken extends the token of the notice to a user's former address, so that it can undo the change for
// another day. If the user had not verified that address, the token is deleted, because anyone may have received it.
func (s *Service) updateRevertToken(ctx context.Context, tx *store.Tx, before *account.User) error {
	switch {
	case before.Email == nil:
		return nil
	case !before.EmailVerified:
		return tx.DeleteToken(ctx, before.ID, account.EmailChangeNotice, *before.Email)
	}
	now := s.Now()
	ttl := account.EmailChangeNotice.TTL()
	return tx.ExtendToken(ctx, before.ID, account.EmailChangeNotice, *before.Email, now, now.Add(ttl))
}

// CancelEmailChange cancels a change of address, or undoes it, and revokes every session. User errors: TOKEN_INVALID,
// TOKEN_EXPIRED, TAKEN.
func (s *Service) CancelEmailChange(ctx context.Context, actor account.Actor, text string) error {
	var user account.ID
	apply := func(tx *store.Tx, redeemed store.OneTime) (bool, error) {
		user = redeemed.UserID
		if ok, err := tx.RestoreEmail(ctx, redeemed.UserID, redeemed.Address); err != nil || !ok {
			return false, err
		}
		if err := tx.DeleteUserTokens(ctx, redeemed.UserID); err != nil {
			return false, err
		}
		// The notices of later changes went to addresses of the person who made this one.
		return true, tx.DeleteUserTokensSince(ctx, redeemed)
	}
	err := s.redeem(ctx, account.EmailChangeNotice, text, apply)
	if err == nil {
		s.Audit.Emit(ctx, audit.Event{
			Kind: audit.UserUpdated, Actor: actor, Subject: user, Reason: "change of address stopped", Warning: true,
		})
	}
	return err
}
