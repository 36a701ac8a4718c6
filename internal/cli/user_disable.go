package cli

import (
	"context"

	"latchkey/internal/account"
	"latchkey/internal/auth"
)

type disableUser struct{ aboutUser }

// Run shuts a user out.
func (d disableUser) Run(ctx context.Context, p *Program) error {
	return d.withUser(ctx, p, func(svc *auth.Service, user *account.User) error {
		user, err := svc.DisableUser(ctx, user.ID)
		if err != nil {
			return err
		}
		return d.report(p, user, "%s is disabled; every session is over.")
	})
}
