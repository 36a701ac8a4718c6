package auth

import (
	"context"
	"log/slog"

	"latchkey/internal/account"
	"latchkey/internal/audit"
	"latchkey/internal/store"
)

// The methods of this file are for operators, who have the database and the secret and need no role or password. Each
// change of a user is one transaction; these are serialized, so that one active administrator always remains. Methods
// that take an actor return FORBIDDEN unless it is an operator.

// FindUser returns the user with an ID, a username or an email address. Errors: NOT_FOUND; BAD_USER_INPUT when several
// accounts are pending for the address.
func (s *Service) FindUser(ctx context.Context, identifier string) (*account.User, error) {
	if id, err := account.ParseID(identifier); err == nil && id.Kind() == account.UserKind {
		if user, err := s.store.User(ctx, id); !account.IsCode(err, account.NotFound) {
			return user, err
		}
	}
	usernameKey, emailKey := account.SignInKeys(identifier)
	if emailKey != "" {
		return s.findUserByEmail(ctx, emailKey)
	}
	found, err := s.store.CredentialsByName(ctx, usernameKey, "")
	switch {
	case account.IsCode(err, account.NotFound):
		return nil, account.NoSuchUser()
	case err != nil:
		return nil, err
	}
	return s.store.User(ctx, found.UserID)
}

func (s *Service) findUserByEmail(ctx context.Context, emailKey string) (*account.User, error) {
	users, err := s.store.UsersByAddress(ctx, emailKey, 2)
	if err != nil {
		return nil, err
	}
	switch holder, _ := holderOf(users); {
	case len(users) == 0:
		return nil, account.NoSuchUser()
	case holder == nil && len(users) > 1:
		return nil, &account.Error{Code: account.BadUserInput, Message: msgSeveralPending}
	}
	return users[0], nil
}

const msgSeveralPending = "Several pending accounts have this address. Use a username or an ID."

// Users returns at most limit users, oldest first; with an ID, only those after that one.
func (s *Service) Users(ctx context.Context, after account.ID, limit int) ([]*account.User, error) {
	return s.store.Users(ctx, after, limit)
}

// SessionsOf returns a user's live sessions, last used first. Their ExpiresAt is when they end if they are not used
// again.
func (s *Service) SessionsOf(ctx context.Context, user account.ID) ([]*account.Session, error) {
	now := s.Now()
	sessions, err := s.store.LiveSessions(ctx, user, now, now.Add(-s.IdleTTL))
	for _, session := range sessions {
		session.ExpiresAt = s.expiry(*session)
	}
	return sessions, err
}

// CreateUser creates an active user with a profile, regardless of the registration mode. The address counts as not
// verified. User errors: those of Register, except REGISTRATION_CLOSED. Errors: RATE_LIMITED when too many passwords
// are being hashed.
func (s *Service) CreateUser(
	ctx context.Context, actor account.Actor, in account.RegisterInput, role account.Role,
) (*account.User, error) {
	if err := actor.RequireOperator(); err != nil {
		return nil, err
	}
	if err := s.checkNewUser(ctx, in, nil, true); err != nil {
		return nil, err
	}
	hash, err := s.passwords.Hash(ctx, in.Password)
	if err != nil {
		return nil, err
	}
	user := newUser(in, role, s.Now())
	err = s.store.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.InsertUser(ctx, user, hash); err != nil {
			return err
		}
		return tx.InsertProfile(ctx, user.Profile)
	})
	if err != nil {
		return nil, err
	}
	s.Audit.Emit(ctx, audit.Event{
		Kind: audit.UserCreated, Actor: actor, Subject: user.ID,
		Details: []slog.Attr{slog.String("role", string(role))},
	})
	return user, nil
}

// DisableUser disables a user and revokes their sessions. It deletes their one-time tokens and the emails that are not
// sent yet, except tokens that undo a change of address, in case the user is enabled again. Errors: FORBIDDEN for the
// last administrator and for a pending account; NOT_FOUND.
func (s *Service) DisableUser(ctx context.Context, actor account.Actor, id account.ID) (*account.User, error) {
	var before account.Status
	user, err := s.withUserLocked(ctx, actor, id, func(tx *store.Tx, user *account.User) error {
		switch before = user.Status; before {
		case account.Disabled:
			return nil
		case account.Pending:
			return errPending()
		}
		if err := checkNotLastAdmin(ctx, tx, user); err != nil {
			return err
		}
		if err := tx.Disable(ctx, id); err != nil {
			return err
		}
		return tx.DeleteUserTokens(ctx, id)
	})
	if err == nil && before != account.Disabled {
		s.Audit.Emit(ctx, audit.Event{Kind: audit.UserDisabled, Actor: actor, Subject: user.ID})
	}
	return user, err
}

// EnableUser enables a disabled user. Errors: FORBIDDEN for a pending account; NOT_FOUND.
func (s *Service) EnableUser(ctx context.Context, actor account.Actor, id account.ID) (*account.User, error) {
	var before account.Status
	user, err := s.withUserLocked(ctx, actor, id, func(tx *store.Tx, user *account.User) error {
		switch before = user.Status; before {
		case account.Active:
			return nil
		case account.Pending:
			return errPending()
		}
		return tx.Enable(ctx, id)
	})
	if err == nil && before != account.Active {
		s.Audit.Emit(ctx, audit.Event{Kind: audit.UserUpdated, Actor: actor, Subject: user.ID, Reason: "enabled"})
	}
	return user, err
}

// SetRole changes a user's role. Unless they have it already, it revokes their sessions and deletes their one-time
// tokens, except those that undo a change of address. Errors: FORBIDDEN for the last administrator; NOT_FOUND.
func (s *Service) SetRole(
	ctx context.Context, actor account.Actor, id account.ID, role account.Role,
) (*account.User, error) {
	var before account.Role
	user, err := s.withUserLocked(ctx, actor, id, func(tx *store.Tx, user *account.User) error {
		if before = user.Role; before == role {
			return nil
		}
		if err := checkNotLastAdmin(ctx, tx, user); err != nil {
			return err
		}
		if err := tx.SetRole(ctx, id, role); err != nil {
			return err
		}
		return tx.DeleteUserTokens(ctx, id)
	})
	if err == nil && before != role {
		s.Audit.Emit(ctx, audit.Event{
			Kind: audit.RoleChanged, Actor: actor, Subject: user.ID,
			Details: []slog.Attr{slog.String("from", string(before)), slog.String("to", string(role))},
		})
	}
	return user, err
}

// MailPasswordReset sends an email with a token for ResetPassword to the user's address, even if that is pending. An
// operator neither sets nor sees a password (OWASP ASVS 5.0, section 6.4.6). Errors: FORBIDDEN for a disabled user and
// for one without an address; NOT_FOUND.
func (s *Service) MailPasswordReset(ctx context.Context, actor account.Actor, id account.ID) (*account.User, error) {
	user, err := s.withUserLocked(ctx, actor, id, func(tx *store.Tx, user *account.User) error {
		switch {
		case user.Status == account.Disabled:
			return errForbidden("This user is disabled.")
		case user.Email == nil:
			return errForbidden("This user has no email address.")
		}
		return s.Outbox.EnqueueUnlimited(ctx, tx, s.newMailTo(user, account.PasswordReset, ClientInfo{}), id)
	})
	if err == nil {
		s.Audit.Emit(ctx, audit.Event{
			Kind: audit.UserUpdated, Actor: actor, Subject: user.ID, Reason: "password reset mailed",
		})
	}
	return user, err
}

// RevokeSessionsOf revokes all sessions of a user and returns how many were live. A concurrent sign-in is refused.
// Errors: NOT_FOUND.
func (s *Service) RevokeSessionsOf(
	ctx context.Context, actor account.Actor, user account.ID,
) (revoked int64, err error) {
	if err := actor.RequireOperator(); err != nil {
		return 0, err
	}
	now := s.Now()
	err = s.store.InTx(ctx, func(tx *store.Tx) error {
		revoked, err = tx.RevokeUserSessions(ctx, user, revokedByOperator, now, now.Add(-s.IdleTTL))
		return err
	})
	if err == nil {
		s.auditRevokedEverywhere(ctx, actor, user, revoked)
	}
	return revoked, err
}

// RevokeSessionByID revokes one session of any user. Errors: NOT_FOUND when there is no such live session.
func (s *Service) RevokeSessionByID(ctx context.Context, actor account.Actor, id account.ID) error {
	if err := actor.RequireOperator(); err != nil {
		return err
	}
	session, err := s.session(ctx, id)
	if err != nil {
		return err
	}
	if session == nil {
		return &account.Error{Code: account.NotFound, Message: "There is no such session, or it has ended."}
	}
	return s.revoke(ctx, actor, id, session.UserID, revokedByOperator, "revoked")
}

// RemoveUser deletes a user of any status with everything that belongs to them, as DeleteMe does, and returns the user.
// Errors: FORBIDDEN for the last administrator; NOT_FOUND.
func (s *Service) RemoveUser(
	ctx context.Context, actor account.Actor, id account.ID,
) (user *account.User, err error) {
	if err := actor.RequireOperator(); err != nil {
		return nil, err
	}
	err = s.inTxWithMail(ctx, func(tx *store.Tx) error {
		if user, err = s.lockUser(ctx, tx, id); err != nil {
			return err
		}
		if err := checkNotLastAdmin(ctx, tx, user); err != nil {
			return err
		}
		if err := tx.RemoveUser(ctx, id); err != nil {
			return err
		}
		if err := tx.ResetAllFailures(ctx, string(id)); err != nil {
			return err
		}
		if user.Status == account.Pending {
			return nil // the address may be another person's
		}
		return s.enqueueNotice(ctx, tx, user, account.AccountDeleted, ClientInfo{})
	})
	if err != nil {
		return nil, err
	}
	s.Audit.Emit(ctx, audit.Event{Kind: audit.UserDeleted, Actor: actor, Subject: user.ID})
	return user, nil
}

// withUserLocked calls change with a user in a transaction that is serialized with those of other operators, and
// returns the user as they are afterwards. Errors: FORBIDDEN unless the actor is an operator; NOT_FOUND; those of
// change.
func (s *Service) withUserLocked(
	ctx context.Context, actor account.Actor, id account.ID, change func(tx *store.Tx, user *account.User) error,
) (user *account.User, err error) {
	if err := actor.RequireOperator(); err != nil {
		return nil, err
	}
	err = s.inTxWithMail(ctx, func(tx *store.Tx) error {
		if user, err = s.lockUser(ctx, tx, id); err != nil {
			return err
		}
		if err := change(tx, user); err != nil {
			return err
		}
		user, err = tx.User(ctx, id)
		return err
	})
	return user, err
}

// lockUser makes concurrent changes by operators wait for this transaction, and returns a user.
func (s *Service) lockUser(ctx context.Context, tx *store.Tx, id account.ID) (*account.User, error) {
	if err := tx.LockAdmins(ctx, s.Now()); err != nil {
		return nil, err
	}
	return tx.User(ctx, id)
}

// checkNotLastAdmin returns FORBIDDEN when the user is the last active administrator. Call it with the administrators
// locked.
func checkNotLastAdmin(ctx context.Context, tx *store.Tx, user *account.User) error {
	if user.Role != account.Admin || user.Status != account.Active {
		return nil
	}
	other, err := tx.OtherAdmin(ctx, user.ID)
	if err == nil && !other {
		err = errForbidden("This is the last administrator. Make another user an administrator first.")
	}
	return err
}

func errForbidden(message string) error {
	return &account.Error{Code: account.Forbidden, Message: message}
}

func errPending() error {
	return errForbidden("This account is pending until its email address is confirmed.")
}
