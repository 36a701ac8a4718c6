package auth

import (
	"context"
	"log/slog"

	"latchkey/internal/account"
	"latchkey/internal/store"
)

// What an operator does, who has the database and the secret and is asked for no role or password. Changes to users are
// one transaction each and wait for each other, so that of several administrators one stays.

// FindUser returns the user with an ID, a username or an e-mail address; NOT_FOUND when there is none,
// BAD_USER_INPUT when several accounts wait for the address.
func (s *Service) FindUser(ctx context.Context, who string) (*account.User, error) {
	nobody := &account.Error{Code: account.NotFound, Message: "There is no such user."}
	if id, err := account.ParseID(who); err == nil && id.Kind() == account.UserKind {
		if user, err := s.store.User(ctx, id); !account.IsCode(err, account.NotFound) {
			return user, err
		}
	}
	usernameKey, emailKey := account.SignInKeys(who)
	if emailKey == "" {
		found, err := s.store.CredentialsByName(ctx, usernameKey, "")
		switch {
		case account.IsCode(err, account.NotFound):
			return nil, nobody
		case err != nil:
			return nil, err
		}
		return s.store.User(ctx, found.UserID)
	}
	users, err := s.store.UsersByAddress(ctx, emailKey, 2)
	if err != nil {
		return nil, err
	}
	switch holder, _ := holderOf(users); {
	case len(users) == 0:
		return nil, nobody
	case holder == nil && len(users) > 1:
		return nil, &account.Error{Code: account.BadUserInput, Message: severalWait}
	}
	return users[0], nil
}

const severalWait = "Several accounts wait for this address: name one by its username."

// Users returns at most limit users, oldest first, those after one of them if its ID is not empty.
func (s *Service) Users(ctx context.Context, after account.ID, limit int) ([]*account.User, error) {
	return s.store.Users(ctx, after, limit)
}

// SessionsOf returns a user's live sessions, newest use first. Their ExpiresAt is when they end if they are not used
// again.
func (s *Service) SessionsOf(ctx context.Context, user account.ID) ([]*account.Session, error) {
	now := s.Now()
	sessions, err := s.store.LiveSessions(ctx, user, now, now.Add(-s.IdleTTL))
	for _, session := range sessions {
		session.ExpiresAt = s.end(*session)
	}
	return sessions, err
}

// CreateUser makes an active user with a profile, whoever may register. The address counts as not confirmed. Mistakes:
// those of Register, but for REGISTRATION_CLOSED.
func (s *Service) CreateUser(
	ctx context.Context, in account.RegisterInput, role account.Role,
) (*account.User, error) {
	if err := s.checkNewUser(ctx, in, nil, true); err != nil {
		return nil, err
	}
	hash, err := s.passwords.Hash(ctx, in.Password)
	if err != nil {
		return nil, err
	}
	user := newUser(in, role, s.Now())
	err = s.store.InTx(ctx, func(tx *store.Store) error {
		if err := tx.InsertUser(ctx, user, hash); err != nil {
			return err
		}
		return tx.InsertProfile(ctx, user.Profile)
	})
	if err != nil {
		return nil, err
	}
	s.operated(ctx, "user_created", user.ID, "role", role)
	return user, nil
}

// DisableUser shuts a user out: every session ends, with what mails could still do and mails that are not sent yet, but
// for taking back a change of address, should the user be enabled again. FORBIDDEN for the last administrator, and for
// an account that waits for the confirmation of its address.
func (s *Service) DisableUser(ctx context.Context, id account.ID) (*account.User, error) {
	var before account.Status
	user, err := s.operate(ctx, id, func(tx *store.Store, user *account.User) error {
		switch before = user.Status; before {
		case account.Disabled:
			return nil
		case account.Pending:
			return stillPending()
		}
		if err := mayGo(ctx, tx, user); err != nil {
			return err
		}
		if err := tx.Disable(ctx, id); err != nil {
			return err
		}
		return tx.DeleteUserTokens(ctx, id)
	})
	if err == nil && before != account.Disabled {
		s.operated(ctx, "user_archived", user.ID)
	}
	return user, err
}

// EnableUser lets a disabled user in again. FORBIDDEN for an account that waits for the confirmation of its address.
func (s *Service) EnableUser(ctx context.Context, id account.ID) (*account.User, error) {
	var before account.Status
	user, err := s.operate(ctx, id, func(tx *store.Store, user *account.User) error {
		switch before = user.Status; before {
		case account.Active:
			return nil
		case account.Pending:
			return stillPending()
		}
		return tx.Enable(ctx, id)
	})
	if err == nil && before != account.Active {
		s.operated(ctx, "user_updated", user.ID, "what", "enabled")
	}
	return user, err
}

// SetRole changes what a user may do. Unless they have the role already, every session ends, with what mails could
// still do, but for taking back a change of address. FORBIDDEN for the last administrator.
func (s *Service) SetRole(ctx context.Context, id account.ID, role account.Role) (*account.User, error) {
	var before account.Role
	user, err := s.operate(ctx, id, func(tx *store.Store, user *account.User) error {
		if before = user.Role; before == role {
			return nil
		}
		if err := mayGo(ctx, tx, user); err != nil {
			return err
		}
		if err := tx.SetRole(ctx, id, role); err != nil {
			return err
		}
		return tx.DeleteUserTokens(ctx, id)
	})
	if err == nil && before != role {
		s.operated(ctx, "privilege_permissions_changed", user.ID, "from", before, "to", role)
	}
	return user, err
}

// MailPasswordReset puts a mail with a token for ResetPassword into the outbox, to the address that the user has or
// waits for. An operator neither sets nor sees a password (OWASP ASVS 5.0, section 6.4.6). FORBIDDEN for a disabled
// user, and for one without an address.
func (s *Service) MailPasswordReset(ctx context.Context, id account.ID) (*account.User, error) {
	user, err := s.operate(ctx, id, func(tx *store.Store, user *account.User) error {
		switch {
		case user.Status == account.Disabled:
			return forbidden("This user is disabled.")
		case user.Email == nil:
			return forbidden("This user has no e-mail address.")
		}
		m := s.newMail(account.PasswordReset, *user.Email, ClientInfo{})
		m.Username = user.Username
		return s.Outbox.EnqueueUnlimited(ctx, tx, m, id)
	})
	if err == nil {
		s.operated(ctx, "user_updated", user.ID, "what", "password reset mailed")
	}
	return user, err
}

// RevokeSessionsOf ends all sessions of a user and returns how many lived. A sign-in that is under way meanwhile comes to
// nothing.
func (s *Service) RevokeSessionsOf(ctx context.Context, user account.ID) (ended int64, err error) {
	now := s.Now()
	err = s.store.InTx(ctx, func(tx *store.Store) error {
		ended, err = tx.RevokeUserSessions(ctx, user, byOperator, now, now.Add(-s.IdleTTL))
		return err
	})
	if err == nil {
		s.operated(ctx, "authn_token_revoked", user, "why", "everywhere", "sessions", ended)
	}
	return ended, err
}

// RevokeSessionByID ends one session, whoever's it is; NOT_FOUND when no such session lives.
func (s *Service) RevokeSessionByID(ctx context.Context, id account.ID) error {
	session, err := s.session(ctx, id)
	if err != nil {
		return err
	}
	if session == nil {
		return &account.Error{Code: account.NotFound, Message: "There is no such session, or it is over."}
	}
	if err := s.store.Revoke(ctx, id, session.UserID, byOperator, s.Now()); err != nil {
		return err
	}
	s.operated(ctx, "authn_token_revoked", session.UserID, "why", "revoked", "session", id)
	return nil
}

// RemoveUser removes a user with all that is theirs, as DeleteMe does, whatever their status, and returns who it was.
// FORBIDDEN for the last administrator.
func (s *Service) RemoveUser(ctx context.Context, id account.ID) (user *account.User, err error) {
	err = s.inTxWithMail(ctx, func(tx *store.Store) error {
		if user, err = s.hold(ctx, tx, id); err != nil {
			return err
		}
		if err := mayGo(ctx, tx, user); err != nil {
			return err
		}
		if err := tx.RemoveUser(ctx, id); err != nil {
			return err
		}
		if err := tx.ResetAllFailures(ctx, string(id)); err != nil {
			return err
		}
		if user.Status == account.Pending {
			return nil // whose address it is, nobody knows
		}
		return s.enqueueNotice(ctx, tx, user, account.AccountDeleted, ClientInfo{})
	})
	if err != nil {
		return nil, err
	}
	s.operated(ctx, "user_deleted", user.ID)
	return user, nil
}

// operate calls act with a user in one transaction, and returns the user as they are then.
func (s *Service) operate(
	ctx context.Context, id account.ID, act func(tx *store.Store, user *account.User) error,
) (user *account.User, err error) {
	err = s.inTxWithMail(ctx, func(tx *store.Store) error {
		if user, err = s.hold(ctx, tx, id); err != nil {
			return err
		}
		if err := act(tx, user); err != nil {
			return err
		}
		user, err = tx.User(ctx, id)
		return err
	})
	return user, err
}

// hold makes the other acts of operators wait, and returns a user as they are now.
func (s *Service) hold(ctx context.Context, tx *store.Store, id account.ID) (*account.User, error) {
	if err := tx.LockAdmins(ctx, s.Now()); err != nil {
		return nil, err
	}
	return tx.User(ctx, id)
}

// mayGo returns FORBIDDEN when nobody would be left to administer the server without the user. Call it while the
// administrators are held.
func mayGo(ctx context.Context, tx *store.Store, user *account.User) error {
	if user.Role != account.Admin || user.Status != account.Active {
		return nil
	}
	other, err := tx.OtherAdmin(ctx, user.ID)
	if err == nil && !other {
		err = forbidden("This is the last administrator: make another one first.")
	}
	return err
}

func forbidden(message string) error {
	return &account.Error{Code: account.Forbidden, Message: message}
}

func stillPending() error {
	return forbidden("This account waits for the confirmation of its address.")
}

const byOperator = "operator"

// operated logs what an operator did to a user.
func (s *Service) operated(ctx context.Context, event string, user account.ID, more ...any) {
	s.event(ctx, slog.LevelWarn, event, user, append([]any{"by", byOperator}, more...)...)
}
