package e2e

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/internal/config"
	"latchkey/internal/server"
	"latchkey/internal/store/storetest"
)

// The stories in this file do not depend on the database, so SQLite serves.

var Modes = map[string][]string{
	"development": nil,
	"production":  {"LATCHKEY_MODE=production", "LATCHKEY_PUBLIC_URL=https://accounts.example.com"},
}

// Raw sends a request as it is written, whatever an HTTP client would think of it.
func (s *Env) Raw(method, target, body string, headers ...string) *http.Response {
	s.T.Helper()
	connection, err := net.Dial("tcp", s.Server.Addr())
	if err != nil {
		s.T.Fatal(err)
	}
	s.T.Cleanup(func() { connection.Close() })
	request := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n",
		method, target, len(body))
	for i := 0; i < len(headers); i += 2 {
		request += headers[i] + ": " + headers[i+1] + "\r\n"
	}
	go io.WriteString(connection, request+"\r\n"+body) // the server may answer without reading all of it
	response, err := http.ReadResponse(bufio.NewReader(connection), &http.Request{Method: method})
	if err != nil {
		s.T.Fatalf("%s %s: %v", method, target, err)
	}
	return response
}

func Must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// RegisterWithEmail registers somebody with an address, and returns the answer.
func (s *Env) RegisterWithEmail(username, email string) *Response {
	s.T.Helper()
	return s.Anonymous().Ask(RegisterMutation, Vars{"input": Vars{"username": username, "email": email, "password": Password}}).Ok()
}

// RegisterAndConfirm registers somebody with an address and signs them in, where addresses need no confirmation.
func (s *Env) RegisterAndConfirm(username, email string) *Client {
	s.T.Helper()
	c := s.Anonymous()
	a := s.RegisterWithEmail(username, email)
	c.UseTokens(a, "register")
	c.UserID = a.Text("register.user.id")
	return c
}

func (s *Env) Obtain(identifier, password string) *Response {
	s.T.Helper()
	return s.Anonymous().Ask(ObtainTokenMutation, Vars{"input": Vars{"identifier": identifier, "password": password}})
}

// Redeem presents a token to the field that takes those for a purpose, and returns the code of the mistake, or "".
func (s *Env) Redeem(purpose, token string) string {
	s.T.Helper()
	query, variables := map[string]string{
		"activate": ActivateMutation, "resetPassword": ResetMutation, "confirmEmailChange": ConfirmMutation, "cancelEmailChange": CancelMutation,
	}[purpose], Vars{"t": token}
	if purpose == "resetPassword" {
		variables["p"] = NewPassword
	}
	a := s.Anonymous().Ask(query, variables)
	if len(a.Errors) > 0 {
		return a.Errors[0].Extensions.Code
	}
	code, _ := a.Get(purpose + ".userErrors.0.code").(string)
	return code
}

const NextSecret = "ZYXWVUTSRQPONMLKJIHGFEDCBA9876543210"

// RejectsRefresh demands that a refresh token is refused, with the very bytes that nonsense gets: they tell nobody why.
func (s *Env) RejectsRefresh(refresh string) {
	s.T.Helper()
	nonsense, have := s.Anonymous().Present("nonsense"), s.Anonymous().Present(refresh)
	nonsense.HasUserErrors("refreshToken", "TOKEN_INVALID@refreshToken")
	if have.Status != nonsense.Status || !bytes.Equal(have.Body, nonsense.Body) {
		s.T.Fatalf("%.100q answers %d %s", refresh, have.Status, have.Body)
	}
}

// The stories in this folder talk to the real server over HTTP, on a database of their own, on each engine. Only the
// clock is theirs to move.

const (
	Secret   = "0123456789abcdefghijklmnopqrstuvwxyz"
	Password = "i-keep-jumping"
)

// Env is a running server and the database behind it.
type Env struct {
	T        testing.TB
	URL      string
	Database string
	Clock    *Clock
	Log      *Buffer
	Server   *server.Server
	Options  server.Options // those that are not the usual ones
	Peer     *Env           // takes every other request, if there is one
	requests atomic.Int64   // so far
	Secrets  *sync.Map      // sent or received so far, here and at other servers of the story, which no log must tell
	Stop     func()
}

// What clients and the server send each other that is for nobody else.
var (
	sentSecret     = regexp.MustCompile(`(?i)(?:password|"p")\\?"?: *\\?"([^"\\]{8,})`)
	ReceivedSecret = regexp.MustCompile(`"(?:access|refresh)Token":"([^"]+)"|\blatchkey=([^;]+)`)
)

// TrackSecrets notes the secrets in a text.
func (s *Env) TrackSecrets(form *regexp.Regexp, text []byte) {
	for _, found := range form.FindAllSubmatch(text, -1) {
		for _, secret := range found[1:] {
			if len(secret) > 0 && string(secret) != "password" { // the word itself is no secret
				s.Secrets.Store(string(secret), true)
			}
		}
	}
}

// AssertNoSecretsLogged demands that the log tells no secret. Where no mail server is, it holds mails, which are for developers.
func (s *Env) AssertNoSecretsLogged() {
	for line := range strings.Lines(s.Log.String()) {
		if strings.Contains(line, `"msg":"mail","to":`) {
			continue
		}
		s.Secrets.Range(func(secret, _ any) bool {
			if strings.Contains(line, secret.(string)) {
				s.T.Errorf("the log tells %q: %s", secret, line)
			}
			return true
		})
	}
}

// Each tells a story on every engine.
func Each(t *testing.T, story func(t *testing.T, s *Env), settings ...string) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, url string) { story(t, Start(t, url, settings...)) })
}

// EachStrict also tells it on PostgreSQL with serializable transactions.
func EachStrict(t *testing.T, story func(t *testing.T, s *Env), settings ...string) {
	t.Helper()
	storetest.EachStrict(t, func(t *testing.T, url string) { story(t, Start(t, url, settings...)) })
}

// EachOnTwoNodes tells a story on every engine to two servers on one database: each request goes to the other one.
func EachOnTwoNodes(t *testing.T, story func(t *testing.T, s *Env), settings ...string) {
	t.Helper()
	Each(t, func(t *testing.T, s *Env) {
		s.Peer = s.AnotherNode(settings...)
		story(t, s)
	}, settings...)
}

// Start starts a server on a database, with settings of the form LATCHKEY_X=value.
func Start(t testing.TB, database string, settings ...string) *Env {
	t.Helper()
	return StartAt(t, database, NewClock(time.Now()), settings...)
}

// AnotherNode starts one more server on the same database and clock.
func (s *Env) AnotherNode(settings ...string) *Env {
	s.T.Helper()
	other := StartAt(s.T, s.Database, s.Clock, settings...)
	other.Secrets = s.Secrets
	return other
}

func StartAt(t testing.TB, database string, clock *Clock, settings ...string) *Env {
	t.Helper()
	site := NewEnv(t, database, clock)
	site.Server = site.Open(settings...)
	site.Serve()
	return site
}

// NewEnv returns a site whose server is not there yet.
func NewEnv(t testing.TB, database string, clock *Clock) *Env {
	return &Env{T: t, Database: database, Clock: clock, Log: new(Buffer), Secrets: new(sync.Map)}
}

// Serve lets the site's server answer until stop.
func (s *Env) Serve() {
	s.URL = "http://" + s.Server.Addr()
	ctx, cancel := context.WithCancel(s.T.Context())
	done := make(chan error, 1)
	go func() { done <- s.Server.Serve(ctx) }()
	s.Stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			s.T.Errorf("server: %v", err)
		}
		s.AssertNoSecretsLogged()
	})
	s.T.Cleanup(s.Stop)
}

// Timeout is how long a story waits for what must come, on the slowest of machines.
const Timeout = time.Minute

// WaitFor waits until something has come about; otherwise says what is so instead.
func WaitFor(t testing.TB, otherwise string, comeAbout func() bool) {
	t.Helper()
	for deadline := time.Now().Add(Timeout); !comeAbout(); <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(otherwise)
		}
	}
}

// never is how often servers do by themselves what a story may have them do.
const never = 10_000 * time.Hour

// Open returns a server on the site's database and clock that does not serve yet, and does nothing by the way but send
// mails.
func (s *Env) Open(settings ...string) *server.Server {
	s.T.Helper()
	c, err := config.Read(nil, append([]string{
		"LATCHKEY_LISTEN=127.0.0.1:0", "LATCHKEY_DATABASE_URL=" + s.Database, "LATCHKEY_SECRET=" + Secret, "LATCHKEY_LOG_LEVEL=debug",
	}, settings...))
	if err != nil {
		s.T.Fatal(err)
	}
	o := s.Options
	o.Now, o.Schema = s.Clock.Now, Schema
	o.Log = cmp.Or(o.Log, slog.New(slog.NewJSONHandler(s.Log, &slog.HandlerOptions{Level: c.LogLevel})))
	o.PurgeInterval, o.KeyRefreshInterval = cmp.Or(o.PurgeInterval, never), cmp.Or(o.KeyRefreshInterval, never)
	o.OutboxInterval = 10 * time.Millisecond // the clock of the outbox moves by leaps here
	opened, err := server.Open(s.T.Context(), c, o)
	if err != nil {
		s.T.Fatal(err)
	}
	return opened
}

// Logs returns what the site and its peer have logged.
func (s *Env) Logs() string {
	if s.Peer != nil {
		return s.Log.String() + s.Peer.Log.String()
	}
	return s.Log.String()
}

// LogContains reports whether one line of what the site and its peer have logged has all these parts.
func (s *Env) LogContains(parts ...string) bool {
	for line := range strings.Lines(s.Logs()) {
		if !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(line, part) }) {
			return true
		}
	}
	return false
}

func (s *Env) Anonymous() *Client { return &Client{Env: s} }

// Register makes a user with the usual password and returns them signed in.
func (s *Env) Register(username string) *Client {
	s.T.Helper()
	c := s.Anonymous()
	a := c.Ask(`mutation ($n: String!, $p: String!) { register(input: {username: $n, password: $p}) {
		user { id profile { id } } tokens { accessToken refreshToken } userErrors { code field message } } }`,
		Vars{"n": username, "p": Password}).Ok()
	c.UseTokens(a, "register")
	c.UserID, c.ProfileID = a.Text("register.user.id"), a.Text("register.user.profile.id")
	return c
}

// SignIn returns a new session of a user with the usual password.
func (s *Env) SignIn(identifier string) *Client {
	s.T.Helper()
	c := s.Anonymous()
	a := c.Ask(`mutation ($n: String!, $p: String!) { obtainToken(input: {identifier: $n, password: $p}) {
		user { id profile { id } } tokens { accessToken refreshToken } userErrors { code field message } } }`,
		Vars{"n": identifier, "p": Password}).Ok()
	c.UseTokens(a, "obtainToken")
	c.UserID = a.Text("obtainToken.user.id")
	return c
}
