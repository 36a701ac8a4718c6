package cli

import (
	"cmp"
	"context"

	"latchkey/internal/account"
	"latchkey/internal/auth"
	"latchkey/internal/server"
)

type userResetPassword struct{ aboutUser }

// Run enqueues an email with a link to set a new password.
func (r userResetPassword) Run(ctx context.Context, p *Program) error {
	c, err := p.config()
	if err != nil {
		return err
	}
	if sender, err := server.NewSender(c, p.log(c)); sender == nil || err != nil {
		return cmp.Or(err, errNoMail)
	}
	return r.withUser(ctx, p, func(svc *auth.Service, user *account.User) error {
		user, err := svc.MailPasswordReset(ctx, account.Operator, user.ID)
		if err != nil {
			return err
		}
		return r.report(p, user, "An email with a link to set a new password is in the outbox for %s. "+
			"A server sends it; the link is valid for one hour. The current password works until then.")
	})
}
