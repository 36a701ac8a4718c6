package auth

import (
	"context"
	"log/slog"

	"latchkey/internal/account"
	"latchkey/internal/audit"
	"latchkey/internal/store"
)

// ChangePassword replaces the user's own password and all their sessions, including the caller's, by a new session
// (OWASP ASVS 5.0, sections 7.2.4 and 7.4.3). One-time tokens become invalid, except those that undo a change of the
// email address. User errors: INVALID_CREDENTIALS and those of a password. Errors: UNAUTHENTICATED; RATE_LIMITED.
func (s *Service) ChangePassword(
	ctx context.Context, actor account.Actor, in account.ChangePasswordInput, client ClientInfo,
) (*account.TokenPair, error) {
	caller, err := actor.RequireUser()
	if err != nil {
		return nil, err
	}
	check := func() *account.Error { return s.checkPassword(in.NewPassword, caller.User) }
	auth, err := s.reauthenticateAnd(ctx, caller, proof{in.CurrentPassword, client}, "newPassword", check)
	if err != nil {
		return nil, err
	}
	hash, err := s.passwords.Hash(ctx, in.NewPassword)
	if err != nil {
		return nil, err
	}
	var tokens *account.TokenPair
	err = s.inTxWithMail(ctx, func(tx *store.Tx) error {
		tokens, err = s.replacePassword(ctx, tx, caller, auth, hash, sessionOptions{delivery: in.Delivery, client: client})
		return err
	})
	if err != nil {
		return nil, err
	}
	s.Audit.Emit(ctx, audit.Event{Kind: audit.PasswordChanged, Actor: actor, Subject: auth.User})
	s.Audit.Emit(ctx, audit.Event{
		Kind: audit.SessionCreated, Actor: actor, Subject: auth.User, Session: tokens.SessionID,
		Reason: "change of password",
	})
	return tokens, nil
}

// replacePassword is the transaction of ChangePassword. The new session keeps the device name of the caller's.
func (s *Service) replacePassword(
	ctx context.Context, tx *store.Tx, caller *account.Caller, auth authentication, hash string, options sessionOptions,
) (*account.TokenPair, error) {
	epoch, ok, err := tx.SetPassword(ctx, auth.User, auth.Epoch, hash)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, errSessionRevoked()
	}
	// A sign-out that was answered while the password was checked must not be undone by a new session.
	device, ok, err := tx.Replace(ctx, caller.SessionID, auth.User, s.Now())
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, errSessionRevoked()
	}
	auth.Epoch, auth.At, options.device = epoch, s.Now(), device
	tokens, err := s.startSession(ctx, tx, auth, options)
	if err != nil {
		return nil, err
	}
	if tokens == nil {
		return nil, errSessionRevoked()
	}
	return tokens, s.passwordChanged(ctx, tx, caller.User, options.client)
}

// ResetPassword replaces a forgotten password and revokes every session. It starts no session (OWASP Forgot Password
// Cheat Sheet, "User Resets Password"). The token stays valid when the new password is refused. User errors:
// TOKEN_INVALID, TOKEN_EXPIRED, TAKEN, and those of a password. Errors: RATE_LIMITED when too many passwords are being
// hashed.
func (s *Service) ResetPassword(
	ctx context.Context, actor account.Actor, text, newPassword string, client ClientInfo,
) error {
	found, err := s.findOneTime(ctx, account.PasswordReset, text)
	if err != nil {
		return err
	}
	user, err := s.store.User(ctx, found.UserID)
	if err != nil {
		return notFoundToInvalid(err)
	}
	if userErr := s.checkPassword(newPassword, user); userErr != nil {
		return userErr.At("newPassword")
	}
	hash, err := s.passwords.Hash(ctx, newPassword)
	if err != nil {
		return err
	}
	err = s.redeem(ctx, account.PasswordReset, text, func(tx *store.Tx, redeemed store.OneTime) (bool, error) {
		if ok, err := tx.ResetPassword(ctx, redeemed.UserID, redeemed.AddressKey, hash); err != nil || !ok {
			return false, err
		}
		if err := tx.PublishProfile(ctx, redeemed.UserID); err != nil {
			return false, err
		}
		user, err := tx.User(ctx, redeemed.UserID)
		if err != nil {
			return false, err
		}
		return true, s.passwordChanged(ctx, tx, user, client)
	})
	if err == nil {
		s.Audit.Emit(ctx, audit.Event{
			Kind: audit.PasswordChanged, Actor: actor, Subject: user.ID,
			Details: []slog.Attr{slog.String("by", "reset")},
		})
	}
	return err
}

// checkPassword returns the first rule that a new password of a user violates, or nil.
func (s *Service) checkPassword(text string, user *account.User) *account.Error {
	return s.policy.Check(text, user.Username, orDefault(user.Email, ""), user.Name)
}

// passwordChanged does what belongs to every change of a password: it deletes the user's one-time tokens, resets the
// counters of failed attempts, and sends the user a notice.
func (s *Service) passwordChanged(ctx context.Context, tx *store.Tx, user *account.User, client ClientInfo) error {
	if err := tx.DeleteUserTokens(ctx, user.ID); err != nil {
		return err
	}
	if err := tx.ResetAllFailures(ctx, string(user.ID)); err != nil {
		return err
	}
	return s.enqueueNotice(ctx, tx, user, account.PasswordChanged, client)
}
