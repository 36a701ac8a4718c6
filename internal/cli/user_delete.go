package cli

import (
	"context"
	"errors"
	"fmt"

	"latchkey/internal/account"
	"latchkey/internal/auth"
)

type deleteUser struct {
	aboutUser
	Yes bool `help:"Do not ask."`
}

// Run removes a user for ever.
func (d deleteUser) Run(ctx context.Context, p *Program) error {
	return d.withUser(ctx, p, func(svc *auth.Service, user *account.User) error {
		if !d.Yes {
			sure, err := p.confirmed(ctx, fmt.Sprintf("Delete %s (%s) with all that is theirs, for ever?",
				user.Username, user.ID))
			if err != nil {
				return err
			}
			if !sure {
				return errors.New("nothing is deleted")
			}
		}
		user, err := svc.RemoveUser(ctx, user.ID)
		if err != nil {
			return err
		}
		return d.report(p, user, "%s is deleted.")
	})
}
