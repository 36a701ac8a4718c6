package auth

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"strings"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/audit"
	"latchkey/internal/store"
)

// Register creates a user with a profile and signs them in, in one transaction. Where email addresses have to be
// verified, it creates a pending account instead and sends an email: to the new user or, when another account has
// verified the address before, to that one.
//
// User errors: those of the input's values, TAKEN, and REGISTRATION_CLOSED. Errors: RATE_LIMITED after too many
// registrations from the network, and when too many passwords are being hashed.
func (s *Service) Register(
	ctx context.Context, actor account.Actor, in account.RegisterInput, client ClientInfo,
) (*account.User, *account.TokenPair, error) {
	if s.Registration != account.Open {
		return nil, nil, account.UserError(account.RegistrationClosed, "Registration is closed on this server.").At()
	}
	if err := s.checkRegistration(ctx, in); err != nil {
		return nil, nil, err
	}
	if err := s.limiter.Registrations.Check(ctx, client.IPAddress); err != nil {
		return nil, nil, err
	}
	hash, err := s.passwords.Hash(ctx, in.Password)
	if err != nil {
		return nil, nil, err
	}
	now := s.Now()
	user := newUser(in, account.Member, now)
	if s.EmailVerification {
		user.Status = account.Pending
	} else {
		user.LastLoginAt = &now
	}
	var tokens *account.TokenPair
	err = s.inTxWithMail(ctx, func(tx *store.Tx) error {
		tokens, err = s.insertRegistration(ctx, tx, user, hash, sessionOptions{delivery: in.Delivery, client: client})
		return err
	})
	if taken, ok := errors.AsType[*account.Error](err); ok && taken.Code == account.Taken {
		// A concurrent registration took a name after the check. A second check finds all that are taken now.
		if err := s.checkRegistration(ctx, in); err != nil {
			return nil, nil, err
		}
		return nil, nil, account.UserErrors{taken}
	}
	if err != nil {
		return nil, nil, err
	}
	s.auditRegistration(ctx, actor, user, tokens)
	return user, tokens, nil
}

// insertRegistration inserts a new user, counted for the client's network. It starts a session for an active user and
// sends the confirmation of the address to a pending one.
func (s *Service) insertRegistration(
	ctx context.Context, tx *store.Tx, user *account.User, hash string, options sessionOptions,
) (*account.TokenPair, error) {
	if err := s.limiter.Registrations.Count(ctx, tx, options.client.IPAddress); err != nil {
		return nil, err
	}
	if err := tx.InsertUser(ctx, user, hash); err != nil {
		return nil, err
	}
	if user.Status == account.Pending {
		return nil, s.enqueueRequest(ctx, tx, account.Activation, *user.Email, user.ID, options.client)
	}
	if err := tx.InsertProfile(ctx, user.Profile); err != nil {
		return nil, err
	}
	auth := authentication{User: user.ID, Methods: []method{methodPassword}, At: user.CreatedAt}
	return s.startSession(ctx, tx, auth, options)
}

func (s *Service) auditRegistration(
	ctx context.Context, actor account.Actor, user *account.User, tokens *account.TokenPair,
) {
	s.Audit.Emit(ctx, audit.Event{
		Kind: audit.UserCreated, Actor: actor, Subject: user.ID,
		Details: []slog.Attr{slog.String("status", string(user.Status))},
	})
	if tokens != nil {
		s.Audit.Emit(ctx, audit.Event{
			Kind: audit.SessionCreated, Actor: actor, Subject: user.ID, Session: tokens.SessionID, Reason: "registration",
		})
	}
}

// newUser returns an active user with their profile.
func newUser(in account.RegisterInput, role account.Role, now time.Time) *account.User {
	user := &account.User{
		ID:        account.NewID(account.UserKind, now),
		Username:  orDefault(in.Username, generatedUsername()),
		Email:     in.Email,
		Name:      orDefault(in.Name, ""),
		Role:      role,
		Status:    account.Active,
		CreatedAt: now,
		Profile:   newProfile(orDefault(in.Profile, account.ProfileInput{}), now),
	}
	user.Profile.UserID, user.Profile.Username = user.ID, user.Username
	return user
}

func (s *Service) checkRegistration(ctx context.Context, in account.RegisterInput) error {
	var userErrs account.UserErrors
	if in.Email == nil && in.Username != nil && s.EmailVerification {
		userErrs.Add(account.UserError(account.Required, "Enter an email address."), "email")
	}
	return s.checkNewUser(ctx, in, userErrs, !s.EmailVerification)
}

// checkNewUser returns userErrs and all further user errors of a new user; that the address is taken only with
// revealEmail.
func (s *Service) checkNewUser(
	ctx context.Context, in account.RegisterInput, userErrs account.UserErrors, revealEmail bool,
) error {
	userErrs = append(userErrs, in.Check()...)
	names := []string{orDefault(in.Username, ""), orDefault(in.Email, ""), orDefault(in.Name, "")}
	userErrs.Add(s.policy.Check(in.Password, names...), "password")
	var usernameKey, emailKey string
	if in.Username != nil && !userErrs.Has("username") {
		usernameKey = account.UsernameKey(*in.Username)
	}
	if in.Email != nil && !userErrs.Has("email") && revealEmail {
		emailKey = account.EmailKey(*in.Email)
	}
	username, email, err := s.store.NamesTaken(ctx, usernameKey, emailKey)
	if err != nil {
		return err
	}
	if username {
		userErrs.Add(account.UsernameTaken(), "username")
	}
	if email {
		userErrs.Add(account.EmailTaken(), "email")
	}
	return userErrs.Err()
}

// generatedUsername is random, because every signed-in user can read it: it must not reveal the email address.
func generatedUsername() string { return "user-" + strings.ToLower(rand.Text()[:12]) }

func orDefault[T any](value *T, otherwise T) T {
	if value == nil {
		return otherwise
	}
	return *value
}
