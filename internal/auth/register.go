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
	err = s.inTxWithMail(ctx, func(tx *store.Store) error {
		if err := s.limiter.Registrations.Count(ctx, tx, client.IPAddress); err != nil {
			return err
		}
		if err := tx.InsertUser(ctx, user, hash); err != nil {
			return err
		}
		if s.EmailVerification {
			return s.enqueueRequest(ctx, tx, account.Activation, *user.Email, user.ID, client)
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
		Username:  value(in.Username, madeUpName()),
		Email:     in.Email,
		Name:      value(in.Name, ""),
		Role:      role,
		Status:    account.Active,
		CreatedAt: now,
		Profile:   newProfile(value(in.Profile, account.ProfileInput{}), now),
	}
	user.Profile.UserID, user.Profile.Username = user.ID, user.Username
	return user
}

func (s *Service) checkRegistration(ctx context.Context, in account.RegisterInput) error {
	var mistakes account.UserErrors
	if in.Email == nil && in.Username != nil && s.EmailVerification {
		mistakes.Add(account.UserError(account.Required, "Give an e-mail address."), "email")
	}
	return s.checkNewUser(ctx, in, mistakes, !s.EmailVerification)
}

// checkNewUser returns all that is wrong with a new user, besides mistakes; whether an address is taken, only if that
// may be told.
func (s *Service) checkNewUser(
	ctx context.Context, in account.RegisterInput, mistakes account.UserErrors, tellAddress bool,
) error {
	mistakes = append(mistakes, in.Check()...)
	mistakes.Add(s.policy.Check(in.Password, value(in.Username, ""), value(in.Email, ""), value(in.Name, "")), "password")
	var usernameKey, emailKey string
	if in.Username != nil && !mistakes.Has("username") {
		usernameKey = account.UsernameKey(*in.Username)
	}
	if in.Email != nil && !mistakes.Has("email") && tellAddress {
		emailKey = account.EmailKey(*in.Email)
	}
	username, email, err := s.store.NamesTaken(ctx, usernameKey, emailKey)
	if err != nil {
		return err
	}
	if username {
		mistakes.Add(account.UsernameTaken(), "username")
	}
	if email {
		mistakes.Add(account.EmailTaken(), "email")
	}
	return mistakes.Err()
}

// madeUpName tells nothing of the user, least of all the e-mail address, for every signed-in caller can read it.
func madeUpName() string { return "user-" + strings.ToLower(rand.Text()[:12]) }

func value[T any](given *T, otherwise T) T {
	if given == nil {
		return otherwise
	}
	return *given
}
