package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/internal/account"
)

// What guessing comes to, on two nodes that share a database.

// guess tries a password and returns the code of what comes of it: OK, a mistake's or an error's, and for how many
// seconds to wait.
func (c *client) guess(identifier, password string) (code string, wait int) {
	c.t.Helper()
	a := c.ask(obtainTokenMutation, vars{"input": vars{"identifier": identifier, "password": password}})
	return a.code("obtainToken")
}

// code returns OK, or the first mistake's or error's code.
func (a *answer) code(field string) (code string, wait int) {
	a.t.Helper()
	if len(a.Errors) > 0 {
		return a.Errors[0].Extensions.Code, a.Errors[0].Extensions.RetryAfter
	}
	if code, ok := a.get(field + ".userErrors.0.code").(string); ok {
		return code, 0
	}
	return "OK", 0
}

// at returns somebody behind the proxy of this machine who comes from an address.
func (s *site) at(address string) *visitor { return &visitor{s.anonymous(), address} }

type visitor struct {
	*client
	address string
}

func (v *visitor) ask(query string, variables vars) *answer {
	v.t.Helper()
	return v.askWith(http.Header{"X-Forwarded-For": {v.address}}, query, variables)
}

func (v *visitor) guess(identifier, password string) (code string, wait int) {
	v.t.Helper()
	return v.ask(obtainTokenMutation, vars{"input": vars{"identifier": identifier, "password": password}}).code("obtainToken")
}

const proxied = "LATCHKEY_TRUSTED_PROXIES=127.0.0.0/8"

func TestGuessesAreSlowedDown(t *testing.T) {
	for name, identifiers := range map[string][]string{
		// However the account is called.
		"a user": {"mario", "MARIO", "ｍａｒｉｏ", "mario@example.com", "MARIO@EXAMPLE.COM"},
		"nobody": {"luigi", "LUIGI", "ｌｕｉｇｉ", "luigi", "Luigi"},
	} {
		t.Run(name, func(t *testing.T) {
			onTwoNodes(t, func(t *testing.T, s *site) {
				owner := s.at("192.0.2.1")
				owner.ask(registerMutation, vars{"input": vars{"username": "mario", "email": "mario@example.com", "password": password}}).ok()
				stranger := s.at("198.51.100.1")
				for i, identifier := range identifiers {
					if code, _ := stranger.guess(identifier, "wrong-password"); code != "INVALID_CREDENTIALS" {
						t.Fatalf("guess %d: %s", i+1, code)
					}
				}
				failures := len(identifiers)
				for pause := time.Second; failures < 16; pause = min(2*pause, 15*time.Minute) {
					code, wait := stranger.guess(identifiers[0], password)
					if code != "RATE_LIMITED" || wait != int(pause.Seconds()) {
						t.Fatalf("after %d failures: %s, wait %d and not %s", failures, code, wait, pause)
					}
					s.clock.advance(pause - time.Microsecond)
					if code, wait := stranger.guess(identifiers[1], "wrong-password"); code != "RATE_LIMITED" || wait != 1 {
						t.Fatalf("after %d failures, too soon: %s, wait %d", failures, code, wait)
					}
					s.clock.advance(time.Microsecond)
					if code, _ := stranger.guess(identifiers[2], "wrong-password"); code != "INVALID_CREDENTIALS" {
						t.Fatalf("after %d failures and a pause: %s", failures, code)
					}
					failures++
				}
				if name == "nobody" {
					return
				}
				if code, _ := owner.guess("mario", password); code != "OK" {
					t.Fatalf("the owner is shut out: %s", code)
				}
				if code, _ := stranger.guess("mario", "wrong-password"); code != "RATE_LIMITED" {
					t.Fatalf("the owner's success was the stranger's: %s", code)
				}
				s.clock.advance(15 * time.Minute)
				if code, _ := stranger.guess("mario", password); code != "OK" {
					t.Fatalf("the right password after a pause: %s", code)
				}
				for i := range 5 {
					if code, _ := stranger.guess("mario", "wrong-password"); code != "INVALID_CREDENTIALS" {
						t.Fatalf("guess %d after a success: %s", i+1, code)
					}
				}
			}, proxied)
		})
	}
}

// TestGuessingEnds after so many failures, until the password is reset.
func TestGuessingEnds(t *testing.T) {
	onEachWithMail(t, func(t *testing.T, s *site, box *mailbox) {
		s.at("192.0.2.1").ask(registerMutation, vars{"input": vars{"username": "mario", "email": "mario@example.com", "password": password}}).ok()
		stranger := s.at("198.51.100.1")
		for _, name := range []string{"mario", "nobody"} {
			for i := range 20 {
				s.clock.advance(15 * time.Minute)
				if code, _ := stranger.guess(name, "wrong-password"); code != "INVALID_CREDENTIALS" {
					t.Fatalf("guess %d: %s", i+1, code)
				}
			}
			s.clock.advance(60 * 24 * time.Hour)
			if code, wait := stranger.guess(name, password); code != "RATE_LIMITED" || wait != 24*60*60 {
				t.Fatalf("%s after 20 failures: %s, wait %d", name, code, wait)
			}
		}
		if code, _ := s.at("192.0.2.1").guess("mario", password); code != "OK" {
			t.Fatalf("the owner where they are known: %s", code)
		}
		s.anonymous().ask(requestResetMutation, vars{"e": "mario@example.com"}).ok()
		s.anonymous().ask(resetMutation, vars{"t": s.letter(box, "mario@example.com").token(), "p": newPassword}).ok()
		if code, _ := stranger.guess("mario", newPassword); code != "OK" {
			t.Fatalf("after a reset: %s", code)
		}
	}, proxied, "LATCHKEY_LIMIT_GUESSES=20")
}

// TestGuessesAtOnce: of many tries at once as many get an answer as one after the other.
func TestGuessesAtOnce(t *testing.T) {
	onEachStrict(t, func(t *testing.T, s *site) {
		s.peer = s.another(proxied)
		s.at("192.0.2.1").ask(registerMutation, vars{"input": vars{"username": "mario", "password": password}}).ok()
		var answered, limited atomic.Int32
		together(24, func(int) {
			switch code, _ := s.at("198.51.100.1").guess("mario", "wrong-password"); code {
			case "INVALID_CREDENTIALS":
				answered.Add(1)
			case "RATE_LIMITED":
				limited.Add(1)
			}
		})
		if answered.Load() != 5 || limited.Load() != 19 {
			t.Fatalf("%d answered, %d limited", answered.Load(), limited.Load())
		}
	}, proxied)
}

func TestEveryPasswordCheckIsCounted(t *testing.T) {
	for field, query := range map[string]string{
		"changePassword":     `mutation ($p: String!) { changePassword(input: {currentPassword: $p, newPassword: "the-princess-is-elsewhere"}) { userErrors { code } } }`,
		"changeUsername":     `mutation ($p: String!) { changeUsername(input: {currentPassword: $p, newUsername: "luigi"}) { userErrors { code } } }`,
		"deleteMe":           `mutation ($p: String!) { deleteMe(input: {currentPassword: $p}) { userErrors { code } } }`,
		"requestEmailChange": `mutation ($p: String!) { requestEmailChange(input: {currentPassword: $p, newEmail: "luigi@example.com"}) { userErrors { code } } }`,
	} {
		t.Run(field, func(t *testing.T) {
			onTwoNodes(t, func(t *testing.T, s *site) {
				mario := s.register("mario")
				for i := range 5 {
					if code, _ := mario.ask(query, vars{"p": "wrong-password"}).code(field); code != "INVALID_CREDENTIALS" {
						t.Fatalf("guess %d: %s", i+1, code)
					}
				}
				a := mario.ask(query, vars{"p": password})
				if code, _ := a.code(field); code != "RATE_LIMITED" || a.Header.Get("Retry-After") != "1" {
					t.Fatalf("%s, Retry-After %q", a.Body, a.Header.Get("Retry-After"))
				}
				if code, _ := mario.guess("mario", password); code != "RATE_LIMITED" {
					t.Fatalf("a sign-in beside it: %s", code)
				}
				s.clock.advance(time.Second)
				mario.ask(query, vars{"p": password}).ok()
			})
		})
	}
}

// TestANetworkIsLimited for each kind of thing that strangers can do; its neighbours are not.
func TestANetworkIsLimited(t *testing.T) {
	for kind, do := range map[string]func(v *visitor, n int) (code string, wait int){
		"SIGN_IN": func(v *visitor, n int) (string, int) { return v.guess(fmt.Sprint("nobody", n), "wrong-password") },
		"REGISTER": func(v *visitor, n int) (string, int) {
			return v.ask(registerMutation, vars{"input": vars{"username": strings.Map(letters, fmt.Sprint(v.address, "-", n)), "password": password}}).code("register")
		},
		"REFRESH": func(v *visitor, n int) (string, int) {
			return v.ask(`mutation { refreshToken(input: {refreshToken: "rt_x"}) { userErrors { code } } }`, nil).code("refreshToken")
		},
		"MAIL": func(v *visitor, n int) (string, int) {
			return v.ask(requestResetMutation, vars{"e": fmt.Sprintf("nobody%d@example.com", n)}).code("requestPasswordReset")
		},
	} {
		t.Run(kind, func(t *testing.T) {
			onTwoNodes(t, func(t *testing.T, s *site) {
				for n := range 4 {
					if code, _ := do(s.at(fmt.Sprintf("2001:db8::%x", n)), n); code == "RATE_LIMITED" {
						t.Fatalf("number %d: %s", n, code)
					}
				}
				s.clock.advance(59 * time.Minute)
				if code, wait := do(s.at("2001:db8::ffff:1"), 4); code != "RATE_LIMITED" || wait != 60 {
					t.Fatalf("one too many: %s, wait %d", code, wait)
				}
				for n, neighbour := range []string{"2001:db8:0:1::1", "192.0.2.1:4711", "[2001:db8:0:2::1]:4711"} {
					if code, _ := do(s.at(neighbour), 5+n); code == "RATE_LIMITED" {
						t.Fatalf("the neighbour %s: %s", neighbour, code)
					}
				}
				s.clock.advance(time.Minute)
				if code, _ := do(s.at("2001:db8::1"), 9); code == "RATE_LIMITED" {
					t.Fatalf("an hour later: %s", code)
				}
			}, proxied, "LATCHKEY_LIMIT_"+kind+"=4/1h")
		})
	}
}

func letters(r rune) rune {
	if strings.ContainsRune(":[].", r) {
		return '-'
	}
	return r
}

// TestCountersOutliveTheServer restarts it between two guesses.
func TestCountersOutliveTheServer(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		for range 5 {
			s.anonymous().guess("mario", "wrong-password")
		}
		s.stop()
		if code, _ := s.another().anonymous().guess("MARIO", "wrong-password"); code != "RATE_LIMITED" {
			t.Fatalf("after a restart: %s", code)
		}
	})
}

// TestStrangersShareBoundedSpace: names that nobody has do not fill the database without end.
func TestStrangersShareBoundedSpace(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.anonymous().guess("nobody", "wrong-password")
		subjects := s.values(`SELECT subject FROM throttles WHERE subject LIKE 'nobody%'`)
		if len(subjects) != 1 || len(subjects[0]) != len("nobody_00000") || slices.Contains(s.values(`SELECT subject FROM throttles`), "nobody") {
			t.Fatalf("%q", subjects)
		}
		s.clock.advance(31 * 24 * time.Hour)
		if _, err := s.server.Service().PurgeExpired(t.Context(), account.System); err != nil {
			t.Fatal(err)
		}
		if n := s.count("throttles"); n != 0 {
			t.Fatalf("%d counters are left", n)
		}
	})
}

// TestAccountsThatWaitAreNoWayRound: a stranger's account that waits for an address neither opens a way round the
// counter of its owner nor reports whether there is one.
func TestAccountsThatWaitAreNoWayRound(t *testing.T) {
	onEachWithMail(t, func(t *testing.T, s *site, box *mailbox) {
		s.at("192.0.2.1").ask(registerMutation, vars{"input": vars{"username": "mario", "email": "mario@example.com", "password": password}}).ok()
		s.anonymous().ask(activateMutation, vars{"t": s.letter(box, "mario@example.com").token()}).ok()
		stranger := s.at("198.51.100.1")
		for _, address := range []string{"mario@example.com", "nobody@example.com"} {
			evil := strings.TrimSuffix(address, "@example.com") + "-evil"
			stranger.ask(registerMutation, vars{"input": vars{"username": evil, "email": address, "password": newPassword}}).ok()
			// What is tried at the account that waits, by its name, says nothing of the address.
			for range 5 {
				stranger.guess(evil, "wrong-password")
			}
			for i := range 5 {
				guess, want := newPassword, "EMAIL_NOT_VERIFIED"
				if i == 3 {
					guess, want = "wrong-password", "INVALID_CREDENTIALS"
				}
				if code, _ := stranger.guess(address, guess); code != want {
					t.Fatalf("%s, guess %d: %s", address, i+1, code)
				}
			}
			for _, guess := range []string{newPassword, password} {
				if code, wait := stranger.guess(address, guess); code != "RATE_LIMITED" || wait != 1 {
					t.Fatalf("%s, one too many: %s, wait %d", address, code, wait)
				}
			}
		}
	}, verification, proxied)
}

// TestADisabledAccountIsLikeNone: its password is as wrong as any.
func TestADisabledAccountIsLikeNone(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.at("192.0.2.1").ask(registerMutation, vars{"input": vars{"username": "mario", "password": password}}).ok()
		s.execute(`UPDATE users SET status = 'DISABLED'`)
		for i := range 6 {
			code, _ := s.at("198.51.100.1").guess("mario", password)
			if want := []string{"INVALID_CREDENTIALS", "RATE_LIMITED"}[i/5]; code != want {
				t.Fatalf("guess %d: %s", i+1, code)
			}
		}
	}, proxied)
}

// TestStrangersDoNotDisturbWhoIsSignedIn, wherever they are now.
func TestStrangersDoNotDisturbWhoIsSignedIn(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		mario := s.at("192.0.2.1")
		mario.keep(mario.ask(registerMutation, vars{"input": vars{"username": "mario", "password": password}}).ok(), "register")
		for range 6 {
			s.at("198.51.100.1").guess("mario", "wrong-password")
		}
		mario.address = "203.0.113.1"
		if code, _ := mario.guess("mario", password); code != "RATE_LIMITED" {
			t.Fatalf("a sign-in from elsewhere: %s", code)
		}
		mario.ask(`mutation ($p: String!) { changeUsername(input: {currentPassword: $p, newUsername: "luigi"}) { user { id } userErrors { code } } }`,
			vars{"p": password}).ok()
	}, proxied)
}

// TestSecurityEvents does what operators want to know of, and looks for who did it, from where and in which request.
func TestSecurityEvents(t *testing.T) {
	onEachWithMail(t, func(t *testing.T, s *site, box *mailbox) {
		mario := s.at("192.0.2.1")
		a := mario.ask(registerMutation, vars{"input": vars{"username": "mario", "email": "mario@example.com", "password": password}}).ok()
		mario.keep(a, "register")
		old, user := mario.refresh, a.text("register.user.id")
		logged := func(event string, parts ...string) {
			t.Helper()
			parts = append(parts, `"msg":"security"`, `"event":"`+event+`"`, `"request":"`, `"from":"192.0.2.1"`)
			if !s.says(parts...) {
				t.Errorf("no %s with %q", event, parts)
			}
		}
		do := func(query string, variables vars) { mario.ask(query, variables) }
		do(`mutation ($t: String!) { refreshToken(input: {refreshToken: $t}) { tokens { tokenType } } }`, vars{"t": old})
		s.clock.advance(time.Hour)
		do(`mutation ($t: String!) { refreshToken(input: {refreshToken: $t}) { userErrors { code } } }`, vars{"t": old})
		mario.guess("mario", password)
		for range 6 {
			mario.guess("mario", "wrong-password")
		}
		s.clock.advance(time.Second)
		mario.keep(mario.ask(obtainTokenMutation, vars{"input": vars{"identifier": "mario", "password": password}}).ok(), "obtainToken")
		do(`mutation ($p: String!) { changeUsername(input: {currentPassword: $p, newUsername: "luigi"}) { user { id } } }`, vars{"p": password})
		mario.keep(mario.ask(`mutation ($p: String!, $n: String!) { changePassword(input: {currentPassword: $p, newPassword: $n}) {
			tokens { accessToken refreshToken } userErrors { code } } }`, vars{"p": password, "n": newPassword}).ok(), "changePassword")
		do(`mutation { signOutEverywhere(input: {}) { revokedCount } }`, nil)
		do(`mutation ($p: String!) { deleteMe(input: {currentPassword: $p}) { deletedUserId } }`, vars{"p": newPassword})
		who := `"user":"` + user + `"`
		logged("user_created", who)
		logged("authn_login_success", who)
		logged("authn_login_fail", who)
		logged("authn_login_lock", who, `"level":"WARN"`)
		logged("excess_rate_limit_exceeded", who, `"level":"WARN"`)
		logged("authn_token_reuse", who, `"level":"WARN"`)
		logged("authn_token_revoked", who)
		logged("user_updated", who)
		logged("authn_password_change", who)
		logged("user_deleted", who)
	}, proxied)
}
