package auth

import (
	"context"
	"log/slog"

	"latchkey/internal/account"
	"latchkey/internal/store"
	"latchkey/internal/token"
)

// RequestPasswordReset has a mail sent with a token for ResetPassword, if somebody has the address. Nobody is told
// whether somebody does. Mistakes: those of an e-mail address. RATE_LIMITED after too many requests from the network.
func (s *Service) RequestPasswordReset(ctx context.Context, email string, client ClientInfo) error {
	return s.request(ctx, account.PasswordReset, email, client)
}

// RequestUsernameReminder has a mail sent with the username, like RequestPasswordReset.
func (s *Service) RequestUsernameReminder(ctx context.Context, email string, client ClientInfo) error {
	return s.request(ctx, account.UsernameReminder, email, client)
}

// ResendActivation has the mail sent again with a token for Activate, like RequestPasswordReset, if an account waits.
func (s *Service) ResendActivation(ctx context.Context, email string, client ClientInfo) error {
	return s.request(ctx, account.Activation, email, client)
}

func (s *Service) request(ctx context.Context, letter account.MailTemplate, email string, client ClientInfo) error {
	if wrong := account.CheckEmail(email); wrong != nil {
		return wrong.At("email")
	}
	if err := s.limiter.EmailRequests.Check(ctx, client.IPAddress); err != nil {
		return err
	}
	return s.inTxWithMail(ctx, func(tx *store.Store) error {
		if err := s.limiter.EmailRequests.Count(ctx, tx, client.IPAddress); err != nil {
			return err
		}
		return s.enqueueRequest(ctx, tx, letter, email, "", client)
	})
}

// Activate confirms the address of a new account and puts it into use. Mistakes: TOKEN_INVALID, TOKEN_EXPIRED, TAKEN.
func (s *Service) Activate(ctx context.Context, text string) (*account.User, error) {
	var user *account.User
	err := s.redeem(ctx, account.Activation, text, func(tx *store.Store, proof store.OneTime) (ok bool, err error) {
		if ok, err = tx.Activate(ctx, proof.UserID, proof.AddressKey); err != nil || !ok {
			return false, err
		}
		if err := tx.PublishProfile(ctx, proof.UserID); err != nil {
			return false, err
		}
		if err := tx.DeleteUserTokens(ctx, proof.UserID); err != nil {
			return false, err
		}
		user, err = tx.User(ctx, proof.UserID)
		return err == nil, err
	})
	if err != nil {
		return nil, err
	}
	s.event(ctx, slog.LevelInfo, "user_updated", user.ID, "what", "activated")
	return user, nil
}

// ResetPassword replaces a forgotten password and ends every session; it signs nobody in (OWASP Forgot Password Cheat
// Sheet, "User Resets Password"). A refused password leaves the token good. Mistakes: TOKEN_INVALID, TOKEN_EXPIRED,
// TAKEN, and those of a password.
func (s *Service) ResetPassword(ctx context.Context, text, newPassword string, client ClientInfo) error {
	proof, err := s.oneTimeOf(ctx, account.PasswordReset, text)
	if err != nil {
		return err
	}
	user, err := s.store.User(ctx, proof.UserID)
	if err != nil {
		return tokenInvalid(err)
	}
	wrong := s.policy.Check(newPassword, user.Username, value(user.Email, ""), user.Name)
	if wrong != nil {
		return wrong.At("newPassword")
	}
	hash, err := s.passwords.Hash(ctx, newPassword)
	if err != nil {
		return err
	}
	err = s.redeem(ctx, account.PasswordReset, text, func(tx *store.Store, proof store.OneTime) (bool, error) {
		if ok, err := tx.ResetPassword(ctx, proof.UserID, proof.AddressKey, hash); err != nil || !ok {
			return false, err
		}
		if err := tx.PublishProfile(ctx, proof.UserID); err != nil {
			return false, err
		}
		user, err := tx.User(ctx, proof.UserID)
		if err != nil {
			return false, err
		}
		return true, s.passwordChanged(ctx, tx, user, client)
	})
	if err == nil {
		s.event(ctx, slog.LevelInfo, "authn_password_change", user.ID, "by", "reset")
	}
	return err
}

// RequestEmailChange lets an address wait to replace the caller's until ConfirmEmailChange, and tells the present one,
// with a token for CancelEmailChange. Whether somebody has the new address is told to nobody but its owner. Mistakes:
// INVALID_CREDENTIALS and those of an e-mail address.
func (s *Service) RequestEmailChange(
	ctx context.Context, caller *account.Caller, in account.RequestEmailChangeInput, client ClientInfo,
) (*account.User, error) {
	proof, err := s.proveFor(ctx, caller, in.CurrentPassword, client, "newEmail", func() *account.Error {
		return account.CheckEmail(in.NewEmail)
	})
	if err != nil {
		return nil, err
	}
	var user *account.User
	err = s.inTxWithMail(ctx, func(tx *store.Store) error {
		ok, err := tx.SetPendingEmail(ctx, caller.User.ID, proof.Epoch, in.NewEmail)
		if err != nil {
			return err
		}
		if !ok {
			return sessionOver()
		}
		if user, err = tx.User(ctx, caller.User.ID); err != nil {
			return err
		}
		if err := s.enqueueRequest(ctx, tx, account.EmailConfirmation, in.NewEmail, user.ID, client); err != nil {
			return err
		}
		if user.Email == nil || account.EmailKey(*user.Email) == account.EmailKey(in.NewEmail) {
			return nil
		}
		notice := s.newMail(account.EmailChangeNotice, *user.Email, client)
		notice.Username, notice.NewEmail = user.Username, in.NewEmail
		return s.Outbox.EnqueueEmail(ctx, tx, notice, user.ID)
	})
	if err != nil {
		return nil, gone(err)
	}
	s.event(ctx, slog.LevelInfo, "user_updated", user.ID, "what", "change of address asked for")
	return user, nil
}

// ConfirmEmailChange gives the account the address that waits, and ends every session. Mistakes: TOKEN_INVALID,
// TOKEN_EXPIRED, TAKEN.
func (s *Service) ConfirmEmailChange(ctx context.Context, text string, client ClientInfo) (*account.User, error) {
	var user *account.User
	err := s.redeem(ctx, account.EmailConfirmation, text, func(tx *store.Store, proof store.OneTime) (ok bool, err error) {
		before, err := tx.User(ctx, proof.UserID)
		if err != nil {
			return false, unlessAbsent(err)
		}
		if ok, err = tx.ConfirmEmail(ctx, proof.UserID, proof.AddressKey); err != nil || !ok {
			return false, err
		}
		if err := tx.DeleteUserTokens(ctx, proof.UserID); err != nil {
			return false, err
		}
		if err := s.settleOldAddress(ctx, tx, before); err != nil {
			return false, err
		}
		if user, err = tx.User(ctx, proof.UserID); err != nil {
			return false, err
		}
		return true, s.enqueueNotice(ctx, tx, user, account.EmailChanged, client)
	})
	if err != nil {
		return nil, err
	}
	s.event(ctx, slog.LevelInfo, "user_updated", user.ID, "what", "address")
	return user, nil
}

// settleOldAddress decides what the notice to the address that a user had is good for from now on: if they had shown
// that it is theirs, it takes the change back for another day; otherwise nobody knows who got it.
func (s *Service) settleOldAddress(ctx context.Context, tx *store.Store, before *account.User) error {
	switch {
	case before.Email == nil:
		return nil
	case !before.EmailVerified:
		return tx.DeleteToken(ctx, before.ID, account.EmailChangeNotice, *before.Email)
	}
	now := s.Now()
	life := account.EmailChangeNotice.TTL()
	return tx.ExtendToken(ctx, before.ID, account.EmailChangeNotice, *before.Email, now, now.Add(life))
}

// CancelEmailChange stops a change of address, or takes it back, and ends every session. Mistakes: TOKEN_INVALID,
// TOKEN_EXPIRED, TAKEN.
func (s *Service) CancelEmailChange(ctx context.Context, text string) error {
	var user account.ID
	err := s.redeem(ctx, account.EmailChangeNotice, text, func(tx *store.Store, proof store.OneTime) (bool, error) {
		user = proof.UserID
		if ok, err := tx.RestoreEmail(ctx, proof.UserID, proof.Address); err != nil || !ok {
			return false, err
		}
		if err := tx.DeleteUserTokens(ctx, proof.UserID); err != nil {
			return false, err
		}
		// Changes that followed this one were told to whoever made it.
		return true, tx.DeleteUserTokensSince(ctx, proof)
	})
	if err == nil {
		s.event(ctx, slog.LevelWarn, "user_updated", user, "what", "change of address stopped")
	}
	return err
}

// oneTimeOf returns what a one-time token stands for. Mistakes: TOKEN_INVALID, and TOKEN_EXPIRED for a genuine one.
func (s *Service) oneTimeOf(ctx context.Context, purpose account.MailTemplate, text string) (store.OneTime, error) {
	hash, ok := token.HashOneTime(text)
	if !ok {
		return store.OneTime{}, account.InvalidToken().At("token")
	}
	proof, err := s.store.OneTime(ctx, hash, purpose)
	switch {
	case err != nil:
		return proof, tokenInvalid(err)
	case proof.Expired(s.Now()):
		return proof, account.ExpiredToken().At("token")
	}
	return proof, nil
}

// redeem uses a one-time token up, which proves an address, takes the address from whoever has not proven it, and does
// what the token is for: all or nothing. act returns false when the account is not any more what the token was made
// for.
func (s *Service) redeem(
	ctx context.Context, purpose account.MailTemplate, text string,
	act func(tx *store.Store, proof store.OneTime) (ok bool, err error),
) error {
	known, err := s.oneTimeOf(ctx, purpose, text)
	if err != nil {
		return err
	}
	hash, _ := token.HashOneTime(text)
	err = s.inTxWithMail(ctx, func(tx *store.Store) error {
		if err := tx.LockEmail(ctx, known.AddressKey); err != nil {
			return err
		}
		proof, ok, err := tx.Redeem(ctx, hash, purpose, s.Now())
		if err == nil && ok {
			err = tx.ReleaseUnverifiedEmail(ctx, proof.AddressKey, proof.UserID)
		}
		if err == nil && ok {
			ok, err = act(tx, proof)
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

// tokenInvalid turns the absence of what a token stands for into a mistake.
func tokenInvalid(err error) error {
	if account.IsCode(err, account.NotFound) {
		return account.InvalidToken().At("token")
	}
	return err
}
