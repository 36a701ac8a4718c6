package auth

import (
	"cmp"
	"context"
	"log/slog"

	"latchkey/internal/account"
	"latchkey/internal/store"
)

// UpdateMe changes the private half of the caller's account. Mistakes: TOO_LONG, INVALID.
func (s *Service) UpdateMe(
	ctx context.Context, caller *account.Caller, in account.UpdateMeInput,
) (*account.User, error) {
	if err := caller.RequireRole(account.Member); err != nil {
		return nil, err
	}
	if err := in.Check().Err(); err != nil {
		return nil, err
	}
	user := *caller.User
	if in.Name != nil {
		if err := s.store.SetName(ctx, user.ID, *in.Name); err != nil {
			return nil, gone(err)
		}
		user.Name = *in.Name
	}
	return &user, nil
}

// DeleteMe removes the caller's account with all that is theirs, and returns the ID it had. Mistake:
// INVALID_CREDENTIALS. FORBIDDEN for the last administrator.
func (s *Service) DeleteMe(
	ctx context.Context, caller *account.Caller, currentPassword string, client ClientInfo,
) (*account.ID, error) {
	proof, err := s.prove(ctx, caller, currentPassword, client)
	if err != nil {
		return nil, err
	}
	err = s.inTxWithMail(ctx, func(tx *store.Store) error {
		if caller.User.Role == account.Admin { // who becomes one meanwhile gets another epoch
			if err := tx.LockAdmins(ctx, s.Now()); err != nil {
				return err
			}
			if err := mayGo(ctx, tx, caller.User); err != nil {
				return err
			}
		}
		if ok, err := tx.DeleteUser(ctx, proof.UserID, proof.Epoch); err != nil || !ok {
			return cmp.Or(err, sessionOver())
		}
		if err := tx.ResetAllFailures(ctx, string(proof.UserID)); err != nil {
			return err
		}
		return s.enqueueNotice(ctx, tx, caller.User, account.AccountDeleted, client)
	})
	if err != nil {
		return nil, err
	}
	s.event(ctx, slog.LevelInfo, "user_deleted", proof.UserID)
	return &proof.UserID, nil
}

// ChangePassword replaces the caller's password and ends all their sessions, the caller's included, for which a new one
// begins (OWASP ASVS 5.0, sections 7.2.4 and 7.4.3). What mails could still do is void, but for taking back a change of
// address. Mistakes: INVALID_CREDENTIALS and those of a password.
func (s *Service) ChangePassword(
	ctx context.Context, caller *account.Caller, in account.ChangePasswordInput, client ClientInfo,
) (*account.TokenPair, error) {
	proof, err := s.proveFor(ctx, caller, in.CurrentPassword, client, "newPassword", func() *account.Error {
		user := caller.User
		return s.policy.Check(in.NewPassword, user.Username, value(user.Email, ""), user.Name)
	})
	if err != nil {
		return nil, err
	}
	user := caller.User
	hash, err := s.passwords.Hash(ctx, in.NewPassword)
	if err != nil {
		return nil, err
	}
	var tokens *account.TokenPair
	err = s.inTxWithMail(ctx, func(tx *store.Store) error {
		epoch, ok, err := tx.SetPassword(ctx, user.ID, proof.Epoch, hash)
		if err != nil {
			return err
		}
		if !ok {
			return sessionOver()
		}
		// A sign-out that was answered while the password was checked must not be undone by a new session.
		device, ok, err := tx.Replace(ctx, caller.SessionID, user.ID, s.Now())
		if err != nil {
			return err
		}
		if !ok {
			return sessionOver()
		}
		if tokens, err = s.signIn(ctx, tx, entry{user.ID, epoch, in.Delivery, client, device}, s.Now()); err != nil {
			return err
		}
		return s.passwordChanged(ctx, tx, user, client)
	})
	if err != nil {
		return nil, err
	}
	s.event(ctx, slog.LevelInfo, "authn_password_change", user.ID)
	s.note("session_created", "change of password")
	return tokens, nil
}

// passwordChanged does what goes with every new password: what mails could still do is void, failures are counted anew,
// and the user is told.
func (s *Service) passwordChanged(ctx context.Context, tx *store.Store, user *account.User, client ClientInfo) error {
	if err := tx.DeleteUserTokens(ctx, user.ID); err != nil {
		return err
	}
	if err := tx.ResetAllFailures(ctx, string(user.ID)); err != nil {
		return err
	}
	return s.enqueueNotice(ctx, tx, user, account.PasswordChanged, client)
}

// ChangeUsername renames the caller and their profile. Mistakes: INVALID_CREDENTIALS and those of a username.
func (s *Service) ChangeUsername(
	ctx context.Context, caller *account.Caller, in account.ChangeUsernameInput, client ClientInfo,
) (*account.User, error) {
	proof, err := s.proveFor(ctx, caller, in.CurrentPassword, client, "newUsername", func() *account.Error {
		return account.CheckUsername(in.NewUsername)
	})
	if err != nil {
		return nil, err
	}
	var user *account.User
	err = s.inTxWithMail(ctx, func(tx *store.Store) error {
		ok, err := tx.SetUsername(ctx, caller.User.ID, proof.Epoch, in.NewUsername)
		if err != nil {
			return err
		}
		if !ok {
			return sessionOver()
		}
		if user, err = tx.User(ctx, caller.User.ID); err != nil {
			return err
		}
		return s.enqueueNotice(ctx, tx, user, account.UsernameChanged, client)
	})
	if account.IsCode(err, account.Taken) {
		return nil, account.UsernameTaken().At("newUsername")
	}
	if err != nil {
		return nil, gone(err)
	}
	s.event(ctx, slog.LevelInfo, "user_updated", user.ID, "what", "username")
	return user, nil
}

// proveFor is prove for a change to something new: what check finds wrong with that, at a path inside the input, is told
// together with a wrong password.
func (s *Service) proveFor(
	ctx context.Context, caller *account.Caller, current string, client ClientInfo, path string, check func() *account.Error,
) (store.Credentials, error) {
	mistakes := account.UserErrors{}
	proof, err := s.prove(ctx, caller, current, client)
	if err := mistakes.Collect(err); err != nil {
		return proof, err
	}
	mistakes.Add(check(), path)
	return proof, mistakes.Err()
}

// prove returns the caller's credentials when the password is theirs. Mistake: INVALID_CREDENTIALS. RATE_LIMITED like a
// sign-in: a wrong password counts as one (OWASP ASVS 5.0, section 6.3.1).
func (s *Service) prove(
	ctx context.Context, caller *account.Caller, current string, client ClientInfo,
) (store.Credentials, error) {
	if err := caller.RequireRole(account.Member); err != nil {
		return store.Credentials{}, err
	}
	found, err := s.store.CredentialsByID(ctx, caller.User.ID)
	if err != nil {
		return found, gone(err)
	}
	attempt, err := s.limiter.Attempt(ctx, found.UserID, "", client.IPAddress)
	if err != nil {
		return found, err
	}
	attempt.InSession(caller.SessionID)
	right, err := attempt.Verify(ctx, func() (bool, error) {
		return s.passwords.Verify(ctx, found.PasswordHash, current)
	})
	switch {
	case err != nil:
		return found, err
	case !right:
		s.event(ctx, slog.LevelInfo, "authn_login_fail", found.UserID, "why", "current password wrong")
		return found, wrongPassword()
	}
	return found, attempt.Succeeded(ctx, s.store)
}

func wrongPassword() error {
	return account.UserError(account.InvalidCredentials, "The current password is wrong.").At("currentPassword")
}

// gone turns the absence of the caller's own account into what it is: the end of their session.
func gone(err error) error {
	if account.IsCode(err, account.NotFound) {
		return sessionOver()
	}
	return err
}

// sessionOver is the answer to a caller whose account has changed since they were let in.
func sessionOver() error { return account.SignedOut(account.ReasonRevoked) }
