package cli

import (
	"context"
	"errors"
	"fmt"

	"latchkey/internal/account"
	"latchkey/internal/auth"
)

type userDelete struct {
	aboutUser
	Yes bool `help:"Do not ask for confirmation."`
}

// Run deletes a user permanently.
func (d userDelete) Run(ctx context.Context, p *Program) error {
	return d.withUser(ctx, p, func(svc *auth.Service, user *account.User) error {
		if !d.Yes {
			sure, err := p.confirmed(ctx, fmt.Sprintf("Permanently delete %s (%s) with their profile and sessions?",
				user.Username, user.ID))
			if err != nil {
				return err
			}
			if !sure {
				return errors.New("nothing was deleted")
			}
		}
		user, err := svc.RemoveUser(ctx, account.Operator, user.ID)
		if err != nil {
			return err
		}
		return d.report(p, user, "User %s deleted.")
	})
}
