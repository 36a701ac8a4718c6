package e2e

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/internal/config"
	"latchkey/internal/server"
	"latchkey/internal/store/storetest"
)

// Env is a running server with its database and clock. Its methods start more servers, register users, run commands and
// read the log and the database; they fail the test T on unexpected results.
type Env struct {
	T        testing.TB
	URL      string
	Database string
	Clock    *Clock
	Log      *Buffer
	Server   *server.Server
	Options  server.Options // for Open
	Peer     *Env           // takes every other request, if not nil
	Secrets  *sync.Map      // sent to and received from env and its other nodes, as keys
	Stop     func()         // stops the server and waits for its end

	requests atomic.Int64 // so far
}

// NewEnv returns an Env without a server, for commands and for servers that [Env.Open] and [Env.Serve] start.
func NewEnv(t testing.TB, database string, clock *Clock) *Env {
	return &Env{T: t, Database: database, Clock: clock, Log: new(Buffer), Secrets: new(sync.Map)}
}

// Start starts a server with a clock of its own on a database. Settings have the form LATCHKEY_X=value.
func Start(t testing.TB, database string, settings ...string) *Env {
	t.Helper()
	return StartAt(t, database, NewClock(time.Now()), settings...)
}

// StartAt is Start with a given clock.
func StartAt(t testing.TB, database string, clock *Clock, settings ...string) *Env {
	t.Helper()
	env := NewEnv(t, database, clock)
	env.Server = env.Open(settings...)
	env.Serve()
	return env
}

// AnotherNode starts another server on the same database and clock.
func (env *Env) AnotherNode(settings ...string) *Env {
	env.T.Helper()
	return env.NodeOn(env.Database, settings...)
}

// NodeOn starts another server on the same clock, and on another database with the same users.
func (env *Env) NodeOn(database string, settings ...string) *Env {
	env.T.Helper()
	node := StartAt(env.T, database, env.Clock, settings...)
	node.Secrets = env.Secrets
	return node
}

// backgroundInterval is the interval of background jobs that a test runs itself.
const backgroundInterval = 10_000 * time.Hour

// Open returns a server on the database and clock of env that does not serve yet. Of its background jobs only the
// outbox runs.
func (env *Env) Open(settings ...string) *server.Server {
	env.T.Helper()
	c, err := config.Read(nil, append([]string{
		"LATCHKEY_LISTEN=127.0.0.1:0", "LATCHKEY_DATABASE_URL=" + env.Database, "LATCHKEY_SECRET=" + Secret, "LATCHKEY_LOG_LEVEL=debug",
	}, settings...))
	if err != nil {
		env.T.Fatal(err)
	}
	o := env.Options
	o.Now, o.Schema = env.Clock.Now, schema
	o.Log = cmp.Or(o.Log, slog.New(slog.NewJSONHandler(env.Log, &slog.HandlerOptions{Level: c.LogLevel})))
	o.PurgeInterval, o.KeyRefreshInterval = cmp.Or(o.PurgeInterval, backgroundInterval), cmp.Or(o.KeyRefreshInterval, backgroundInterval)
	o.OutboxInterval = 10 * time.Millisecond // the clock of the outbox moves by leaps here
	opened, err := server.Open(env.T.Context(), c, o)
	if err != nil {
		env.T.Fatal(err)
	}
	return opened
}

// Serve starts serving with env.Server. The server stops with env.Stop or at the end of the test, and its log is then
// searched for secrets.
func (env *Env) Serve() {
	env.URL = "http://" + env.Server.Addr()
	ctx, cancel := context.WithCancel(env.T.Context())
	done := make(chan error, 1)
	go func() { done <- env.Server.Serve(ctx) }()
	env.Stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			env.T.Errorf("server: %v", err)
		}
		env.AssertNoSecretsLogged()
	})
	env.T.Cleanup(env.Stop)
}

// Each runs a story as a subtest on each engine, SQLite and PostgreSQL, with a server and an empty database of its own.
// With -short it runs on SQLite only.
func Each(t *testing.T, story func(t *testing.T, s *Env), settings ...string) {
	t.Helper()
	EachDatabase(t, func(t *testing.T, url string) { story(t, Start(t, url, settings...)) })
}

// EachStrict is Each with one more subtest: PostgreSQL with serializable transactions.
func EachStrict(t *testing.T, story func(t *testing.T, s *Env), settings ...string) {
	t.Helper()
	EachDatabaseStrict(t, func(t *testing.T, url string) { story(t, Start(t, url, settings...)) })
}

// EachDatabase is Each without a server: the story starts servers on the database itself.
func EachDatabase(t *testing.T, story func(t *testing.T, url string)) {
	t.Helper()
	if testing.Short() {
		onSQLite(t, story)
		return
	}
	storetest.Each(t, story)
}

// EachDatabaseStrict is [EachStrict] without a server.
func EachDatabaseStrict(t *testing.T, story func(t *testing.T, url string)) {
	t.Helper()
	if testing.Short() {
		onSQLite(t, story)
		return
	}
	storetest.EachStrict(t, story)
}

func onSQLite(t *testing.T, story func(t *testing.T, url string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { story(t, storetest.SQLite(t)) })
}

// EachOnTwoNodes is Each with two servers on the database. Clients send their requests to both in turns.
func EachOnTwoNodes(t *testing.T, story func(t *testing.T, s *Env), settings ...string) {
	t.Helper()
	Each(t, func(t *testing.T, s *Env) {
		s.Peer = s.AnotherNode(settings...)
		story(t, s)
	}, settings...)
}

// Modes returns the settings of each mode by its name.
func Modes() map[string][]string {
	return map[string][]string{
		"development": nil,
		"production":  {"LATCHKEY_MODE=production", "LATCHKEY_PUBLIC_URL=https://accounts.example.com"},
	}
}

// The usual secret of servers and password of users.
const (
	Secret   = "0123456789abcdefghijklmnopqrstuvwxyz"
	Password = "i-keep-jumping"
)

// NextSecret is the secret that replaces Secret in rotations.
const NextSecret = "ZYXWVUTSRQPONMLKJIHGFEDCBA9876543210"

// RequireEmailVerification is the setting with which accounts are pending until their email address is confirmed.
const RequireEmailVerification = "LATCHKEY_EMAIL_VERIFICATION=required"
