package auth

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/audit"
	"latchkey/internal/ratelimit"
	"latchkey/internal/store"
	"latchkey/internal/store/storetest"
	secret "latchkey/internal/token"
)

const rightPassword = "i-keep-jumping"

// env is a service on an empty SQLite database, with a clock that the test sets and a record of its events.
type env struct {
	*Service
	t      *testing.T
	now    time.Time
	events []audit.Event
}

// newEnv returns a service after configure, if it is not nil, has changed its options.
func newEnv(t *testing.T, configure func(*Options)) *env {
	t.Helper()
	t.Parallel()
	st, err := store.Open(t.Context(), storetest.SQLite(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	e := &env{t: t, now: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)}
	now := func() time.Time { return e.now }
	if _, err := st.Migrate(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	current, err := secret.NewSecret("0123456789abcdefghijklmnopqrstuvwxyz")
	if err != nil {
		t.Fatal(err)
	}
	limit := account.Limit{Max: 100, Window: time.Hour}
	options := Options{
		Issuer:            "https://accounts.example.com",
		SigningAlg:        secret.EdDSA,
		SigningKeyMaxAge:  90 * 24 * time.Hour,
		AccessTTL:         5 * time.Minute,
		IdleTTL:           30 * 24 * time.Hour,
		SessionTTL:        90 * 24 * time.Hour,
		Grace:             30 * time.Second,
		PasswordMinLength: 8,
		Registration:      account.Open,
		MaxSessions:       10,
		Limits: ratelimit.Limits{
			Passwords: ratelimit.PasswordAttempts{Free: 5, Max: 100},
			SignIn:    limit, Register: limit, Refresh: limit, Mail: limit,
		},
		Now: now,
		Log: slog.New(slog.DiscardHandler),
		Audit: audit.Sinks{func(_ context.Context, event audit.Event) {
			e.events = append(e.events, event)
		}},
	}
	if configure != nil {
		configure(&options)
	}
	e.Service = New(st, secret.Secrets{Current: current}, options)
	if err := e.Keys.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	return e
}

// register returns a new user as the caller of their first session.
func (e *env) register(username string) *account.Caller {
	e.t.Helper()
	in := account.RegisterInput{Username: &username, Password: rightPassword, Delivery: account.InBody}
	user, tokens, err := e.Register(e.t.Context(), account.Anonymous, in, ClientInfo{})
	if err != nil {
		e.t.Fatal(err)
	}
	caller := e.Authenticate(e.t.Context(), tokens.AccessToken)
	if caller.User == nil || caller.User.ID != user.ID {
		e.t.Fatalf("%s is not signed in: %+v", username, caller)
	}
	e.events = nil
	return caller
}

// signIn signs in with a password.
func (e *env) signIn(username, password string) (*account.User, *account.TokenPair, error) {
	in := account.ObtainTokenInput{Identifier: username, Password: password, Delivery: account.InBody}
	return e.ObtainToken(e.t.Context(), account.Anonymous, in, ClientInfo{})
}

// emitted fails the test unless the events since the last call are those of want, in the form "kind actor reason".
func (e *env) emitted(want ...string) {
	e.t.Helper()
	var have []string
	for _, event := range e.events {
		text := string(event.Kind) + " " + string(event.Actor.Kind()) + " " + event.Reason
		have = append(have, strings.TrimSpace(text))
	}
	if e.events = nil; !slices.Equal(have, want) {
		e.t.Errorf("events\n%s\nwant\n%s", strings.Join(have, "\n"), strings.Join(want, "\n"))
	}
}

// failsWith fails the test unless err has the code, or is nil with an empty one.
func failsWith(t *testing.T, err error, code account.Code) {
	t.Helper()
	if userErrs, ok := err.(account.UserErrors); ok && len(userErrs) == 1 {
		err = userErrs[0]
	}
	if code == "" && err != nil || code != "" && !account.IsCode(err, code) {
		t.Errorf("error %v, want %q", err, code)
	}
}

// readers are the methods that change nothing.
var readers = []string{"Authenticate", "CountProfiles", "FindUser", "Node", "Passwords", "Profile", "Profiles", "Ready",
	"RequireOwner", "ServerInfo", "Sessions", "SessionsOf", "Users", "VerifyIntegrity", "VerifyToken"}

// TestEveryChangeHasAnActor asks every method of the service for its parameters.
func TestEveryChangeHasAnActor(t *testing.T) {
	service := reflect.TypeFor[*Service]()
	for i := range service.NumMethod() {
		method := service.Method(i)
		hasActor := method.Type.NumIn() > 2 && method.Type.In(2) == reflect.TypeFor[account.Actor]()
		if hasActor == slices.Contains(readers, method.Name) {
			t.Errorf("%s: has an actor: %v", method.Name, hasActor)
		}
	}
}

// TestOneWayIntoASession holds that startSession alone inserts sessions.
func TestOneWayIntoASession(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var callers []string
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, declaration := range parsed.Decls {
			f, ok := declaration.(*ast.FuncDecl)
			if !ok {
				continue
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if selector, ok := n.(*ast.SelectorExpr); ok && selector.Sel.Name == "InsertSession" {
					callers = append(callers, f.Name.Name)
				}
				return true
			})
		}
	}
	if !slices.Equal(callers, []string{"startSession"}) {
		t.Errorf("InsertSession is called by %q", callers)
	}
}
