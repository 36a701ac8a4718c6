package config

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"latchkey/internal/account"
)

const (
	prefix     = "LATCHKEY_"
	testPrefix = prefix + "TEST_"
	fileSuffix = "_FILE"
	maxFile    = 64 << 10 // bytes
)

// Problems is everything that is wrong with the settings, one sentence each. No sentence repeats a value.
type Problems []string

// Error returns one line for each problem.
func (p Problems) Error() string { return strings.Join(p, "\n") }

// Help returns a table of the settings, one a line.
func Help() string {
	var text strings.Builder
	text.WriteString("A flag takes precedence over its environment variable. An empty value counts as not set.\n\n")
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "FLAG\tVARIABLE\tDEFAULT\tMEANING")
	for _, s := range settings {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", flagOf(s.name), variableOf(s.name), s.value+s.unset, s.help)
		if s.secret {
			file := s.name + fileSuffix
			fmt.Fprintf(w, "%s\t%s\t\tPath of a file that contains the value.\n", flagOf(file), variableOf(file))
		}
	}
	w.Flush()
	return text.String()
}

// Flags returns the flags that Read takes, --listen and so on, each with a value.
func Flags() (flags []string) {
	for _, name := range known() {
		flags = append(flags, flagOf(name))
	}
	return flags
}

// Read returns the settings in flags, which maps flags of Flags to their values, and in env, which has the form of
// os.Environ. A flag takes precedence over its variable. It fails with Problems.
func Read(flags map[string]string, env []string) (Config, error) {
	var r reader
	variables := r.variables(env)
	var c Config
	bad := map[string]bool{}
	for _, s := range settings {
		text, name, err := pick(s, flags, variables)
		if err == nil && text != "" {
			err = s.parse(&c, text)
		}
		if err != nil {
			bad[s.name] = true
			r.problem(name, "%v", err)
		}
	}
	r.together(&c, bad)
	r.traces(&c, env)
	if len(r.problems) > 0 {
		return Config{}, r.problems
	}
	return c, nil
}

type reader struct{ problems Problems }

func (r *reader) problem(name, format string, args ...any) {
	r.problems = append(r.problems, name+": "+fmt.Sprintf(format, args...))
}

// variables returns the values of the variables in env that are ours.
func (r *reader) variables(env []string) map[string]string {
	values := map[string]string{}
	for _, entry := range env {
		variable, value, _ := strings.Cut(entry, "=")
		name, ours := strings.CutPrefix(variable, prefix)
		if !ours || strings.HasPrefix(variable, testPrefix) {
			continue
		}
		if slices.Contains(known(), name) {
			values[variable] = value
		} else {
			r.problem(strings.Trim(strconv.QuoteToASCII(variable), `"`), "is not a setting%s", hint(variable, variableOf))
		}
	}
	return values
}

// together checks settings that depend on each other, if each of them is valid by itself, and fills in the defaults
// that come from other settings.
func (r *reader) together(c *Config, bad map[string]bool) {
	if c.AllowedOrigins == nil && !bad["APP_URL"] {
		app, _ := url.Parse(c.AppURL)
		c.AllowedOrigins = []string{originOf(app)}
	}
	c.Loosened = loosened(c)
	_, sqlite := c.DatabaseURL.SQLitePath()
	if !sqlite && c.Secret.Reveal() == "" && !bad["DATABASE_URL"] && !bad["SECRET"] {
		r.problem(variableOf("SECRET"), "is required with PostgreSQL")
	}
	if c.Profiling && c.MetricsListen == "" && !bad["METRICS_LISTEN"] {
		r.problem(variableOf("PROFILING"), "needs %s", variableOf("METRICS_LISTEN"))
	}
	if c.Mode != Production {
		return
	}
	if !strings.HasPrefix(c.PublicURL, "https://") && !bad["PUBLIC_URL"] {
		r.problem(variableOf("PUBLIC_URL"), "must start with https:// in production")
	}
	if needed := needsMail(c); needed != "" && c.SMTPURL.Reveal() == "" && !bad["SMTP_URL"] {
		r.problem(variableOf("SMTP_URL"), "is required in production with %s", needed)
	}
	if c.AccessTokenTTL < time.Minute && !bad["ACCESS_TOKEN_TTL"] {
		r.problem(variableOf("ACCESS_TOKEN_TTL"), "must be 1m to 15m in production")
	}
}

// loosened returns the variables of the limits that allow more than their defaults.
func loosened(c *Config) (variables []string) {
	var defaults Config
	for _, s := range settings {
		if strings.HasPrefix(s.name, "LIMIT_") {
			s.parse(&defaults, s.value)
		}
	}
	if c.LimitGuesses > defaults.LimitGuesses {
		variables = append(variables, variableOf("LIMIT_GUESSES"))
	}
	for _, l := range []struct {
		name         string
		given, usual account.Limit
	}{
		{"LIMIT_SIGN_IN", c.LimitSignIn, defaults.LimitSignIn},
		{"LIMIT_REGISTER", c.LimitRegister, defaults.LimitRegister},
		{"LIMIT_REFRESH", c.LimitRefresh, defaults.LimitRefresh},
		{"LIMIT_MAIL", c.LimitMail, defaults.LimitMail},
	} {
		if l.given.Max > l.usual.Max || perHour(l.given) > perHour(l.usual) {
			variables = append(variables, variableOf(l.name))
		}
	}
	return variables
}

// needsMail returns what does not work without email, or "".
func needsMail(c *Config) string {
	switch {
	case c.EmailVerification:
		return variableOf("EMAIL_VERIFICATION") + "=required"
	case c.NewDeviceNotice:
		return variableOf("NEW_DEVICE_NOTICE") + "=on"
	}
	return ""
}

// pick returns the value of a setting, and what to call it in a problem.
func pick(s setting, flags, variables map[string]string) (text, name string, err error) {
	name = variableOf(s.name)
	for _, given := range []struct {
		values map[string]string
		spell  func(name string) string
	}{{flags, flagOf}, {variables, variableOf}} {
		text, hasText := given.values[given.spell(s.name)]
		path, hasPath := given.values[given.spell(s.name+fileSuffix)]
		if !hasText && !hasPath {
			continue
		}
		source := given.spell(s.name)
		if path != "" {
			source = given.spell(s.name + fileSuffix)
			if text != "" {
				err = errors.New("cannot be set together with " + source)
			} else {
				text, err = readFile(path)
			}
		}
		if source != name {
			name += " (from " + source + ")"
		}
		return cmp.Or(text, s.value), name, err
	}
	return s.value, name, nil
}

// readFile returns the contents of a file without one newline at the end. Its errors do not contain the path.
func readFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", withoutPath(err)
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	text := strings.TrimSuffix(string(content), "\n")
	switch {
	case err != nil:
		return "", withoutPath(err)
	case len(content) > maxFile:
		return "", fmt.Errorf("the file has more than %d bytes", maxFile)
	case text == "":
		return "", errors.New("the file is empty")
	}
	return text, nil
}

// withoutPath removes the path from an error, because it may be a secret that was set instead of the path of its file.
func withoutPath(err error) error {
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathError.Err
	}
	return fmt.Errorf("the file cannot be read: %w", err)
}

func variableOf(name string) string { return prefix + name }

func flagOf(name string) string { return "--" + strings.ToLower(strings.ReplaceAll(name, "_", "-")) }

// known returns the name of everything that can be set.
func known() (names []string) {
	for _, s := range settings {
		names = append(names, s.name)
		if s.secret {
			names = append(names, s.name+fileSuffix)
		}
	}
	return names
}

// hint returns a question that suggests the known name most similar to text, if at most two bytes differ.
func hint(text string, spell func(name string) string) string {
	nearest, least := "", 3
	for _, name := range known() {
		if d := distance(text, spell(name)); d < least {
			nearest, least = "; did you mean "+spell(name)+"?", d
		}
	}
	return nearest
}

// distance returns how many bytes must be inserted, deleted or replaced to turn a into b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
