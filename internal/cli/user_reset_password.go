package cli

import (
	"cmp"
	"context"

	"latchkey/internal/account"
	"latchkey/internal/auth"
	"latchkey/internal/server"
)

type resetPassword struct{ aboutUser }

// Run has the link for a new password mailed.
func (r resetPassword) Run(ctx context.Context, p *Program) error {
	c, err := p.config()
	if err != nil {
		return err
	}
	if sender, err := server.NewSender(c, p.log(c)); sender == nil || err != nil {
		return cmp.Or(err, errNoMail)
	}
	return r.withUser(ctx, p, func(svc *auth.Service, user *account.User) error {
		user, err := svc.MailPasswordReset(ctx, user.ID)
		if err != nil {
			return err
		}
		return r.report(p, user, "A mail with the link for a new password, good for an hour, is in the outbox for %s; "+
			"a server sends it. The present password works until then.")
	})
}
