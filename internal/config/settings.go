package config

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"latchkey/internal/account"
)

// setting describes a setting. Its variable is LATCHKEY_ and its name.
type setting struct {
	name   string
	value  string // the default, in the form of a given value
	unset  string // the default as help shows it, if value is empty
	help   string
	secret bool                               // may also come from a file
	parse  func(c *Config, text string) error // not called with an empty text
}

// settings are all settings. Errors of parse complete the sentence that starts with the setting's name, and never
// repeat the value: it may be a secret that was meant for another setting.
var settings = []setting{
	{
		name: "LISTEN", value: "127.0.0.1:8080",
		help:  "Address to listen on; port 0 picks a free port.",
		parse: func(c *Config, text string) error { c.Listen = text; return checkListen(text) },
	}, {
		name: "DATABASE_URL", value: "sqlite:latchkey.db", secret: true,
		help:  "sqlite:PATH, or postgres://… with one or more hosts.",
		parse: func(c *Config, text string) (err error) { c.DatabaseURL, err = ParseDatabaseURL(text); return err },
	}, {
		name: "PUBLIC_URL", value: "http://localhost:8080",
		help:  "Public URL of the server: issuer and audience of access tokens. Must be https in production.",
		parse: func(c *Config, text string) (err error) { c.PublicURL, err = parseURL(text); return err },
	}, {
		name: "APP_URL", value: "http://localhost:5173",
		help:  "URL of the single-page application. Its origin is allowed unless LATCHKEY_ALLOWED_ORIGINS is set.",
		parse: func(c *Config, text string) (err error) { c.AppURL, err = parseURL(text); return err },
	}, {
		name: "ALLOWED_ORIGINS", unset: "the origin of LATCHKEY_APP_URL",
		help:  "Origins that may send requests with credentials (CORS), exact, separated by commas.",
		parse: func(c *Config, text string) (err error) { c.AllowedOrigins, err = list(text, parseOrigin); return err },
	}, {
		name: "SECRET", unset: "created beside the SQLite file", secret: true,
		help:  "All keys are derived from it: at least 32 bytes. Required with PostgreSQL.",
		parse: func(c *Config, text string) error { c.Secret = hide(text); return checkSecret(text) },
	}, {
		name: "SECRET_PREVIOUS", unset: "none", secret: true,
		help:  "The old secret during a change: still accepted, never used for anything new.",
		parse: func(c *Config, text string) error { c.SecretPrevious = hide(text); return checkSecret(text) },
	}, {
		name: "MODE", value: string(Development),
		help:  "development, or production: no explorer, no introspection, https and Secure cookies required.",
		parse: oneOf(func(c *Config) *Mode { return &c.Mode }, Development, Production),
	}, {
		name: "ACCESS_TOKEN_TTL", value: "5m",
		help: "Lifetime of an access token: 1m to 15m; from 1s in development.",
		parse: duration(func(c *Config) *time.Duration { return &c.AccessTokenTTL }, time.Second, 15*time.Minute,
			"must be 1m to 15m; from 1s in development"),
	}, {
		name: "REFRESH_IDLE_TTL", value: "168h",
		help: "A session expires when it is not used for this long; at most 8760h.",
		parse: duration(func(c *Config) *time.Duration { return &c.RefreshIdleTTL }, 1, 8760*time.Hour,
			"must be more than 0 and at most 8760h"),
	}, {
		name: "SESSION_TTL", value: "720h",
		help: "Maximum lifetime of a session, even if it is in use; at most 8760h.",
		parse: duration(func(c *Config) *time.Duration { return &c.SessionTTL }, 1, 8760*time.Hour,
			"must be more than 0 and at most 8760h"),
	}, {
		name: "MAX_SESSIONS", value: "50",
		help:  "Maximum active sessions per user: 1 to 1000. Above it, the least recently used session is revoked.",
		parse: number(func(c *Config) *int { return &c.MaxSessions }, 1, 1000),
	}, {
		name: "REFRESH_GRACE", value: "30s",
		help: "Grace period during which a used refresh token returns the same result: 0 to 60s.",
		parse: duration(func(c *Config) *time.Duration { return &c.RefreshGrace }, 0, time.Minute,
			"must be 0 to 60s"),
	}, {
		name: "PASSWORD_MIN_LENGTH", value: "8",
		help:  "Minimum password length in Unicode code points: 8 to 64.",
		parse: number(func(c *Config) *int { return &c.PasswordMinLength }, 8, 64),
	}, {
		name: "REGISTRATION", value: string(Open),
		help:  "Who may register: open, closed or invite.",
		parse: oneOf(func(c *Config) *Registration { return &c.Registration }, Open, Closed, Invite),
	}, {
		name: "EMAIL_VERIFICATION", value: "off",
		help:  "off, or required: new users must confirm an email address. Registration does not reveal known addresses.",
		parse: choice(func(c *Config) *bool { return &c.EmailVerification }, "off", "required"),
	}, {
		name: "SMTP_URL", unset: "none: email goes to the log; in production, no email is sent", secret: true,
		help:  "SMTP server for outgoing email: smtp://user:password@host:587 (STARTTLS) or smtps://… (TLS).",
		parse: func(c *Config, text string) error { c.SMTPURL = hide(text); return checkSMTPURL(text) },
	}, {
		name: "MAIL_FROM", value: "Latchkey <no-reply@localhost>",
		help:  "From address of emails: an address, or a name and an address in angle brackets.",
		parse: func(c *Config, text string) error { c.MailFrom = text; return checkMailFrom(text) },
	}, {
		name: "MAIL_TEMPLATES", unset: "none",
		help:  "Folder of email templates; they replace the built-in ones of the same name, such as de/activation.txt.",
		parse: func(c *Config, text string) error { c.MailTemplates = text; return checkFolder(text) },
	}, {
		name: "NEW_DEVICE_NOTICE", value: "off",
		help:  "off, or on: send an email about each sign-in from a new device or network.",
		parse: choice(func(c *Config) *bool { return &c.NewDeviceNotice }, "off", "on"),
	}, {
		name: "LIMIT_GUESSES", value: "100",
		help:  "Wrong passwords in a row before the password must be reset: 5 to 1000. Delays start at the fifth.",
		parse: number(func(c *Config) *int { return &c.LimitGuesses }, 5, 1000),
	}, {
		name: "LIMIT_SIGN_IN", value: "1000/1h",
		help:  "Wrong passwords per network (IPv4 address or IPv6 /64) and period.",
		parse: limit(func(c *Config) *account.Limit { return &c.LimitSignIn }),
	}, {
		name: "LIMIT_REGISTER", value: "1000/1h",
		help:  "New accounts per network and period.",
		parse: limit(func(c *Config) *account.Limit { return &c.LimitRegister }),
	}, {
		name: "LIMIT_REFRESH", value: "1000/1m",
		help:  "Rejected refresh tokens per network and period.",
		parse: limit(func(c *Config) *account.Limit { return &c.LimitRefresh }),
	}, {
		name: "LIMIT_MAIL", value: "1000/1h",
		help:  "Requests for emails per network and period.",
		parse: limit(func(c *Config) *account.Limit { return &c.LimitMail }),
	}, {
		name: "SIGNING_ALG", value: "EdDSA",
		help:  "Signing algorithm of access tokens: EdDSA, ES256, RS256, or HS256 (publishes no key).",
		parse: oneOf(func(c *Config) *string { return &c.SigningAlg }, "EdDSA", "ES256", "RS256", "HS256"),
	}, {
		name: "SIGNING_KEY_MAX_AGE", value: "2160h",
		help: "Age of the newest signing key at which the next one is created; at least 24h.",
		parse: duration(func(c *Config) *time.Duration { return &c.SigningKeyMaxAge }, 24*time.Hour, math.MaxInt64,
			"must be 24h or more"),
	}, {
		name: "LOG_FORMAT", unset: "text on a terminal, otherwise json",
		help:  "Log format: text or json.",
		parse: oneOf(func(c *Config) *string { return &c.LogFormat }, "text", "json"),
	}, {
		name: "LOG_LEVEL", value: "info",
		help:  "Minimum log level: debug, info, warn or error.",
		parse: func(c *Config, text string) (err error) { c.LogLevel, err = parseLevel(text); return err },
	}, {
		name: "TRUSTED_PROXIES", unset: "none",
		help:  "Proxies whose X-Forwarded-For is trusted: addresses and CIDRs, separated by commas.",
		parse: func(c *Config, text string) (err error) { c.TrustedProxies, err = list(text, parseProxy); return err },
	}, {
		name: "METRICS_LISTEN", unset: "none",
		help:  "Address for /metrics, /healthz and /readyz, for operators only; port 0 picks a free port.",
		parse: func(c *Config, text string) error { c.MetricsListen = text; return checkListen(text) },
	}, {
		name: "PROFILING", value: "off",
		help:  "off, or on: serve Go profiles at /debug/pprof/ on LATCHKEY_METRICS_LISTEN.",
		parse: choice(func(c *Config) *bool { return &c.Profiling }, "off", "on"),
	},
}

func oneOf[T ~string](field func(*Config) *T, values ...T) func(*Config, string) error {
	return func(c *Config, text string) error {
		*field(c) = T(text)
		return among(T(text), values...)
	}
}

func choice(field func(*Config) *bool, no, yes string) func(*Config, string) error {
	return func(c *Config, text string) error {
		*field(c) = text == yes
		return among(text, no, yes)
	}
}

func among[T ~string](value T, values ...T) error {
	if slices.Contains(values, value) {
		return nil
	}
	text := string(values[0])
	for _, v := range values[1:] {
		text += " or " + string(v)
	}
	return errors.New("must be " + text)
}

func duration(field func(*Config) *time.Duration, least, most time.Duration, rule string) func(*Config, string) error {
	return func(c *Config, text string) error {
		d, err := time.ParseDuration(text)
		if err != nil {
			return errors.New("must be a duration, such as 90s, 5m or 24h")
		}
		if d < least || d > most {
			return errors.New(rule)
		}
		*field(c) = d
		return nil
	}
}

func number(field func(*Config) *int, least, most int) func(*Config, string) error {
	return func(c *Config, text string) (err error) {
		*field(c), err = strconv.Atoi(text)
		if err != nil || *field(c) < least || *field(c) > most {
			return fmt.Errorf("must be a number from %d to %d", least, most)
		}
		return nil
	}
}

// limit parses a number and a time, such as 1000/1h.
func limit(field func(*Config) *account.Limit) func(*Config, string) error {
	return func(c *Config, text string) error {
		count, per, _ := strings.Cut(text, "/")
		n, countErr := strconv.Atoi(count)
		d, perErr := time.ParseDuration(per)
		if countErr != nil || perErr != nil || n < 1 || n > maxLimit || d < time.Second || d > 24*time.Hour {
			return fmt.Errorf("must be a number from 1 to %d and a time from 1s to 24h, such as 1000/1h", maxLimit)
		}
		*field(c) = account.Limit{Max: n, Window: d}
		return nil
	}
}

const maxLimit = 1_000_000_000

// perHour returns how many events a limit allows in an hour on average.
func perHour(l account.Limit) float64 { return float64(l.Max) / l.Window.Hours() }

// list parses entries that are separated by commas. Its errors contain the number of the invalid entry, from 1.
func list[T any](text string, parse func(string) (T, error)) (entries []T, err error) {
	for part := range strings.SplitSeq(text, ",") {
		entry, err := parse(strings.TrimSpace(part))
		if err != nil {
			return nil, fmt.Errorf("entry %d %w", len(entries)+1, err)
		}
		entries = append(entries, entry)
	}
	return entries, nil
}

func checkListen(text string) error {
	host, port, err := net.SplitHostPort(text)
	if err != nil || host != "" && !isHost(host) {
		return errors.New("must be host:port, such as 127.0.0.1:8080 or [::1]:8080")
	}
	return checkPort(port)
}

func checkPort(port string) error {
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return errors.New("must have a port from 0 to 65535")
	}
	return nil
}

func isHost(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return host != "" && !strings.ContainsFunc(host, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-._", r))
	})
}

func checkSecret(text string) error {
	if len(text) < 32 {
		return errors.New("must have at least 32 bytes")
	}
	return nil
}

func checkSMTPURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "smtp" && u.Scheme != "smtps" || !isHost(u.Hostname()) || u.Opaque != "" {
		return errors.New("must be smtp://host:587 or smtps://host:465, with user:password@ before the host if need be")
	}
	if password, _ := u.User.Password(); (u.User.Username() == "") != (password == "") {
		return errors.New("must have both a user and a password, or neither")
	}
	if strings.Trim(u.Path, "/") != "" || strings.ContainsAny(text, "?#") {
		return errors.New("must not have a path, query or fragment; escape special characters, as in %23 for a #")
	}
	return nil
}

func checkMailFrom(text string) error {
	if _, err := mail.ParseAddress(text); err != nil || strings.ContainsFunc(text, isControl) {
		return errors.New("must be one address, such as Latchkey <no-reply@example.com>")
	}
	return nil
}

func checkFolder(text string) error {
	if info, err := os.Stat(text); err != nil || !info.IsDir() {
		return errors.New("must be a folder that can be read")
	}
	return nil
}

func parseLevel(text string) (level slog.Level, err error) {
	if err := among(text, "debug", "info", "warn", "error"); err != nil {
		return level, err
	}
	return level, level.UnmarshalText([]byte(text))
}

// parseURL returns an absolute http or https URL in canonical form, without trailing slashes.
func parseURL(text string) (string, error) {
	u, err := splitURL(text)
	if err != nil {
		return "", err
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return "", errors.New("must start with http:// or https://")
	}
	return originOf(u) + strings.TrimRight(u.EscapedPath(), "/"), nil
}

// parseOrigin returns an origin as a browser writes it.
func parseOrigin(text string) (string, error) {
	u, err := splitURL(text)
	if err != nil {
		return "", err
	}
	if u.Path != "" {
		return "", errors.New("must be an origin, scheme://host or scheme://host:port, without a path or trailing slash")
	}
	return originOf(u), nil
}

// splitURL parses a URL that has a scheme and a host, optionally a port and a path, and nothing else.
func splitURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Scheme == "", !isHost(u.Hostname()), strings.Contains(u.Host, "%"), strings.HasSuffix(u.Host, ":"),
		strings.ContainsFunc(text, isNoURLRune):
		return nil, errors.New("must be an absolute URL with an exact host, such as https://example.com")
	case u.User != nil:
		return nil, errors.New("must not have a user or password")
	case strings.ContainsAny(text, "?#"):
		return nil, errors.New("must not have a query or fragment")
	case u.Port() != "":
		return u, checkPort(u.Port())
	}
	return u, nil
}

// originOf returns the origin of a URL (RFC 6454, section 6.2): in lower case, without the default port of the scheme.
func originOf(u *url.URL) string {
	host := strings.ToLower(u.Host)
	if u.Scheme == "http" {
		host = strings.TrimSuffix(host, ":80")
	}
	if u.Scheme == "https" {
		host = strings.TrimSuffix(host, ":443")
	}
	return u.Scheme + "://" + host
}

// parseProxy returns an address or CIDR as a prefix.
func parseProxy(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if addr, addrErr := netip.ParseAddr(text); addrErr == nil && addr.Zone() == "" {
		p, err = netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	if err != nil {
		return p, errors.New("must be an address or CIDR, such as 10.0.0.0/8 or fd00::1")
	}
	if p.Addr().Is4In6() {
		return p, errors.New("must be written without ::ffff: before IPv4 digits")
	}
	return p.Masked(), nil
}

func isControl(r rune) bool { return unicode.IsControl(r) }

func isNoURLRune(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\"<>\\^`{|}", r) }
