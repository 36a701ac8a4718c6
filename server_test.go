package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/internal/config"
	"latchkey/internal/store"
	"latchkey/internal/store/storetest"
)

// The stories in this folder talk to the real server over HTTP, on a database of their own, on each engine. Only the
// clock is theirs to move.

const (
	testSecret = "0123456789abcdefghijklmnopqrstuvwxyz"
	password   = "i-keep-jumping"
)

// site is a running server and the database behind it.
type site struct {
	t        testing.TB
	address  string
	database string
	clock    *clock
	log      *buffer
	server   *server
	wrappers []store.Wrapper
	peer     *site        // takes every other request, if there is one
	requests atomic.Int64 // so far
	secrets  *sync.Map    // sent or received so far, here and at other servers of the story, which no log must tell
	stop     func()
}

// What clients and the server send each other that is for nobody else.
var (
	sentSecret     = regexp.MustCompile(`(?i)(?:password|"p")\\?"?: *\\?"([^"\\]{8,})`)
	receivedSecret = regexp.MustCompile(`"(?:access|refresh)Token":"([^"]+)"|\blatchkey=([^;]+)`)
)

// keepQuiet notes the secrets in a text.
func (s *site) keepQuiet(form *regexp.Regexp, text []byte) {
	for _, found := range form.FindAllSubmatch(text, -1) {
		for _, secret := range found[1:] {
			if len(secret) > 0 && string(secret) != "password" { // the word itself is no secret
				s.secrets.Store(string(secret), true)
			}
		}
	}
}

// kept demands that the log tells no secret. Where no mail server is, it holds mails, which are for developers.
func (s *site) kept() {
	for line := range strings.Lines(s.log.String()) {
		if strings.Contains(line, `"msg":"mail","to":`) {
			continue
		}
		s.secrets.Range(func(secret, _ any) bool {
			if strings.Contains(line, secret.(string)) {
				s.t.Errorf("the log tells %q: %s", secret, line)
			}
			return true
		})
	}
}

// onEach tells a story on every engine.
func onEach(t *testing.T, story func(t *testing.T, s *site), settings ...string) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, url string) { story(t, serve(t, url, settings...)) })
}

// onEachStrict also tells it on PostgreSQL with serializable transactions.
func onEachStrict(t *testing.T, story func(t *testing.T, s *site), settings ...string) {
	t.Helper()
	storetest.EachStrict(t, func(t *testing.T, url string) { story(t, serve(t, url, settings...)) })
}

// onTwoNodes tells a story on every engine to two servers on one database: each request goes to the other one.
func onTwoNodes(t *testing.T, story func(t *testing.T, s *site), settings ...string) {
	t.Helper()
	onEach(t, func(t *testing.T, s *site) {
		s.peer = s.another(settings...)
		story(t, s)
	}, settings...)
}

// serve starts a server on a database, with settings of the form LATCHKEY_X=value.
func serve(t testing.TB, database string, settings ...string) *site {
	t.Helper()
	return serveAt(t, database, &clock{now: time.Now()}, settings...)
}

// another starts one more server on the same database and clock.
func (s *site) another(settings ...string) *site {
	s.t.Helper()
	other := serveAt(s.t, s.database, s.clock, settings...)
	other.secrets = s.secrets
	return other
}

func serveAt(t testing.TB, database string, clock *clock, settings ...string) *site {
	t.Helper()
	site := &site{t: t, database: database, clock: clock, log: new(buffer), secrets: new(sync.Map)}
	site.server = site.open(settings...)
	site.serve()
	return site
}

// serve lets the site's server answer until stop.
func (s *site) serve() {
	s.address = "http://" + s.server.listener.Addr().String()
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan error, 1)
	go func() { done <- s.server.serve(ctx) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			s.t.Errorf("server: %v", err)
		}
		s.kept()
	})
	s.t.Cleanup(s.stop)
}

// patience is how long a story waits for what must come, on the slowest of machines.
const patience = time.Minute

// await waits until something has come about; otherwise says what is so instead.
func await(t testing.TB, otherwise string, comeAbout func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !comeAbout(); <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(otherwise)
		}
	}
}

// never is how often servers do by themselves what a story may have them do.
const never = 10_000 * time.Hour

// open returns a server on the site's database and clock that does not serve yet, and does nothing by the way but send
// mails.
func (s *site) open(settings ...string) *server {
	s.t.Helper()
	c, err := config.Read(nil, append([]string{
		"LATCHKEY_LISTEN=127.0.0.1:0", "LATCHKEY_DATABASE_URL=" + s.database, "LATCHKEY_SECRET=" + testSecret, "LATCHKEY_LOG_LEVEL=debug",
	}, settings...))
	if err != nil {
		s.t.Fatal(err)
	}
	log := slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: c.LogLevel}))
	server, err := open(s.t.Context(), c, log, s.clock.Now, s.wrappers...)
	if err != nil {
		s.t.Fatal(err)
	}
	server.sweepWithin, server.keysEvery = never, never
	if c.SMTPURL.Reveal() != "" {
		server.mail.Interval = 10 * time.Millisecond // the clock of the outbox moves by leaps here
	}
	return server
}

// client is an application that talks to a site, signed in or not.
type client struct {
	*site
	access, refresh string
	userID          string
	profileID       string
}

// said returns what the site and its peer have logged.
func (s *site) said() string {
	if s.peer != nil {
		return s.log.String() + s.peer.log.String()
	}
	return s.log.String()
}

// says reports whether one line of what the site and its peer have logged has all these parts.
func (s *site) says(parts ...string) bool {
	for line := range strings.Lines(s.said()) {
		if !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(line, part) }) {
			return true
		}
	}
	return false
}

func (s *site) anonymous() *client { return &client{site: s} }

// register makes a user with the usual password and returns them signed in.
func (s *site) register(username string) *client {
	s.t.Helper()
	c := s.anonymous()
	a := c.ask(`mutation ($n: String!, $p: String!) { register(input: {username: $n, password: $p}) {
		user { id profile { id } } tokens { accessToken refreshToken } userErrors { code field message } } }`,
		vars{"n": username, "p": password}).ok()
	c.keep(a, "register")
	c.userID, c.profileID = a.text("register.user.id"), a.text("register.user.profile.id")
	return c
}

// signIn returns a new session of a user with the usual password.
func (s *site) signIn(identifier string) *client {
	s.t.Helper()
	c := s.anonymous()
	a := c.ask(`mutation ($n: String!, $p: String!) { obtainToken(input: {identifier: $n, password: $p}) {
		user { id profile { id } } tokens { accessToken refreshToken } userErrors { code field message } } }`,
		vars{"n": identifier, "p": password}).ok()
	c.keep(a, "obtainToken")
	c.userID = a.text("obtainToken.user.id")
	return c
}

// keep takes over the tokens that a field answered.
func (c *client) keep(a *answer, field string) {
	c.t.Helper()
	c.access, c.refresh = a.text(field+".tokens.accessToken"), a.text(field+".tokens.refreshToken")
}

// renew refreshes the client's tokens.
func (c *client) renew() *answer {
	c.t.Helper()
	return c.present(c.refresh)
}

// present sends a refresh token and, when it is accepted, takes over the pair.
func (c *client) present(refresh string) *answer {
	c.t.Helper()
	a := c.ask(`mutation ($t: String) { refreshToken(input: {refreshToken: $t}) {
		tokens { accessToken refreshToken accessTokenExpiresAt refreshTokenExpiresAt } userErrors { code field message } } }`, vars{"t": refresh})
	if a.get("refreshToken.tokens") != nil {
		c.keep(a, "refreshToken")
	}
	return a
}

// alive reports whether the client's access token is accepted.
func (c *client) alive() bool {
	c.t.Helper()
	return c.ask(`{ me { id } }`, nil).get("me.id") != nil
}

type vars map[string]any

// ask sends an operation as JSON and returns what came back, whatever it is.
func (c *client) ask(query string, variables vars) *answer {
	c.t.Helper()
	return c.askWith(nil, query, variables)
}

// askWith does so with more headers.
func (c *client) askWith(headers http.Header, query string, variables vars) *answer {
	c.t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		c.t.Fatal(err)
	}
	return c.postWith(headers, body)
}

// post sends a body to /graphql as it is.
func (c *client) post(body []byte) *answer {
	c.t.Helper()
	return c.postWith(nil, body)
}

func (c *client) postWith(headers http.Header, body []byte) *answer {
	c.t.Helper()
	return c.send(c.request(headers, body))
}

// request returns one that posts a body to /graphql.
func (c *client) request(headers http.Header, body []byte) *http.Request {
	c.t.Helper()
	node := c.site
	if c.peer != nil && c.requests.Add(1)%2 == 0 {
		node = c.peer
	}
	r, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, node.address+"/graphql", bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	maps.Copy(r.Header, headers)
	r.Header.Set("Content-Type", "application/json")
	node.keepQuiet(sentSecret, body)
	return r
}

func (c *client) send(r *http.Request) *answer {
	c.t.Helper()
	a, err := c.exchange(r)
	if err != nil {
		c.t.Fatal(err)
	}
	return a
}

// exchange sends a request and returns what came back, or an error when that is not a whole answer.
func (c *client) exchange(r *http.Request) (*answer, error) {
	if c.access != "" {
		r.Header.Set("Authorization", "Bearer "+c.access)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	a := &answer{t: c.t, Status: response.StatusCode, Header: response.Header}
	if a.Body, err = io.ReadAll(response.Body); err != nil {
		return nil, err
	}
	c.keepQuiet(receivedSecret, a.Body)
	c.keepQuiet(receivedSecret, []byte(strings.Join(a.Header.Values("Set-Cookie"), "\n")))
	if err := json.Unmarshal(a.Body, a); err != nil {
		return nil, fmt.Errorf("answer %d is not JSON: %s", a.Status, a.Body)
	}
	return a, nil
}

// answer is what came back.
type answer struct {
	t      testing.TB
	Status int         `json:"-"`
	Header http.Header `json:"-"`
	Body   []byte      `json:"-"`
	Data   any
	Errors []struct {
		Message    string
		Path       []any
		Extensions struct {
			Code       string
			Reason     string
			RetryAfter int
			RequestID  string
		}
	}
}

// ok demands that nothing went wrong, in errors or userErrors.
func (a *answer) ok() *answer {
	a.t.Helper()
	if len(a.Errors) > 0 {
		a.t.Fatalf("errors: %s", a.Body)
	}
	fields, _ := a.Data.(map[string]any)
	for name, field := range fields {
		if payload, isObject := field.(map[string]any); isObject {
			if mistakes, _ := payload["userErrors"].([]any); len(mistakes) > 0 {
				a.t.Fatalf("%s: %s", name, a.Body)
			}
		}
	}
	return a
}

// fails demands that the first error has the code, and an UNAUTHENTICATED one the reason.
func (a *answer) fails(code string, reason ...string) {
	a.t.Helper()
	if len(a.Errors) == 0 || a.Errors[0].Extensions.Code != code {
		a.t.Fatalf("want %s, have %s", code, a.Body)
	}
	if len(reason) > 0 && a.Errors[0].Extensions.Reason != reason[0] {
		a.t.Fatalf("want reason %s, have %s", reason[0], a.Body)
	}
}

// mistakes demands that a field's userErrors are exactly these, each as CODE or CODE@path.inside.input, in any order,
// and that the field answered nothing else.
func (a *answer) mistakes(field string, want ...string) {
	a.t.Helper()
	payload, _ := a.get(field).(map[string]any)
	left := map[string]int{}
	for _, w := range want {
		left[w]++
	}
	mistakes, _ := payload["userErrors"].([]any)
	for _, m := range mistakes {
		mistake := m.(map[string]any)
		have := mistake["code"].(string)
		if path, ok := mistake["field"].([]any); ok {
			parts := make([]string, len(path))
			for i, p := range path {
				parts[i] = p.(string)
			}
			have += "@" + strings.Join(parts, ".")
		}
		left[have]--
	}
	for w, n := range left {
		if n != 0 {
			a.t.Fatalf("%s: want mistakes %v, have %s", w, want, a.Body)
		}
	}
	for name, value := range payload {
		if name != "userErrors" && value != nil {
			a.t.Fatalf("%s is not null beside mistakes: %s", name, a.Body)
		}
	}
}

// get returns what stands at a path such as "profiles.nodes.0.id" in data; nil for null and for nothing.
func (a *answer) get(path string) any {
	at := a.Data
	for _, step := range strings.Split(path, ".") {
		switch v := at.(type) {
		case map[string]any:
			at = v[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i >= len(v) {
				return nil
			}
			at = v[i]
		default:
			return nil
		}
	}
	return at
}

// text returns the string at a path, which must be one.
func (a *answer) text(path string) string {
	a.t.Helper()
	text, ok := a.get(path).(string)
	if !ok {
		a.t.Fatalf("no text at %s: %s", path, a.Body)
	}
	return text
}

// is demands a value at a path; numbers are float64.
func (a *answer) is(path string, want any) *answer {
	a.t.Helper()
	if have := a.get(path); fmt.Sprint(have) != fmt.Sprint(want) {
		a.t.Fatalf("%s: want %v, have %v in %s", path, want, have, a.Body)
	}
	return a
}

// clock is the time as the server sees it. It stands still until moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// buffer is a log that can be read while it is written.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// TestALostDatabaseIsNotReplacedInSilence starts a server where a database was, and where a secret was.
func TestALostDatabaseIsNotReplacedInSilence(t *testing.T) {
	database := storetest.SQLite(t)
	path := strings.TrimPrefix(database, "sqlite:")
	secret := filepath.Join(filepath.Dir(path), "latchkey.secret")
	settings := []string{"LATCHKEY_LISTEN=127.0.0.1:0", "LATCHKEY_DATABASE_URL=" + database}
	first := serve(t, database, "LATCHKEY_SECRET=")
	first.register("mario")
	first.stop()
	refused := func(want string) {
		t.Helper()
		err := run(t.Context(), nil, settings, strings.NewReader(""), io.Discard, os.Stderr, time.Now)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Fatalf("want %q, have %v", want, err)
		}
	}
	rename := func(from, to string) {
		t.Helper()
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	rename(path, path+".away")
	for range 2 { // the first try makes an empty file
		refused("bring the database back")
	}
	rename(path+".away", path)
	rename(secret, secret+".away")
	for range 2 {
		refused("bring back the secret")
	}
	rename(secret+".away", secret)
	first.another("LATCHKEY_SECRET=").signIn("mario")
}

// TestTheSecretIsMadeOnce starts a server without a secret beside SQLite, twice.
func TestTheSecretIsMadeOnce(t *testing.T) {
	database := storetest.SQLite(t)
	first := serve(t, database, "LATCHKEY_SECRET=")
	mario := first.register("mario")
	first.stop()
	file := filepath.Join(filepath.Dir(strings.TrimPrefix(database, "sqlite:")), "latchkey.secret")
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("secret file: %v %v", info, err)
	}
	mario.site = first.another("LATCHKEY_SECRET=")
	if !mario.alive() {
		t.Fatal("signed out by a restart")
	}
}
