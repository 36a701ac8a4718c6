package cli

import (
	"context"

	"latchkey/internal/account"
	"latchkey/internal/auth"
)

type userCreate struct {
	Username string  `arg:"" help:"a username"`
	Email    *string `help:"The email address; it is not verified."`
	Name     *string `help:"The display name."`
	Role     string  `default:"member" enum:"member,staff,admin" help:"member, staff or admin."`
	JSON     bool    `help:"Print JSON."`
}

// Help returns where the password comes from.
func (userCreate) Help() string {
	return "On a terminal the command prompts for the password; otherwise it reads the first line of the " +
		"standard input. The rules of registration apply."
}

// Run creates an active user.
func (c userCreate) Run(ctx context.Context, p *Program) error {
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
		return aboutUser{JSON: c.JSON}.report(p, user, "User %s created: "+string(user.ID))
	})
}
