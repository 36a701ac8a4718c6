package hostile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"latchkey/internal/e2e"
	"latchkey/internal/store/storetest"
)

// TestSecurityHeaders checks that responses of all paths, unknown ones included, to all methods have the security
// headers.
func TestSecurityHeaders(t *testing.T) {
	const strict = "default-src 'none'; frame-ancestors 'none'"
	const jsonType = "application/json"
	for mode, settings := range e2e.Modes() {
		s := e2e.Start(t, storetest.SQLite(t), settings...)
		seen := map[int]bool{}
		check := func(method, target, body string, headers ...string) {
			t.Helper()
			response := s.SendRaw(method, target, body, headers...)
			what := fmt.Sprintf("%s: %s %s %q: %d", mode, method, target, headers, response.StatusCode)
			seen[response.StatusCode] = true
			h := response.Header
			want := map[string]string{
				"Cache-Control":                "no-store",
				"Content-Security-Policy":      strict,
				"X-Content-Type-Options":       "nosniff",
				"Referrer-Policy":              "no-referrer",
				"Cross-Origin-Resource-Policy": "same-origin",
			}
			if mode == "production" {
				want["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
			}
			switch {
			case target == "/.well-known/jwks.json" && response.StatusCode == http.StatusOK:
				want["Cache-Control"] = "public, max-age=60"
			case target == "/explorer/style.css" && response.StatusCode == http.StatusOK:
				want["Cache-Control"] = "no-cache"
			case target == "/" && response.StatusCode == http.StatusOK:
				want["Content-Security-Policy"] = h.Get("Content-Security-Policy")
				policy := want["Content-Security-Policy"]
				if !strings.HasPrefix(policy, "default-src 'none'; ") || !strings.HasSuffix(policy, "; frame-ancestors 'none'") ||
					strings.ContainsAny(policy, "*") || strings.Contains(policy, "'unsafe-eval'") {
					t.Errorf("%s: %s", what, policy)
				}
			}
			for name, value := range want {
				if got := h.Values(name); len(got) != 1 || got[0] != value {
					t.Errorf("%s: %s: %q, want %q", what, name, got, value)
				}
			}
			if h.Get("X-Request-Id") == "" || h.Get("Server") != "" || h.Get("Location") != "" {
				t.Errorf("%s: %v", what, h)
			}
			if response.StatusCode == http.StatusMethodNotAllowed && h.Get("Allow") == "" {
				t.Errorf("%s: no Allow", what)
			}
			if !strings.HasPrefix(target, "/graphql?") && target != "/graphql" {
				return
			}
			if vary := strings.Join(h.Values("Vary"), ", "); !strings.HasPrefix(vary, "Origin, Acce") {
				t.Errorf("%s: Vary: %s", what, vary)
			}
			content, charset, _ := strings.Cut(h.Get("Content-Type"), "; ")
			if response.StatusCode != http.StatusNoContent &&
				(content != jsonType && content != "application/graphql-response+json" || charset != "charset=utf-8") {
				t.Errorf("%s: Content-Type: %s; %s", what, content, charset)
			}
		}
		for _, target := range []string{
			"/", "/graphql", "/healthz", "/readyz", "/.well-known/jwks.json", "/schema.graphqls", "/explorer/style.css", "/nowhere",
			"/graphql/", "//graphql", "/a/../graphql", "/%2e%2e/graphql", "/graphql?query=%7B__typename%7D", "*",
		} {
			for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"} {
				check(method, target, "")
			}
		}
		for _, body := range []string{
			`{"query":"{__typename}"}`, `{"query":"{me{id}}"}`, `{"query":"{"}`, `{"query":"{you}"}`, `{`,
			strings.Repeat(" ", 256<<10+1),
		} {
			check("POST", "/graphql", body, "Content-Type", jsonType)
			check("POST", "/graphql", body, "Content-Type", jsonType, "Accept", "application/graphql-response+json")
			check("POST", "/graphql", body, "Content-Type", jsonType, "Accept", "text/html")
			check("POST", "/graphql", body, "Content-Type", jsonType, "Content-Encoding", "gzip")
			check("POST", "/graphql", body, "Content-Type", "text/plain")
		}
		check("POST", "/graphql", "{}", "Content-Type", jsonType, "Cookie", "latchkey=x; __Host-latchkey=x",
			"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site")
		check("GET", "/graphql?query=mutation%7B__typename%7D", "")
		for _, origin := range []string{"http://localhost:5173", "https://evil.example", "null"} {
			check("OPTIONS", "/graphql", "", "Origin", origin, "Access-Control-Request-Method", "POST")
			check("POST", "/graphql", `{"query":"{__typename}"}`, "Content-Type", jsonType, "Origin", origin)
		}
		s.Server.Store().Close() // so that it is not ready
		check("GET", "/readyz", "")
		for _, status := range []int{200, 204, 400, 403, 404, 405, 406, 413, 415, 503} {
			if !seen[status] {
				t.Errorf("%s: nothing answered %d", mode, status)
			}
		}
	}
}

// TestErrorsEchoNothing checks that no body and no header of a response repeats a marker from any part of the request.
func TestErrorsEchoNothing(t *testing.T) {
	const marker = "hunter2hunter2"
	const jsonType = "application/json"
	request := func(members map[string]any) string {
		body, err := json.Marshal(members)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	query := func(text string) string { // with the marker for M
		return request(map[string]any{"query": strings.ReplaceAll(text, "M", marker)})
	}
	const signIn = `mutation($i:ObtainTokenInput!){obtainToken(input:$i){userErrors{code field message}}}`
	with := func(input any) string {
		return request(map[string]any{"query": signIn, "variables": map[string]any{"i": input}})
	}
	bodies := []string{
		marker,
		`"` + marker + `"`,
		`["` + marker + `"]`,
		`{"` + marker,
		`{"query":"` + marker,
		`{"query":"{__typename}"}` + marker,
		`{"query":{"` + marker + `":1}}`,
		`{"query":"{__typename}","variables":"` + marker + `"}`,
		`{"query":"{__typename}","extensions":"` + marker + `"}`,
		`{"query":"{__typename}","operationName":["` + marker + `"]}`,
		`{"query":"{__typename}","` + marker + `":1,"` + marker + `":2}`,
		`{"Query":"` + marker + `"}`,
		`{"` + marker + `":"` + marker + `"}`,
		"{\"query\":\"" + marker + "\xff\"}",
		`{"query":"{__typename}","extensions":{"` + marker + `":"` + marker + `"}}`,
		`{"query":"{__typename}","variables":{"` + marker + `":"` + marker + `"}}`,
		`{"query":"{__typename}","x":` + strings.Repeat("[", 40) + `"` + marker + `"` + strings.Repeat("]", 40) + `}`,
		request(map[string]any{"query": "{__typename}", "operationName": marker}),
		request(map[string]any{"query": "query A{__typename} query B{__typename}", "operationName": marker}),
		query("M"), query("{M}"), query("{M{M}}"), query("{me{M}}"), query("{me(M:1){id}}"),
		query(`{node(id:"M"){id}}`), query(`{node(id:M){id}}`), query(`{node(id:["M"]){id}}`),
		query(`{node(id:{M:"M"}){id}}`), query(`{node(id:"M\q"){id}}`), query(`{node(id:"M`),
		query(`{node(id:"""M`), query("{me@M{id}}"), query("{me@skip(M:true){id}}"),
		query(`{me@skip(if:"M"){id}}`), query("{...M}"), query("{...on M{id}}"),
		query("{...M} fragment M on M{id}"), query("{...M} fragment M on Query{...M}"),
		query("fragment M on Query{me{id}}"), query("query M{you}"),
		query("query M{__typename} query M{__typename}"), query("subscription M{a}"), query("M M{a}"),
		query("query($M:ID){__typename}"), query("{node(id:$M){id}}"), query("query($M:M){node(id:$M){id}}"),
		query("query($M:ID!){node(id:$M){id}}"), query(`query($M:Int="M"){profiles(first:$M){nodes{id}}}`),
		query("{profiles(orderBy:{field:M}){nodes{id}}}"), query(`{profiles(orderBy:{field:"M"}){nodes{id}}}`),
		query("{profiles(orderBy:{M:M}){nodes{id}}}"), query(`{profiles(after:"M"){nodes{id}}}`), query("#M\n{"),
		query("{me{id} 'M'}"), query("{M:me{a:id a:name}}"), query(`{__type(name:"M"){name}}`), query("{M\x00}"),
		query(`mutation{obtainToken(input:{identifier:"M",password:"M",deviceName:"M"}){userErrors{code field message}}}`),
		query(`mutation{refreshToken(input:{refreshToken:"M"}){userErrors{code field message}}}`),
		query(`mutation{verifyToken(input:{token:"M"}){valid kind}}`),
		query(`mutation{signOut(input:{refreshToken:"M"}){signedOut}}`),
		query(`mutation{register(input:{username:"M M",email:"M",name:"M\u0000",password:"M"}){userErrors{field message}}}`),
		query(strings.Repeat("M", 10_000)),
		with(marker), with([]any{marker}), with(map[string]any{marker: marker}), with(map[string]any{"identifier": marker}),
		with(map[string]any{"identifier": []any{marker}, "password": marker}),
		with(map[string]any{"identifier": marker, "password": map[string]any{marker: marker}}),
		with(map[string]any{"identifier": marker, "password": marker, "delivery": marker}),
		with(map[string]any{"identifier": marker, "password": marker, marker: marker}),
		with(map[string]any{"identifier": marker, "password": marker}),
		strings.Repeat(marker, 20_000),
	}
	for mode, settings := range e2e.Modes() {
		s := e2e.Start(t, storetest.SQLite(t), settings...)
		check := func(what string, response *http.Response) {
			t.Helper()
			text, err := httputil.DumpResponse(response, true)
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			if bytes.Contains(bytes.ToLower(text), []byte(marker)) {
				t.Errorf("%s: %s:\n%s", mode, what, text)
			}
		}
		for _, body := range bodies {
			for _, accept := range []string{jsonType, "application/graphql-response+json"} {
				what := body[:min(len(body), 200)]
				check(what, s.SendRaw("POST", "/graphql", body, "Content-Type", jsonType, "Accept", accept))
			}
			if len(body) < 1000 {
				u := url.Values{"query": {body}, "variables": {body}, "operationName": {body}}
				check("GET "+body, s.SendRaw("GET", "/graphql?"+u.Encode(), ""))
				u = url.Values{"query": {"{__typename}"}, "variables": {body}, body: {body}}
				check("GET "+body, s.SendRaw("GET", "/graphql?"+u.Encode(), ""))
			}
		}
		for _, name := range []string{
			"Accept", "Accept-Encoding", "Accept-Language", "Authorization", "Content-Encoding", "Content-Type", "Cookie",
			"Expect", "Forwarded", "If-None-Match", "Origin", "Range", "Referer", "User-Agent", "X-Forwarded-For",
			"X-Forwarded-Host", "X-HTTP-Method-Override", marker, "Access-Control-Request-Headers",
			"Access-Control-Request-Method", "Sec-Fetch-Site", "Traceparent", "Upgrade",
		} {
			for _, method := range []string{"POST", "GET", "OPTIONS", "TRACE"} {
				headers := []string{name, marker}
				if name != "Content-Type" {
					headers = append(headers, "Content-Type", jsonType)
				}
				check(method+" with "+name, s.SendRaw(method, "/graphql", `{"query":"{me{id}}"}`, headers...))
			}
		}
		for _, value := range []string{"Bearer " + marker, "Basic " + marker, marker + " x"} {
			check(value, s.SendRaw("POST", "/graphql", `{"query":"{me{id}}"}`, "Content-Type", jsonType, "Authorization", value))
		}
		check("a bad request id", s.SendRaw("GET", "/healthz", "", "X-Request-Id", marker+"<>"))
		for _, target := range []string{
			"/" + marker, "//" + marker, "/a/../" + marker, "/graphql/" + marker, "/graphql?" + marker, "/?" + marker,
			"/healthz?" + marker, "/%" + marker, "http://" + marker + "/graphql",
		} {
			for _, method := range []string{"GET", "POST", "DELETE", "OPTIONS", marker} {
				check(method+" "+target, s.SendRaw(method, target, ""))
			}
		}
	}
}

// TestErrorsInDocumentOrder checks that errors are in the order of the document, although sibling fields are resolved
// concurrently.
func TestErrorsInDocumentOrder(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		for range 20 {
			a := s.Anonymous().Ask(`{ a: me { id } b: profiles(first: 1) { totalCount } c: me { name } d: me { role } }`, nil)
			var order string
			for _, e := range a.Errors {
				order += e.Path[0].(string)
			}
			if order != "abcd" {
				t.Fatalf("errors of %s", order)
			}
		}
	})
}

// TestErrorsLimited checks that the number of errors in a response is limited.
func TestErrorsLimited(t *testing.T) {
	s := e2e.Start(t, storetest.SQLite(t))
	var failing, invalid strings.Builder
	for i := range 20 {
		fmt.Fprintf(&failing, "m%d: me { id } p%d: profile(id: 1) { id } ", i, i)
		fmt.Fprintf(&invalid, "x%d y%d: me ", i, i)
	}
	for _, query := range []string{failing.String(), invalid.String()} {
		a := s.Anonymous().Ask("{ "+query+" }", nil)
		if len(a.Errors) != 20 {
			t.Errorf("%d errors: %s", len(a.Errors), a.Body)
		}
	}
}

// TestResponseSizeLimited checks that the server returns the largest page, and rejects concurrent ones beyond its byte
// budget.
func TestResponseSizeLimited(t *testing.T) {
	e2e.EachDatabase(t, func(t *testing.T, url string) {
		s := e2e.NewEnv(t, url, e2e.NewClock(time.Now()))
		s.Options.DrainTimeout = time.Millisecond
		s.Server = s.Open()
		s.Serve()
		longest := strings.Repeat("😀", 10_000)
		people := make([]e2e.Person, 100)
		for i := range people {
			people[i] = e2e.Person{Username: fmt.Sprint("user", i), Description: longest}
		}
		mario := s.AddUsers(people...)
		if a := mario.Ask(`{ profiles(first: 100) { nodes { description } } }`, nil).Ok(); len(a.Body) < 99*len(longest) {
			t.Fatalf("%d bytes", len(a.Body))
		}
		mario.Ask(`{ profiles(first: 100) { nodes { description again: description } } }`, nil).FailsWith("REQUEST_TOO_COSTLY")
		const half = `{ profiles(first: 50) { nodes { description } } }`
		refused := false
		for n := 0; n < 20 && !refused; n++ {
			leavesUnread(mario, t, half)
			a := mario.Ask(half, nil)
			refused = len(a.Errors) > 0 && a.Errors[0].Extensions.Code == "RATE_LIMITED"
		}
		if !refused {
			t.Error("the kernel buffers the whole response")
		}
		mario.Ask(`{ profiles { nodes { username } } }`, nil).Ok()
		s.Stop()
		if !s.LogContains("some requests were not finished") || !s.LogContains("latchkey has stopped") {
			t.Errorf("the stop is logged as %s", s.Log)
		}
	})
}

// leavesUnread asks, and does not read the answer until the story ends.
func leavesUnread(c *e2e.Client, t *testing.T, query string) {
	t.Helper()
	body, err := json.Marshal(e2e.Vars{"query": query})
	e2e.Must(t, err)
	conn, err := net.Dial("tcp", strings.TrimPrefix(c.URL, "http://"))
	e2e.Must(t, err)
	t.Cleanup(func() { conn.Close() })
	e2e.Must(t, conn.(*net.TCPConn).SetReadBuffer(4<<10))
	_, err = fmt.Fprintf(conn, "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"+
		"Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s", c.AccessToken, len(body), body)
	e2e.Must(t, err)
}
