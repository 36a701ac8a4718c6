package cli

import (
	"context"

	"latchkey/internal/account"
	"latchkey/internal/auth"
)

type createUser struct {
	Username string  `arg:"" help:"a username"`
	Email    *string `help:"Their email address, which counts as not confirmed."`
	Name     *string `help:"What they are called."`
	Role     string  `default:"member" enum:"member,staff,admin" help:"member, staff or admin."`
	JSON     bool    `help:"Print JSON."`
}

// Help tells where the password comes from.
func (createUser) Help() string {
	return "The password is asked for on a terminal, which does not show it; elsewhere it is the first line of the " +
		"standard input. The rules are those of registration."
}

// Run makes an active user.
func (c createUser) Run(ctx context.Context, p *Program) error {
	return p.withService(ctx, func(svc *auth.Service) error {
		password, err := p.password(ctx)
		if err != nil {
			return err
		}
		user, err := svc.CreateUser(ctx, account.Operator, account.RegisterInput{
			Username: &c.Username, Email: c.Email, Name: c.Name, Password: password,
		}, roleOf(c.Role))
		if err != nil {
			return err
		}
		return aboutUser{JSON: c.JSON}.report(p, user, "%s is registered as "+string(user.ID)+".")
	})
}
