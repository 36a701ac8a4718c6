package cli

import (
	"context"

	"latchkey/internal/account"
	"latchkey/internal/auth"
)

type userEnable struct{ aboutUser }

// Run enables a disabled user.
func (e userEnable) Run(ctx context.Context, p *Program) error {
	return e.withUser(ctx, p, func(svc *auth.Service, user *account.User) error {
		user, err := svc.EnableUser(ctx, account.Operator, user.ID)
		if err != nil {
			return err
		}
		return e.report(p, user, "User %s enabled.")
	})
}
