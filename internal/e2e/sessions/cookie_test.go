package sessions

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"latchkey/internal/e2e"
)

// browser is a client whose refresh token travels as a cookie.
type browser struct {
	*e2e.Client
	origin string         // of the page that sends the request; empty for none
	site   string         // the same as Sec-Fetch-Site; empty for an old browser
	cookie *http.Cookie   // what it keeps
	set    []*http.Cookie // what the last answer set
}

const spa = "http://localhost:5173"

func newBrowser(s *e2e.Env) *browser {
	return &browser{Client: s.Anonymous(), origin: spa, site: "same-site"}
}

// ask sends an operation with the cookie, and keeps the cookies of the answer, as a browser does.
func (b *browser) ask(query string, variables e2e.Vars) *e2e.Response {
	b.T.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		b.T.Fatal(err)
	}
	r, err := http.NewRequestWithContext(b.T.Context(), http.MethodPost, b.URL+"/graphql", bytes.NewReader(body))
	if err != nil {
		b.T.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if b.origin != "" {
		r.Header.Set("Origin", b.origin)
	}
	if b.site != "" {
		r.Header.Set("Sec-Fetch-Site", b.site)
	}
	if b.cookie != nil {
		r.AddCookie(b.cookie)
	}
	a := b.Send(r)
	b.set = (&http.Response{Header: a.Header}).Cookies()
	for _, cookie := range b.set {
		if b.cookie = cookie; cookie.MaxAge < 0 {
			b.cookie = nil
		}
	}
	return a
}

const (
	signInByCookie  = `mutation { obtainToken(input: {identifier: "mario", password: "i-keep-jumping", delivery: COOKIE}) { tokens { accessToken refreshToken refreshTokenExpiresAt } userErrors { code } } }`
	refreshByCookie = `mutation { refreshToken(input: {}) { tokens { accessToken refreshToken refreshTokenExpiresAt } userErrors { code field } } }`
	refreshByBody   = `mutation ($t: String) { refreshToken(input: {refreshToken: $t}) { tokens { accessToken refreshToken } userErrors { code } } }`
	signOutByCookie = `mutation { signOut(input: {}) { signedOut } }`
)

// signIn signs mario in with a cookie.
func (b *browser) signIn() *browser {
	b.T.Helper()
	a := b.ask(signInByCookie, nil).Ok()
	b.AccessToken = a.Text("obtainToken.tokens.accessToken")
	return b
}

// TestCookie checks that the refresh token can be held by a cookie with the documented attributes.
func TestCookie(t *testing.T) {
	for _, mode := range []struct {
		name, publicURL string
		secure          bool
	}{{"latchkey", "http://localhost:8080", false}, {"__Host-latchkey", "https://accounts.example.com", true}} {
		e2e.Each(t, func(t *testing.T, s *e2e.Env) {
			s.Register("mario")
			b := newBrowser(s)
			check := func(a *e2e.Response, field string) {
				t.Helper()
				a.Ok().Equals(field+".tokens.refreshToken", nil)
				if len(b.set) != 1 {
					t.Fatalf("cookies: %v", b.set)
				}
				c := b.set[0]
				if c.Name != mode.name || c.Secure != mode.secure || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode ||
					c.Path != "/" || c.Domain != "" || !strings.HasPrefix(c.Value, "rt_") || strings.Contains(string(a.Body), c.Value) {
					t.Errorf("cookie: %v", c)
				}
				if expires := s.Clock.Now().Add(168 * time.Hour).UTC().Truncate(time.Second); !c.Expires.Equal(expires) {
					t.Errorf("expires %s, want %s", c.Expires, expires)
				}
			}
			check(b.ask(`mutation { register(input: {username: "luigi", password: "i-keep-jumping", delivery: COOKIE}) { tokens { refreshToken } userErrors { code } } }`, nil), "register")
			check(b.ask(signInByCookie, nil), "obtainToken")
			s.Clock.Advance(time.Minute)
			a := b.ask(refreshByCookie, nil)
			check(a, "refreshToken")
			b.AccessToken = a.Text("refreshToken.tokens.accessToken")
			check(b.ask(`mutation { changePassword(input: {currentPassword: "i-keep-jumping", newPassword: "i-jump-higher-now", delivery: COOKIE}) { tokens { refreshToken } userErrors { code } } }`, nil), "changePassword")
			check(b.ask(refreshByCookie, nil), "refreshToken")
		}, "LATCHKEY_PUBLIC_URL="+mode.publicURL)
	}
}

// TestCookieClearedBySignOut checks that signing out clears the cookie.
func TestCookieClearedBySignOut(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		s.Register("mario")
		for _, access := range []string{"", "stale", "current"} {
			b := newBrowser(s).signIn()
			kept, session := *b.cookie, b.AccessToken
			switch access {
			case "":
				b.AccessToken = ""
			case "stale":
				b.AccessToken += "x"
			}
			b.ask(signOutByCookie, nil).Ok().Equals("signOut.signedOut", true)
			if b.cookie != nil || len(b.set) != 1 {
				t.Fatalf("%q: the cookie is still there: %v", access, b.set)
			}
			b.AccessToken, b.cookie = session, &kept
			b.ask(`{ me { id } }`, nil).FailsWith("UNAUTHENTICATED", "REVOKED")
			b.ask(refreshByCookie, nil).HasUserErrors("refreshToken", "TOKEN_INVALID@refreshToken")
			if len(b.set) != 0 {
				t.Fatalf("a refused refresh touched the cookie: %v", b.set)
			}
		}
		newBrowser(s).ask(refreshByCookie, nil).HasUserErrors("refreshToken", "TOKEN_INVALID@refreshToken")
	})
}

// TestCookieBesideBody checks that a refresh token in the body is rejected beside a cookie of another session, and
// replaces the cookie of its own.
func TestCookieBesideBody(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		mario := s.Register("mario")
		b := newBrowser(s).signIn()
		cookie := *b.cookie
		for _, query := range []string{refreshByBody, `mutation ($t: String) { signOut(input: {refreshToken: $t}) { signedOut } }`} {
			b.ask(query, e2e.Vars{"t": mario.RefreshToken}).FailsWith("BAD_USER_INPUT")
			b.ask(query, e2e.Vars{"t": "rt_garbage"}).FailsWith("BAD_USER_INPUT")
			if b.cookie.Value != cookie.Value || !mario.SignedIn() || !b.SignedIn() {
				t.Fatal("a refused request changed something")
			}
		}
		// The same session in both: it goes on in the body alone.
		a := b.ask(refreshByBody, e2e.Vars{"t": cookie.Value}).Ok()
		if b.cookie != nil {
			t.Fatal("the cookie, now out of date, is still there")
		}
		s.Anonymous().Ask(refreshByBody, e2e.Vars{"t": a.Text("refreshToken.tokens.refreshToken")}).Ok()
	})
}

// TestCookieClearedByBody checks that tokens in a response body clear the cookie, so that the two never diverge.
func TestCookieClearedByBody(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		s.Register("mario")
		for _, query := range []string{
			`mutation { field: obtainToken(input: {identifier: "mario", password: "i-keep-jumping"}) { tokens { refreshToken } userErrors { code } } }`,
			`mutation { field: changePassword(input: {currentPassword: "i-keep-jumping", newPassword: "i-keep-jumping"}) { tokens { refreshToken } userErrors { code } } }`,
		} {
			b := newBrowser(s).signIn()
			a := b.ask(query, nil).Ok()
			if b.cookie != nil {
				t.Fatal("the cookie is still there")
			}
			b.ask(refreshByBody, e2e.Vars{"t": a.Text("field.tokens.refreshToken")}).Ok()
		}
	})
}

// TestCookieIgnoredBySignIn checks that a sign-in ignores a planted cookie.
func TestCookieIgnoredBySignIn(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		s.Register("mario")
		intruder := newBrowser(s).signIn()
		for _, planted := range []string{intruder.cookie.Value, "garbage", ""} {
			b := newBrowser(s)
			b.cookie = &http.Cookie{Name: "latchkey", Value: planted}
			b.signIn()
			if b.cookie.Value == planted || !b.SignedIn() || !intruder.SignedIn() {
				t.Fatal("the planted cookie had an effect")
			}
		}
	})
}

// TestCookieSharedByTabs checks that two tabs with the same cookie refresh to the same token.
func TestCookieSharedByTabs(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		s.Register("mario")
		first := newBrowser(s).signIn()
		second := newBrowser(s)
		second.cookie = first.cookie
		first.ask(refreshByCookie, nil).Ok()
		second.ask(refreshByCookie, nil).Ok()
		if first.cookie.Value != second.cookie.Value {
			t.Fatal("two tabs that refresh at once must get the same child")
		}
		second.ask(signOutByCookie, nil).Ok()
		first.ask(refreshByCookie, nil).HasUserErrors("refreshToken", "TOKEN_INVALID@refreshToken")
	})
}

// TestCookieOrigins checks that the cookie is accepted from the allowed origins only.
func TestCookieOrigins(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		s.Register("mario")
		own := s.URL
		for _, row := range []struct {
			origin, fetchSite string
			allowed           bool
		}{
			{"", "", true}, // no browser
			{own, "same-origin", true},
			{own, "", true},
			{spa, "same-site", true},
			{spa, "cross-site", true},
			{spa, "", true},
			{"", "none", true}, // typed by the user
			{"", "same-site", false},
			{"", "cross-site", false},
			{"null", "cross-site", false},
			{"null", "", false},
			{"http://localhost:5174", "same-site", false},
			{"http://localhost", "same-site", false},
			{"https://localhost:5173", "cross-site", false},
			{"http://localhost:5173.evil.example", "cross-site", false},
			{"http://evil.example", "cross-site", false},
			{"http://evil.example", "", false},
			{"http://LOCALHOST:5173", "same-site", false},
			{"http://localhost:5173/", "same-site", false},
			{"http://127.0.0.1:5173", "cross-site", false},
		} {
			b := newBrowser(s).signIn()
			cookie := *b.cookie
			b.origin, b.site = row.origin, row.fetchSite
			a := b.ask(refreshByCookie, nil)
			if row.allowed {
				a.Ok()
				continue
			}
			if a.FailsWith("FORBIDDEN"); a.Status != http.StatusForbidden || len(b.set) != 0 {
				t.Errorf("%v: %d %v", row, a.Status, b.set)
			}
			b.origin, b.site, b.cookie = spa, "same-site", &cookie
			s.Clock.Advance(time.Minute) // past the grace: had the refused one been used, this would end the session
			b.ask(refreshByCookie, nil).Ok()
		}
	})
}

// TestCORSHeaders checks that only allowed origins receive the headers with which browsers show them responses.
func TestCORSHeaders(t *testing.T) {
	s := e2e.Start(t, "sqlite:"+t.TempDir()+"/latchkey.db", "LATCHKEY_ALLOWED_ORIGINS=https://app.example.com,http://localhost:5173")
	for _, row := range []struct {
		origin  string
		allowed bool
	}{
		{"https://app.example.com", true},
		{spa, true},
		{"", false},
		{"null", false},
		{"https://app.example.com.evil.example", false},
		{"https://evilapp.example.com", false},
		{"https://app.example.com:444", false},
		{"http://app.example.com", false},
		{"https://APP.example.com", false},
		{"*", false},
	} {
		for _, method := range []string{http.MethodOptions, http.MethodPost} {
			r, err := http.NewRequest(method, s.URL+"/graphql", strings.NewReader(`{"query": "{ __typename }"}`))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/json")
			if row.origin != "" {
				r.Header.Set("Origin", row.origin)
			}
			if method == http.MethodOptions {
				r.Header.Set("Access-Control-Request-Method", http.MethodPost)
				r.Header.Set("Access-Control-Request-Headers", "authorization,content-type")
			}
			response, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			h := response.Header
			if !strings.Contains(strings.Join(h.Values("Vary"), ","), "Origin") {
				t.Errorf("%s from %q varies by %q only", method, row.origin, h.Values("Vary"))
			}
			origin, credentials := h.Get("Access-Control-Allow-Origin"), h.Get("Access-Control-Allow-Credentials")
			if row.allowed && (origin != row.origin || credentials != "true") || !row.allowed && origin+credentials != "" {
				t.Errorf("%s from %q: %q %q", method, row.origin, origin, credentials)
			}
		}
	}
}

// TestCORSSimpleRequests checks that requests that browsers send from other sites without a preflight are rejected.
func TestCORSSimpleRequests(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		for _, contentType := range []string{"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"} {
			r, err := http.NewRequest(http.MethodPost, s.URL+"/graphql", strings.NewReader(`{"query": "{ __typename }"}`))
			if err != nil {
				t.Fatal(err)
			}
			if contentType != "" {
				r.Header.Set("Content-Type", contentType)
			}
			if a := s.Anonymous().Send(r); a.Status != http.StatusUnsupportedMediaType {
				t.Errorf("%q: %d %s", contentType, a.Status, a.Body)
			}
		}
	})
}
