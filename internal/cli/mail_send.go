package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"latchkey/internal/account"
	"latchkey/internal/mail"
	"latchkey/internal/server"
)

type mailTest struct {
	Address emailAddress `arg:"" help:"the email address to send to"`
}

type emailAddress string

// Validate accepts an email address.
func (a emailAddress) Validate() error {
	if wrong := account.CheckEmail(string(a)); wrong != nil {
		return wrong
	}
	return nil
}

// Run sends a sample email by SMTP. The email contains no token.
func (m mailTest) Run(ctx context.Context, p *Program) error {
	c, err := p.config()
	if err != nil {
		return err
	}
	if c.SMTPURL.Reveal() == "" {
		return errNoMail
	}
	templates, err := mail.NewTemplates(c.MailTemplates, c.AppURL)
	if err != nil {
		return err
	}
	sample, err := templates.Sample(account.UsernameReminder, templates.Languages()[0])
	if err != nil {
		return err
	}
	sender, err := server.NewSender(c, nil)
	if err != nil {
		return err
	}
	sample.To, sample.Date = string(m.Address), p.Now()
	sample.ID = strings.ToLower(rand.Text()) + sample.ID[strings.LastIndexByte(sample.ID, '@'):]
	if err := sender.Send(ctx, sample); err != nil {
		return fmt.Errorf("not sent: %w", err)
	}
	return p.printf("Email sent to %s: %q.\n", m.Address, sample.Subject)
}

var errNoMail = errors.New("LATCHKEY_SMTP_URL is not set: no email is delivered")
