package cli

import (
	"regexp"
	"strings"

	"latchkey/internal/account"
	"latchkey/internal/mail"
)

type mailPreview struct {
	Name templateName `arg:"" help:"the name of an email template, such as activation, or de/activation for another language"`
}

type templateName string

// Validate accepts the name of a template, optionally after a language and a slash.
func (n templateName) Validate() error { return matches(templateForm, string(n)) }

var templateForm = regexp.MustCompile(`^([A-Za-z0-9-]{2,20}/)?[a-z-]{1,40}$`)

// Run prints an email with sample data.
func (m mailPreview) Run(p *Program) error {
	c, err := p.config()
	if err != nil {
		return err
	}
	templates, err := mail.NewTemplates(c.MailTemplates, c.AppURL)
	if err != nil {
		return err
	}
	language, name, found := strings.Cut(string(m.Name), "/")
	if !found {
		language, name = templates.Languages()[0], string(m.Name)
	}
	sample, err := templates.Sample(account.MailTemplate(name), language)
	if err != nil {
		return err
	}
	return p.printf("Subject: %s\n\n%s\n%s", sample.Subject, sample.Text, sample.HTML)
}
