package cli

import (
	"regexp"
	"strings"

	"latchkey/internal/account"
	"latchkey/internal/mail"
)

type previewMail struct {
	Name letterName `arg:"" help:"the name of a mail: activation, or de/activation for another language"`
}

type letterName string

// Validate admits a letter, perhaps with a language before it.
func (n letterName) Validate() error { return matches(letterForm, string(n)) }

var letterForm = regexp.MustCompile(`^([A-Za-z0-9-]{2,20}/)?[a-z-]{1,40}$`)

// Run prints the sample of a letter.
func (m previewMail) Run(p *Program) error {
	c, err := p.config()
	if err != nil {
		return err
	}
	templates, err := mail.NewTemplates(c.MailTemplates, c.AppURL)
	if err != nil {
		return err
	}
	language, letter, found := strings.Cut(string(m.Name), "/")
	if !found {
		language, letter = templates.Languages()[0], string(m.Name)
	}
	sample, err := templates.Sample(account.MailTemplate(letter), language)
	if err != nil {
		return err
	}
	return p.printf("Subject: %s\n\n%s\n%s", sample.Subject, sample.Text, sample.HTML)
}
