package cli

import (
	"context"

	"latchkey/internal/account"
	"latchkey/internal/auth"
)

type userDisable struct{ aboutUser }

// Run disables a user.
func (d userDisable) Run(ctx context.Context, p *Program) error {
	return d.withUser(ctx, p, func(svc *auth.Service, user *account.User) error {
		user, err := svc.DisableUser(ctx, account.Operator, user.ID)
		if err != nil {
			return err
		}
		return d.report(p, user, "User %s disabled; all sessions revoked.")
	})
}
