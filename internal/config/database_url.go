package config

import (
	"errors"
	"net/url"
	"strings"
)

// DatabaseURL is the URL of the database: sqlite:PATH, or a postgres:// URL that may name several hosts. It prints
// without password and parameters.
type DatabaseURL struct {
	shown string
	whole Hidden
}

const sqliteScheme = "sqlite:"

// ParseDatabaseURL parses the URL of a database. Its errors complete the sentence that starts with the name of the
// setting or argument, and never repeat text.
func ParseDatabaseURL(text string) (DatabaseURL, error) {
	if path, ok := strings.CutPrefix(text, sqliteScheme); ok {
		switch {
		case path == "" || path == ":memory:":
			return DatabaseURL{}, errors.New("needs the path of a file, as in sqlite:latchkey.db")
		case strings.HasPrefix(path, "//"):
			return DatabaseURL{}, errors.New("takes the path right after sqlite:, without //")
		case strings.ContainsFunc(path, isControl):
			return DatabaseURL{}, errors.New("holds a control character")
		}
		return DatabaseURL{shown: text, whole: hide(text)}, nil
	}
	scheme, rest, _ := strings.Cut(text, "://")
	if scheme != "postgres" && scheme != "postgresql" {
		return DatabaseURL{}, errors.New("must be sqlite:PATH or start with postgres:// or postgresql://")
	}
	// An unescaped / ? or # in a password ends the authority early, and the rest of the password with its @ would
	// count as path or parameters, which may be shown.
	if end := strings.IndexAny(rest, "/?#"); end >= 0 && strings.Contains(rest[end:], "@") {
		return DatabaseURL{}, errors.New("has an @ after its host; escape special characters, as in %2F for a slash")
	}
	u, err := url.Parse(text)
	if err != nil || u.Fragment != "" {
		return DatabaseURL{}, errors.New("is not a URL; escape special characters, as in %2F for a slash")
	}
	shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	if u.User != nil {
		shown.User = url.User(u.User.Username())
	}
	return DatabaseURL{shown: shown.String(), whole: hide(text)}, nil
}

// SQLitePath returns the path of the database file; ok is false with PostgreSQL.
func (d DatabaseURL) SQLitePath() (path string, ok bool) {
	return strings.CutPrefix(d.whole.Reveal(), sqliteScheme)
}

// Reveal returns the whole URL, with its password.
func (d DatabaseURL) Reveal() string { return d.whole.Reveal() }

// String returns the URL without password and parameters.
func (d DatabaseURL) String() string { return d.shown }

// MarshalText returns what String does.
func (d DatabaseURL) MarshalText() ([]byte, error) { return []byte(d.shown), nil }
