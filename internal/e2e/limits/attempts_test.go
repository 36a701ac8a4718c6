package limits

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/e2e"
)

// newVisitor returns a client behind a local proxy, with a network address.
func newVisitor(s *e2e.Env, address string) *networkClient {
	return &networkClient{s.Anonymous(), address}
}

type networkClient struct {
	*e2e.Client
	address string
}

func (v *networkClient) ask(query string, variables e2e.Vars) *e2e.Response {
	v.T.Helper()
	return v.AskWith(http.Header{"X-Forwarded-For": {v.address}}, query, variables)
}

func (v *networkClient) guess(identifier, password string) (code string, wait int) {
	v.T.Helper()
	return v.ask(e2e.ObtainTokenMutation, e2e.Vars{"input": e2e.Vars{"identifier": identifier, "password": password}}).Code("obtainToken")
}

const proxied = "LATCHKEY_TRUSTED_PROXIES=127.0.0.0/8"

// TestPasswordAttemptsDelayed checks that failed password attempts for a name are delayed, whether the user exists or
// not.
func TestPasswordAttemptsDelayed(t *testing.T) {
	for name, identifiers := range map[string][]string{
		// However the account is called.
		"a user": {"mario", "MARIO", "ｍａｒｉｏ", "mario@example.com", "MARIO@EXAMPLE.COM"},
		"nobody": {"luigi", "LUIGI", "ｌｕｉｇｉ", "luigi", "Luigi"},
	} {
		t.Run(name, func(t *testing.T) {
			e2e.EachOnTwoNodes(t, func(t *testing.T, s *e2e.Env) {
				owner := newVisitor(s, "192.0.2.1")
				owner.ask(e2e.RegisterMutation, e2e.Vars{"input": e2e.Vars{"username": "mario", "email": "mario@example.com", "password": e2e.Password}}).Ok()
				stranger := newVisitor(s, "198.51.100.1")
				for i, identifier := range identifiers {
					if code, _ := stranger.guess(identifier, "wrong-password"); code != "INVALID_CREDENTIALS" {
						t.Fatalf("guess %d: %s", i+1, code)
					}
				}
				failures := len(identifiers)
				for pause := time.Second; failures < 16; pause = min(2*pause, 15*time.Minute) {
					code, wait := stranger.guess(identifiers[0], e2e.Password)
					if code != "RATE_LIMITED" || wait != int(pause.Seconds()) {
						t.Fatalf("after %d failures: %s, wait %d and not %s", failures, code, wait, pause)
					}
					s.Clock.Advance(pause - time.Microsecond)
					if code, wait := stranger.guess(identifiers[1], "wrong-password"); code != "RATE_LIMITED" || wait != 1 {
						t.Fatalf("after %d failures, too soon: %s, wait %d", failures, code, wait)
					}
					s.Clock.Advance(time.Microsecond)
					if code, _ := stranger.guess(identifiers[2], "wrong-password"); code != "INVALID_CREDENTIALS" {
						t.Fatalf("after %d failures and a pause: %s", failures, code)
					}
					failures++
				}
				if name == "nobody" {
					return
				}
				if code, _ := owner.guess("mario", e2e.Password); code != "OK" {
					t.Fatalf("the owner is shut out: %s", code)
				}
				if code, _ := stranger.guess("mario", "wrong-password"); code != "RATE_LIMITED" {
					t.Fatalf("the owner's success was the stranger's: %s", code)
				}
				s.Clock.Advance(15 * time.Minute)
				if code, _ := stranger.guess("mario", e2e.Password); code != "OK" {
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

// TestPasswordAttemptsBlocked checks that too many failed attempts block a password until it is reset.
func TestPasswordAttemptsBlocked(t *testing.T) {
	e2e.EachWithMail(t, func(t *testing.T, s *e2e.Env, box *e2e.Mailbox) {
		newVisitor(s, "192.0.2.1").ask(e2e.RegisterMutation, e2e.Vars{"input": e2e.Vars{"username": "mario", "email": "mario@example.com", "password": e2e.Password}}).Ok()
		stranger := newVisitor(s, "198.51.100.1")
		for _, name := range []string{"mario", "nobody"} {
			for i := range 20 {
				s.Clock.Advance(15 * time.Minute)
				if code, _ := stranger.guess(name, "wrong-password"); code != "INVALID_CREDENTIALS" {
					t.Fatalf("guess %d: %s", i+1, code)
				}
			}
			s.Clock.Advance(60 * 24 * time.Hour)
			if code, wait := stranger.guess(name, e2e.Password); code != "RATE_LIMITED" || wait != 24*60*60 {
				t.Fatalf("%s after 20 failures: %s, wait %d", name, code, wait)
			}
		}
		if code, _ := newVisitor(s, "192.0.2.1").guess("mario", e2e.Password); code != "OK" {
			t.Fatalf("the owner where they are known: %s", code)
		}
		s.Anonymous().Ask(e2e.RequestPasswordResetMutation, e2e.Vars{"e": "mario@example.com"}).Ok()
		s.Anonymous().Ask(e2e.ResetPasswordMutation, e2e.Vars{"t": s.NextEmail(box, "mario@example.com").Token(), "p": e2e.NewPassword}).Ok()
		if code, _ := stranger.guess("mario", e2e.NewPassword); code != "OK" {
			t.Fatalf("after a reset: %s", code)
		}
	}, proxied, "LATCHKEY_LIMIT_GUESSES=20")
}

// TestPasswordAttemptsConcurrent checks that concurrent attempts are limited like sequential ones.
func TestPasswordAttemptsConcurrent(t *testing.T) {
	e2e.EachStrict(t, func(t *testing.T, s *e2e.Env) {
		s.Peer = s.AnotherNode(proxied)
		newVisitor(s, "192.0.2.1").ask(e2e.RegisterMutation, e2e.Vars{"input": e2e.Vars{"username": "mario", "password": e2e.Password}}).Ok()
		var answered, limited atomic.Int32
		e2e.Concurrently(24, func(int) {
			switch code, _ := newVisitor(s, "198.51.100.1").guess("mario", "wrong-password"); code {
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

// TestPasswordAttemptsAllFields checks that each field that checks a password counts failed attempts.
func TestPasswordAttemptsAllFields(t *testing.T) {
	for field, query := range map[string]string{
		"changePassword":     `mutation ($p: String!) { changePassword(input: {currentPassword: $p, newPassword: "the-princess-is-elsewhere"}) { userErrors { code } } }`,
		"changeUsername":     `mutation ($p: String!) { changeUsername(input: {currentPassword: $p, newUsername: "luigi"}) { userErrors { code } } }`,
		"deleteMe":           `mutation ($p: String!) { deleteMe(input: {currentPassword: $p}) { userErrors { code } } }`,
		"requestEmailChange": `mutation ($p: String!) { requestEmailChange(input: {currentPassword: $p, newEmail: "luigi@example.com"}) { userErrors { code } } }`,
	} {
		t.Run(field, func(t *testing.T) {
			e2e.EachOnTwoNodes(t, func(t *testing.T, s *e2e.Env) {
				mario := s.Register("mario")
				for i := range 5 {
					if code, _ := mario.Ask(query, e2e.Vars{"p": "wrong-password"}).Code(field); code != "INVALID_CREDENTIALS" {
						t.Fatalf("guess %d: %s", i+1, code)
					}
				}
				a := mario.Ask(query, e2e.Vars{"p": e2e.Password})
				if code, _ := a.Code(field); code != "RATE_LIMITED" || a.Header.Get("Retry-After") != "1" {
					t.Fatalf("%s, Retry-After %q", a.Body, a.Header.Get("Retry-After"))
				}
				if code, _ := mario.TryPassword("mario", e2e.Password); code != "RATE_LIMITED" {
					t.Fatalf("a sign-in beside it: %s", code)
				}
				s.Clock.Advance(time.Second)
				mario.Ask(query, e2e.Vars{"p": e2e.Password}).Ok()
			})
		})
	}
}

// TestNetworkLimits checks that each anonymous action is limited per network, independently of other networks.
func TestNetworkLimits(t *testing.T) {
	for kind, do := range map[string]func(v *networkClient, n int) (code string, wait int){
		"SIGN_IN": func(v *networkClient, n int) (string, int) { return v.guess(fmt.Sprint("nobody", n), "wrong-password") },
		"REGISTER": func(v *networkClient, n int) (string, int) {
			return v.ask(e2e.RegisterMutation, e2e.Vars{"input": e2e.Vars{"username": strings.Map(letters, fmt.Sprint(v.address, "-", n)), "password": e2e.Password}}).Code("register")
		},
		"REFRESH": func(v *networkClient, n int) (string, int) {
			return v.ask(`mutation { refreshToken(input: {refreshToken: "rt_x"}) { userErrors { code } } }`, nil).Code("refreshToken")
		},
		"MAIL": func(v *networkClient, n int) (string, int) {
			return v.ask(e2e.RequestPasswordResetMutation, e2e.Vars{"e": fmt.Sprintf("nobody%d@example.com", n)}).Code("requestPasswordReset")
		},
	} {
		t.Run(kind, func(t *testing.T) {
			e2e.EachOnTwoNodes(t, func(t *testing.T, s *e2e.Env) {
				for n := range 4 {
					if code, _ := do(newVisitor(s, fmt.Sprintf("2001:db8::%x", n)), n); code == "RATE_LIMITED" {
						t.Fatalf("number %d: %s", n, code)
					}
				}
				s.Clock.Advance(59 * time.Minute)
				if code, wait := do(newVisitor(s, "2001:db8::ffff:1"), 4); code != "RATE_LIMITED" || wait != 60 {
					t.Fatalf("one too many: %s, wait %d", code, wait)
				}
				for n, neighbour := range []string{"2001:db8:0:1::1", "192.0.2.1:4711", "[2001:db8:0:2::1]:4711"} {
					if code, _ := do(newVisitor(s, neighbour), 5+n); code == "RATE_LIMITED" {
						t.Fatalf("the neighbour %s: %s", neighbour, code)
					}
				}
				s.Clock.Advance(time.Minute)
				if code, _ := do(newVisitor(s, "2001:db8::1"), 9); code == "RATE_LIMITED" {
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

// TestPasswordAttemptsAfterRestart checks that failed attempts stay counted when the server restarts.
func TestPasswordAttemptsAfterRestart(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		for range 5 {
			s.Anonymous().TryPassword("mario", "wrong-password")
		}
		s.Stop()
		if code, _ := s.AnotherNode().Anonymous().TryPassword("MARIO", "wrong-password"); code != "RATE_LIMITED" {
			t.Fatalf("after a restart: %s", code)
		}
	})
}

// TestPasswordAttemptsOfUnknownNames checks that unknown names share a bounded number of counters.
func TestPasswordAttemptsOfUnknownNames(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		s.Anonymous().TryPassword("nobody", "wrong-password")
		subjects := s.Values(`SELECT subject FROM throttles WHERE subject LIKE 'nobody%'`)
		if len(subjects) != 1 || len(subjects[0]) != len("nobody_00000") || slices.Contains(s.Values(`SELECT subject FROM throttles`), "nobody") {
			t.Fatalf("%q", subjects)
		}
		s.Clock.Advance(31 * 24 * time.Hour)
		if _, err := s.Server.Service().PurgeExpired(t.Context(), account.System); err != nil {
			t.Fatal(err)
		}
		if n := s.Count("throttles"); n != 0 {
			t.Fatalf("%d counters are left", n)
		}
	})
}

// TestPasswordAttemptsOfPendingAccount checks that a pending account with an owner's address neither bypasses the
// owner's counter nor reveals the owner.
func TestPasswordAttemptsOfPendingAccount(t *testing.T) {
	e2e.EachWithMail(t, func(t *testing.T, s *e2e.Env, box *e2e.Mailbox) {
		newVisitor(s, "192.0.2.1").ask(e2e.RegisterMutation, e2e.Vars{"input": e2e.Vars{"username": "mario", "email": "mario@example.com", "password": e2e.Password}}).Ok()
		s.Anonymous().Ask(e2e.ActivateMutation, e2e.Vars{"t": s.NextEmail(box, "mario@example.com").Token()}).Ok()
		stranger := newVisitor(s, "198.51.100.1")
		for _, address := range []string{"mario@example.com", "nobody@example.com"} {
			evil := strings.TrimSuffix(address, "@example.com") + "-evil"
			stranger.ask(e2e.RegisterMutation, e2e.Vars{"input": e2e.Vars{"username": evil, "email": address, "password": e2e.NewPassword}}).Ok()
			// Attempts at the pending account by its username reveal nothing about the address.
			for range 5 {
				stranger.guess(evil, "wrong-password")
			}
			for i := range 5 {
				guess, want := e2e.NewPassword, "EMAIL_NOT_VERIFIED"
				if i == 3 {
					guess, want = "wrong-password", "INVALID_CREDENTIALS"
				}
				if code, _ := stranger.guess(address, guess); code != want {
					t.Fatalf("%s, guess %d: %s", address, i+1, code)
				}
			}
			for _, guess := range []string{e2e.NewPassword, e2e.Password} {
				if code, wait := stranger.guess(address, guess); code != "RATE_LIMITED" || wait != 1 {
					t.Fatalf("%s, one too many: %s, wait %d", address, code, wait)
				}
			}
		}
	}, e2e.RequireEmailVerification, proxied)
}

// TestPasswordAttemptsOfDisabledAccount checks that sign-in to a disabled account fails like a wrong password, and
// counts as one.
func TestPasswordAttemptsOfDisabledAccount(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		newVisitor(s, "192.0.2.1").ask(e2e.RegisterMutation, e2e.Vars{"input": e2e.Vars{"username": "mario", "password": e2e.Password}}).Ok()
		s.Exec(`UPDATE users SET status = 'DISABLED'`)
		for i := range 6 {
			code, _ := newVisitor(s, "198.51.100.1").guess("mario", e2e.Password)
			if want := []string{"INVALID_CREDENTIALS", "RATE_LIMITED"}[i/5]; code != want {
				t.Fatalf("guess %d: %s", i+1, code)
			}
		}
	}, proxied)
}

// TestPasswordAttemptsOfOthers checks that failed attempts of others do not affect a signed-in user, on any network.
func TestPasswordAttemptsOfOthers(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		mario := newVisitor(s, "192.0.2.1")
		mario.UseTokens(mario.ask(e2e.RegisterMutation, e2e.Vars{"input": e2e.Vars{"username": "mario", "password": e2e.Password}}).Ok(), "register")
		for range 6 {
			newVisitor(s, "198.51.100.1").guess("mario", "wrong-password")
		}
		mario.address = "203.0.113.1"
		if code, _ := mario.guess("mario", e2e.Password); code != "RATE_LIMITED" {
			t.Fatalf("a sign-in from elsewhere: %s", code)
		}
		mario.ask(`mutation ($p: String!) { changeUsername(input: {currentPassword: $p, newUsername: "luigi"}) { user { id } userErrors { code } } }`,
			e2e.Vars{"p": e2e.Password}).Ok()
	}, proxied)
}

// TestSecurityEvents checks that security events in the log hold the actor, the network address and the request ID.
func TestSecurityEvents(t *testing.T) {
	e2e.EachWithMail(t, func(t *testing.T, s *e2e.Env, box *e2e.Mailbox) {
		mario := newVisitor(s, "192.0.2.1")
		a := mario.ask(e2e.RegisterMutation, e2e.Vars{"input": e2e.Vars{"username": "mario", "email": "mario@example.com", "password": e2e.Password}}).Ok()
		mario.UseTokens(a, "register")
		old, user := mario.RefreshToken, a.Text("register.user.id")
		logged := func(event string, parts ...string) {
			t.Helper()
			parts = append(parts, `"msg":"security"`, `"event":"`+event+`"`, `"request":"`, `"from":"192.0.2.1"`)
			if !s.LogContains(parts...) {
				t.Errorf("no %s with %q", event, parts)
			}
		}
		do := func(query string, variables e2e.Vars) { mario.ask(query, variables) }
		do(`mutation ($t: String!) { refreshToken(input: {refreshToken: $t}) { tokens { tokenType } } }`, e2e.Vars{"t": old})
		s.Clock.Advance(time.Hour)
		do(`mutation ($t: String!) { refreshToken(input: {refreshToken: $t}) { userErrors { code } } }`, e2e.Vars{"t": old})
		mario.guess("mario", e2e.Password)
		for range 6 {
			mario.guess("mario", "wrong-password")
		}
		s.Clock.Advance(time.Second)
		mario.UseTokens(mario.ask(e2e.ObtainTokenMutation, e2e.Vars{"input": e2e.Vars{"identifier": "mario", "password": e2e.Password}}).Ok(), "obtainToken")
		do(`mutation ($p: String!) { changeUsername(input: {currentPassword: $p, newUsername: "luigi"}) { user { id } } }`, e2e.Vars{"p": e2e.Password})
		mario.UseTokens(mario.ask(`mutation ($p: String!, $n: String!) { changePassword(input: {currentPassword: $p, newPassword: $n}) {
			tokens { accessToken refreshToken } userErrors { code } } }`, e2e.Vars{"p": e2e.Password, "n": e2e.NewPassword}).Ok(), "changePassword")
		do(`mutation { signOutEverywhere(input: {}) { revokedCount } }`, nil)
		do(`mutation ($p: String!) { deleteMe(input: {currentPassword: $p}) { deletedUserId } }`, e2e.Vars{"p": e2e.NewPassword})
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
