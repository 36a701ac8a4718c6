package hostile

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"latchkey/internal/e2e"
)

// TestInputInvalid checks that invalid requests get a typed error, the same on both engines, and store nothing.
func TestInputInvalid(t *testing.T) {
	register := func(field, value string) e2e.Vars {
		in := e2e.Vars{"username": "luigi", "password": e2e.Password}
		in[field] = value
		return e2e.Vars{"input": in}
	}
	long := strings.Repeat
	mistaken := []struct {
		input e2e.Vars
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
		{register("username", "mаrio"), "INVALID@username"}, // its second character is Cyrillic
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
		vars  e2e.Vars
		want  string
	}{
		{`{ profile(id: "nope") { id } }`, nil, "BAD_USER_INPUT"},
		{`{ profile(id: "profile_0198C5A2-7F1E-7CC3-98C4-DC0C0C07398F") { id } }`, nil, "BAD_USER_INPUT"},
		{`{ profile(id: "") { id } }`, nil, "BAD_USER_INPUT"},
		{`query ($id: ID!) { node(id: $id) { id } }`, e2e.Vars{"id": "user_\x00"}, "BAD_USER_INPUT"},
		{`query ($id: ID!) { node(id: $id) { id } }`, e2e.Vars{"id": long("user_", 1000)}, "BAD_USER_INPUT"},
		{`{ profiles(first: -1) { totalCount } }`, nil, "BAD_USER_INPUT"},
		{`{ profiles(first: 101) { totalCount } }`, nil, "BAD_USER_INPUT"},
		{`{ profiles(first: 1, last: 1) { totalCount } }`, nil, "BAD_USER_INPUT"},
		{`{ profiles(after: "garbage") { totalCount } }`, nil, "BAD_USER_INPUT"},
		{`{ profiles(before: "") { totalCount } }`, nil, "BAD_USER_INPUT"},
		{`query ($s: String) { profiles(filter: {search: $s}) { totalCount } }`, e2e.Vars{"s": long("s", 101)}, "BAD_USER_INPUT"},
		{`query ($s: String) { profiles(filter: {search: $s}) { totalCount } }`, e2e.Vars{"s": "nul\x00"}, "BAD_USER_INPUT"},
		{`query ($s: String) { profiles(filter: {location: $s}) { totalCount } }`, e2e.Vars{"s": long("l", 31)}, "BAD_USER_INPUT"},
		{`{ profiles(first: "5") { totalCount } }`, nil, "GRAPHQL_VALIDATION_FAILED"},
		{`{ profiles(orderBy: {field: PASSWORD}) { totalCount } }`, nil, "GRAPHQL_VALIDATION_FAILED"},
		{`query ($n: Int) { profiles(first: $n) { totalCount } }`, e2e.Vars{"n": 1.5}, "BAD_USER_INPUT"},
		{`mutation { updateMe(input: {role: ADMIN}) { user { id } } }`, nil, "GRAPHQL_VALIDATION_FAILED"},
		{`mutation ($i: UpdateMeInput!) { updateMe(input: $i) { user { id } } }`, e2e.Vars{"i": e2e.Vars{"role": "ADMIN"}}, "GRAPHQL_VALIDATION_FAILED"},
		{`{ me { passwordHash } }`, nil, "GRAPHQL_VALIDATION_FAILED"},
		{`{ me { `, nil, "GRAPHQL_PARSE_FAILED"},
	}
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		mario := s.Anonymous()
		mario.UseTokens(mario.Ask(e2e.RegisterMutation, e2e.Vars{"input": e2e.Vars{"username": "mario", "email": "mario@example.com", "password": e2e.Password}}).Ok(), "register")
		for _, row := range mistaken {
			s.Anonymous().Ask(e2e.RegisterMutation, row.input).HasUserErrors("register", row.want)
		}
		for _, row := range refused {
			mario.Ask(row.query, row.vars).FailsWith(row.want)
		}
		for _, device := range []string{long("d", 101), "a\x00b"} {
			a := s.Anonymous().Ask(e2e.ObtainTokenMutation, e2e.Vars{"input": e2e.Vars{"identifier": "mario", "password": e2e.Password, "deviceName": device}})
			if len(a.Get("obtainToken.userErrors").([]any)) != 1 {
				t.Errorf("device %q: %s", device, a.Body)
			}
		}
		if s.Count("users") != 1 || s.Count("profiles") != 1 || s.Count("sessions") != 1 {
			t.Fatalf("stored: %d users, %d profiles, %d sessions", s.Count("users"), s.Count("profiles"), s.Count("sessions"))
		}
	})
}

// TestInputLoneSurrogates checks that lone surrogates are rejected as escapes in variables and in the document.
func TestInputLoneSurrogates(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		const inVariables = `{"query": "mutation ($u: String!, $p: String!) { register(input: {username: $u, password: $p}) { user { id } tokens { accessToken } userErrors { code field } } }",
			"variables": {"u": "mario\ud800", "p": "i-keep-jumping\udfff"}}`
		s.Anonymous().Post([]byte(inVariables)).HasUserErrors("register", "INVALID@username", "INVALID@password")
		document, err := json.Marshal(`mutation { register(input: {username: "mario\ud800", password: "i-keep-jumping"}) { user { id } tokens { accessToken } userErrors { code field } } }`)
		if err != nil {
			t.Fatal(err)
		}
		s.Anonymous().Post([]byte(`{"query": `+string(document)+`}`)).HasUserErrors("register", "INVALID@username")
	})
}

// TestLogHasNoSecrets checks that the log at its most verbose level holds no secret that the server received or issued.
func TestLogHasNoSecrets(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		mario := s.Register("mario")
		secrets := []string{e2e.Password, mario.AccessToken, mario.RefreshToken}
		mario.Ask(`mutation { changePassword(input: {currentPassword: "first-guess-9", newPassword: "i-jump-higher-now"}) { userErrors { code } } }`, nil)
		s.Anonymous().Ask(`mutation { obtainToken(input: {identifier: "mario", password: "second-guess-8"}) { userErrors { code } } }`, nil)
		s.Anonymous().Ask(`mutation { obtainToken(input: {identifier: third-guess-7}) { userErrors { code } } }`, nil)
		s.Anonymous().Post([]byte(`{"query": "fourth-guess-6"`))
		mario.Refresh().Ok()
		secrets = append(secrets, mario.AccessToken, mario.RefreshToken, e2e.Secret, "first-guess-9", "i-jump-higher-now", "second-guess-8", "third-guess-7", "fourth-guess-6")
		mario.Ask(`mutation Renew($t: String!) { refreshToken(input: {refreshToken: $t}) { tokens { tokenType } } }`, e2e.Vars{"t": mario.RefreshToken}).Ok()
		mario.RefreshWith(secrets[2][:40])
		for _, secret := range secrets {
			if strings.Contains(s.Log.String(), secret) {
				t.Errorf("the log tells %q", secret)
			}
		}
		var refresh, refused bool
		for line := range strings.Lines(s.Log.String()) {
			refresh = refresh || strings.Contains(line, `"msg":"operation"`) && strings.Contains(line, `"name":"Renew"`) && strings.Contains(line, mario.UserID)
			refused = refused || strings.Contains(line, `"event":"authn_login_fail"`) && strings.Contains(line, mario.UserID) && strings.Contains(line, `"request":"`)
		}
		if !refresh || !refused {
			t.Errorf("the log does not say who refreshed (%t) or whose sign-in which request was (%t)", refresh, refused)
		}
	})
}

// TestOtherEndpoints checks that the endpoints other than GraphQL answer as documented.
func TestOtherEndpoints(t *testing.T) {
	visit := func(t *testing.T, s *e2e.Env, path string, want int) *http.Response {
		t.Helper()
		response, err := http.Get(s.URL + path)
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
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		for _, path := range []string{"/", "/healthz", "/readyz", "/schema.graphqls", "/.well-known/jwks.json", "/graphql?query=" + url.QueryEscape(`{ serverInfo { registration } }`)} {
			visit(t, s, path, 200)
		}
		visit(t, s, "/nowhere", 404)
		a := s.Anonymous().Ask(`{ me { id } }`, nil)
		if h := a.Header; h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("an error lacks a header: %v", h)
		}
	})
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		visit(t, s, "/", 404)
		visit(t, s, "/schema.graphqls", 404)
		if h := visit(t, s, "/healthz", 200).Header.Get("Strict-Transport-Security"); h == "" {
			t.Error("no HSTS")
		}
		s.Anonymous().Ask(`{ __schema { types { name } } }`, nil).FailsWith("INTROSPECTION_DISABLED")
		s.Anonymous().Ask(`{ __typename }`, nil).Ok().Equals("__typename", "Query")
	}, "LATCHKEY_MODE=production", "LATCHKEY_PUBLIC_URL=https://accounts.example.com")
}
