package cli

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"latchkey/internal/account"
	"latchkey/internal/config"
)

// usage is the error of wrong arguments, in one line. It repeats flags but no other argument, which may be a secret.
type usage string

func (u usage) Error() string { return string(u) + "; latchkey --help shows the commands" }

// parse returns the command in args and the settings among them, by flag; no command if they ask for help, which it
// writes to stdout. It fails with usage.
func parse(args []string, stdout io.Writer) (command *kong.Context, settings map[string]string, err error) {
	helped := false
	settings = map[string]string{}
	parser, err := kong.New(&commands{},
		kong.Name("latchkey"),
		kong.Description("A self-hosted accounts server that speaks GraphQL. Settings may follow every command."),
		kong.Writers(stdout, stdout),
		kong.Exit(func(int) { helped = true }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true}),
		kong.Help(help),
		kong.PostBuild(func(k *kong.Kong) error {
			for _, flag := range config.Flags() {
				k.Model.Flags = append(k.Model.Flags, settingFlag(flag, settings))
			}
			return nil
		}),
	)
	if err != nil {
		return nil, nil, err
	}
	command, err = parser.Parse(protectHyphenArg(args))
	switch {
	case helped:
		return nil, nil, nil
	case errors.Is(err, errNoHelp):
		return nil, nil, err
	case err != nil:
		return nil, nil, usageError(err)
	}
	return command, settings, nil
}

// protectHyphenArg returns args with the KID of keys retire moved behind two hyphens if it begins with a hyphen: it
// would be parsed as a flag.
func protectHyphenArg(args []string) []string {
	at := slices.Index(args, "retire") + 1
	if at == 0 || at == len(args) || !strings.HasPrefix(args[at], "-") || !kidForm.MatchString(args[at]) ||
		slices.Contains(config.Flags(), args[at]) {
		return args
	}
	return append(slices.Concat(args[:at], args[at+1:]), "--", args[at])
}

// settingFlag returns a flag that stores its value in settings. config.Read checks the value.
func settingFlag(flag string, settings map[string]string) *kong.Flag {
	value := &kong.Value{
		Name:   strings.TrimPrefix(flag, "--"),
		Tag:    new(kong.Tag),
		Target: reflect.ValueOf(new(string)).Elem(),
		Mapper: kong.MapperFunc(func(ctx *kong.DecodeContext, _ reflect.Value) error {
			text := ctx.Scan.Pop()
			if text.IsEOL() {
				return errors.New("needs a value")
			}
			settings[flag] = text.String()
			return nil
		}),
	}
	value.Flag = &kong.Flag{Value: value, Hidden: true} // help has a table of them
	return value.Flag
}

// matches returns an error unless text has the form.
func matches(form *regexp.Regexp, text string) error {
	if !form.MatchString(text) {
		return errors.New("it has the wrong form")
	}
	return nil
}

// checkID returns an error unless text is the ID of an object of a kind.
func checkID(kind, text string) error {
	if id, err := account.ParseID(text); err != nil || id.Kind() != kind {
		return errors.New("must be the ID of a " + kind)
	}
	return nil
}

var errNoHelp = errors.New("writing the help failed")

// help prints the help of a command. The help of the program ends with a table of the settings.
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

// usageError returns an error of kong as usage.
func usageError(err error) error {
	text, _, _ := strings.Cut(err.Error(), " but got ")
	_, suggestion, ok := strings.Cut(text, ", did you mean ")
	switch known := knownForm.MatchString(text); {
	case !known && strings.HasPrefix(text, "unknown flag "):
		return usage("unknown flag; put -- before an argument that begins with a hyphen")
	case !known && ok:
		return usage("unknown command, did you mean " + strings.TrimSuffix(suggestion, "?"))
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
		return usage("unexpected argument")
	}
	return usage(text)
}

var (
	// argumentForm matches errors about missing or invalid arguments.
	argumentForm = regexp.MustCompile(`^(?:expected "|missing positional arguments )?\[?<([a-z-]+)>`)
	// knownForm matches errors that repeat only flags and texts of this program.
	knownForm = regexp.MustCompile(
		`^(expected |unknown flag --?[a-z]+(-[a-z]+)*(,|$)|missing flags: |--[a-z]+(-[a-z]+)*[: ])`)
)
