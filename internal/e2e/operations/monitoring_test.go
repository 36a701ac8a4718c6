package operations

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"latchkey/internal/e2e"
	"latchkey/internal/store/storetest"
)

const watching = "LATCHKEY_METRICS_LISTEN=127.0.0.1:0"

// getOps sends a request to the operators' listener.
func getOps(s *e2e.Env, method, path string) (*http.Response, string) {
	s.T.Helper()
	return visit(s.T, method, "http://"+s.Server.OpsAddr()+path)
}

func visit(t testing.TB, method, address string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Origin", "http://localhost:5173")
	response, err := http.DefaultTransport.RoundTrip(r) // follows no redirect
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(text)
}

// opsAnswers checks the status of a path of the operators' listener.
func opsAnswers(s *e2e.Env, path string, want int) {
	s.T.Helper()
	if response, text := getOps(s, "GET", path); response.StatusCode != want {
		s.T.Fatalf("%s: want %d, have %d %s", path, want, response.StatusCode, text)
	}
}

// readMetrics returns the metrics of Latchkey by name and labels.
func readMetrics(s *e2e.Env) map[string]string {
	s.T.Helper()
	response, text := getOps(s, "GET", "/metrics")
	if response.StatusCode != http.StatusOK {
		s.T.Fatalf("%d %s", response.StatusCode, text)
	}
	figures := map[string]string{}
	for line := range strings.Lines(text) {
		if at := strings.LastIndexByte(line, ' '); strings.HasPrefix(line, "latchkey_") {
			figures[line[:at]] = strings.TrimSpace(line[at:])
		}
	}
	return figures
}

// TestMetrics checks that the metrics count each kind of event.
func TestMetrics(t *testing.T) {
	box := e2e.NewMailbox(t)
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		s.RegisterWithEmail("mario", "mario@example.com")
		s.Anonymous().Ask(e2e.ActivateMutation, e2e.Vars{"t": s.NextEmail(box, "mario@example.com").Token()}).Ok()
		mario := s.SignIn("mario")
		for range 3 {
			mario.Ask(`{ me { id } }`, nil).Ok()
		}
		mario.Ask(`{ me { id } ...F } fragment F on Query { ... { me { username } } }`, nil).Ok()
		mario.Ask(`{ a: me { id } b: me { id } }`, nil).Ok()
		mario.Ask(`{ __typename }`, nil).Ok()
		s.Anonymous().Ask(`{ me { id } }`, nil).FailsWith("UNAUTHENTICATED")
		s.Anonymous().Ask(`{ you { id } }`, nil).FailsWith("GRAPHQL_VALIDATION_FAILED")
		s.Anonymous().Ask(`{`, nil).FailsWith("GRAPHQL_PARSE_FAILED")
		s.Anonymous().Post([]byte(`{`)).FailsWith("BAD_USER_INPUT")
		for range 6 { // one more than may be
			s.Anonymous().TryPassword("mario", "not-the-password")
		}
		used := mario.RefreshToken
		mario.Refresh().Ok()
		mario.Refresh().Ok()
		s.Clock.Advance(time.Hour)
		s.Anonymous().RefreshWith(used).HasUserErrors("refreshToken", "TOKEN_INVALID@refreshToken")
		visit(t, "GET", s.URL+"/nowhere")
		visit(t, "GET", s.URL+"/healthz")
		visit(t, "PUT", s.URL+"/graphql")
		if !s.LogContains(`"msg":"operation"`, `"code":"INVALID_CREDENTIALS"`) {
			t.Error("the log does not contain the code of a user error")
		}
		have := readMetrics(s)
		for series, want := range map[string]string{
			`latchkey_operations_total{code="OK",field="me"}`:                                  "4",
			`latchkey_operations_total{code="OK",field="several"}`:                             "1",
			`latchkey_operations_total{code="OK",field="__typename"}`:                          "1",
			`latchkey_operations_total{code="OK",field="activate"}`:                            "1",
			`latchkey_operations_total{code="UNAUTHENTICATED",field="me"}`:                     "1",
			`latchkey_operations_total{code="GRAPHQL_VALIDATION_FAILED",field="none"}`:         "1",
			`latchkey_operations_total{code="GRAPHQL_PARSE_FAILED",field="none"}`:              "1",
			`latchkey_operations_total{code="BAD_USER_INPUT",field="none"}`:                    "2",
			`latchkey_operations_total{code="INVALID_CREDENTIALS",field="obtainToken"}`:        "5",
			`latchkey_operations_total{code="TOKEN_INVALID",field="refreshToken"}`:             "1",
			`latchkey_operation_duration_seconds_count{field="me"}`:                            "5",
			`latchkey_http_responses_total{status="404"}`:                                      "1",
			`latchkey_http_responses_total{status="405"}`:                                      "1",
			`latchkey_http_responses_total{status="400"}`:                                      "1",
			`latchkey_http_responses_total{status="200"}`:                                      "3",
			`latchkey_security_events_total{event="session_created",why="sign-in"}`:            "1",
			`latchkey_security_events_total{event="session_renewed",why="rotated"}`:            "2",
			`latchkey_security_events_total{event="authn_token_reuse",why="reused"}`:           "1",
			`latchkey_security_events_total{event="authn_login_fail",why=""}`:                  "5",
			`latchkey_security_events_total{event="excess_rate_limit_exceeded",why="guesses"}`: "1",
			`latchkey_security_events_total{event="user_updated",why="activated"}`:             "1",
			`latchkey_password_hashes_total`:                                                   "7",
			`latchkey_password_queue_waiting`:                                                  "0",
			`latchkey_password_queue_running`:                                                  "0",
			`latchkey_password_queue_refused_total`:                                            "0",
			`latchkey_mails_sent_total`:                                                        "1",
			`latchkey_mails_failed_total`:                                                      "0",
			`latchkey_outbox_mails`:                                                            "0",
			`latchkey_outbox_oldest_seconds`:                                                   "0",
			`latchkey_database_up`:                                                             "1",
		} {
			if have[series] != want {
				t.Errorf("%s: want %s, have %q", series, want, have[series])
			}
		}
		pool := "all"
		if strings.HasPrefix(s.Database, "sqlite:") {
			pool = "write"
		}
		if n := have[`latchkey_database_connections_open{pool="`+pool+`"}`]; n == "" || n == "0" {
			t.Errorf("no connection is open: %v", have)
		}
		if t.Failed() {
			for _, series := range slices.Sorted(maps.Keys(have)) {
				t.Log(series, have[series])
			}
		}
	}, watching, e2e.RequireEmailVerification, box.Setting)
}

// TestMetricsOfOutbox checks that the metrics count queued emails where no node delivers them.
func TestMetricsOfOutbox(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		s.Anonymous().Ask(e2e.ResendActivationMutation, e2e.Vars{"e": "mario@example.com"}).Ok()
		s.Clock.Advance(time.Minute)
		have := readMetrics(s)
		if have["latchkey_outbox_mails"] != "1" || have["latchkey_outbox_oldest_seconds"] != "60" ||
			have["latchkey_mails_sent_total"] != "0" {
			t.Errorf("%v", have)
		}
	}, watching, "LATCHKEY_MODE=production", "LATCHKEY_PUBLIC_URL=https://localhost")
}

var label = regexp.MustCompile(`([a-z]+)="([^"]*)"`)

// TestMetricsLabelsBounded checks that clients cannot create metric labels.
func TestMetricsLabelsBounded(t *testing.T) {
	fields := map[string]bool{"none": true, "several": true, "__typename": true, "__schema": true, "__type": true}
	for _, field := range e2e.RootFields(e2e.LoadSchema(t)) {
		fields[field.Name] = true
	}
	s := e2e.Start(t, storetest.SQLite(t), watching)
	mario := s.Register("mario")
	odd := func(n int) {
		word := fmt.Sprint("odd", n)
		for _, query := range []string{
			`query ` + word + ` { me { id } }`,
			`{ ` + word + `: me { id } }`,
			`{ ` + word + ` { id } }`,
			`{ ` + word + `: me { id } b` + word + `: me { id } }`,
			`{ __type(name: "` + word + `") { name } }`,
			`{ node(id: "` + word + `") { id } }`,
			`mutation ` + word + ` { ` + word + `: signOut(input: {refreshToken: "` + word + `"}) { signedOut } }`,
			`mutation { obtainToken(input: {identifier: "` + word + `", password: "` + word + `"}) {
				userErrors { code } } }`,
			`mutation { refreshToken(input: {refreshToken: "` + word + `"}) { userErrors { code } } }`,
			`query { me @` + word + ` { id } }`,
			`{ ...` + word + ` } fragment ` + word + ` on Query { ` + word + `: serverInfo { registration } }`,
		} {
			mario.Ask(query, nil)
		}
		visit(t, "GET", s.URL+"/"+word)
		visit(t, "ODD"+fmt.Sprint(n), s.URL+"/graphql")
		visit(t, "ODD"+fmt.Sprint(n), s.URL+"/healthz")
	}
	odd(0)
	before := readMetrics(s)
	for n := range 20 {
		odd(n + 1)
	}
	after := readMetrics(s)
	for series := range after {
		if _, known := before[series]; !known {
			t.Errorf("a new one: %s", series)
		}
		for _, found := range label.FindAllStringSubmatch(series, -1) {
			if name, value := found[1], found[2]; strings.Contains(value, "odd") || name == "field" && !fields[value] ||
				name == "status" && len(value) != 3 {
				t.Errorf("%s=%q in %s", name, value, series)
			}
		}
	}
}

// TestMetricsOffByDefault checks that nothing is counted by default, and that the public listener serves no metrics.
func TestMetricsOffByDefault(t *testing.T) {
	database := storetest.SQLite(t)
	plain := e2e.Start(t, database)
	if s := plain.Server; s.OpsAddr() != "" || len(s.Service().Audit) != 1 || s.Store().Trace != nil {
		t.Error("something is connected")
	}
	for _, s := range []*e2e.Env{plain, plain.AnotherNode(watching, "LATCHKEY_PROFILING=on")} {
		for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/profile"} {
			if response, _ := visit(t, "GET", s.URL+path); response.StatusCode != http.StatusNotFound {
				t.Errorf("%s: %d", path, response.StatusCode)
			}
		}
	}
}

// TestOpsListener checks that the operators' listener serves its endpoints and nothing else.
func TestOpsListener(t *testing.T) {
	database := storetest.SQLite(t)
	without := e2e.Start(t, database, watching)
	with := without.AnotherNode(watching, "LATCHKEY_PROFILING=on")
	for _, c := range []struct {
		method, path  string
		without, with int
	}{
		{"GET", "/metrics", 200, 200},
		{"GET", "/healthz", 200, 200},
		{"GET", "/readyz", 200, 200},
		{"POST", "/metrics", 405, 405},
		{"OPTIONS", "/metrics", 405, 405},
		{"POST", "/graphql", 404, 404},
		{"GET", "/schema.graphqls", 404, 404},
		{"GET", "/.well-known/jwks.json", 404, 404},
		{"GET", "/", 404, 404},
		{"GET", "/debug/pprof/", 404, 200},
		{"GET", "/debug/pprof/heap?debug=1", 404, 200},
		{"GET", "/debug/pprof/profile?seconds=1", 404, 200},
		{"GET", "/debug/pprof/cmdline", 404, 404},
		{"POST", "/debug/pprof/", 404, 405},
	} {
		for s, want := range map[*e2e.Env]int{without: c.without, with: c.with} {
			response, text := getOps(s, c.method, c.path)
			h := response.Header
			if response.StatusCode != want || h.Get("Access-Control-Allow-Origin") != "" ||
				h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-store" ||
				!strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") {
				t.Errorf("%s %s: want %d, have %d %v %.100q", c.method, c.path, want, response.StatusCode, h, text)
			}
		}
	}
	if !without.LogContains("latchkey is ready", `"metrics":"http://`+without.Server.OpsAddr()+`/metrics"`) {
		t.Error("the log does not tell the address")
	}
}

// TestOpsListenerAddressInUse checks that a start fails before it changes the database if the operators' address is in
// use.
func TestOpsListenerAddressInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	database := storetest.SQLite(t)
	err = e2e.RunProgram(t.Context(), nil, []string{"LATCHKEY_LISTEN=127.0.0.1:0", "LATCHKEY_DATABASE_URL=" + database,
		"LATCHKEY_METRICS_LISTEN=" + taken.Addr().String()}, strings.NewReader(""), io.Discard, io.Discard, time.Now)
	if err == nil || !strings.HasPrefix(err.Error(), "LATCHKEY_METRICS_LISTEN: ") ||
		strings.Contains(err.Error(), "\n") {
		t.Errorf("have %v", err)
	}
	if _, err := os.Stat(strings.TrimPrefix(database, "sqlite:")); err == nil {
		t.Error("there is a database")
	}
}

// TestReadiness checks that readiness follows a server from its start to the loss of its database.
func TestReadiness(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		starting := e2e.NewEnv(t, s.Database, s.Clock)
		starting.Server = starting.Open(watching)
		opsAnswers(starting, "/healthz", http.StatusOK)
		opsAnswers(starting, "/readyz", http.StatusServiceUnavailable)
		opsAnswers(starting, "/metrics", http.StatusOK)
		starting.Server.Close()

		opsAnswers(s, "/readyz", http.StatusOK)
		s.Server.Store().Close()
		opsAnswers(s, "/healthz", http.StatusOK)
		opsAnswers(s, "/readyz", http.StatusServiceUnavailable)
		have := readMetrics(s)
		if _, line := have["latchkey_outbox_mails"]; line || have["latchkey_database_up"] != "0" {
			t.Errorf("%v", have)
		}
	}, watching)
}

// TestReadinessWhileDraining checks that a stopping server is not ready while it finishes a request.
func TestReadinessWhileDraining(t *testing.T) {
	clock := e2e.NewClock(time.Now())
	s := e2e.NewEnv(t, storetest.SQLite(t), clock)
	s.Options.DrainTimeout = 4 * e2e.Timeout
	s.Server = s.Open(watching)
	public := s.Server.HTTP()
	public.ReadTimeout, public.WriteTimeout = 4*e2e.Timeout, 4*e2e.Timeout
	asked, over := make(chan struct{}), make(chan struct{})
	handler := public.Handler
	public.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(asked)
		<-over
		handler.ServeHTTP(w, r)
	})
	s.Serve()
	finish := sync.OnceFunc(func() { close(over) })
	defer finish()
	answered := make(chan string, 1)
	go func() {
		response, err := http.Post(s.URL+"/graphql", "application/json",
			strings.NewReader(`{"query": "{ serverInfo { registration } }"}`))
		if err != nil {
			answered <- err.Error()
			return
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		answered <- fmt.Sprint(string(body), err)
	}()
	<-asked
	opsAnswers(s, "/readyz", http.StatusOK)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		s.Stop()
	}()
	e2e.WaitFor(t, "it stays ready", func() bool {
		response, _ := getOps(s, "GET", "/readyz")
		return response.StatusCode == http.StatusServiceUnavailable
	})
	opsAnswers(s, "/healthz", http.StatusOK)
	opsAnswers(s, "/metrics", http.StatusOK)
	finish()
	if text := <-answered; !strings.Contains(text, `"registration":"OPEN"`) {
		t.Errorf("%s", text)
	}
	<-stopped
	if connection, err := net.Dial("tcp", s.Server.OpsAddr()); err == nil {
		connection.Close()
		t.Error("operators are still answered")
	}
}

// brokenLog is a log handler that panics on the line of an operation.
type brokenLog struct{ slog.Handler }

func (l brokenLog) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == "operation" {
		panic("the log is broken")
	}
	return l.Handler.Handle(ctx, r)
}

// TestMetricsOfPanic checks that a panic outside of the GraphQL handler is counted.
func TestMetricsOfPanic(t *testing.T) {
	s := e2e.NewEnv(t, storetest.SQLite(t), e2e.NewClock(time.Now()))
	s.Options.Log = slog.New(brokenLog{slog.NewJSONHandler(s.Log, nil)})
	s.Server = s.Open(watching)
	defer s.Server.Close()
	r := httptest.NewRequest("POST", "/graphql", strings.NewReader(`{"query": "{ serverInfo { registration } }"}`))
	r.Header.Set("Content-Type", "application/json")
	answer := httptest.NewRecorder()
	s.Server.HTTP().Handler.ServeHTTP(answer, r)
	if answer.Code != http.StatusInternalServerError || !s.LogContains(`"msg":"panic"`) {
		t.Errorf("%d %s", answer.Code, s.Log)
	}
	have := readMetrics(s)
	for _, series := range []string{
		`latchkey_operations_total{code="INTERNAL_SERVER_ERROR",field="none"}`,
		`latchkey_operation_duration_seconds_count{field="none"}`,
		`latchkey_http_responses_total{status="500"}`,
	} {
		if have[series] != "1" {
			t.Errorf("%s: have %q", series, have[series])
		}
	}
}

// collector is what spans are sent to.
type collector struct {
	t       testing.TB
	setting string // OTEL_EXPORTER_OTLP_ENDPOINT=…

	mu     sync.Mutex
	bodies bytes.Buffer
	spans  []*tracepb.Span
}

// newCollector starts a collector on a free port, and names it to the servers of this process.
func newCollector(t testing.TB) *collector {
	c := &collector{t: t}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	c.setting = traceTo(t, server.URL)
	return c
}

// traceTo names a collector to the servers of this process, and returns the setting that does.
func traceTo(t testing.TB, address string) (setting string) {
	const name = "OTEL_EXPORTER_OTLP_ENDPOINT"
	t.Setenv(name, address)
	return name + "=" + address
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var sent coltracepb.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &sent)
	}
	if err != nil || r.URL.Path != "/v1/traces" {
		c.t.Errorf("%s: %v", r.URL.Path, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bodies.Write(body)
	for _, resource := range sent.ResourceSpans {
		for _, scope := range resource.ScopeSpans {
			c.spans = append(c.spans, scope.Spans...)
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// named returns the spans of a name.
func (c *collector) named(name string) (spans []*tracepb.Span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, span := range c.spans {
		if span.Name == name {
			spans = append(spans, span)
		}
	}
	return spans
}

// attributes returns the attributes of a span, numbers as text.
func attributes(span *tracepb.Span) map[string]string {
	printed := map[string]string{}
	for _, a := range span.Attributes {
		printed[a.Key] = a.Value.GetStringValue()
		if printed[a.Key] == "" {
			printed[a.Key] = fmt.Sprint(a.Value.GetIntValue())
		}
	}
	return printed
}

// TestTrace checks that a request's trace continues that of the caller, down to the database.
func TestTrace(t *testing.T) {
	collector := newCollector(t)
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		const trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
		mario := s.Register("mario")
		mario.AskWith(http.Header{
			"Traceparent": {"00-" + trace + "-" + parent + "-01"}, "Tracestate": {"shop=of-bowser"},
		}, `query Plumber { toad: me { id } }`, nil).Ok()
		s.Anonymous().Ask(`{ you { id } }`, nil).FailsWith("GRAPHQL_VALIDATION_FAILED")
		s.Anonymous().TryPassword("mario", "not-the-password")
		if !s.LogContains(`"msg":"operation"`, `"trace":"`+trace+`"`, `"request":`) {
			t.Error("the log does not tell the trace")
		}
		s.Stop()
		var me *tracepb.Span
		for _, span := range collector.named("query me") {
			if fmt.Sprintf("%x", span.TraceId) == trace {
				me = span
			}
		}
		if me == nil || fmt.Sprintf("%x", me.ParentSpanId) != parent || me.Kind != tracepb.Span_SPAN_KIND_SERVER ||
			me.TraceState != "" {
			t.Fatalf("%v", me)
		}
		want := map[string]string{
			"http.request.method": "POST", "http.route": "/graphql", "http.response.status_code": "200",
			"graphql.operation.type": "query", "latchkey.field": "me", "latchkey.code": "OK",
		}
		if have := attributes(me); !maps.Equal(have, want) {
			t.Errorf("want %v, have %v", want, have)
		}
		reads := slices.DeleteFunc(collector.named("SELECT"), func(span *tracepb.Span) bool {
			return !bytes.Equal(span.ParentSpanId, me.SpanId)
		})
		if len(reads) != 1 || attributes(reads[0])["db.query.text"] == "" {
			t.Errorf("%d statements: %v", len(reads), reads)
		}
		codes := map[string]string{}
		for _, name := range []string{"graphql", "mutation obtainToken"} {
			for _, span := range collector.named(name) {
				codes[name] = attributes(span)["latchkey.code"]
			}
		}
		if codes["graphql"] != "GRAPHQL_VALIDATION_FAILED" || codes["mutation obtainToken"] != "INVALID_CREDENTIALS" {
			t.Errorf("%v", codes)
		}
		collector.mu.Lock()
		defer collector.mu.Unlock()
		collector.spans = nil
	}, collector.setting)
}

// TestTraceHasNoSecrets checks that traces hold no secret that a client sent in any part of a request.
func TestTraceHasNoSecrets(t *testing.T) {
	collector := newCollector(t)
	e2e.EachDatabase(t, func(t *testing.T, database string) {
		const address, trap = "mario@example.com", "a-text-of-the-client"
		box := e2e.NewMailbox(t)
		s := e2e.Start(t, database, collector.setting, e2e.RequireEmailVerification, box.Setting)
		s.RegisterWithEmail("mario", address)
		activation := s.NextEmail(box, address).Token()
		s.Anonymous().Ask(e2e.ActivateMutation, e2e.Vars{"t": activation}).Ok()
		mario := s.SignIn(address)
		s.Anonymous().TryPassword(address, "not-the-password")
		mario.AskWith(http.Header{"X-Request-Id": {trap}, "User-Agent": {trap}, "Tracestate": {"x=" + trap},
			"Traceparent": {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}, "Baggage": {"x=" + trap}},
			`query A_text_of_the_client { A_text_of_the_client: me { id }
				profiles(filter: {search: "`+trap+`"}) { nodes { id } } }`, nil).Ok()
		mario.Refresh().Ok()
		visit(t, "GET", s.URL+"/graphql?query="+url.QueryEscape(`query A_text_of_the_client {
			node(id: "`+trap+`") { id } }`))
		visit(t, strings.ToUpper(trap), s.URL+"/graphql")
		s.Anonymous().Ask(`{ A_text_of_the_client(x: "`+trap+`") }`, nil)
		s.Anonymous().Ask(e2e.RequestPasswordResetMutation, e2e.Vars{"e": address}).Ok()
		reset := s.NextEmail(box, address).Token()
		s.Anonymous().Ask(`mutation ($t: String!, $p: String!) { resetPassword(input: {token: $t, newPassword: $p}) {
			changed } }`, e2e.Vars{"t": reset, "p": "another-password"}).Equals("resetPassword.changed", true)
		s.Exec(`DROP TABLE devices`)
		s.Anonymous().Ask(`mutation ($p: String!) { obtainToken(input: {identifier: "mario", password: $p}) {
			user { id } } }`, e2e.Vars{"p": "another-password"}).FailsWith("INTERNAL_SERVER_ERROR")
		s.Stop()
		for _, word := range []string{address, trap, "A_text_of_the_client", strings.ToUpper(trap), activation, reset,
			e2e.Secret, "no such table", "does not exist"} {
			s.Secrets.Store(word, true)
		}
		collector.mu.Lock()
		defer collector.mu.Unlock()
		if len(collector.spans) < 20 {
			t.Errorf("%d spans", len(collector.spans))
		}
		secrets := 0
		s.Secrets.Range(func(secret, _ any) bool {
			secrets++
			if bytes.Contains(collector.bodies.Bytes(), []byte(secret.(string))) {
				t.Errorf("a trace tells %q", secret)
			}
			return true
		})
		if secrets < 12 {
			t.Errorf("%d secrets", secrets)
		}
		collector.spans = nil
		collector.bodies.Reset()
	})
}

// TestTraceCollectorDown checks that responses do not wait for a trace collector that hangs or is down.
func TestTraceCollectorDown(t *testing.T) {
	for name, value := range map[string]string{
		"OTEL_EXPORTER_OTLP_TIMEOUT": "600000", "OTEL_BSP_EXPORT_TIMEOUT": "600000", "OTEL_BSP_SCHEDULE_DELAY": "10",
		"OTEL_BSP_MAX_QUEUE_SIZE": "8", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "1",
	} {
		t.Setenv(name, value)
	}
	asked, over := make(chan struct{}, 1000), make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		select {
		case <-over:
		case <-r.Context().Done():
		}
	}))
	defer hanging.Close()
	defer close(over)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for _, address := range []string{hanging.URL, "http://" + closed.Addr().String()} {
		s := e2e.Start(t, storetest.SQLite(t), traceTo(t, address))
		for range 50 {
			s.Anonymous().Ask(`{ serverInfo { registration } }`, nil).Ok()
		}
		if address == hanging.URL {
			<-asked
		} else {
			s.WaitForLog("traces not sent", 1)
		}
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			s.Stop()
		}()
		select {
		case <-stopped:
		case <-time.After(e2e.Timeout):
			t.Fatal("the server waits for its collector")
		}
	}
}

// TestTraceProtocolInvalid checks that a server does not start with an unknown trace protocol, and the error does not
// repeat it.
func TestTraceProtocolInvalid(t *testing.T) {
	err := e2e.RunProgram(t.Context(), nil, []string{
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4317", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc",
	}, strings.NewReader(""), io.Discard, io.Discard, time.Now)
	if err == nil || err.Error() != "OTEL_EXPORTER_OTLP_PROTOCOL: must be http/protobuf" {
		t.Errorf("have %v", err)
	}
}

// BenchmarkMetricsOverhead compares a request for me without and with metrics, in turns.
func BenchmarkMetricsOverhead(b *testing.B) {
	body, err := json.Marshal(e2e.Vars{"query": `{ me { id username } }`})
	if err != nil {
		b.Fatal(err)
	}
	database := storetest.SQLite(b)
	plain := e2e.Start(b, database, "LATCHKEY_LOG_LEVEL=error")
	mario := plain.Register("mario")
	nodes := []*e2e.Env{plain, plain.AnotherNode("LATCHKEY_LOG_LEVEL=error", watching)}
	times := make([][]time.Duration, len(nodes))
	ask := func(i int) time.Duration {
		r := httptest.NewRequest(http.MethodPost, "/graphql", bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+mario.AccessToken)
		w := httptest.NewRecorder()
		began := time.Now()
		nodes[i].Server.HTTP().Handler.ServeHTTP(w, r)
		took := time.Since(began)
		if !strings.Contains(w.Body.String(), `"username":"mario"`) {
			b.Fatal(w.Body)
		}
		return took
	}
	for n := range b.N {
		for i := range nodes {
			i = (i + n) % len(nodes)
			times[i] = append(times[i], ask(i))
		}
	}
	off, on := e2e.Median(times[0]), e2e.Median(times[1])
	b.ReportMetric(float64(off.Nanoseconds())/1000, "us-off")
	b.ReportMetric(float64(on.Nanoseconds())/1000, "us-on")
	b.ReportMetric(float64(on)/float64(off), "ratio")
}
