package auth

import (
	"cmp"
	"context"

	"latchkey/internal/account"
	"latchkey/internal/audit"
	"latchkey/internal/password"
	"latchkey/internal/ratelimit"
	"latchkey/internal/store"
)

// ClientInfo describes where a request comes from, as its headers state.
type ClientInfo struct {
	IPAddress string
	UserAgent string
	Languages string // Accept-Language
}

// ObtainToken signs in with a password and starts a new session. It verifies the password, replaces its hash if that is
// outdated, and starts the session in one transaction with what belongs to it.
//
// User errors: INVALID_CREDENTIALS, with the same response at the same cost for an unknown user, a wrong password and
// an account that may not sign in; EMAIL_NOT_VERIFIED, only with the right password; those of the device's name.
// Errors: RATE_LIMITED after too many wrong passwords for the account or from the network, and when too many passwords
// are being checked.
func (s *Service) ObtainToken(
	ctx context.Context, actor account.Actor, in account.ObtainTokenInput, client ClientInfo,
) (*account.User, *account.TokenPair, error) {
	if err := in.Check().Err(); err != nil {
		return nil, nil, err
	}
	verified, err := s.verifyPassword(ctx, actor, in, client)
	if err != nil {
		return nil, nil, err
	}
	rehashed, err := s.rehash(ctx, verified.PasswordHash, in.Password)
	if err != nil {
		return nil, nil, err
	}
	var user *account.User
	var tokens *account.TokenPair
	err = s.inTxWithMail(ctx, func(tx *store.Tx) error {
		auth := authentication{verified.UserID, verified.Epoch, []method{methodPassword}, s.Now()}
		user, tokens, err = s.completeSignIn(ctx, tx, auth, sessionOptions{in.Delivery, client, orDefault(in.DeviceName, "")})
		if err != nil || tokens == nil {
			return err
		}
		if rehashed != "" {
			if err := tx.Rehash(ctx, user.ID, verified.PasswordHash, rehashed); err != nil {
				return err
			}
		}
		return verified.attempt.Succeeded(ctx, tx)
	})
	switch {
	case err != nil:
		return nil, nil, err
	case tokens == nil:
		return nil, nil, errInvalidCredentials()
	}
	actor = account.ActorOf(&account.Caller{User: user, Subject: user.ID, SessionID: tokens.SessionID})
	s.Audit.Emit(ctx, audit.Event{
		Kind: audit.LoginSucceeded, Actor: actor, Subject: user.ID, Session: tokens.SessionID,
	})
	s.Audit.Emit(ctx, audit.Event{
		Kind: audit.SessionCreated, Actor: actor, Subject: user.ID, Session: tokens.SessionID, Reason: "sign-in",
	})
	return user, tokens, nil
}

// completeSignIn starts a session and returns its user, as they are then, and its first tokens; both nil when the user
// has changed since the authentication.
func (s *Service) completeSignIn(
	ctx context.Context, tx *store.Tx, auth authentication, options sessionOptions,
) (*account.User, *account.TokenPair, error) {
	tokens, err := s.startSession(ctx, tx, auth, options)
	if err != nil || tokens == nil {
		return nil, nil, err
	}
	user, err := tx.User(ctx, auth.User)
	return user, tokens, err
}

// verifiedPassword is a password that was right, with the attempt to be reset when it is used.
type verifiedPassword struct {
	store.Credentials
	attempt *ratelimit.Attempt
}

// verifyPassword checks the identifier and the password of a sign-in, and returns the credentials of a user who may
// sign in. Errors: those of ObtainToken.
func (s *Service) verifyPassword(
	ctx context.Context, actor account.Actor, in account.ObtainTokenInput, client ClientInfo,
) (verifiedPassword, error) {
	usernameKey, emailKey := account.SignInKeys(in.Identifier)
	found, pending, err := s.credentials(ctx, usernameKey, emailKey)
	if err != nil {
		return verifiedPassword{}, err
	}
	attempt, err := s.limiter.Attempt(ctx, found.UserID, cmp.Or(usernameKey, emailKey), client.IPAddress)
	if err != nil {
		return verifiedPassword{}, err
	}
	isPending := false
	correct, err := attempt.Verify(ctx, func() (correct bool, err error) {
		correct, err = s.passwords.Verify(ctx, found.PasswordHash, in.Password)
		if correct || err != nil || !s.EmailVerification || emailKey == "" {
			return correct && found.Status != account.Disabled, err
		}
		// This is done without a pending account as well, so that the time does not reveal one. The attempt counts as
		// a failure even if it is right, because it is wrong for the owner of the address.
		isPending, err = s.passwords.Verify(ctx, pending.PasswordHash, in.Password)
		return false, err
	})
	switch {
	case err != nil:
		return verifiedPassword{}, err
	case !correct && !isPending:
		s.Audit.Emit(ctx, audit.Event{Kind: audit.LoginFailed, Actor: actor, Subject: found.UserID})
		return verifiedPassword{}, errInvalidCredentials()
	case isPending || found.Status == account.Pending:
		s.Audit.Emit(ctx, audit.Event{
			Kind: audit.LoginFailed, Actor: actor, Subject: cmp.Or(pending.UserID, found.UserID),
			Reason: "address not confirmed",
		})
		return verifiedPassword{}, account.UserError(account.EmailNotVerified, "Confirm your email address first.").At()
	}
	return verifiedPassword{found, attempt}, nil
}

func errInvalidCredentials() error {
	return account.UserError(account.InvalidCredentials, "Incorrect username, email or password.").At()
}

// rehash returns the hash that is to replace an outdated one; empty when hash is current, and while the queue for
// hashing is full, since the next sign-in can replace it too.
func (s *Service) rehash(ctx context.Context, hash, text string) (rehashed string, err error) {
	if !password.NeedsRehash(hash) {
		return "", nil
	}
	rehashed, err = s.passwords.Hash(ctx, text)
	if account.IsCode(err, account.RateLimited) {
		return "", nil
	}
	return rehashed, err
}

// credentials returns those of the user with a username or an email address, and those of an account for which the
// address is pending; both are zero when there is none. Where addresses need no verification, a pending account counts
// as the user if there is no other, since there is nothing to hide then.
func (s *Service) credentials(
	ctx context.Context, usernameKey, emailKey string,
) (found, pending store.Credentials, err error) {
	found, err = s.store.CredentialsByName(ctx, usernameKey, emailKey)
	if ignoreNotFound(err) == nil && emailKey != "" {
		pending, err = s.store.PendingCredentials(ctx, emailKey)
	}
	if !s.EmailVerification && found.UserID == "" {
		found = pending
	}
	return found, pending, ignoreNotFound(err)
}
