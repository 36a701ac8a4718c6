package graph

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"latchkey/graph/generated"
	"latchkey/internal/account"
	"latchkey/internal/gqlhttp"
	"latchkey/internal/middleware"
)

// answers are stub resolvers; a field that is nil panics.
type answers struct {
	me          func(context.Context) (*account.User, error)
	node        func(context.Context, account.ID) (account.Node, error)
	profiles    func(context.Context, *int) (*account.ProfileConnection, error)
	serverInfo  func(context.Context) (*account.ServerInfo, error)
	obtainToken func(context.Context, account.ObtainTokenInput) (*generated.ObtainTokenPayload, error)
}

func (a answers) Query() generated.QueryResolver                       { return queries{answers: a} }
func (a answers) Mutation() generated.MutationResolver                 { return mutations{answers: a} }
func (answers) Profile() generated.ProfileResolver                     { return nil }
func (answers) ProfileConnection() generated.ProfileConnectionResolver { return nil }
func (answers) Session() generated.SessionResolver                     { return nil }
func (answers) User() generated.UserResolver                           { return nil }

type queries struct {
	generated.QueryResolver
	answers
}

func (q queries) Me(ctx context.Context) (*account.User, error) { return q.me(ctx) }

func (q queries) Node(ctx context.Context, id account.ID) (account.Node, error) {
	return q.node(ctx, id)
}

func (q queries) Profile(context.Context, account.ID) (*account.Profile, error) { return nil, nil }

func (q queries) Profiles(ctx context.Context, first *int, _ *string, _ *int, _ *string, _ *account.ProfileFilter,
	_ *account.ProfileOrder) (*account.ProfileConnection, error) {
	return q.profiles(ctx, first)
}

func (q queries) ServerInfo(ctx context.Context) (*account.ServerInfo, error) {
	return q.serverInfo(ctx)
}

type mutations struct {
	generated.MutationResolver
	answers
}

func (m mutations) ObtainToken(
	ctx context.Context, in account.ObtainTokenInput,
) (*generated.ObtainTokenPayload, error) {
	return m.obtainToken(ctx, in)
}

func (a answers) schema() graphql.ExecutableSchema {
	return generated.NewExecutableSchema(generated.Config{
		Schema:    schemaWithoutDefer(),
		Resolvers: a,
		Directives: generated.DirectiveRoot{
			Auth: func(ctx context.Context, _ any, next graphql.Resolver, _ account.Role) (any, error) { return next(ctx) },
			Owner: func(ctx context.Context, _ any, next graphql.Resolver, _ string) (any, error) {
				return next(ctx)
			},
		},
	})
}

// signedIn resolves every field.
var signedIn = answers{
	me: func(context.Context) (*account.User, error) {
		return &account.User{ID: "user_1", Username: "<ada> & \u2028", Role: account.Member, Status: account.Active}, nil
	},
	node: func(context.Context, account.ID) (account.Node, error) { return nil, nil },
	profiles: func(context.Context, *int) (*account.ProfileConnection, error) {
		return &account.ProfileConnection{}, nil
	},
	serverInfo: func(context.Context) (*account.ServerInfo, error) {
		return &account.ServerInfo{Registration: account.Open}, nil
	},
	obtainToken: func(context.Context, account.ObtainTokenInput) (*generated.ObtainTokenPayload, error) {
		return &generated.ObtainTokenPayload{UserErrors: []*account.Error{}}, nil
	},
}

// reply is the response to one request, and what was logged.
type reply struct {
	status int
	header http.Header
	body   string
	log    string
}

func (r reply) code(t *testing.T) string {
	t.Helper()
	var answer struct {
		Errors []struct {
			Message    string
			Extensions struct{ Code string }
		}
	}
	if err := json.Unmarshal([]byte(r.body), &answer); err != nil {
		t.Fatalf("%v: %s", err, r.body)
	}
	if len(answer.Errors) == 0 {
		return "OK"
	}
	return answer.Errors[0].Extensions.Code
}

var (
	development = Options{Development: true, AllowedOrigins: []string{"https://app.example.com"}}
	production  = Options{AllowedOrigins: []string{"https://app.example.com"}}
)

// send starts a server, sends it one request and stops it. A request without a body is sent as it is; one with a body
// is JSON unless the headers say otherwise.
func send(t *testing.T, a answers, o Options, method, query, body string, headers ...string) reply {
	t.Helper()
	var log bytes.Buffer
	o.Log = slog.New(slog.NewJSONHandler(&log, nil))
	server := httptest.NewServer(middleware.RequestID(NewHandler(a.schema(), o)))
	request, err := http.NewRequest(method, server.URL+"/graphql"+query, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	server.Close()
	return reply{status: response.StatusCode, header: response.Header, body: string(text), log: log.String()}
}

func post(t *testing.T, a answers, o Options, query string, headers ...string) reply {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": query})
	if err != nil {
		t.Fatal(err)
	}
	return send(t, a, o, http.MethodPost, "", string(body), headers...)
}

// serve sends one query without a network.
func serve(ctx context.Context, handler http.Handler, query string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, asking(ctx, query))
	return w
}

func asking(ctx context.Context, query string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader(`{"query":"`+query+`"}`)).WithContext(ctx)
	r.Header.Set("Content-Type", "application/json")
	return r
}

func TestStatus(t *testing.T) {
	const ok = `{"query":"{__typename}"}`
	get := func(pairs ...string) string {
		values := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			values.Add(pairs[i], pairs[i+1])
		}
		return "?" + values.Encode()
	}
	const graphqlJSON = "application/graphql-response+json"
	for _, c := range []struct {
		name, method, query, body string
		headers                   []string
		status                    int
		code                      string
	}{
		{"query", "POST", "", ok, nil, 200, "OK"},
		{"charset", "POST", "", ok, []string{"Content-Type", `application/json; charset="UTF-8"`}, 200, "OK"},
		{"other charset", "POST", "", ok, []string{"Content-Type", "application/json; charset=latin1"}, 415, "BAD_USER_INPUT"},
		{"text", "POST", "", ok, []string{"Content-Type", "text/plain"}, 415, "BAD_USER_INPUT"},
		{"form", "POST", "", "query=%7Bme%7D", []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "BAD_USER_INPUT"},
		{"no type", "POST", "", "", nil, 415, "BAD_USER_INPUT"},
		{"no body", "POST", "", "", []string{"Content-Type", "application/json"}, 400, "BAD_USER_INPUT"},
		{"unacceptable", "POST", "", ok, []string{"Accept", "text/html"}, 406, "BAD_USER_INPUT"},
		{"too long", "POST", "", `{"query":"#` + strings.Repeat("x", gqlhttp.MaxBody) + `"}`, nil, 413, "BAD_USER_INPUT"},
		{"longest", "POST", "", ok + strings.Repeat(" ", gqlhttp.MaxBody-len(ok)), nil, 200, "OK"},
		{"compressed", "POST", "", ok, []string{"Content-Encoding", "gzip"}, 415, "BAD_USER_INPUT"},
		{"twice compressed", "POST", "", ok, []string{"Content-Encoding", "identity, br"}, 415, "BAD_USER_INPUT"},
		{"uncompressed", "POST", "", ok, []string{"Content-Encoding", "Identity"}, 200, "OK"},
		{"put", "PUT", "", ok, nil, 405, "BAD_USER_INPUT"},
		{"delete", "DELETE", "", "", nil, 405, "BAD_USER_INPUT"},

		{"get", "GET", get("query", "{__typename}"), "", nil, 200, "OK"},
		{"get with everything", "GET", get("query", "query A($i:ID!){node(id:$i){id}} query B{__typename}", "operationName", "A",
			"variables", `{"i":"user_1"}`, "extensions", "{}", "other", "1"), "", nil, 200, "OK"},
		{"get without query", "GET", "", "", nil, 400, "BAD_USER_INPUT"},
		{"get mutation", "GET", get("query", "mutation{__typename}"), "", nil, 405, "BAD_USER_INPUT"},
		{"get twice", "GET", get("query", "{__typename}", "query", "{__typename}"), "", nil, 400, "BAD_USER_INPUT"},
		{"get bad variables", "GET", get("query", "{__typename}", "variables", "{"), "", nil, 400, "BAD_USER_INPUT"},
		{"get bad escape", "GET", "?query=%zz", "", nil, 400, "BAD_USER_INPUT"},
		{"get bad UTF-8", "GET", "?query=%ff", "", nil, 400, "BAD_USER_INPUT"},

		{"batch", "POST", "", "[" + ok + "]", nil, 400, "BAD_USER_INPUT"},
		{"null", "POST", "", "null", nil, 400, "BAD_USER_INPUT"},
		{"trailing", "POST", "", ok + ok, nil, 400, "BAD_USER_INPUT"},
		{"twice", "POST", "", `{"query":"{__typename}","query":"{__typename}"}`, nil, 400, "BAD_USER_INPUT"},
		{"twice inside", "POST", "", `{"query":"{__typename}","variables":{"a":[{"b":1,"\u0062":2}]}}`, nil, 400, "BAD_USER_INPUT"},
		{"capitals", "POST", "", `{"Query":"{__typename}"}`, nil, 400, "BAD_USER_INPUT"},
		{"capitals beside", "POST", "", `{"query":"{__typename}","Variables":{}}`, nil, 400, "BAD_USER_INPUT"},
		{"unknown member", "POST", "", `{"query":"{__typename}","id":"1"}`, nil, 200, "OK"},
		{"bad UTF-8", "POST", "", "{\"query\":\"{__typename}\",\"x\":\"\xff\"}", nil, 400, "BAD_USER_INPUT"},
		{"query number", "POST", "", `{"query":1}`, nil, 400, "BAD_USER_INPUT"},
		{"query null", "POST", "", `{"query":null}`, nil, 400, "BAD_USER_INPUT"},
		{"nulls", "POST", "", `{"query":"{__typename}","operationName":null,"variables":null,"extensions":null}`, nil, 200, "OK"},
		{"variables list", "POST", "", `{"query":"{__typename}","variables":[]}`, nil, 400, "BAD_USER_INPUT"},
		{"extensions text", "POST", "", `{"query":"{__typename}","extensions":""}`, nil, 400, "BAD_USER_INPUT"},
		{"name number", "POST", "", `{"query":"{__typename}","operationName":1}`, nil, 400, "BAD_USER_INPUT"},
		{"many values", "POST", "", `{"query":"{__typename}","x":[` + strings.Repeat("1,", 9_997) + "1]}", nil, 400, "BAD_USER_INPUT"},
		{"most values", "POST", "", `{"query":"{__typename}","x":[` + strings.Repeat("1,", 9_996) + "1]}", nil, 200, "OK"},
		{"deep", "POST", "", `{"query":"{__typename}","x":` + strings.Repeat("[", 32) + strings.Repeat("]", 32) + "}", nil, 400, "BAD_USER_INPUT"},
		{"deepest", "POST", "", `{"query":"{__typename}","x":` + strings.Repeat("[", 31) + strings.Repeat("]", 31) + "}", nil, 200, "OK"},

		{"parse", "POST", "", `{"query":"{"}`, nil, 200, "GRAPHQL_PARSE_FAILED"},
		{"parse strict", "POST", "", `{"query":"{"}`, []string{"Accept", graphqlJSON}, 400, "GRAPHQL_PARSE_FAILED"},
		{"empty", "POST", "", `{"query":""}`, []string{"Accept", graphqlJSON}, 400, "GRAPHQL_VALIDATION_FAILED"},
		{"validate", "POST", "", `{"query":"{you}"}`, nil, 200, "GRAPHQL_VALIDATION_FAILED"},
		{"validate strict", "POST", "", `{"query":"{you}"}`, []string{"Accept", graphqlJSON}, 400, "GRAPHQL_VALIDATION_FAILED"},
		{"no such operation", "POST", "", `{"query":"query A{__typename}","operationName":"B"}`, []string{"Accept", graphqlJSON}, 400, "GRAPHQL_VALIDATION_FAILED"},
		{"which operation", "POST", "", `{"query":"query A{__typename} query B{__typename}"}`, nil, 200, "GRAPHQL_VALIDATION_FAILED"},
		{"subscription", "POST", "", `{"query":"subscription{a}"}`, nil, 200, "GRAPHQL_VALIDATION_FAILED"},
		{"variable", "POST", "", `{"query":"query($i:ID!){node(id:$i){id}}"}`, nil, 200, "BAD_USER_INPUT"},
		{"variable strict", "POST", "", `{"query":"query($i:ID!){node(id:$i){id}}"}`, []string{"Accept", graphqlJSON}, 400, "BAD_USER_INPUT"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := send(t, signedIn, development, c.method, c.query, c.body, c.headers...)
			if code := r.code(t); r.status != c.status || code != c.code {
				t.Errorf("%d %s, want %d %s: %s", r.status, code, c.status, c.code, r.body)
			}
			if ran := strings.Contains(r.body, `"data"`); ran != (c.code == "OK") {
				t.Errorf("data entry: %t: %s", ran, r.body)
			}
			if c.status == http.StatusMethodNotAllowed {
				want := "GET, POST, OPTIONS"
				if c.method == http.MethodGet {
					want = "POST"
				}
				if allow := r.header.Get("Allow"); allow != want {
					t.Errorf("Allow: %s, want %s", allow, want)
				}
			}
			if strings.Count(r.log, "\n") != 1 {
				t.Errorf("the log has not one line: %s", r.log)
			}
		})
	}
}

// unread is a body that must not be read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

// TestBodiesThatAreNotRead rejects requests by their headers alone.
func TestBodiesThatAreNotRead(t *testing.T) {
	handler := NewHandler(signedIn.schema(), Options{Log: slog.New(slog.DiscardHandler)})
	for _, header := range [][2]string{
		{"Content-Encoding", "gzip"}, {"Content-Type", "text/plain"}, {"Content-Type", "application/json; charset=utf-16"},
		{"Accept", "text/html"},
	} {
		r := httptest.NewRequest(http.MethodPost, "/graphql", unread{t})
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set(header[0], header[1])
		w := httptest.NewRecorder()
		if handler.ServeHTTP(w, r); w.Code != 415 && w.Code != 406 {
			t.Errorf("%s: %d", header, w.Code)
		}
	}
}

func TestMediaType(t *testing.T) {
	const modern = "application/graphql-response+json"
	r := post(t, signedIn, development, "{__typename}", "Accept", modern)
	if got := r.header.Get("Content-Type"); got != modern+"; charset=utf-8" {
		t.Errorf("Content-Type: %s", got)
	}
	if got := r.header.Values("Vary"); strings.Join(got, ", ") != "Origin, Accept" {
		t.Errorf("Vary: %s", got)
	}
}

// TestOffer checks that introspection offers only what the server does.
func TestOffer(t *testing.T) {
	r := post(t, signedIn, development, "{__schema{directives{name} subscriptionType{name}}}")
	const want = `{"data":{"__schema":{"directives":[{"name":"auth"},{"name":"credential"},{"name":"deprecated"},` +
		`{"name":"include"},{"name":"oneOf"},{"name":"owner"},{"name":"public"},{"name":"skip"},{"name":"specifiedBy"}],` +
		`"subscriptionType":null}}}` + "\n"
	if r.body != want {
		t.Errorf("%s", r.body)
	}
	for _, query := range []string{
		"{...@defer{me{id}}}", `{...@defer(if:false,label:"a"){me{id}}}`, "{...A@defer} fragment A on Query{me{id}}",
		"subscription{me{id}}", "{me@stream{id}}",
	} {
		for _, o := range []Options{development, production} {
			if r := post(t, signedIn, o, query); r.code(t) != "GRAPHQL_VALIDATION_FAILED" {
				t.Errorf("%s: %s", query, r.body)
			}
		}
	}
}

func TestDataIsWrittenAsItIs(t *testing.T) {
	r := post(t, signedIn, development, "{me{username}}")
	if want := "{\"data\":{\"me\":{\"username\":\"<ada> & \u2028\"}}}\n"; r.body != want {
		t.Errorf("%q, want %q", r.body, want)
	}
}

func TestOptionsAndOrigins(t *testing.T) {
	r := send(t, signedIn, development, http.MethodOptions, "", "")
	if r.status != 204 || r.header.Get("Allow") != "GET, POST, OPTIONS" || r.log != "" {
		t.Errorf("OPTIONS: %+v", r)
	}
	for origin, allowed := range map[string]bool{
		"https://app.example.com":      true,
		"https://app.example.com:8443": false,
		"https://APP.example.com":      false,
		"http://app.example.com":       false,
		"https://evil.example":         false,
		"null":                         false,
		"*":                            false,
	} {
		preflight := send(t, signedIn, development, http.MethodOptions, "", "", "Origin", origin,
			"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,content-type,x-request-id")
		actual := post(t, signedIn, development, "{__typename}", "Origin", origin)
		for _, r := range []reply{preflight, actual} {
			got := r.header.Get("Access-Control-Allow-Origin")
			if allowed != (got == origin) || !allowed && got != "" {
				t.Errorf("%s: Access-Control-Allow-Origin: %q", origin, got)
			}
			if credentials := r.header.Get("Access-Control-Allow-Credentials"); allowed != (credentials == "true") {
				t.Errorf("%s: credentials %q", origin, credentials)
			}
		}
		if exposed := actual.header.Get("Access-Control-Expose-Headers"); allowed && exposed != "X-Request-Id, Retry-After" {
			t.Errorf("exposed: %s", exposed)
		}
	}
	for _, origins := range [][]string{nil, {"*"}, {"null"}} {
		for _, origin := range []string{"https://evil.example", "null"} {
			r := post(t, signedIn, Options{AllowedOrigins: origins}, "{__typename}", "Origin", origin)
			if got := r.header.Get("Access-Control-Allow-Origin"); got != "" {
				t.Errorf("%v allow %s: %s", origins, origin, got)
			}
		}
	}
}

func TestRequestID(t *testing.T) {
	for id, kept := range map[string]bool{
		"a":                      true,
		"Az09._-":                true,
		strings.Repeat("x", 128): true,
		strings.Repeat("x", 129): false,
		"":                       false,
		"a b":                    false,
		"<script>":               false,
		"ä":                      false,
	} {
		r := post(t, signedIn, development, "{__typename}", "X-Request-Id", id)
		got := r.header.Get("X-Request-Id")
		if kept != (got == id) || len(got) == 0 {
			t.Errorf("%q became %q", id, got)
		}
		if !strings.Contains(r.log, `"request":"`+got+`"`) {
			t.Errorf("the log lacks %s: %s", got, r.log)
		}
	}
}

func TestLogLine(t *testing.T) {
	r := send(t, signedIn, development, http.MethodPost, "",
		`{"query":"query Mine{me{id}} query Other{__typename}","operationName":"Mine"}`)
	var line map[string]any
	if err := json.Unmarshal([]byte(r.log), &line); err != nil {
		t.Fatalf("%v: %s", err, r.log)
	}
	for name, want := range map[string]any{
		"level": "INFO", "msg": "operation", "kind": "query", "name": "Mine", "code": "OK", "user": "",
	} {
		if line[name] != want {
			t.Errorf("%s: %v, want %v", name, line[name], want)
		}
	}
	r = send(t, signedIn, development, http.MethodPost, "", `{"query":"query `+strings.Repeat("x", 65)+`{__typename}"}`)
	if !strings.Contains(r.log, `"name":""`) {
		t.Errorf("a long name is logged: %s", r.log)
	}
	r = send(t, signedIn, development, http.MethodPost, "", `{"query":"query Mine{you}"}`)
	if !strings.Contains(r.log, `"kind":"refused","name":"","code":"GRAPHQL_VALIDATION_FAILED"`) {
		t.Errorf("refused: %s", r.log)
	}
}

// TestTimeLimit returns an error after the time limit, never an empty response.
func TestTimeLimit(t *testing.T) {
	waiting := answers{me: func(ctx context.Context) (*account.User, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		handler := NewHandler(waiting.schema(), Options{Log: slog.New(slog.NewJSONHandler(&log, nil))})
		w := serve(t.Context(), handler, "{me{id}}")
		const want = `{"errors":[{"message":"The request took too long and was canceled.","path":["me"],` +
			`"locations":[{"line":1,"column":2}],"extensions":{"code":"INTERNAL_SERVER_ERROR","requestId":""}}],"data":{"me":null}}` + "\n"
		if w.Code != 200 || w.Body.String() != want {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		if !strings.Contains(log.String(), `"level":"ERROR"`) {
			t.Errorf("the log: %s", &log)
		}
	})
}

func TestClientGone(t *testing.T) {
	leaving := answers{me: func(ctx context.Context) (*account.User, error) {
		return nil, &account.Error{Code: account.Internal, Err: ctx.Err()}
	}}
	ctx, leave := context.WithCancel(t.Context())
	leave()
	var log bytes.Buffer
	handler := NewHandler(leaving.schema(), Options{Log: slog.New(slog.NewJSONHandler(&log, nil))})
	w := serve(ctx, handler, "{me{id}}")
	if w.Code != 500 || !strings.Contains(w.Body.String(), `"code":"INTERNAL_SERVER_ERROR"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if strings.Contains(log.String(), "failure") {
		t.Errorf("the log: %s", &log)
	}
}

// TestNothingIsRepeated sends a secret in every part of a request: neither the response nor the log repeats it.
func TestNothingIsRepeated(t *testing.T) {
	const secret = "Hunter2Hunter2"
	body := func(query, variables string) string {
		text, err := json.Marshal(query)
		if err != nil {
			t.Fatal(err)
		}
		return `{"query":` + string(text) + `,"variables":` + variables + `}`
	}
	signIn := func(input string) string { return body("mutation{obtainToken(input:"+input+"){user{id}}}", "{}") }
	const signInBy = "mutation($input:ObtainTokenInput!){obtainToken(input:$input){user{id}}}"
	bodies := map[string]string{
		"not JSON":             secret,
		"half JSON":            `{"query":"` + secret,
		"JSON text":            `"` + secret + `"`,
		"trailing":             `{"query":"{__typename}"}` + secret,
		"member":               `{"query":"{you}","` + secret + `":"` + secret + `"}`,
		"member twice":         `{"query":"{me}","` + secret + `":1,"` + secret + `":1}`,
		"query type":           `{"query":["` + secret + `"]}`,
		"variables type":       `{"query":"{me{id}}","variables":"` + secret + `"}`,
		"operation name":       `{"query":"{__typename}","operationName":"` + secret + `"}`,
		"operation name type":  `{"query":"{__typename}","operationName":["` + secret + `"]}`,
		"extensions":           `{"query":"{__typename}","extensions":{"` + secret + `":"` + secret + `"}}`,
		"not GraphQL":          body(secret, "{}"),
		"character":            body("{me{id}} ?"+secret, "{}"),
		"open string":          body(`{node(id:"`+secret, "{}"),
		"bad escape":           body(`{node(id:"\`+secret+`"){id}}`, "{}"),
		"comment":              body("#"+secret+"\n{", "{}"),
		"field":                body("{"+secret+"}", "{}"),
		"field of type":        body("{me{"+secret+"}}", "{}"),
		"alias":                body("{"+secret+":me}", "{}"),
		"alias conflict":       body("{"+secret+":me{id} "+secret+":serverInfo{emailVerification}}", "{}"),
		"alias twice":          body("{me{"+secret+":id "+secret+":name}}", "{}"),
		"argument":             body("{me("+secret+":1){id}}", "{}"),
		"argument value":       body(`{me(id:"`+secret+`"){id}}`, "{}"),
		"type":                 body("query($a:"+secret+"){me{id}}", "{}"),
		"fragment":             body("{..."+secret+"}", "{}"),
		"fragment type":        body("{...A} fragment A on "+secret+"{id}", "{}"),
		"inline type":          body("{... on "+secret+"{id}}", "{}"),
		"fragment unused":      body("{__typename} fragment "+secret+" on User{id}", "{}"),
		"fragment cycle":       body("{me{..."+secret+"}} fragment "+secret+" on User{..."+secret+"}", "{}"),
		"directive":            body("{me@"+secret+"{id}}", "{}"),
		"variable undefined":   body("{node(id:$"+secret+"){id}}", "{}"),
		"variable unused":      body("query($"+secret+":ID){__typename}", "{}"),
		"variable missing":     body("query($"+secret+":ID!){node(id:$"+secret+"){id}}", "{}"),
		"variable wrong":       body("query($"+secret+":Int){profiles(first:$"+secret+"){nodes{id}}}", `{"`+secret+`":"`+secret+`"}`),
		"operation":            body("query "+secret+"{you}", "{}"),
		"operations":           body("query "+secret+"{__typename} query "+secret+"{__typename}", "{}"),
		"enum":                 signIn(`{identifier:"a",password:"b",delivery:` + secret + `}`),
		"enum as string":       signIn(`{identifier:"a",password:"b",delivery:"` + secret + `"}`),
		"unknown input field":  signIn(`{identifier:"a",passwort:"` + secret + `"}`),
		"input field":          signIn(`{identifier:"a",` + secret + `:"b"}`),
		"input list":           signIn(`["` + secret + `"]`),
		"input string":         signIn(`"` + secret + `"`),
		"string as enum":       signIn(`{identifier:"a",password:` + secret + `}`),
		"string as list":       signIn(`{identifier:"a",password:["` + secret + `"]}`),
		"string as block":      signIn(`{identifier:1,password:"""` + secret + `"""}`),
		"fine but unanswered":  signIn(`{identifier:"a",password:"` + secret + `"}`),
		"in vars: enum":        body(signInBy, `{"input":{"identifier":"a","password":"b","delivery":"`+secret+`"}}`),
		"in vars: enum type":   body(signInBy, `{"input":{"identifier":"a","password":"b","delivery":["`+secret+`"]}}`),
		"in vars: input field": body(signInBy, `{"input":{"identifier":"a","password":"b","`+secret+`":"`+secret+`"}}`),
		"in vars: type":        body(signInBy, `{"input":{"identifier":"a","password":["`+secret+`"]}}`),
		"in vars: object":      body(signInBy, `{"input":"`+secret+`"}`),
		"in vars: missing":     body(signInBy, `{"input":{"identifier":"`+secret+`"}}`),
		"in vars: int":         body("query($n:Int){profiles(first:$n){nodes{id}}}", `{"n":"`+secret+`"}`),
		"in vars: fine":        body(signInBy, `{"input":{"identifier":"a","password":"`+secret+`"}}`),
		"did you mean":         body(`{node(id:"Did you mean \"`+secret+`\"?",x:"`+secret+`"){id}}`, "{}"),
	}
	for _, o := range []Options{development, production} {
		check := func(name string, r reply) {
			t.Helper()
			if text := strings.ToLower(r.body + r.log); strings.Contains(text, strings.ToLower(secret)) {
				t.Errorf("%s: %s\n%s", name, r.body, r.log)
			}
		}
		for name, body := range bodies {
			check(name, send(t, answers{}, o, http.MethodPost, "", body))
			if u := (url.Values{"query": {body}, "variables": {body}}); len(body) > 0 {
				check(name+" by GET", send(t, answers{}, o, http.MethodGet, "?"+u.Encode(), ""))
			}
		}
		for _, name := range []string{"Authorization", "Cookie", "Accept", "Content-Type", "Origin", "User-Agent", "X-Other"} {
			r := send(t, answers{}, o, http.MethodPost, "", `{"query":"{me{id}}"}`, name, secret)
			check("header "+name, r)
			for answered, values := range r.header {
				if strings.Contains(strings.Join(values, ""), secret) {
					t.Errorf("header %s comes back as %s", name, answered)
				}
			}
		}
		everywhere := "?query=" + secret + "&variables=" + secret + "&" + secret + "=" + secret
		check("query string", send(t, answers{}, o, http.MethodGet, everywhere, ""))
	}
}

// TestInternalErrorsAreNotHidden puts other errors before an internal one.
func TestInternalErrorsAreNotHidden(t *testing.T) {
	schema := answers{
		me: func(context.Context) (*account.User, error) {
			return nil, &account.Error{Code: account.Forbidden, Message: "No."}
		},
		node:       func(context.Context, account.ID) (account.Node, error) { return nil, errors.New("broken") },
		serverInfo: func(context.Context) (*account.ServerInfo, error) { return nil, errors.New("broken") },
	}.schema()
	const node = `node(id:\"00000000-0000-7000-8000-000000000000\"){id}`
	many := ""
	for n := range gqlhttp.MaxErrors {
		many += fmt.Sprintf("m%d:me{id} ", n)
	}
	for _, c := range []struct{ query, code string }{
		{"{me{id}}", "FORBIDDEN"},
		{"{me{id} " + node + "}", "INTERNAL_SERVER_ERROR"},
		{"{" + many + node + "}", "INTERNAL_SERVER_ERROR"},
		{"{me{id} serverInfo{registration}}", "INTERNAL_SERVER_ERROR"},
	} {
		var log bytes.Buffer
		var observed gqlhttp.Operation
		w := serve(t.Context(), NewHandler(schema, Options{
			Log:     slog.New(slog.NewJSONHandler(&log, nil)),
			Observe: func(_ context.Context, o gqlhttp.Operation) { observed = o },
		}), c.query)
		if observed.Code != c.code || !strings.Contains(log.String(), `"name":"","code":"`+c.code+`"`) {
			t.Errorf("%s: %+v %s\n%s", c.query, observed, w.Body, &log)
		}
	}
}

// TestABodyThatIsTooLongIsRejectedUnread, by its declared length.
func TestABodyThatIsTooLongIsRejectedUnread(t *testing.T) {
	server := httptest.NewServer(NewHandler(signedIn.schema(), Options{Log: slog.New(slog.DiscardHandler)}))
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(conn, "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"+
		"Content-Length: %d\r\n\r\n", gqlhttp.MaxBody+1)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d, want 413", response.StatusCode)
	}
}
