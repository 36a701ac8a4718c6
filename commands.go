package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"text/tabwriter"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/auth"
	"latchkey/internal/config"
	"latchkey/internal/mail"
)

// usage is the error of arguments that are no command. It repeats none of them: one may be a secret.
type usage struct{}

func (usage) Error() string {
	return `Commands:

  latchkey                    serve
  latchkey keys list          show the signing keys
  latchkey keys rotate        make the next signing key
  latchkey keys retire KID    remove a signing key, and refuse its tokens
  latchkey mail preview NAME  show a mail: activation, or de/activation for another language
  latchkey mail test ADDRESS  send a mail to an address, to see whether mails arrive
  latchkey restore-cut        end every session begun before now, after restoring a backup

Settings come after the command, the same ones as the server's; latchkey --help lists them.
`
}

// action is a command with its argument. It acts on a database or, by mail, without one.
type action struct {
	run      func(ctx context.Context, verbs *auth.Service, argument string, stdout io.Writer) error
	mail     func(ctx context.Context, c config.Config, now func() time.Time, argument string, stdout io.Writer) error
	argument string
}

// command returns what the arguments before the settings ask for, and the settings; no action when it is to serve.
func command(args []string) (*action, []string, error) {
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		return nil, args, nil
	}
	word := func(i int) string {
		if i < len(args) {
			return args[i]
		}
		return ""
	}
	switch kid := word(2); {
	case word(0) == "mail" && word(1) == "preview" && letterForm.MatchString(word(2)):
		return &action{mail: previewMail, argument: word(2)}, args[3:], nil
	case word(0) == "mail" && word(1) == "test" && account.CheckEmail(word(2)) == nil:
		return &action{mail: testMail, argument: word(2)}, args[3:], nil
	case word(0) == "mail" && word(1) == "test":
		return nil, nil, errors.New("mail test needs the e-mail address to send to")
	case word(0) == "restore-cut":
		return &action{run: restoreCut}, args[1:], nil
	case word(0) == "keys" && word(1) == "list":
		return &action{run: listKeys}, args[2:], nil
	case word(0) == "keys" && word(1) == "rotate":
		return &action{run: rotateKeys}, args[2:], nil
	case word(0) == "keys" && word(1) == "retire" && kidForm.MatchString(kid):
		return &action{run: retireKey, argument: kid}, args[3:], nil
	case word(0) == "keys" && word(1) == "retire":
		return nil, nil, errors.New("keys retire needs the whole KID of a key, as latchkey keys list shows it")
	}
	return nil, nil, usage{}
}

// kidForm lets no setting pass that stands where the key's ID was forgotten, for the ID may be repeated.
var kidForm = regexp.MustCompile(`^[A-Za-z0-9_-]{22,43}$`)

// letterForm is a letter, perhaps with a language before it.
var letterForm = regexp.MustCompile(`^([A-Za-z0-9-]{2,20}/)?[a-z-]{1,40}$`)

// do runs the action; on the database that the settings name, if it needs one, which must be one that a server has
// used: elsewhere it would look done, and be nowhere.
func (a *action) do(
	ctx context.Context, c config.Config, log *slog.Logger, now func() time.Time, stdout io.Writer,
) error {
	if a.mail != nil {
		return a.mail(ctx, c, now, a.argument, stdout)
	}
	if path, ok := c.DatabaseURL.SQLitePath(); ok {
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("database: %w", err)
		}
	}
	kept, verbs, err := connect(ctx, c, log, now, false)
	if err != nil {
		return err
	}
	defer kept.Close()
	return a.run(ctx, verbs, a.argument, stdout)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func listKeys(ctx context.Context, verbs *auth.Service, _ string, stdout io.Writer) error {
	keys, err := verbs.SigningKeys(ctx)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KID\tALGORITHM\tMADE\tSIGNS FROM\tSTATE")
	for _, k := range keys {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", k.ID, k.Alg, stamp(k.CreatedAt), stamp(k.SignsFrom), k.State)
	}
	return w.Flush()
}

func rotateKeys(ctx context.Context, verbs *auth.Service, _ string, stdout io.Writer) error {
	key, err := verbs.RotateKeys(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%s signs from %s.\n", key.ID, stamp(key.SignsFrom))
	return err
}

func retireKey(ctx context.Context, verbs *auth.Service, kid string, stdout io.Writer) error {
	signing, err := verbs.RetireKey(ctx, kid)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%s is removed; its tokens are refused everywhere within %s. %s signs.\n",
		kid, auth.KeysEvery, signing)
	return err
}

func previewMail(
	_ context.Context, c config.Config, _ func() time.Time, name string, stdout io.Writer,
) error {
	templates, err := mail.NewTemplates(c.MailTemplates, c.AppURL)
	if err != nil {
		return err
	}
	language, letter, found := strings.Cut(name, "/")
	if !found {
		language, letter = templates.Languages()[0], name
	}
	m, err := templates.Sample(account.Letter(letter), language)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "Subject: %s\n\n%s\n%s", m.Subject, m.Text, m.HTML)
	return err
}

// testMail sends the sample of a letter that carries no token, by SMTP alone: the log is no delivery.
func testMail(
	ctx context.Context, c config.Config, now func() time.Time, address string, stdout io.Writer,
) error {
	if c.SMTPURL.Reveal() == "" {
		return errors.New("LATCHKEY_SMTP_URL is not set, so mails are not delivered")
	}
	templates, err := mail.NewTemplates(c.MailTemplates, c.AppURL)
	if err != nil {
		return err
	}
	m, err := templates.Sample(account.UsernameReminder, templates.Languages()[0])
	if err != nil {
		return err
	}
	sender, err := newSender(c, nil)
	if err != nil {
		return err
	}
	m.To, m.Date = address, now()
	m.ID = strings.ToLower(rand.Text()) + m.ID[strings.LastIndexByte(m.ID, '@'):]
	if err := sender.Send(ctx, m); err != nil {
		return fmt.Errorf("not sent: %w", err)
	}
	_, err = fmt.Fprintf(stdout, "A mail to %s is on its way: %q.\n", address, m.Subject)
	return err
}

func restoreCut(ctx context.Context, verbs *auth.Service, _ string, stdout io.Writer) error {
	cut, err := verbs.CutSessions(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "Every session begun before %s is over.\n", cut.UTC().Format(time.RFC3339Nano))
	return err
}
