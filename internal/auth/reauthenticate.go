package auth

import (
	"context"

	"latchkey/internal/account"
	"latchkey/internal/audit"
)

// proof is what a signed-in user presents to authenticate again, and from where.
type proof struct {
	password string
	client   ClientInfo
}

// reauthenticate authenticates a signed-in user again. It is the only way to do so.
//
// User error: INVALID_CREDENTIALS at currentPassword. Errors: UNAUTHENTICATED when the account was deleted meanwhile;
// RATE_LIMITED as for a sign-in, since a wrong password counts as one (OWASP ASVS 5.0, section 6.3.1).
func (s *Service) reauthenticate(ctx context.Context, caller *account.Caller, p proof) (authentication, error) {
	found, err := s.store.CredentialsByID(ctx, caller.User.ID)
	if err != nil {
		return authentication{}, notFoundToRevoked(err)
	}
	attempt, err := s.limiter.Attempt(ctx, found.UserID, "", p.client.IPAddress)
	if err != nil {
		return authentication{}, err
	}
	attempt.InSession(caller.SessionID)
	correct, err := attempt.Verify(ctx, func() (bool, error) {
		return s.passwords.Verify(ctx, found.PasswordHash, p.password)
	})
	switch {
	case err != nil:
		return authentication{}, err
	case !correct:
		s.Audit.Emit(ctx, audit.Event{
			Kind: audit.LoginFailed, Actor: account.ActorOf(caller), Subject: found.UserID,
			Reason: "current password wrong",
		})
		return authentication{}, errWrongPassword()
	}
	if err := attempt.Succeeded(ctx, s.store); err != nil {
		return authentication{}, err
	}
	return authentication{found.UserID, found.Epoch, []method{methodPassword}, s.Now()}, nil
}

// reauthenticateAnd authenticates a signed-in user again and calls check for the new value at a path inside the input.
// It returns the user errors of both together.
func (s *Service) reauthenticateAnd(
	ctx context.Context, caller *account.Caller, p proof, path string, check func() *account.Error,
) (authentication, error) {
	userErrs := account.UserErrors{}
	auth, err := s.reauthenticate(ctx, caller, p)
	if err := userErrs.Collect(err); err != nil {
		return authentication{}, err
	}
	userErrs.Add(check(), path)
	return auth, userErrs.Err()
}

func errWrongPassword() error {
	return account.UserError(account.InvalidCredentials, "The current password is incorrect.").At("currentPassword")
}

// notFoundToRevoked turns the absence of the caller's own account into the end of their session.
func notFoundToRevoked(err error) error {
	if account.IsCode(err, account.NotFound) {
		return errSessionRevoked()
	}
	return err
}

// errSessionRevoked is returned to a caller whose account has changed since they were authenticated.
func errSessionRevoked() error { return account.SignedOut(account.ReasonRevoked) }
