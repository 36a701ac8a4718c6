package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestBadInput sends what no client should: each answers a typed error, the same on both engines, and stores nothing.
func TestBadInput(t *testing.T) {
	register := func(field, value string) vars {
		in := vars{"username": "luigi", "password": password}
		in[field] = value
		return vars{"input": in}
	}
	long := strings.Repeat
	mistaken := []struct {
		input vars
		want  string
	}{
		{register("username", ""), "REQUIRED@username"},
		{register("username", "MARIO"), "TAKEN@username"},
		{register("username", "ｍａｒｉｏ"), "TAKEN@username"},
		{register("username", long("a", 151)), "TOO_LONG@username"},
		{register("username", "mario bros"), "INVALID@username"},
		{register("username", "mario@nintendo"), "INVALID@username"},
		{register("username", "mar\x00io"), "INVALID@username"},
		{register("username", "mar\u200dio"), "INVALID@username"},
		{register("username", "mar\u202eio"), "INVALID@username"},
		{register("username", "mаrio"), "INVALID@username"}, // its second letter is Cyrillic
		{register("username", "mario\n"), "INVALID@username"},
		{register("username", "mario\ufffd"), "INVALID@username"},
		{register("username", "Admin"), "RESERVED@username"},
		{register("username", "ｒｏｏｔ"), "RESERVED@username"},
		{register("email", ""), "REQUIRED@email"},
		{register("email", "luigi"), "INVALID@email"},
		{register("email", "luigi@localhost"), "INVALID@email"},
		{register("email", "Luigi <luigi@example.com>"), "INVALID@email"},
		{register("email", "a@example.com, b@example.com"), "INVALID@email"},
		{register("email", "luigi@example.com\r\nBcc: all@example.com"), "INVALID@email"},
		{register("email", "lui\x00gi@example.com"), "INVALID@email"},
		{register("email", long("a", 250)+"@example.com"), "TOO_LONG@email"},
		{register("email", "MARIO@EXAMPLE.com"), "TAKEN@email"},
		{register("name", "Lui\x00gi"), "INVALID@name"},
		{register("name", "Lui\u0085gi"), "INVALID@name"},
		{register("name", long("n", 151)), "TOO_LONG@name"},
		{register("password", ""), "REQUIRED@password"},
		{register("password", "short"), "TOO_SHORT@password"},
		{register("password", long("long", 65)), "TOO_LONG@password"},
		{register("password", "nul\x00nul\x00nul"), "INVALID@password"},
		{register("password", "lone\ufffdsurrogate"), "INVALID@password"},
		{register("password", "1029384756102"), "PASSWORD_TOO_COMMON@password"},
		{register("password", "PassWord1"), "PASSWORD_TOO_COMMON@password"},
	}
	refused := []struct {
		query string
		vars  vars
		want  string
	}{
		{`{ profile(id: "nope") { id } }`, nil, "BAD_USER_INPUT"},
		{`{ profile(id: "profile_0198C5A2-7F1E-7CC3-98C4-DC0C0C07398F") { id } }`, nil, "BAD_USER_INPUT"},
		{`{ profile(id: "") { id } }`, nil, "BAD_USER_INPUT"},
		{`query ($id: ID!) { node(id: $id) { id } }`, vars{"id": "user_\x00"}, "BAD_USER_INPUT"},
		{`query ($id: ID!) { node(id: $id) { id } }`, vars{"id": long("user_", 1000)}, "BAD_USER_INPUT"},
		{`{ profiles(first: -1) { totalCount } }`, nil, "BAD_USER_INPUT"},
		{`{ profiles(first: 101) { totalCount } }`, nil, "BAD_USER_INPUT"},
		{`{ profiles(first: 1, last: 1) { totalCount } }`, nil, "BAD_USER_INPUT"},
		{`{ profiles(after: "garbage") { totalCount } }`, nil, "BAD_USER_INPUT"},
		{`{ profiles(before: "") { totalCount } }`, nil, "BAD_USER_INPUT"},
		{`query ($s: String) { profiles(filter: {search: $s}) { totalCount } }`, vars{"s": long("s", 101)}, "BAD_USER_INPUT"},
		{`query ($s: String) { profiles(filter: {search: $s}) { totalCount } }`, vars{"s": "nul\x00"}, "BAD_USER_INPUT"},
		{`query ($s: String) { profiles(filter: {location: $s}) { totalCount } }`, vars{"s": long("l", 31)}, "BAD_USER_INPUT"},
		{`{ profiles(first: "5") { totalCount } }`, nil, "GRAPHQL_VALIDATION_FAILED"},
		{`{ profiles(orderBy: {field: PASSWORD}) { totalCount } }`, nil, "GRAPHQL_VALIDATION_FAILED"},
		{`query ($n: Int) { profiles(first: $n) { totalCount } }`, vars{"n": 1.5}, "BAD_USER_INPUT"},
		{`mutation { updateMe(input: {role: ADMIN}) { user { id } } }`, nil, "GRAPHQL_VALIDATION_FAILED"},
		{`mutation ($i: UpdateMeInput!) { updateMe(input: $i) { user { id } } }`, vars{"i": vars{"role": "ADMIN"}}, "GRAPHQL_VALIDATION_FAILED"},
		{`{ me { passwordHash } }`, nil, "GRAPHQL_VALIDATION_FAILED"},
		{`{ me { `, nil, "GRAPHQL_PARSE_FAILED"},
	}
	onEach(t, func(t *testing.T, s *site) {
		mario := s.anonymous()
		mario.keep(mario.ask(registerMutation, vars{"input": vars{"username": "mario", "email": "mario@example.com", "password": password}}).ok(), "register")
		for _, row := range mistaken {
			s.anonymous().ask(registerMutation, row.input).mistakes("register", row.want)
		}
		for _, row := range refused {
			mario.ask(row.query, row.vars).fails(row.want)
		}
		for _, device := range []string{long("d", 101), "a\x00b"} {
			a := s.anonymous().ask(obtainTokenMutation, vars{"input": vars{"identifier": "mario", "password": password, "deviceName": device}})
			if len(a.get("obtainToken.userErrors").([]any)) != 1 {
				t.Errorf("device %q: %s", device, a.Body)
			}
		}
		if s.count("users") != 1 || s.count("profiles") != 1 || s.count("sessions") != 1 {
			t.Fatalf("stored: %d users, %d profiles, %d sessions", s.count("users"), s.count("profiles"), s.count("sessions"))
		}
	})
}

// TestLoneSurrogates come as escapes, in variables and in the document.
func TestLoneSurrogates(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		const inVariables = `{"query": "mutation ($u: String!, $p: String!) { register(input: {username: $u, password: $p}) { user { id } tokens { accessToken } userErrors { code field } } }",
			"variables": {"u": "mario\ud800", "p": "i-keep-jumping\udfff"}}`
		s.anonymous().post([]byte(inVariables)).mistakes("register", "INVALID@username", "INVALID@password")
		document, err := json.Marshal(`mutation { register(input: {username: "mario\ud800", password: "i-keep-jumping"}) { user { id } tokens { accessToken } userErrors { code field } } }`)
		if err != nil {
			t.Fatal(err)
		}
		s.anonymous().post([]byte(`{"query": `+string(document)+`}`)).mistakes("register", "INVALID@username")
	})
}

// TestSecretsStayOutOfLogs greps everything the server said, at its most talkative, for everything it was told in
// confidence.
func TestSecretsStayOutOfLogs(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		mario := s.register("mario")
		secrets := []string{password, mario.access, mario.refresh}
		mario.ask(`mutation { changePassword(input: {currentPassword: "first-guess-9", newPassword: "i-jump-higher-now"}) { userErrors { code } } }`, nil)
		s.anonymous().ask(`mutation { obtainToken(input: {identifier: "mario", password: "second-guess-8"}) { userErrors { code } } }`, nil)
		s.anonymous().ask(`mutation { obtainToken(input: {identifier: third-guess-7}) { userErrors { code } } }`, nil)
		s.anonymous().post([]byte(`{"query": "fourth-guess-6"`))
		mario.renew().ok()
		secrets = append(secrets, mario.access, mario.refresh, testSecret, "first-guess-9", "i-jump-higher-now", "second-guess-8", "third-guess-7", "fourth-guess-6")
		mario.ask(`mutation Renew($t: String!) { refreshToken(input: {refreshToken: $t}) { tokens { tokenType } } }`, vars{"t": mario.refresh}).ok()
		mario.present(secrets[2][:40])
		for _, secret := range secrets {
			if strings.Contains(s.log.String(), secret) {
				t.Errorf("the log tells %q", secret)
			}
		}
		var refresh, refused bool
		for line := range strings.Lines(s.log.String()) {
			refresh = refresh || strings.Contains(line, `"msg":"operation"`) && strings.Contains(line, `"name":"Renew"`) && strings.Contains(line, mario.userID)
			refused = refused || strings.Contains(line, `"event":"authn_login_fail"`) && strings.Contains(line, mario.userID) && strings.Contains(line, `"request":"`)
		}
		if !refresh || !refused {
			t.Errorf("the log does not say who refreshed (%t) or whose sign-in which request was (%t)", refresh, refused)
		}
	})
}

// TestOtherEndpoints visits what is not GraphQL.
func TestOtherEndpoints(t *testing.T) {
	visit := func(t *testing.T, s *site, path string, want int) *http.Response {
		t.Helper()
		response, err := http.Get(s.address + path)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%s answers %d, want %d", path, response.StatusCode, want)
		}
		h := response.Header
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("X-Request-Id") == "" || h.Get("Cache-Control") == "" ||
			h.Get("Referrer-Policy") != "no-referrer" || !strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
			t.Errorf("%s lacks a header: %v", path, h)
		}
		return response
	}
	onEach(t, func(t *testing.T, s *site) {
		for _, path := range []string{"/", "/healthz", "/readyz", "/schema.graphqls", "/.well-known/jwks.json", "/graphql?query=" + url.QueryEscape(`{ serverInfo { registration } }`)} {
			visit(t, s, path, 200)
		}
		visit(t, s, "/nowhere", 404)
		a := s.anonymous().ask(`{ me { id } }`, nil)
		if h := a.Header; h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("an error lacks a header: %v", h)
		}
	})
	onEach(t, func(t *testing.T, s *site) {
		visit(t, s, "/", 404)
		visit(t, s, "/schema.graphqls", 404)
		if h := visit(t, s, "/healthz", 200).Header.Get("Strict-Transport-Security"); h == "" {
			t.Error("no HSTS")
		}
		s.anonymous().ask(`{ __schema { types { name } } }`, nil).fails("INTROSPECTION_DISABLED")
		s.anonymous().ask(`{ __typename }`, nil).ok().is("__typename", "Query")
	}, "LATCHKEY_MODE=production", "LATCHKEY_PUBLIC_URL=https://accounts.example.com")
}
