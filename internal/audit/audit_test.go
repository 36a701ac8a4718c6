package audit

import (
	"bytes"
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"latchkey/internal/account"
)

var (
	user    = &account.User{ID: "user_1"}
	self    = account.ActorOf(&account.Caller{User: user})
	session = account.ID("session_1")
)

// TestSinks passes events to the log and to a counter.
func TestSinks(t *testing.T) {
	for _, test := range []struct {
		name, line, counted string
		event               Event
	}{
		{"plain",
			`level=INFO msg=security event=authn_login_success user=user_1 session=session_1`,
			"authn_login_success", Event{Kind: LoginSucceeded, Actor: self, Subject: user.ID, Session: session}},
		{"without a user",
			`level=WARN msg=security event=excess_rate_limit_exceeded user="" kind=network:sign-in network=192.0.2.1`,
			"excess_rate_limit_exceeded network:sign-in", Event{Kind: RateLimitExceeded, Actor: account.Anonymous,
				Reason: "network:sign-in", Details: []slog.Attr{slog.String("network", "192.0.2.1")}}},
		{"reason under the key of its kind",
			`level=INFO msg=security event=user_updated user=user_1 what=username`,
			"user_updated username", Event{Kind: UserUpdated, Actor: self, Subject: user.ID, Reason: "username"}},
		{"by an operator",
			`level=WARN msg=security event=authn_token_revoked user=user_1 by=operator session=session_1 why=revoked`,
			"authn_token_revoked revoked", Event{Kind: TokenRevoked, Actor: account.Operator, Subject: user.ID,
				Session: session, Reason: "revoked"}},
		{"warning",
			`level=WARN msg=security event=session_use_after_expire user=user_1 why="clock went back"`,
			"session_use_after_expire clock went back", Event{Kind: RefreshTokenRefused, Actor: account.Anonymous,
				Subject: user.ID, Reason: "clock went back", Warning: true}},
		{"counted only", ``,
			"session_created sign-in", Event{Kind: SessionCreated, Actor: self, Subject: user.ID, Reason: "sign-in"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var log bytes.Buffer
			var counted []string
			Sinks{
				Log(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: withoutTime}))),
				Count(func(kind, reason string) { counted = append(counted, strings.TrimSpace(kind+" "+reason)) }),
			}.Emit(t.Context(), test.event)
			if line := strings.TrimSpace(log.String()); line != test.line {
				t.Errorf("logged\n%s\nwant\n%s", line, test.line)
			}
			if !slices.Equal(counted, []string{test.counted}) {
				t.Errorf("counted %q, want %q", counted, test.counted)
			}
		})
	}
}

func withoutTime(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

var row = regexp.MustCompile("(?m)^(\\| `[a-z_]+` \\| (?:INFO|WARN|–) \\| [^|]* \\|) [^|]+ \\|$")

// TestDocument keeps the table of events in docs/operations.md equal to the kinds.
func TestDocument(t *testing.T) {
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	var have, want []string
	for _, found := range row.FindAllStringSubmatch(string(text), -1) {
		have = append(have, found[1])
	}
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		kind, level := kinds[name], "–"
		if kind.logged {
			level = kind.level.String()
		}
		reason := cmp.Or(kind.reasonKey, "–")
		if kind.reasonKey != "" {
			reason = "`" + reason + "`"
		}
		want = append(want, fmt.Sprintf("| `%s` | %s | %s |", name, level, reason))
	}
	if !slices.Equal(have, want) {
		t.Errorf("docs/operations.md has\n%s\nwant\n%s", strings.Join(have, "\n"), strings.Join(want, "\n"))
	}
}

var constant = regexp.MustCompile(`(?m)^\t\w+\s+Kind = "([a-z_]+)"$`)

// TestEveryKindIsDefined compares the constants with the table of kinds: without a row there an event is not logged.
func TestEveryKindIsDefined(t *testing.T) {
	source, err := os.ReadFile("audit.go")
	if err != nil {
		t.Fatal(err)
	}
	var constants []Kind
	for _, found := range constant.FindAllStringSubmatch(string(source), -1) {
		constants = append(constants, Kind(found[1]))
	}
	slices.Sort(constants)
	if defined := slices.Sorted(maps.Keys(kinds)); !slices.Equal(constants, defined) {
		t.Errorf("constants %q, defined %q", constants, defined)
	}
}
