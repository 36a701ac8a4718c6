package cli

import (
	"context"

	"latchkey/internal/account"
	"latchkey/internal/auth"
)

type enableUser struct{ aboutUser }

// Run lets a user in again.
func (e enableUser) Run(ctx context.Context, p *Program) error {
	return e.withUser(ctx, p, func(svc *auth.Service, user *account.User) error {
		user, err := svc.EnableUser(ctx, user.ID)
		if err != nil {
			return err
		}
		return e.report(p, user, "%s may sign in.")
	})
}
