package auth

import (
	"cmp"
	"context"

	"latchkey/internal/account"
	"latchkey/internal/audit"
	"latchkey/internal/store"
)

// UpdateMe changes the private fields of the user's own account. User errors: TOO_LONG, INVALID. Errors:
// UNAUTHENTICATED.
func (s *Service) UpdateMe(
	ctx context.Context, actor account.Actor, in account.UpdateMeInput,
) (*account.User, error) {
	caller, err := actor.RequireUser()
	if err != nil {
		return nil, err
	}
	if err := in.Check().Err(); err != nil {
		return nil, err
	}
	user := *caller.User
	if in.Name != nil {
		if err := s.store.SetName(ctx, user.ID, *in.Name); err != nil {
			return nil, notFoundToRevoked(err)
		}
		user.Name = *in.Name
	}
	return &user, nil
}

// DeleteMe deletes the user's own account with everything that belongs to it, and returns the ID it had. User error:
// INVALID_CREDENTIALS. Errors: UNAUTHENTICATED; RATE_LIMITED; FORBIDDEN for the last administrator.
func (s *Service) DeleteMe(
	ctx context.Context, actor account.Actor, currentPassword string, client ClientInfo,
) (*account.ID, error) {
	caller, err := actor.RequireUser()
	if err != nil {
		return nil, err
	}
	auth, err := s.reauthenticate(ctx, caller, proof{currentPassword, client})
	if err != nil {
		return nil, err
	}
	err = s.inTxWithMail(ctx, func(tx *store.Tx) error { return s.deleteSelf(ctx, tx, caller.User, auth, client) })
	if err != nil {
		return nil, err
	}
	s.Audit.Emit(ctx, audit.Event{Kind: audit.UserDeleted, Actor: actor, Subject: auth.User})
	return &auth.User, nil
}

// deleteSelf is the transaction of DeleteMe.
func (s *Service) deleteSelf(
	ctx context.Context, tx *store.Tx, user *account.User, auth authentication, client ClientInfo,
) error {
	if user.Role == account.Admin { // a user who becomes one meanwhile gets another epoch
		if err := tx.LockAdmins(ctx, s.Now()); err != nil {
			return err
		}
		if err := checkNotLastAdmin(ctx, tx, user); err != nil {
			return err
		}
	}
	if ok, err := tx.DeleteUser(ctx, auth.User, auth.Epoch); err != nil || !ok {
		return cmp.Or(err, errSessionRevoked())
	}
	if err := tx.ResetAllFailures(ctx, string(auth.User)); err != nil {
		return err
	}
	return s.enqueueNotice(ctx, tx, user, account.AccountDeleted, client)
}
