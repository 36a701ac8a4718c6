package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"reflect"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/alecthomas/kong"

	"latchkey/internal/account"
	"latchkey/internal/auth"
	"latchkey/internal/config"
	"latchkey/internal/keyring"
	"latchkey/internal/mail"
)

// commands are all there are, each with its arguments. The help of an argument completes the sentence "… needs".
type commands struct {
	Serve serveRequests `cmd:"" default:"1" help:"Answer requests; what latchkey does without a command."`
	Keys  struct {
		List   listKeys   `cmd:"" help:"Show the signing keys."`
		Rotate rotateKeys `cmd:"" help:"Make the next signing key."`
		Retire retireKey  `cmd:"" help:"Remove a signing key, and refuse its tokens."`
	} `cmd:"" help:"The keys that sign access tokens."`
	Mail struct {
		Preview previewMail `cmd:"" help:"Show a mail."`
		Test    testMail    `cmd:"" help:"Send a mail to an address, to see whether mails arrive."`
	} `cmd:"" help:"The mails to users."`
	User struct {
		Create        createUser    `cmd:"" help:"Make an active user, also where registration is closed."`
		List          listUsers     `cmd:"" help:"Show the users, oldest first."`
		Show          showUser      `cmd:"" help:"Show a user, and where they are signed in."`
		Disable       disableUser   `cmd:"" help:"Shut a user out, which ends every session."`
		Enable        enableUser    `cmd:"" help:"Let a disabled user in again."`
		Role          setRole       `cmd:"" help:"Change what a user may do, which ends every session."`
		ResetPassword resetPassword `cmd:"" help:"Mail a user the link for a new password. Nobody else ever sets one."`
		Delete        deleteUser    `cmd:"" help:"Remove a user with all that is theirs, for ever."`
	} `cmd:"" help:"The users. USER is an ID, a username or an e-mail address."`
	Sessions struct {
		Revoke revokeSessions `cmd:"" help:"End all sessions of a user, or one session."`
	} `cmd:"" help:"Where users are signed in; user show lists it."`
	Migrate struct {
		Status migrateStatus `cmd:"" help:"Show the steps of the database's schema."`
		Up     migrateUp     `cmd:"" help:"Bring the schema up to date, as serve does when it starts."`
	} `cmd:"" help:"The database's schema."`
	Backup     backup      `cmd:"" help:"Copy a SQLite database into a file, while servers go on."`
	Move       move        `cmd:"" help:"Move a SQLite database to PostgreSQL, with everybody signed in."`
	Check      check       `cmd:"" help:"Look for what is wrong with settings and database."`
	RestoreCut restoreCut  `cmd:"" help:"End every session begun before now, after restoring a backup."`
	Schema     printSchema `cmd:"" help:"Print the GraphQL schema."`
	Version    showVersion `cmd:"" help:"Print the version of this program."`
}

// usage is the error of arguments that are no command, in one line. It repeats none of them but flags: one may be a
// secret.
type usage string

func (u usage) Error() string { return string(u) + "; latchkey --help shows the commands" }

// parse returns the command in args, and the settings among them, as config.Read takes them; no command when they asked
// for help, which goes to stdout. It fails with usage.
func parse(args []string, stdout io.Writer) (command *kong.Context, settings []string, err error) {
	helped := false
	parser, err := kong.New(&commands{},
		kong.Name("latchkey"),
		kong.Description("A self-hosted accounts server that speaks GraphQL. Settings may follow every command."),
		kong.Writers(stdout, stdout),
		kong.Exit(func(int) { helped = true }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true}),
		kong.Help(help),
		kong.PostBuild(func(k *kong.Kong) error {
			for _, flag := range config.Flags() {
				k.Model.Flags = append(k.Model.Flags, settingFlag(flag, &settings))
			}
			return nil
		}),
	)
	if err != nil {
		return nil, nil, err
	}
	command, err = parser.Parse(shielded(args))
	switch {
	case helped:
		return nil, nil, nil
	case errors.Is(err, errNoHelp):
		return nil, nil, err
	case err != nil:
		return nil, nil, misuse(err)
	}
	return command, settings, nil
}

// shielded returns args with the ID of a key to retire, where it begins with a hyphen and would pass for a flag, behind
// two hyphens.
func shielded(args []string) []string {
	at := slices.Index(args, "retire") + 1
	if at == 0 || at == len(args) || !strings.HasPrefix(args[at], "-") || !kidForm.MatchString(args[at]) ||
		slices.Contains(config.Flags(), args[at]) {
		return args
	}
	return append(slices.Concat(args[:at], args[at+1:]), "--", args[at])
}

// settingFlag returns a flag that adds itself and its value, whatever that is, to settings.
func settingFlag(flag string, settings *[]string) *kong.Flag {
	value := &kong.Value{
		Name:   strings.TrimPrefix(flag, "--"),
		Tag:    new(kong.Tag),
		Target: reflect.ValueOf(new(string)).Elem(),
		Mapper: kong.MapperFunc(func(ctx *kong.DecodeContext, _ reflect.Value) error {
			text := ctx.Scan.Pop()
			if text.IsEOL() {
				return errors.New("needs a value")
			}
			*settings = append(*settings, flag+"="+text.String())
			return nil
		}),
	}
	value.Flag = &kong.Flag{Value: value, Hidden: true} // help has a table of them
	return value.Flag
}

var errNoHelp = errors.New("the help cannot be written")

func help(options kong.HelpOptions, ctx *kong.Context) error {
	if err := kong.DefaultHelpPrinter(options, ctx); err != nil {
		return fmt.Errorf("%w: %w", errNoHelp, err)
	}
	about := "\nSettings are the same for every command; latchkey --help lists them.\n"
	if ctx.Selected() == nil {
		about = "\nSettings:\n\n" + config.Help()
	}
	if _, err := io.WriteString(ctx.Stdout, about); err != nil {
		return fmt.Errorf("%w: %w", errNoHelp, err)
	}
	return nil
}

// misuse returns what is wrong with arguments as usage.
func misuse(err error) error {
	text, _, _ := strings.Cut(err.Error(), " but got ")
	_, suggestion, ok := strings.Cut(text, ", did you mean ")
	switch known := knownForm.MatchString(text); {
	case !known && strings.HasPrefix(text, "unknown flag "):
		return usage("there is a flag that is not understood; an argument that begins with a hyphen goes behind two")
	case !known && ok:
		return usage("this is no command, perhaps it is " + strings.TrimSuffix(suggestion, "?"))
	}
	parsing, _ := errors.AsType[*kong.ParseError](err)
	if name := argumentForm.FindStringSubmatch(text); name != nil && parsing != nil {
		command := parsing.Context.Selected()
		for _, argument := range command.Positional {
			if argument.Name == name[1] {
				return usage(command.Path() + " needs " + argument.Help)
			}
		}
	}
	if !knownForm.MatchString(text) {
		return usage("there is an argument that is not understood")
	}
	return usage(text)
}

var (
	// argumentForm is that of errors about arguments that are missing or refused by their type.
	argumentForm = regexp.MustCompile(`^(?:expected "|missing positional arguments )?\[?<([a-z-]+)>`)
	// knownForm is that of errors which repeat nothing but flags and what this program knows itself.
	knownForm = regexp.MustCompile(
		`^(expected |unknown flag --?[a-z]+(-[a-z]+)*(,|$)|missing flags: |--[a-z]+(-[a-z]+)*[: ])`)
)

// program is what commands have to work with.
type program struct {
	args, env      []string // the settings
	stdin          io.Reader
	stdout, stderr io.Writer
	now            func() time.Time
}

// config returns the settings.
func (p *program) config() (config.Config, error) { return config.Read(p.args, p.env) }

// log returns the log of commands, which print themselves what they did: warnings and worse.
func (p *program) log(c config.Config) *slog.Logger {
	c.LogLevel = max(c.LogLevel, slog.LevelWarn)
	log, _ := newLog(c, p.stderr) // nothing that waits is logged by commands
	return log
}

// act calls do with the verbs for the database that the settings name, which must be one that a server has used:
// elsewhere it would look done, and be nowhere.
func (p *program) act(ctx context.Context, do func(svc *auth.Service) error) error {
	c, err := p.config()
	if err != nil {
		return err
	}
	if err := mustExist(c); err != nil {
		return err
	}
	st, svc, err := connect(ctx, c, p.log(c), p.now, false)
	if err != nil {
		return err
	}
	defer st.Close()
	if err = do(svc); st.Contended(err) {
		err = fmt.Errorf("the database takes too long to answer, or somebody else holds it: %w", err)
	}
	return err
}

// mustExist returns an error when the database is a file that is not there: opening it would make it.
func mustExist(c config.Config) error {
	if path, ok := c.DatabaseURL.SQLitePath(); ok {
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("database: %w: start a server on it, or run latchkey migrate up first", err)
		}
	}
	return nil
}

// table prints rows in columns, the first one being their names.
func (p *program) table(rows [][]string) error {
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(w, strings.Map(harmless, strings.Join(row, "\t")))
	}
	return w.Flush()
}

// harmless replaces what would turn round, on a terminal, the text that others chose and what stands beside it.
func harmless(r rune) rune {
	if unicode.Is(unicode.Bidi_Control, r) {
		return unicode.ReplacementChar
	}
	return r
}

// json prints a value for scripts.
func (p *program) json(value any) error {
	encoder := json.NewEncoder(p.stdout)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

// printf prints to the standard output.
func (p *program) printf(format string, args ...any) error {
	_, err := fmt.Fprintf(p.stdout, format, args...)
	return err
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

type serveRequests struct{}

// Run answers requests until ctx ends, and then until every accepted request is answered.
func (serveRequests) Run(ctx context.Context, p *program) error {
	c, err := p.config()
	if err != nil {
		return err
	}
	signal.Ignore(syscall.SIGPIPE) // who reads the log may go, and the server stays
	log, flush := newLog(c, p.stderr)
	defer flush()
	s, err := open(ctx, c, log, p.now)
	if err != nil {
		return err
	}
	return s.serve(ctx)
}

type listKeys struct{}

// Run prints a table of the signing keys.
func (listKeys) Run(ctx context.Context, p *program) error {
	return p.act(ctx, func(svc *auth.Service) error {
		keys, err := svc.Keys.List(ctx)
		if err != nil {
			return err
		}
		rows := [][]string{{"KID", "ALGORITHM", "MADE", "SIGNS FROM", "STATE"}}
		for _, k := range keys {
			rows = append(rows, []string{k.ID, k.Alg, stamp(k.CreatedAt), stamp(k.SignsFrom), string(k.State)})
		}
		return p.table(rows)
	})
}

type rotateKeys struct{}

// Run makes the next signing key.
func (rotateKeys) Run(ctx context.Context, p *program) error {
	return p.act(ctx, func(svc *auth.Service) error {
		key, err := svc.Keys.Rotate(ctx)
		if err != nil {
			return err
		}
		return p.printf("%s signs from %s.\n", key.ID, stamp(key.SignsFrom))
	})
}

type retireKey struct {
	KID kid `arg:"" help:"the whole KID of a key, as latchkey keys list shows it"`
}

type kid string

// Validate lets no setting pass that stands where the key's ID was forgotten, for the ID may be repeated.
func (k kid) Validate() error { return matches(kidForm, string(k)) }

var kidForm = regexp.MustCompile(`^[A-Za-z0-9_-]{22,43}$`)

func matches(form *regexp.Regexp, text string) error {
	if !form.MatchString(text) {
		return errors.New("it has another form")
	}
	return nil
}

// Run removes a signing key.
func (r retireKey) Run(ctx context.Context, p *program) error {
	return p.act(ctx, func(svc *auth.Service) error {
		signing, err := svc.Keys.Retire(ctx, string(r.KID))
		if err != nil {
			return err
		}
		return p.printf("%s is removed; its tokens are refused everywhere within %s. %s signs.\n",
			r.KID, keyring.SyncInterval, signing)
	})
}

type previewMail struct {
	Name letterName `arg:"" help:"the name of a mail: activation, or de/activation for another language"`
}

type letterName string

// Validate admits a letter, perhaps with a language before it.
func (n letterName) Validate() error { return matches(letterForm, string(n)) }

var letterForm = regexp.MustCompile(`^([A-Za-z0-9-]{2,20}/)?[a-z-]{1,40}$`)

// Run prints the sample of a letter.
func (m previewMail) Run(p *program) error {
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

type testMail struct {
	Address emailAddress `arg:"" help:"the e-mail address to send to"`
}

type emailAddress string

// Validate admits an e-mail address.
func (a emailAddress) Validate() error {
	if wrong := account.CheckEmail(string(a)); wrong != nil {
		return wrong
	}
	return nil
}

// Run sends the sample of a letter that carries no token, by SMTP alone: the log is no delivery.
func (m testMail) Run(ctx context.Context, p *program) error {
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
	sender, err := newSender(c, nil)
	if err != nil {
		return err
	}
	sample.To, sample.Date = string(m.Address), p.now()
	sample.ID = strings.ToLower(rand.Text()) + sample.ID[strings.LastIndexByte(sample.ID, '@'):]
	if err := sender.Send(ctx, sample); err != nil {
		return fmt.Errorf("not sent: %w", err)
	}
	return p.printf("A mail to %s is on its way: %q.\n", m.Address, sample.Subject)
}

var errNoMail = errors.New("LATCHKEY_SMTP_URL is not set, so mails are not delivered")

type restoreCut struct{}

// Run ends every session begun before now.
func (restoreCut) Run(ctx context.Context, p *program) error {
	return p.act(ctx, func(svc *auth.Service) error {
		cut, err := svc.RevokeAllSessions(ctx)
		if err != nil {
			return err
		}
		return p.printf("Every session begun before %s is over.\n", cut.UTC().Format(time.RFC3339Nano))
	})
}

type printSchema struct{}

// Run prints the contract.
func (printSchema) Run(p *program) error { return p.printf("%s", schema) }

type showVersion struct{}

// Run prints the version of the module, the revision it was built from, if known, and the version of Go.
func (showVersion) Run(p *program) error {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return errors.New("this program was built without its version")
	}
	built := map[string]string{}
	for _, setting := range info.Settings {
		built[setting.Key] = setting.Value
	}
	source := ""
	if revision := built["vcs.revision"]; revision != "" {
		source = " (" + revision + " of " + built["vcs.time"]
		if built["vcs.modified"] == "true" {
			source += ", changed since"
		}
		source += ")"
	}
	return p.printf("latchkey %s%s, %s\n", info.Main.Version, source, info.GoVersion)
}
