package auth

import (
	"context"

	"latchkey/internal/account"
	"latchkey/internal/audit"
	"latchkey/internal/store"
)

// ChangeUsername changes the username of the user and of their profile. User errors: INVALID_CREDENTIALS and those of a
// username, TAKEN. Errors: UNAUTHENTICATED; RATE_LIMITED.
func (s *Service) ChangeUsername(
	ctx context.Context, actor account.Actor, in account.ChangeUsernameInput, client ClientInfo,
) (*account.User, error) {
	caller, err := actor.RequireUser()
	if err != nil {
		return nil, err
	}
	check := func() *account.Error { return account.CheckUsername(in.NewUsername) }
	auth, err := s.reauthenticateAnd(ctx, caller, proof{in.CurrentPassword, client}, "newUsername", check)
	if err != nil {
		return nil, err
	}
	var user *account.User
	err = s.inTxWithMail(ctx, func(tx *store.Tx) error {
		ok, err := tx.SetUsername(ctx, auth.User, auth.Epoch, in.NewUsername)
		if err != nil {
			return err
		}
		if !ok {
			return errSessionRevoked()
		}
		if user, err = tx.User(ctx, auth.User); err != nil {
			return err
		}
		return s.enqueueNotice(ctx, tx, user, account.UsernameChanged, client)
	})
	if account.IsCode(err, account.Taken) {
		return nil, account.UsernameTaken().At("newUsername")
	}
	if err != nil {
		return nil, notFoundToRevoked(err)
	}
	s.Audit.Emit(ctx, audit.Event{Kind: audit.UserUpdated, Actor: actor, Subject: user.ID, Reason: "username"})
	return user, nil
}
