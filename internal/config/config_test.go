package config

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"latchkey/internal/account"
)

const secret = "correct-horse-battery-staple-0123456789"

func read(t *testing.T, flags map[string]string, env ...string) Config {
	t.Helper()
	c, err := Read(flags, env)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// refused returns the problems that Read finds.
func refused(t *testing.T, flags map[string]string, env ...string) Problems {
	t.Helper()
	c, err := Read(flags, env)
	problems, ok := errors.AsType[Problems](err)
	if !ok {
		t.Fatalf("got %v, want problems", err)
	}
	if !reflect.DeepEqual(c, Config{}) {
		t.Errorf("a Config came with the problems: %+v", c)
	}
	return problems
}

func TestReadDefaults(t *testing.T) {
	want := Config{
		Listen:            "127.0.0.1:8080",
		PublicURL:         "http://localhost:8080",
		AppURL:            "http://localhost:5173",
		AllowedOrigins:    []string{"http://localhost:5173"},
		Mode:              Development,
		AccessTokenTTL:    5 * time.Minute,
		RefreshIdleTTL:    7 * 24 * time.Hour,
		SessionTTL:        30 * 24 * time.Hour,
		MaxSessions:       50,
		RefreshGrace:      30 * time.Second,
		PasswordMinLength: 8,
		Registration:      Open,
		MailFrom:          "Latchkey <no-reply@localhost>",
		LimitGuesses:      100,
		LimitSignIn:       account.Limit{Max: 1000, Window: time.Hour},
		LimitRegister:     account.Limit{Max: 1000, Window: time.Hour},
		LimitRefresh:      account.Limit{Max: 1000, Window: time.Minute},
		LimitMail:         account.Limit{Max: 1000, Window: time.Hour},
		SigningAlg:        "EdDSA",
		SigningKeyMaxAge:  90 * 24 * time.Hour,
		LogLevel:          slog.LevelInfo,
	}
	for name, env := range map[string][]string{
		"nothing set":   {"HOME=/root", "PATH=", "=C:=C:\\", "odd"},
		"all empty":     allEmpty(),
		"test settings": {"LATCHKEY_TEST_POSTGRES_URL=postgres://x", "LATCHKEY_TEST_="},
	} {
		t.Run(name, func(t *testing.T) {
			got := read(t, nil, env...)
			if path, ok := got.DatabaseURL.SQLitePath(); path != "latchkey.db" || !ok {
				t.Errorf("database path is %q, %v", path, ok)
			}
			if got.Secret.Reveal() != "" {
				t.Error("there is a secret")
			}
			got.DatabaseURL = DatabaseURL{}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

func allEmpty() (env []string) {
	for _, name := range known() {
		env = append(env, variableOf(name)+"=")
	}
	return env
}

func TestReadValues(t *testing.T) {
	const production = "LATCHKEY_MODE=production"
	const https = "LATCHKEY_PUBLIC_URL=https://id.example.com"
	field := func(name string) func(Config) any {
		return func(c Config) any { return reflect.ValueOf(c).FieldByName(name).Interface() }
	}
	database := func(c Config) any { return c.DatabaseURL.Reveal() }
	prefixes := func(texts ...string) (list []netip.Prefix) {
		for _, text := range texts {
			list = append(list, netip.MustParsePrefix(text))
		}
		return list
	}
	for _, tt := range []struct {
		name string
		get  func(Config) any
		good map[string]any // what the value of the setting becomes
		bad  []string
		with []string
	}{
		{name: "LISTEN", get: field("Listen"),
			good: map[string]any{":0": ":0", "0.0.0.0:65535": "0.0.0.0:65535", "[::1]:80": "[::1]:80",
				"localhost:1":      "localhost:1",
				"[fe80::1%eth0]:1": "[fe80::1%eth0]:1"},
			bad: []string{"8080", "localhost", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:http", ":", "::1:80",
				"a b:80", "http://a:80", ":80\n"}},
		{name: "METRICS_LISTEN", get: field("MetricsListen"),
			good: map[string]any{":0": ":0", "0.0.0.0:65535": "0.0.0.0:65535", "[::1]:80": "[::1]:80",
				"localhost:1":      "localhost:1",
				"[fe80::1%eth0]:1": "[fe80::1%eth0]:1"},
			bad: []string{"8080", "localhost", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:http", ":", "::1:80",
				"a b:80", "http://a:80", ":80\n"}},
		{name: "PROFILING", get: field("Profiling"), with: []string{"LATCHKEY_METRICS_LISTEN=:0"},
			good: map[string]any{"on": true, "off": false},
			bad:  []string{"yes", "ON", "1", "true"}},
		{name: "DATABASE_URL", get: database, with: []string{"LATCHKEY_SECRET=" + secret},
			good: map[string]any{
				"sqlite:a.db": "sqlite:a.db", "sqlite:/var/lib/a b.db": "sqlite:/var/lib/a b.db",
				"postgres://u:p@h/db":                      "postgres://u:p@h/db",
				"postgresql://u:p@h1:1,h2:2/db?sslmode=no": "postgresql://u:p@h1:1,h2:2/db?sslmode=no",
				"postgres:///db?host=/run":                 "postgres:///db?host=/run",
			},
			bad: []string{"sqlite:", "sqlite::memory:", "sqlite:///a.db", "sqlite:a\n", "a.db", "mysql://h/db",
				"postgres:", "postgres:h",
				"postgres://u:a/b@h/db", "postgres://u:1?b@h/db", "postgres://u:1#b@h/db", "postgres://u:%zz@h/db",
				"postgres://h/db#f",
				"POSTGRES://h/db"}},
		{name: "PUBLIC_URL", get: field("PublicURL"),
			good: urls,
			bad:  badURLs},
		{name: "PUBLIC_URL", get: field("PublicURL"), with: []string{production},
			good: map[string]any{"https://id.example.com": "https://id.example.com"},
			bad:  []string{"http://id.example.com", "http://localhost", "ftp://id.example.com", ""}},
		{name: "APP_URL", get: field("AppURL"),
			good: urls,
			bad:  badURLs},
		{name: "APP_URL", get: field("AllowedOrigins"),
			good: map[string]any{
				"https://app.example.com/spa/": []string{"https://app.example.com"},
				"https://APP.example.com:443":  []string{"https://app.example.com"},
				"http://app.example.com:8000/": []string{"http://app.example.com:8000"},
			}},
		{name: "ALLOWED_ORIGINS", get: field("AllowedOrigins"),
			good: map[string]any{
				"https://a.example":                          []string{"https://a.example"},
				"https://a.example, http://b.example:8000":   []string{"https://a.example", "http://b.example:8000"},
				"HTTPS://A.example:443,http://[::1]:80":      []string{"https://a.example", "http://[::1]"},
				"http://a:443,https://a:80,capacitor://here": []string{"http://a:443", "https://a:80", "capacitor://here"},
			},
			bad: []string{"*", "null", "https://*", "https://*.example.com", "https://a.example/",
				"https://a.example/x", "https://a.example,",
				",", "a.example", "//a.example", "https://", "https://u@a.example", "https://a.example?",
				"https://a.example#", "https://a:65536",
				"https://a:", "https://a;https://b", "file:///x"}},
		{name: "SECRET", get: func(c Config) any { return c.Secret.Reveal() },
			good: map[string]any{strings.Repeat("x", 32): strings.Repeat("x", 32), secret + "\n": secret + "\n"},
			bad:  []string{strings.Repeat("x", 31), "x"}},
		{name: "SECRET", get: func(c Config) any { return c.Secret.Reveal() },
			with: []string{"LATCHKEY_DATABASE_URL=postgres://h/db"},
			good: map[string]any{strings.Repeat("x", 32): strings.Repeat("x", 32)},
			bad:  []string{strings.Repeat("x", 31), ""}},
		{name: "SECRET_PREVIOUS", get: func(c Config) any { return c.SecretPrevious.Reveal() },
			good: map[string]any{strings.Repeat("x", 32): strings.Repeat("x", 32), "": ""},
			bad:  []string{strings.Repeat("x", 31), "x"}},
		{name: "MODE", get: field("Mode"), with: []string{https},
			good: map[string]any{"development": Development, "production": Production},
			bad:  []string{"Production", "prod", "test"}},
		{name: "ACCESS_TOKEN_TTL", get: field("AccessTokenTTL"),
			good: map[string]any{"1s": time.Second, "59s": 59 * time.Second, "15m": 15 * time.Minute},
			bad:  []string{"999ms", "0", "-5m", "15m1ns", "24h", "5", "five minutes", "5m "}},
		{name: "ACCESS_TOKEN_TTL", get: field("AccessTokenTTL"), with: []string{production, https},
			good: map[string]any{"1m": time.Minute, "15m": 15 * time.Minute},
			bad:  []string{"59.999s", "1s", "15m1ns"}},
		{name: "REFRESH_IDLE_TTL", get: field("RefreshIdleTTL"),
			good: map[string]any{"1ns": time.Duration(1), "8760h": 8760 * time.Hour},
			bad:  []string{"0", "-1ns", "7d", "8760h1ns", "9999999h"}},
		{name: "MAX_SESSIONS", get: field("MaxSessions"),
			good: map[string]any{"1": 1, "1000": 1000},
			bad:  []string{"0", "-1", "1001", "many"}},
		{name: "SESSION_TTL", get: field("SessionTTL"),
			good: map[string]any{"1ns": time.Duration(1), "8760h": 8760 * time.Hour},
			bad:  []string{"0", "-1ns", "8760h1ns", "30d"}},
		{name: "REFRESH_GRACE", get: field("RefreshGrace"),
			good: map[string]any{"0": time.Duration(0), "0s": time.Duration(0), "60s": time.Minute, "1m": time.Minute},
			bad:  []string{"-1ns", "60.000000001s", "30"}},
		{name: "PASSWORD_MIN_LENGTH", get: field("PasswordMinLength"),
			good: map[string]any{"8": 8, "64": 64},
			bad:  []string{"7", "65", "-8", "8.0", "0x10", "eight", "99999999999999999999"}},
		{name: "REGISTRATION", get: field("Registration"),
			good: map[string]any{"open": Open, "closed": Closed, "invite": Invite},
			bad:  []string{"on", "true", "OPEN"}},
		{name: "EMAIL_VERIFICATION", get: field("EmailVerification"),
			good: map[string]any{"off": false, "required": true},
			bad:  []string{"on", "OFF", "Required"}},
		{name: "SMTP_URL", get: func(c Config) any { return c.SMTPURL.Reveal() },
			good: map[string]any{
				"smtp://h":                      "smtp://h",
				"smtp://u:p%23@mail.example:25": "smtp://u:p%23@mail.example:25",
				"smtps://[::1]:465/":            "smtps://[::1]:465/",
			},
			bad: []string{"smtp://", "smtp:h", "h:587", "http://h", "smtp://h/inbox", "smtp://u:p#q@h", "smtp://h?tls=off",
				"smtp://u:%zz@h", "smtp://a b", "smtp://u@h", "smtp://:p@h"}},
		{name: "MAIL_FROM", get: field("MailFrom"),
			good: map[string]any{
				"no-reply@example.com":          "no-reply@example.com",
				"Our Club <club@example.com>":   "Our Club <club@example.com>",
				"\"Club, the\" <c@example.com>": "\"Club, the\" <c@example.com>",
			},
			bad: []string{"nobody", "a@example.com, b@example.com", "a@example.com\r\nBcc: b@example.com", "<>"}},
		{name: "MAIL_TEMPLATES", get: field("MailTemplates"),
			good: map[string]any{".": "."},
			bad:  []string{"nowhere", "config_test.go"}},
		{name: "NEW_DEVICE_NOTICE", get: field("NewDeviceNotice"),
			good: map[string]any{"off": false, "on": true},
			bad:  []string{"yes", "ON"}},
		{name: "LIMIT_GUESSES", get: field("LimitGuesses"),
			good: map[string]any{"5": 5, "1000": 1000},
			bad:  []string{"4", "1001", "many"}},
		{name: "LIMIT_SIGN_IN", get: field("LimitSignIn"),
			good: map[string]any{
				"1/1s":    account.Limit{Max: 1, Window: time.Second},
				"500/24h": account.Limit{Max: 500, Window: 24 * time.Hour},
			},
			bad: []string{"0/1h", "10", "10/", "/1h", "10/1h/1h", "10/25h", "10/1", "1e3/1h", "-1/1h", "10/999ms"}},
		{name: "LIMIT_REGISTER", get: field("LimitRegister"),
			good: map[string]any{
				"1/1s":    account.Limit{Max: 1, Window: time.Second},
				"500/24h": account.Limit{Max: 500, Window: 24 * time.Hour},
			},
			bad: []string{"0/1h", "10", "10/", "/1h", "10/1h/1h", "10/25h", "10/1", "1e3/1h", "-1/1h", "10/999ms"}},
		{name: "LIMIT_REFRESH", get: field("LimitRefresh"),
			good: map[string]any{
				"1/1s":    account.Limit{Max: 1, Window: time.Second},
				"500/24h": account.Limit{Max: 500, Window: 24 * time.Hour},
			},
			bad: []string{"0/1h", "10", "10/", "/1h", "10/1h/1h", "10/25h", "10/1", "1e3/1h", "-1/1h", "10/999ms"}},
		{name: "LIMIT_MAIL", get: field("LimitMail"),
			good: map[string]any{
				"1/1s":    account.Limit{Max: 1, Window: time.Second},
				"500/24h": account.Limit{Max: 500, Window: 24 * time.Hour},
			},
			bad: []string{"0/1h", "10", "10/", "/1h", "10/1h/1h", "10/25h", "10/1", "1e3/1h", "-1/1h", "10/999ms"}},
		{name: "SIGNING_ALG", get: field("SigningAlg"),
			good: map[string]any{"EdDSA": "EdDSA", "ES256": "ES256", "RS256": "RS256", "HS256": "HS256"},
			bad:  []string{"none", "eddsa", "HS512"}},
		{name: "SIGNING_KEY_MAX_AGE", get: field("SigningKeyMaxAge"),
			good: map[string]any{"24h": 24 * time.Hour, "20000h": 20000 * time.Hour},
			bad:  []string{"23h59m59s", "0", "-24h", "90d"}},
		{name: "LOG_FORMAT", get: field("LogFormat"),
			good: map[string]any{"text": "text", "json": "json", "": ""},
			bad:  []string{"JSON", "logfmt"}},
		{name: "LOG_LEVEL", get: field("LogLevel"),
			good: map[string]any{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn,
				"error": slog.LevelError},
			bad: []string{"INFO", "info+1", "trace", "0"}},
		{name: "TRUSTED_PROXIES", get: field("TrustedProxies"),
			good: map[string]any{
				"10.0.0.0/8":                  prefixes("10.0.0.0/8"),
				"10.1.2.3/8, 192.0.2.1,fd::1": prefixes("10.0.0.0/8", "192.0.2.1/32", "fd::1/128"),
			},
			bad: []string{"10.0.0.0/33", "10.0.0.256", "localhost", "10.0.0.0/8,", "fe80::1%eth0", "::ffff:10.0.0.1",
				"::ffff:10.0.0.0/104", "*"}},
	} {
		variable := variableOf(tt.name)
		for value, want := range tt.good {
			c, err := Read(nil, append(tt.with, variable+"="+value))
			if err != nil {
				t.Errorf("%s=%q with %q: %v", variable, value, tt.with, err)
			} else if got := tt.get(c); !reflect.DeepEqual(got, want) {
				t.Errorf("%s=%q with %q: got %v, want %v", variable, value, tt.with, got, want)
			}
		}
		for _, value := range tt.bad {
			_, err := Read(nil, append(tt.with, variable+"="+value))
			problems, ok := errors.AsType[Problems](err)
			if !ok || len(problems) != 1 || !strings.HasPrefix(problems[0], variable+": ") {
				t.Errorf("%s=%q with %q: got %q, want one problem", variable, value, tt.with, problems)
			}
		}
	}
}

var (
	urls = map[string]any{
		"http://localhost":              "http://localhost",
		"https://id.example.com/":       "https://id.example.com",
		"https://id.example.com/auth//": "https://id.example.com/auth",
		"HTTPS://ID.example.com/Auth":   "https://id.example.com/Auth",
		"https://id.example.com:443/":   "https://id.example.com",
		"https://id.example.com:8443":   "https://id.example.com:8443",
		"http://[::1]:8080":             "http://[::1]:8080",
		"https://id.example.com/a%20b/": "https://id.example.com/a%20b",
	}
	badURLs = []string{
		"localhost:8080", "id.example.com", "/auth", "//id.example.com", "ftp://id.example.com", "https:",
		"https://", "https://:443",
		"https://id.example.com?", "https://id.example.com/?a=b", "https://id.example.com#", "https://id.example.com/#a",
		"https://u@id.example.com", "https://u:p@id.example.com", "https://id.example.com:", "https://id.example.com:65536",
		"https://id.example.com:x", "https://id example.com", "https://id.example.com/a b",
		"https://id.example.com/\"", "https://*.example.com",
		"https://münchen.example", "http://::1/", "http://[fe80::1%25eth0]/", "https://id.example.com\n", "mailto:a@b",
	}
)

func TestReadReportsAllProblems(t *testing.T) {
	problems := refused(t,
		map[string]string{"--log-level": "loud", "--session-ttl": "0", "--metrics-listen": ":x"},
		"LATCHKEY_MODE=production", "LATCHKEY_SECRET=short", "LATCHKEY_SECERT=x", "LATCHKEY_COLOUR=red", "LATCHKEY_a\nb=c",
		"LATCHKEY_SMTP_URL=mail.example", "LATCHKEY_DATABASE_URL=postgres://u:p@h/db", "LATCHKEY_ACCESS_TOKEN_TTL=1s",
		"LATCHKEY_ALLOWED_ORIGINS=https://a.example,*")
	want := Problems{
		"LATCHKEY_SECERT: is not a setting; did you mean LATCHKEY_SECRET?",
		"LATCHKEY_COLOUR: is not a setting",
		`LATCHKEY_a\nb: is not a setting`,
		"LATCHKEY_ALLOWED_ORIGINS: entry 2 must be an absolute URL with an exact host, such as https://example.com",
		"LATCHKEY_SECRET: must have at least 32 bytes",
		"LATCHKEY_SESSION_TTL (from --session-ttl): must be more than 0 and at most 8760h",
		"LATCHKEY_SMTP_URL: must be smtp://host:587 or smtps://host:465, with user:password@ before the host if need be",
		"LATCHKEY_LOG_LEVEL (from --log-level): must be debug or info or warn or error",
		"LATCHKEY_METRICS_LISTEN (from --metrics-listen): must have a port from 0 to 65535",
		"LATCHKEY_PUBLIC_URL: must start with https:// in production",
		"LATCHKEY_ACCESS_TOKEN_TTL: must be 1m to 15m in production",
	}
	if !slices.Equal(problems, want) {
		t.Errorf("got\n%v\nwant\n%v", problems, want)
	}
	if lines := strings.Split(problems.Error(), "\n"); len(lines) != len(want) {
		t.Errorf("%d lines for %d problems", len(lines), len(want))
	}
}

// Invalid standard variables of OpenTelemetry, which its SDK would ignore, are problems.
func TestReadTraces(t *testing.T) {
	const (
		collector = "OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318"
		traces    = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=https://c/v1/traces"
		grpc      = "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"
	)
	for _, c := range []struct {
		want bool
		env  []string
	}{
		{false, nil},
		{false, []string{"OTEL_EXPORTER_OTLP_ENDPOINT="}},
		{false, []string{"OTEL_TRACES_EXPORTER=otlp", "OTEL_SERVICE_NAME=accounts"}},
		{true, []string{collector}},
		{true, []string{traces}},
		{true, []string{collector, traces, "OTEL_SDK_DISABLED=false", "OTEL_TRACES_EXPORTER=otlp"}},
		{true, []string{collector, "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"}},
		{true, []string{collector, grpc, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf"}},
		{true, []string{collector, "OTEL_EXPORTER_OTLP_HEADERS=x-key=a%20b==, authorization = Basic e==",
			"OTEL_EXPORTER_OTLP_TIMEOUT=1000", "OTEL_EXPORTER_OTLP_COMPRESSION=gzip"}},
		{true, []string{collector, "OTEL_TRACES_SAMPLER=Always_Off", "OTEL_TRACES_SAMPLER_ARG=unused"}},
		{true, []string{collector, "OTEL_TRACES_SAMPLER=traceidratio", "OTEL_BSP_MAX_QUEUE_SIZE=8"}},
		{true, []string{collector, "OTEL_TRACES_SAMPLER=parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG=0.1"}},
		{false, []string{"OTEL_TRACES_SAMPLER=odd", "OTEL_EXPORTER_OTLP_TIMEOUT=odd"}},
		{false, []string{collector, "OTEL_SDK_DISABLED=TRUE", grpc}},
		{false, []string{traces, "OTEL_TRACES_EXPORTER=none"}},
		{false, []string{grpc}},
	} {
		if have := read(t, nil, c.env...).Traces; have != c.want {
			t.Errorf("%v: %v", c.env, have)
		}
	}
	for _, c := range []struct{ variable, value string }{
		{"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"},
		{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"},
		{"OTEL_TRACES_EXPORTER", "console"},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector:4318"},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://user:password@collector"},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://collector?key=secret"},
		{"OTEL_EXPORTER_OTLP_CERTIFICATE", "/nonexistent"},
		{"OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "config_test.go"},
		{"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "/nonexistent"},
		{"OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", "config_test.go"},
		{"OTEL_EXPORTER_OTLP_HEADERS", "a-key"},
		{"OTEL_EXPORTER_OTLP_HEADERS", "a key=secret"},
		{"OTEL_EXPORTER_OTLP_HEADERS", "=secret"},
		{"OTEL_EXPORTER_OTLP_HEADERS", "x=y,secret"},
		{"OTEL_EXPORTER_OTLP_HEADERS", "x=100%"},
		{"OTEL_EXPORTER_OTLP_TRACES_HEADERS", "x-key:secret"},
		{"OTEL_EXPORTER_OTLP_TIMEOUT", "10s"},
		{"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "-5"},
		{"OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"},
		{"OTEL_TRACES_SAMPLER", "odd-x"},
		{"OTEL_BSP_SCHEDULE_DELAY", "1s"},
		{"OTEL_BSP_MAX_QUEUE_SIZE", "-8"},
	} {
		problems := refused(t, nil, collector, c.variable+"="+c.value)
		if len(problems) != 1 || !strings.HasPrefix(problems[0], c.variable+": must be ") ||
			strings.Contains(problems[0], c.value) {
			t.Errorf("%s: %q", c.variable, problems)
		}
	}
	for _, ratio := range []string{"half", "-0.1", "1.1", "NaN"} {
		problems := refused(t, nil, collector, "OTEL_TRACES_SAMPLER=traceidratio", "OTEL_TRACES_SAMPLER_ARG="+ratio)
		if len(problems) != 1 || problems[0] != "OTEL_TRACES_SAMPLER_ARG: must be a number from 0 to 1" {
			t.Errorf("%s: %q", ratio, problems)
		}
	}
}

func TestReadTracesCertificates(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{SerialNumber: big.NewInt(1)}
	signed, err := x509.CreateCertificate(nil, about, about, public, private)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	certificate, key := filepath.Join(t.TempDir(), "certificate"), filepath.Join(t.TempDir(), "key")
	write(t, certificate, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed})))
	write(t, key, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: kept})))
	const prefix = "OTEL_EXPORTER_OTLP_"
	named := []string{prefix + "ENDPOINT=https://collector:4318", prefix + "CERTIFICATE=" + certificate,
		prefix + "CLIENT_CERTIFICATE=" + certificate}
	if !read(t, nil, append(named, prefix+"CLIENT_KEY="+key)...).Traces {
		t.Error("no traces")
	}
	want := Problems{prefix + "CLIENT_CERTIFICATE: must be the path of a certificate in PEM, " +
		"and " + prefix + "CLIENT_KEY that of its key"}
	if problems := refused(t, nil, named...); !slices.Equal(problems, want) {
		t.Errorf("got %q", problems)
	}
	if problems := refused(t, nil, append(named, prefix+"CLIENT_KEY="+certificate)...); !slices.Equal(problems, want) {
		t.Errorf("got %q", problems)
	}
}

func TestReadProfilingWithoutListener(t *testing.T) {
	problems := refused(t, nil, "LATCHKEY_PROFILING=on")
	if len(problems) != 1 || problems[0] != "LATCHKEY_PROFILING: needs LATCHKEY_METRICS_LISTEN" {
		t.Errorf("got %q", problems)
	}
	c := read(t, nil, "LATCHKEY_PROFILING=on", "LATCHKEY_METRICS_LISTEN=:9090")
	if !c.Profiling || c.MetricsListen != ":9090" {
		t.Errorf("got %+v", c)
	}
}

func TestReadLoosenedLimits(t *testing.T) {
	strict := read(t, nil, "LATCHKEY_LIMIT_GUESSES=10", "LATCHKEY_LIMIT_SIGN_IN=1000/24h",
		"LATCHKEY_LIMIT_MAIL=16/1m").Loosened
	loose := read(t, nil, "LATCHKEY_LIMIT_GUESSES=101", "LATCHKEY_LIMIT_REGISTER=1001/1h",
		"LATCHKEY_LIMIT_REFRESH=17/1s", "LATCHKEY_LIMIT_MAIL=24000/24h").Loosened
	want := []string{
		"LATCHKEY_LIMIT_GUESSES", "LATCHKEY_LIMIT_REGISTER", "LATCHKEY_LIMIT_REFRESH", "LATCHKEY_LIMIT_MAIL",
	}
	if strict != nil || !slices.Equal(loose, want) {
		t.Errorf("got %q and %q, want none and %q", strict, loose, want)
	}
}

func TestReadProductionWithoutSMTP(t *testing.T) {
	production := []string{"LATCHKEY_MODE=production", "LATCHKEY_PUBLIC_URL=https://id.example.com"}
	for _, needed := range []string{"EMAIL_VERIFICATION=required", "NEW_DEVICE_NOTICE=on"} {
		settings := append(production, variableOf(needed))
		want := Problems{"LATCHKEY_SMTP_URL: is required in production with " + variableOf(needed)}
		if problems := refused(t, nil, settings...); !slices.Equal(problems, want) {
			t.Errorf("got %q, want %q", problems, want)
		}
		read(t, nil, append(settings, "LATCHKEY_SMTP_URL=smtps://mail.example.com")...)
		read(t, nil, variableOf(needed))
	}
	read(t, nil, production...)
}

func TestReadFlagPrecedence(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	write(t, file, secret+"\n")
	for _, tt := range []struct {
		flags map[string]string
		env   []string
		get   func(Config) string
		want  string
	}{
		{map[string]string{"--listen": ":1"}, []string{"LATCHKEY_LISTEN=:2"},
			func(c Config) string { return c.Listen }, ":1"},
		{map[string]string{"--listen": ""}, []string{"LATCHKEY_LISTEN=bad"},
			func(c Config) string { return c.Listen }, "127.0.0.1:8080"},
		{map[string]string{"--secret-file": file}, []string{"LATCHKEY_SECRET=short"},
			func(c Config) string { return c.Secret.Reveal() }, secret},
		{map[string]string{"--secret": secret}, []string{"LATCHKEY_SECRET_FILE=/none"},
			func(c Config) string { return c.Secret.Reveal() }, secret},
		{map[string]string{"--log-level": "debug"}, []string{"LATCHKEY_LOG_LEVEL=error"},
			func(c Config) string { return c.LogLevel.String() }, "DEBUG"},
	} {
		if got := tt.get(read(t, tt.flags, tt.env...)); got != tt.want {
			t.Errorf("%q over %q: got %q, want %q", tt.flags, tt.env, got, tt.want)
		}
	}
}

func TestReadFlagAndVariable(t *testing.T) {
	for _, s := range settings {
		value := s.value
		if s.value == "" {
			value = map[string]string{
				"ALLOWED_ORIGINS": "http://localhost", "SECRET": secret, "SECRET_PREVIOUS": secret, "LOG_FORMAT": "json",
				"TRUSTED_PROXIES": "::1", "SMTP_URL": "smtp://localhost", "MAIL_TEMPLATES": ".", "METRICS_LISTEN": "127.0.0.1:9090",
			}[s.name]
		}
		byFlag := read(t, map[string]string{flagOf(s.name): value})
		byVariable := read(t, nil, variableOf(s.name)+"="+value)
		if !reflect.DeepEqual(byFlag, byVariable) {
			t.Errorf("%s: %+v by flag, %+v by variable", s.name, byFlag, byVariable)
		}
		if s.value == "" && reflect.DeepEqual(byFlag, read(t, nil)) {
			t.Errorf("%s has no effect", s.name)
		}
	}
}

func TestReadSecretFiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	for content, want := range map[string]string{
		secret:                       secret,
		secret + "\n":                secret,
		secret + "\n\n":              secret + "\n",
		"\n" + secret + "\r\n":       "\n" + secret + "\r",
		strings.Repeat("x", 64<<10):  strings.Repeat("x", 64<<10),
		"\x00\xff" + secret + "\x00": "\x00\xff" + secret + "\x00",
	} {
		write(t, file, content)
		if got := read(t, nil, "LATCHKEY_SECRET_FILE="+file).Secret.Reveal(); got != want {
			t.Errorf("a file with %.60q gives %.60q", content, got)
		}
	}
	write(t, file, "sqlite:elsewhere.db\n")
	if path, _ := read(t, nil, "LATCHKEY_DATABASE_URL_FILE="+file).DatabaseURL.SQLitePath(); path != "elsewhere.db" {
		t.Errorf("database path is %q", path)
	}
	for content, want := range map[string]string{
		"":                             "the file is empty",
		"\n":                           "the file is empty",
		"short":                        "must have at least 32 bytes",
		strings.Repeat("x", 31) + "\n": "must have at least 32 bytes",
		strings.Repeat("x", 64<<10+1):  "the file has more than 65536 bytes",
	} {
		write(t, file, content)
		problems := refused(t, nil, "LATCHKEY_SECRET_FILE="+file)
		if len(problems) != 1 || problems[0] != "LATCHKEY_SECRET (from LATCHKEY_SECRET_FILE): "+want {
			t.Errorf("a file with %.60q: got %q", content, problems)
		}
	}
	for _, path := range []string{secret, t.TempDir()} {
		problems := refused(t, map[string]string{"--secret-file": path})
		if len(problems) != 1 || !strings.HasPrefix(problems[0],
			"LATCHKEY_SECRET (from --secret-file): the file cannot be read: ") ||
			strings.Contains(problems[0], path) {
			t.Errorf("got %q", problems)
		}
	}
	for _, name := range []string{"SECRET", "SECRET_PREVIOUS", "DATABASE_URL"} {
		problems := refused(t, nil, variableOf(name)+"="+secret, variableOf(name)+"_FILE="+file)
		if len(problems) != 1 || !strings.Contains(problems[0], "cannot be set together with "+variableOf(name)+"_FILE") {
			t.Errorf("got %q", problems)
		}
	}
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestSecretNeverPrinted(t *testing.T) {
	c := read(t, nil, "LATCHKEY_SECRET="+secret, "LATCHKEY_SECRET_PREVIOUS="+secret,
		"LATCHKEY_DATABASE_URL=postgres://app:"+secret+"@h1:1,h2:2/db?password="+secret)
	if c.Secret.Reveal() != secret || strings.Count(c.DatabaseURL.Reveal(), secret) != 2 {
		t.Fatal("Reveal does not give the value")
	}
	if got, want := c.DatabaseURL.String(), "postgres://app@h1:1,h2:2/db"; got != want {
		t.Errorf("the database prints as %q, want %q", got, want)
	}
	if text, err := json.Marshal(c.Secret); err != nil || string(text) != `"`+hidden+`"` {
		t.Errorf("encoded as %s (%v)", text, err)
	}
	type unexported struct {
		s Hidden
		d DatabaseURL
		p *Hidden
	}
	for _, v := range []any{c, &c, c.Secret, &c.Secret, c.DatabaseURL, &c.DatabaseURL, []Hidden{c.Secret},
		map[string]Hidden{"a": c.Secret},
		unexported{c.Secret, c.DatabaseURL, &c.Secret}, fmt.Errorf("%v", c.Secret)} {
		var out bytes.Buffer
		for verb := range strings.FieldsSeq("%v %+v %#v %s %q %x %X %d %t %T %p %c %08.3f %!") {
			fmt.Fprintf(&out, verb, v)
		}
		fmt.Fprintln(&out, v)
		if err := json.NewEncoder(&out).Encode(v); err != nil {
			t.Error(err)
		}
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v)
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v)
		for _, shape := range []string{"%s", "%x", "%X", "%q"} {
			if leak := fmt.Sprintf(shape, secret); strings.Contains(out.String(), strings.Trim(leak, `"`)) {
				t.Errorf("%T is printed as\n%s", v, &out)
			}
		}
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if got := fmt.Sprintf(format, c.Secret); got != hidden {
			t.Errorf("%s prints %s", format, got)
		}
	}
}

func TestHelpComplete(t *testing.T) {
	for _, s := range settings {
		for _, part := range []string{flagOf(s.name), variableOf(s.name), s.value, s.unset, s.help} {
			if !strings.Contains(Help(), part) {
				t.Errorf("the help text lacks %q", part)
			}
		}
	}
}

func TestSettingsTable(t *testing.T) {
	names := known()
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			t.Errorf("%s is defined twice", name)
		}
		if !regexp.MustCompile(`^--[a-z]+(-[a-z]+)*$`).MatchString(flagOf(name)) {
			t.Errorf("%s cannot be a flag", name)
		}
	}
	for _, s := range settings {
		if s.help == "" || s.parse == nil || (s.value == "") == (s.unset == "") {
			t.Errorf("%s lacks its help text, default or parse function", s.name)
		}
	}
}

var update = flag.Bool("update", false, "write docs/settings.md anew")

// TestSettingsDocument compares docs/settings.md with the table of settings.
func TestSettingsDocument(t *testing.T) {
	var text strings.Builder
	text.WriteString("# Settings\n\n" +
		"Each setting can be given as an environment variable or as a flag: `LATCHKEY_SESSION_TTL` is also " +
		"`--session-ttl`. The\nflag takes precedence. An empty value counts as not set. If settings are invalid, " +
		"the server reports all problems at\nonce, by name, and does not start.\n\n")
	text.WriteString("| variable | default | meaning |\n|---|---|---|\n")
	for _, s := range settings {
		name, value := "`"+variableOf(s.name)+"`", s.unset
		if s.secret {
			name += " or `" + variableOf(s.name+fileSuffix) + "`"
		}
		if s.value != "" {
			value = "`" + s.value + "`"
		}
		fmt.Fprintf(&text, "| %s | %s | %s |\n", name, value, s.help)
	}
	if *update {
		write(t, "../../docs/settings.md", text.String())
	}
	if got, err := os.ReadFile("../../docs/settings.md"); err != nil || string(got) != text.String() {
		t.Errorf("docs/settings.md is out of date (%v); run go test ./internal/config -update", err)
	}
}

// FuzzRead looks for values on which Read panics, or which its problems contain.
func FuzzRead(f *testing.F) {
	for i, s := range settings {
		for _, value := range []string{s.value, secret, "postgres://u:p/w@h/db", "https://u:p@h", "a,b", "\x00\n=", "*"} {
			f.Add(uint8(i), value)
		}
	}
	const marker = "Zq7Xw9"
	f.Fuzz(func(t *testing.T, i uint8, value string) {
		name := known()[int(i)%len(known())]
		if strings.HasSuffix(name, fileSuffix) {
			file := filepath.Join(t.TempDir(), "value")
			write(t, file, value+marker)
			checkRead(t, marker, nil, variableOf(name)+"="+file)
			return
		}
		Read(nil, []string{variableOf(name) + "=" + value})
		for _, value := range []string{value + marker, marker + value} {
			checkRead(t, marker, nil, variableOf(name)+"="+value)
			checkRead(t, marker, map[string]string{flagOf(name): value})
		}
	})
}

func checkRead(t *testing.T, marker string, flags map[string]string, env ...string) {
	t.Helper()
	c, err := Read(flags, env)
	if err != nil && strings.Contains(err.Error(), marker) {
		t.Errorf("%q %q: %v", flags, env, err)
	}
	if err == nil && strings.Contains(fmt.Sprintf("%#v", c.Secret), marker) {
		t.Errorf("%q %q: the secret prints", flags, env)
	}
}
