package cli

import (
	"context"

	"latchkey/internal/account"
	"latchkey/internal/auth"
)

type setRole struct {
	aboutUser
	Role string `arg:"" enum:"member,staff,admin" help:"a role: member, staff or admin"`
}

// Run changes what a user may do.
func (r setRole) Run(ctx context.Context, p *Program) error {
	return r.withUser(ctx, p, func(svc *auth.Service, user *account.User) error {
		user, err := svc.SetRole(ctx, user.ID, roleOf(r.Role))
		if err != nil {
			return err
		}
		return r.report(p, user, "%s is "+r.Role+"; sessions begun in another role are over.")
	})
}
