package cli

import (
	"context"

	"latchkey/internal/account"
	"latchkey/internal/auth"
)

type userRole struct {
	aboutUser
	Role string `arg:"" enum:"member,staff,admin" help:"a role: member, staff or admin"`
}

// Run changes the role of a user.
func (r userRole) Run(ctx context.Context, p *Program) error {
	return r.withUser(ctx, p, func(svc *auth.Service, user *account.User) error {
		user, err := svc.SetRole(ctx, account.Operator, user.ID, roleOf(r.Role))
		if err != nil {
			return err
		}
		return r.report(p, user, "The role of %s is "+r.Role+"; sessions created in another role are revoked.")
	})
}
