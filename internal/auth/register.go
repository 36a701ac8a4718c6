package auth

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"strings"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/store"
)

// Register makes a user with a profile and signs them in: all of it, or nothing. Where addresses have to be confirmed,
// the user waits for that instead, and a mail is under way: to them, or, when somebody has confirmed the address
// before, to that one. Mistakes: those of the input's values, TAKEN, and REGISTRATION_CLOSED. RATE_LIMITED after too
// many registrations from the network.
func (s *Service) Register(
	ctx context.Context, in account.RegisterInput, client ClientInfo,
) (*account.User, *account.TokenPair, error) {
	if s.Registration != account.Open {
		return nil, nil, account.UserError(account.RegistrationClosed, "This server does not take new users by itself.").At()
	}
	if err := s.checkRegistration(ctx, in); err != nil {
		return nil, nil, err
	}
	if err := s.withinLimit(ctx, registrations, account.Network(client.IPAddress), s.Limits.Register); err != nil {
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
	err = s.inTxWithMail(ctx, func(tx *store.Store) error {
		if err := s.count(ctx, tx, registrations, client, s.Limits.Register); err != nil {
			return err
		}
		if err := tx.InsertUser(ctx, user, hash); err != nil {
			return err
		}
		if s.EmailVerification {
			return s.askForMail(ctx, tx, account.Activation, *user.Email, user.ID, client)
		}
		if err := tx.InsertProfile(ctx, user.Profile); err != nil {
			return err
		}
		tokens, err = s.signIn(ctx, tx, entry{user: user.ID, delivery: in.Delivery, client: client}, now)
		return err
	})
	if taken, ok := errors.AsType[*account.Error](err); ok && taken.Code == account.Taken {
		// Somebody was faster; asking again tells of all that is taken now.
		if err := s.checkRegistration(ctx, in); err != nil {
			return nil, nil, err
		}
		return nil, nil, account.UserErrors{taken}
	}
	if err != nil {
		return nil, nil, err
	}
	s.event(ctx, slog.LevelInfo, "user_created", user.ID, "status", user.Status)
	if tokens != nil {
		s.note("session_created", "registration")
	}
	return user, tokens, nil
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
		userErrs.Add(account.UserError(account.Required, "Give an e-mail address."), "email")
	}
	return s.checkNewUser(ctx, in, userErrs, !s.EmailVerification)
}

// checkNewUser returns all that is wrong with a new user, besides mistakes; whether an address is taken, only if that
// may be told.
func (s *Service) checkNewUser(
	ctx context.Context, in account.RegisterInput, userErrs account.UserErrors, revealEmail bool,
) error {
	userErrs = append(userErrs, in.Check()...)
	userErrs.Add(s.policy.Check(in.Password, orDefault(in.Username, ""), orDefault(in.Email, ""), orDefault(in.Name, "")), "password")
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

// generatedUsername tells nothing of the user, least of all the e-mail address, for every signed-in caller can read it.
func generatedUsername() string { return "user-" + strings.ToLower(rand.Text()[:12]) }

func orDefault[T any](given *T, otherwise T) T {
	if given == nil {
		return otherwise
	}
	return *given
}
