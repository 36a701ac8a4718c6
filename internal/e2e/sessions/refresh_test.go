package sessions

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"latchkey/internal/account"
	"latchkey/internal/e2e"
	"latchkey/internal/store/storetest"
	"latchkey/internal/token"
)

// The clock of a server stands still, so these tests are exact to the microsecond, the resolution of the server.

const (
	microsecond = time.Microsecond
	grace       = 30 * time.Second // the default, unless a test changes it
	skew        = 5 * time.Second  // how far a server's clock may have gone back
)

// TestRefreshRotates checks that each refresh returns a new pair of tokens.
func TestRefreshRotates(t *testing.T) {
	e2e.EachOnTwoNodes(t, func(t *testing.T, s *e2e.Env) {
		mario := s.Register("mario")
		seen := map[string]bool{mario.RefreshToken: true, mario.AccessToken: true}
		for n := 1; n <= 3; n++ {
			mario.Refresh().Ok()
			if seen[mario.RefreshToken] || seen[mario.AccessToken] {
				t.Fatal("a token was given out twice")
			}
			seen[mario.RefreshToken], seen[mario.AccessToken] = true, true
			if !mario.SignedIn() {
				t.Fatal("the new access token does not work")
			}
			if have := mario.SessionRow().Generation; have != n {
				t.Fatalf("generation %d after %d refreshes", have, n)
			}
		}
	})
}

// TestRefreshGrace checks that a used refresh token returns the same successor within the grace period.
func TestRefreshGrace(t *testing.T) {
	e2e.EachOnTwoNodes(t, func(t *testing.T, s *e2e.Env) {
		mario := s.Register("mario")
		parent := mario.RefreshToken
		mario.Refresh().Ok()
		child, rotated := mario.RefreshToken, s.Clock.Now()
		// That many replays also show that the grace is counted from the rotation and not from the last replay.
		for i, after := range []time.Duration{0, -skew, grace / 2, grace - microsecond, 0, grace - microsecond} {
			s.Clock.Set(rotated.Add(after))
			tab := s.Anonymous()
			tab.RefreshWith(parent).Ok()
			if tab.RefreshToken != child {
				t.Fatalf("%s after the rotation, the parent answered another child", after)
			}
			if !tab.SignedIn() {
				t.Fatalf("%s after the rotation, the access token beside the child does not work", after)
			}
			if row := mario.SessionRow(); row.Generation != 1 || row.GraceReplays != i+1 {
				t.Fatalf("%s after the rotation: %+v", after, row)
			}
		}
		mario.RefreshWith(child).Ok()
		if mario.RefreshToken == child || mario.SessionRow().Generation != 2 {
			t.Fatal("the child did not lead on")
		}
	})
}

// TestRefreshGraceReturnsNewest checks that the predecessor of the newest token returns that one within the grace
// period.
func TestRefreshGraceReturnsNewest(t *testing.T) {
	e2e.EachOnTwoNodes(t, func(t *testing.T, s *e2e.Env) {
		mario := s.Register("mario")
		mario.Refresh().Ok()
		first := mario.RefreshToken
		s.Clock.Advance(time.Second)
		mario.Refresh().Ok()
		tab := s.Anonymous()
		tab.RefreshWith(first).Ok()
		if tab.RefreshToken != mario.RefreshToken {
			t.Fatal("the parent of the current token answered another one")
		}
	})
}

// TestRefreshReuseEndsSession checks that reuse after the grace period ends the session and its access tokens.
func TestRefreshReuseEndsSession(t *testing.T) {
	for _, after := range []time.Duration{grace, grace + time.Second, time.Minute} {
		t.Run(after.String(), func(t *testing.T) {
			e2e.EachOnTwoNodes(t, func(t *testing.T, s *e2e.Env) {
				first := s.Register("mario")
				second := nextToken(first)
				s.Clock.Advance(after)
				s.AssertRefreshRejected(first.RefreshToken)
				first.AssertSignedOut()
				second.AssertSignedOut()
				if row := second.SessionRow(); row.Reason != "refresh_reuse" {
					t.Fatalf("ended by %q", row.Reason)
				}
				if !strings.Contains(s.Logs(), `"why":"reused"`) {
					t.Fatal("the log does not tell")
				}
			})
		})
	}
}

// TestRefreshReuseOfOlderGeneration checks that reuse of the last token but one ends the session, also within the grace
// period.
func TestRefreshReuseOfOlderGeneration(t *testing.T) {
	e2e.EachOnTwoNodes(t, func(t *testing.T, s *e2e.Env) {
		first := s.Register("mario")
		second := nextToken(first)
		s.Clock.Advance(time.Second)
		third := nextToken(second)
		s.AssertRefreshRejected(first.RefreshToken)
		for _, c := range []*e2e.Client{first, second, third} {
			c.AssertSignedOut()
		}
	})
}

// TestRefreshGenerationsAtOneTime checks that three generations that were issued at the same time are distinct.
func TestRefreshGenerationsAtOneTime(t *testing.T) {
	e2e.EachOnTwoNodes(t, func(t *testing.T, s *e2e.Env) {
		first := s.Register("mario")
		last := nextToken(nextToken(nextToken(first)))
		s.AssertRefreshRejected(first.RefreshToken)
		last.AssertSignedOut()
	})
}

// TestRefreshReuseKeepsOtherSessions checks that reuse ends no other session.
func TestRefreshReuseKeepsOtherSessions(t *testing.T) {
	e2e.EachOnTwoNodes(t, func(t *testing.T, s *e2e.Env) {
		phone := s.Register("mario")
		laptop := s.SignIn("mario")
		nextToken(nextToken(phone))
		s.AssertRefreshRejected(phone.RefreshToken)
		phone.AssertSignedOut()
		if !laptop.SignedIn() {
			t.Fatal("the other session's access token died")
		}
		laptop.Refresh().Ok()
	})
}

// TestRefreshAcrossRestarts checks that refresh state is the same after restarts and on other servers.
func TestRefreshAcrossRestarts(t *testing.T) {
	for _, how := range []struct {
		name string
		next func(s *e2e.Env) *e2e.Env
	}{
		{"restart", func(s *e2e.Env) *e2e.Env { s.Stop(); return s.AnotherNode() }},
		{"another server", func(s *e2e.Env) *e2e.Env { return s.AnotherNode() }},
	} {
		t.Run(how.name, func(t *testing.T) {
			e2e.EachOnTwoNodes(t, func(t *testing.T, s *e2e.Env) {
				parent := s.Register("mario")
				child := nextToken(parent)
				s = how.next(s)
				tab := s.Anonymous()
				tab.RefreshWith(parent.RefreshToken).Ok()
				if tab.RefreshToken != child.RefreshToken {
					t.Fatal("inside the grace, the parent answered another child")
				}
				s.Clock.Advance(grace)
				s = how.next(s)
				s.AssertRefreshRejected(parent.RefreshToken)
				s = how.next(s)
				child.Env, tab.Env = s, s
				child.AssertSignedOut()
				tab.AssertSignedOut()
			})
		})
	}
}

// TestRefreshClockMovedBack checks that a used token is rejected after the clock moves back, and that the session
// continues.
func TestRefreshClockMovedBack(t *testing.T) {
	e2e.EachOnTwoNodes(t, func(t *testing.T, s *e2e.Env) {
		parent := s.Register("mario")
		child := nextToken(parent)
		before := child.SessionRow()
		s.Clock.Advance(-skew - microsecond)
		s.AssertRefreshRejected(parent.RefreshToken)
		if after := child.SessionRow(); after != before {
			t.Fatalf("the session was %+v and is %+v", before, after)
		}
		if !s.LogContains(`"level":"WARN"`, `"why":"clock went back"`) {
			t.Fatal("no alarm in the log")
		}
		if !child.SignedIn() {
			t.Fatal("the session died")
		}
		child.Refresh().Ok()
	})
}

// TestRefreshTokenAheadOfDatabase checks that a token newer than the database, as after restoring a backup, is
// rejected, and that the session continues.
func TestRefreshTokenAheadOfDatabase(t *testing.T) {
	e2e.EachOnTwoNodes(t, func(t *testing.T, s *e2e.Env) {
		mario := s.Register("mario")
		if craftToken(mario, 0) != mario.RefreshToken {
			t.Fatal("this test does not craft tokens as the server does")
		}
		before := mario.SessionRow()
		for _, ahead := range []uint64{1, 5, 1 << 40, 1<<63 - 1, 1 << 63, 1<<64 - 1} {
			s.AssertRefreshRejected(craftToken(mario, ahead))
		}
		if after := mario.SessionRow(); after != before {
			t.Fatalf("the session was %+v and is %+v", before, after)
		}
		if !s.LogContains(`"level":"WARN"`, `"why":"ahead of the database"`) {
			t.Fatal("no alarm in the log")
		}
		mario.Refresh().Ok()
	})
}

// TestSessionIdleTimeout checks that an unused session expires.
func TestSessionIdleTimeout(t *testing.T) {
	const idle = time.Hour
	for after, want := range map[time.Duration]bool{
		idle - time.Second: true, idle - microsecond: true, idle: false, idle + time.Second: false,
	} {
		t.Run(after.String(), func(t *testing.T) {
			e2e.EachOnTwoNodes(t, func(t *testing.T, s *e2e.Env) {
				mario := s.Register("mario")
				s.Clock.Advance(idle / 2)
				mario.Refresh().Ok() // which is use
				s.Clock.Advance(after)
				if !want {
					s.AssertRefreshRejected(mario.RefreshToken)
				} else if mario.Refresh().Ok(); !mario.SignedIn() {
					t.Fatal("the new access token does not work")
				}
			}, "LATCHKEY_REFRESH_IDLE_TTL="+idle.String())
		})
	}
}

// TestSessionMaximumAge checks that a session expires at its maximum age, although it is in use.
func TestSessionMaximumAge(t *testing.T) {
	const limit = time.Hour
	for after, want := range map[time.Duration]bool{
		limit - time.Second: true, limit - microsecond: true, limit: false, limit + time.Second: false,
	} {
		t.Run(after.String(), func(t *testing.T) {
			e2e.EachOnTwoNodes(t, func(t *testing.T, s *e2e.Env) {
				mario := s.Register("mario")
				begun := s.Clock.Now()
				for s.Clock.Now().Before(begun.Add(limit - 10*time.Minute)) {
					s.Clock.Advance(7 * time.Minute)
					mario.Refresh().Ok()
				}
				s.Clock.Set(begun.Add(after))
				if want {
					mario.Refresh().Ok()
					return
				}
				s.AssertRefreshRejected(mario.RefreshToken)
				if mario.SignedIn() {
					t.Fatal("an access token outlived its session")
				}
			}, "LATCHKEY_SESSION_TTL="+limit.String(), "LATCHKEY_ACCESS_TOKEN_TTL=15m", "LATCHKEY_REFRESH_IDLE_TTL=10m")
		})
	}
}

// TestSessionExpiryReported checks that the expiry times in responses are exact, and that a replay within the grace
// period does not move them.
func TestSessionExpiryReported(t *testing.T) {
	const access, idle, limit = 5 * time.Minute, 20 * time.Minute, time.Hour
	e2e.EachOnTwoNodes(t, func(t *testing.T, s *e2e.Env) {
		begun := s.Clock.Now().UTC().Truncate(microsecond)
		mario := s.Register("mario")
		for after := time.Duration(0); after < limit; after += 3*time.Minute + 59*time.Second {
			s.Clock.Set(begun.Add(after))
			parent := mario.RefreshToken
			a := mario.Refresh().Ok()
			ends := earliest(begun.Add(after+idle), begun.Add(limit))
			if have := timeAt(a, "refreshToken.tokens.refreshTokenExpiresAt"); !have.Equal(ends) {
				t.Fatalf("after %s: the refresh token ends at %s, want %s", after, have, ends)
			}
			accessEnds := earliest(begun.Add(after+access), ends).Truncate(time.Second)
			if have := timeAt(a, "refreshToken.tokens.accessTokenExpiresAt"); !have.Equal(accessEnds) {
				t.Fatalf("after %s: the access token ends at %s, want %s", after, have, accessEnds)
			}
			s.Clock.Advance(time.Second)
			again := s.Anonymous().RefreshWith(parent).Ok()
			if have := timeAt(again, "refreshToken.tokens.refreshTokenExpiresAt"); !have.Equal(ends) {
				t.Fatalf("after %s: a replay moved the end from %s to %s", after, ends, have)
			}
		}
		// The last access token, whose time the session's end cut short, works until then and no longer.
		s.Clock.Set(begun.Add(limit).Truncate(time.Second).Add(-microsecond))
		if !mario.SignedIn() {
			t.Fatal("the access token ended early")
		}
		s.Clock.Advance(microsecond)
		mario.Ask(`{ me { id } }`, nil).FailsWith("UNAUTHENTICATED", "EXPIRED")
	}, "LATCHKEY_ACCESS_TOKEN_TTL="+access.String(), "LATCHKEY_REFRESH_IDLE_TTL="+idle.String(),
		"LATCHKEY_SESSION_TTL="+limit.String())
}

// TestRefreshRacesAccountDeletion checks that a refresh fails cleanly while its account is deleted, which PostgreSQL
// makes it wait for.
func TestRefreshRacesAccountDeletion(t *testing.T) {
	s := e2e.Start(t, storetest.Postgres(t))
	mario := s.Register("mario")
	parent := mario.RefreshToken
	mario.Refresh().Ok()
	db := s.DB()
	deleting, err := db.Begin()
	e2e.Must(t, err)
	defer deleting.Rollback()
	_, err = deleting.Exec(`DELETE FROM sessions`)
	e2e.Must(t, err)
	answered := make(chan *e2e.Response, 1)
	go func() { answered <- s.Anonymous().RefreshWith(parent) }()
	e2e.WaitFor(t, "the refresh does not wait", func() bool {
		var waiting int
		e2e.Must(t, db.QueryRow(`SELECT COUNT(*) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waiting))
		return waiting > 0
	})
	e2e.Must(t, deleting.Commit())
	(<-answered).HasUserErrors("refreshToken", "TOKEN_INVALID@refreshToken")
}

// TestSessionEndedRejectsTokens checks that all tokens of an ended session are rejected at once, also within the grace
// period.
func TestSessionEndedRejectsTokens(t *testing.T) {
	for _, way := range []struct {
		name    string
		end     func(c *e2e.Client)
		setting string
	}{
		{name: "sign-out in another tab", end: func(c *e2e.Client) { c.Anonymous().SignOut(c.RefreshToken) }},
		{name: "sign-out by access token", end: func(c *e2e.Client) { c.SignOut(nil) }},
		{name: "password change", end: func(c *e2e.Client) { c.SignIn("mario").ChangePassword(e2e.Password, "i-keep-running") }},
		{name: "deletion", end: func(c *e2e.Client) {
			c.SignIn("mario").Ask(`mutation ($p: String!) { deleteMe(input: {currentPassword: $p}) { userErrors { code } } }`,
				e2e.Vars{"p": e2e.Password}).Ok()
		}},
		{name: "disabling", end: func(c *e2e.Client) { c.Exec(`UPDATE users SET status = 'DISABLED'`) }},
		{name: "epoch", end: func(c *e2e.Client) { c.Exec(`UPDATE users SET epoch = epoch + 1`) }},
		{name: "global cut", end: func(c *e2e.Client) {
			c.Exec(fmt.Sprintf(`INSERT INTO settings VALUES ('min_auth_time', %d)`, c.Clock.Now().UnixMicro()+1))
		}},
		{name: "idle limit", setting: "LATCHKEY_REFRESH_IDLE_TTL=10s", end: func(c *e2e.Client) { c.Clock.Advance(10 * time.Second) }},
		{name: "absolute limit", setting: "LATCHKEY_SESSION_TTL=10s", end: func(c *e2e.Client) { c.Clock.Advance(10 * time.Second) }},
	} {
		t.Run(way.name, func(t *testing.T) {
			e2e.EachOnTwoNodes(t, func(t *testing.T, s *e2e.Env) {
				parent := s.Register("mario")
				child := nextToken(parent)
				way.end(child)
				for range 2 { // a refused replay changes nothing either
					s.AssertRefreshRejected(child.RefreshToken)
					s.AssertRefreshRejected(parent.RefreshToken)
					if parent.SignedIn() || child.SignedIn() {
						t.Fatal("an access token of the ended session works")
					}
				}
			}, way.setting)
		})
	}
}

// TestSessionsOfDisabledAccount checks that the sessions of a disabled account are rejected, and continue when the
// account is enabled.
func TestSessionsOfDisabledAccount(t *testing.T) {
	e2e.EachOnTwoNodes(t, func(t *testing.T, s *e2e.Env) {
		mario := s.Register("mario")
		s.Exec(`UPDATE users SET status = 'DISABLED'`)
		mario.AssertSignedOut()
		s.Exec(`UPDATE users SET status = 'ACTIVE'`)
		if !mario.SignedIn() || mario.SessionRow().Generation != 0 {
			t.Fatal("a refused refresh changed the session")
		}
		mario.Refresh().Ok()
	})
}

// TestSignOutWithOlderToken checks that signOut ends the session of any of its refresh tokens, used ones included, and
// no other session.
func TestSignOutWithOlderToken(t *testing.T) {
	e2e.EachOnTwoNodes(t, func(t *testing.T, s *e2e.Env) {
		phone := s.Register("mario")
		laptop := s.SignIn("mario")
		second := nextToken(phone)
		third := nextToken(second)
		s.Clock.Advance(grace)
		s.Anonymous().SignOut(phone.RefreshToken)
		for _, c := range []*e2e.Client{phone, second, third} {
			c.AssertSignedOut()
		}
		if row := third.SessionRow(); row.Reason != "sign_out" {
			t.Fatalf("ended by %q", row.Reason)
		}
		if !laptop.SignedIn() {
			t.Fatal("the other session died as well")
		}
		ended := third.SessionRow()
		s.Clock.Advance(time.Second)
		s.Anonymous().SignOut(third.RefreshToken)
		if third.SessionRow() != ended {
			t.Fatal("a second sign-out changed the session")
		}
	})
}

// TestSignOutWithInvalidToken checks that signOut with an invalid token responds alike and ends nothing.
func TestSignOutWithInvalidToken(t *testing.T) {
	e2e.EachOnTwoNodes(t, func(t *testing.T, s *e2e.Env) {
		mario := s.Register("mario")
		dead := s.SignIn("mario")
		dead.SignOut(nil)
		stranger := token.Secret(e2e.Secret).RefreshToken([16]byte{1}, token.NewSalt(), 0)
		for _, text := range []string{
			"", "nonsense", dead.RefreshToken, stranger, mario.AccessToken, mario.RefreshToken[1:], mario.RefreshToken + "=",
		} {
			s.Anonymous().SignOut(text)
			mario.SignOut(text) // not what the access token would end
		}
		if !mario.SignedIn() {
			t.Fatal("signed out by garbage")
		}
		mario.Refresh().Ok()
	})
}

// TestSessionsAfterPasswordChange checks that a password change leaves only the new pair of tokens valid.
func TestSessionsAfterPasswordChange(t *testing.T) {
	e2e.EachOnTwoNodes(t, func(t *testing.T, s *e2e.Env) {
		phone := s.Register("mario")
		laptop := s.SignIn("mario")
		before := *laptop
		laptop.ChangePassword(e2e.Password, "i-keep-running")
		phone.AssertSignedOut()
		before.AssertSignedOut()
		if !laptop.SignedIn() {
			t.Fatal("the acting client cannot go on")
		}
		laptop.Refresh().Ok()
		laptop.Refresh().Ok()
		if before.SessionID() == laptop.SessionID() {
			t.Fatal("the acting client goes on in the old session")
		}
	})
}

// TestRefreshTokenDamaged checks that a damaged token is rejected like any invalid one, and that the session continues.
func TestRefreshTokenDamaged(t *testing.T) {
	e2e.EachOnTwoNodes(t, func(t *testing.T, s *e2e.Env) {
		mario := s.Register("mario")
		for range 5 {
			mario.Refresh().Ok()
		}
		luigi := s.Register("luigi")
		before := mario.SessionRow()
		raw := undress(t, mario.RefreshToken)
		const generation = 1 + 1 + 16 // where it stands: behind version, key id and session
		for i := range raw {
			for _, bit := range []byte{1, 0x80} {
				flipped := bytes.Clone(raw)
				flipped[i] ^= bit
				s.AssertRefreshRejected(dress(flipped))
			}
		}
		for i := range mario.RefreshToken {
			for _, c := range "AB~" {
				if damaged := mario.RefreshToken[:i] + string(c) + mario.RefreshToken[i+1:]; damaged != mario.RefreshToken {
					s.AssertRefreshRejected(damaged)
				}
			}
		}
		for _, step := range []int{-1, +1} {
			moved := bytes.Clone(raw)
			moved[generation] = byte(int(moved[generation]) + step)
			s.AssertRefreshRejected(dress(moved))
		}
		long := append(bytes.Clone(raw[:generation]), raw[generation]|0x80, 0) // the same number in two bytes
		s.AssertRefreshRejected(dress(append(long, raw[generation+1:]...)))
		s.AssertRefreshRejected(dress(append(bytes.Clone(raw[:2+16]), undress(t, luigi.RefreshToken)[2+16:]...)))
		for _, more := range []string{"=", "==", "\n", "\r\n", " ", "\x00", "A", mario.RefreshToken, strings.Repeat("A", 200<<10)} {
			s.AssertRefreshRejected(mario.RefreshToken + more)
			s.AssertRefreshRejected(more + mario.RefreshToken)
			s.AssertRefreshRejected(mario.RefreshToken[:30] + more + mario.RefreshToken[30:])
		}
		for _, less := range []string{"", "rt_", mario.RefreshToken[3:], mario.RefreshToken[:len(mario.RefreshToken)-1]} {
			s.AssertRefreshRejected(less)
		}
		s.AssertRefreshRejected(strings.ToUpper(mario.RefreshToken))
		megabyte := s.Anonymous().RefreshWith(mario.RefreshToken + strings.Repeat("A", 1<<20))
		if megabyte.FailsWith("BAD_USER_INPUT"); megabyte.Status != http.StatusRequestEntityTooLarge {
			t.Fatalf("a megabyte answers %d", megabyte.Status)
		}
		if after := mario.SessionRow(); after != before {
			t.Fatalf("the session was %+v and is %+v", before, after)
		}
		mario.Refresh().Ok()
	})
}

// TestTokenKindsNotInterchangeable checks that access and refresh tokens are not accepted in place of each other.
func TestTokenKindsNotInterchangeable(t *testing.T) {
	e2e.EachOnTwoNodes(t, func(t *testing.T, s *e2e.Env) {
		mario := s.Register("mario")
		s.AssertRefreshRejected(mario.AccessToken)
		confused := &e2e.Client{Env: s, AccessToken: mario.RefreshToken}
		confused.Ask(`{ me { id } }`, nil).FailsWith("UNAUTHENTICATED", "INVALID")
		mario.Refresh().Ok()
	})
}

// TestRefreshTwiceInOneRequest checks that a request with two refreshes is rejected before the first one.
func TestRefreshTwiceInOneRequest(t *testing.T) {
	e2e.EachOnTwoNodes(t, func(t *testing.T, s *e2e.Env) {
		mario := s.Register("mario")
		before := mario.SessionRow()
		a := s.Anonymous().Ask(`mutation ($t: String) {
			a: refreshToken(input: {refreshToken: $t}) { tokens { refreshToken } }
			b: refreshToken(input: {refreshToken: $t}) { tokens { refreshToken } } }`, e2e.Vars{"t": mario.RefreshToken})
		a.FailsWith("REQUEST_TOO_COSTLY")
		if a.Data != nil || mario.SessionRow() != before {
			t.Fatalf("something happened: %s", a.Body)
		}
		mario.Refresh().Ok()
	})
}

// TestRefreshRateLimit checks that too many refreshes are delayed, and that the session continues.
func TestRefreshRateLimit(t *testing.T) {
	e2e.EachOnTwoNodes(t, func(t *testing.T, s *e2e.Env) {
		mario := s.Register("mario")
		other := s.SignIn("mario")
		s.Clock.Advance(time.Hour)
		for range 30 {
			parent := mario.RefreshToken
			mario.Refresh().Ok()
			s.Anonymous().RefreshWith(parent).Ok() // which counts as well
		}
		s.Clock.Advance(500 * time.Millisecond)
		parent, before := craftToken(mario, 29), mario.SessionRow()
		for _, text := range []string{mario.RefreshToken, parent} {
			limited := s.Anonymous().RefreshWith(text)
			limited.FailsWith("RATE_LIMITED")
			if after := limited.Errors[0].Extensions.RetryAfter; after != 60 {
				t.Fatalf("retry after %d s", after)
			}
		}
		if mario.SessionRow() != before || !mario.SignedIn() {
			t.Fatal("the session suffered")
		}
		other.Refresh().Ok()
		s.Clock.Advance(59 * time.Second)
		mario.Refresh().FailsWith("RATE_LIMITED")
		s.Clock.Advance(500 * time.Millisecond)
		mario.Refresh().Ok()
		if have := mario.SessionRow().Generation; have != 31 {
			t.Fatalf("generation %d", have)
		}
		mario.Refresh().Ok()
	})
}

// TestRefreshReuseBeyondRateLimit checks that reuse is detected also beyond the rate limit.
func TestRefreshReuseBeyondRateLimit(t *testing.T) {
	e2e.EachOnTwoNodes(t, func(t *testing.T, s *e2e.Env) {
		first := s.Register("mario")
		last := nextToken(first)
		for range 59 {
			last.Refresh().Ok()
		}
		last.Refresh().FailsWith("RATE_LIMITED")
		s.AssertRefreshRejected(first.RefreshToken)
		last.AssertSignedOut()
	})
}

// TestDatabaseHoldsNoTokens checks that no value in the database is accepted as a token.
func TestDatabaseHoldsNoTokens(t *testing.T) {
	e2e.EachOnTwoNodes(t, func(t *testing.T, s *e2e.Env) {
		mario, luigi := s.Register("mario"), s.Register("luigi")
		for range 3 {
			mario.Refresh().Ok()
		}
		s.SignIn("luigi").SignOut(nil)
		luigi.ChangePassword(e2e.Password, "i-keep-running")
		nextToken(nextToken(luigi))
		s.AssertRefreshRejected(luigi.RefreshToken)

		tried := 0
		for value := range s.Dump() {
			for _, text := range []string{
				value, "rt_" + value,
				base64.RawURLEncoding.EncodeToString([]byte(value)), dress([]byte(value)), dress([]byte("\x01" + value)),
			} {
				if strings.ContainsFunc(text, unicode.IsControl) || !utf8.ValidString(text) {
					continue // no header and no JSON can carry it
				}
				s.AssertRefreshRejected(text)
				if thief := (&e2e.Client{Env: s, AccessToken: text}); thief.SignedIn() {
					t.Fatalf("%q is an access token", text)
				}
				tried++
			}
		}
		if tried < 100 {
			t.Fatalf("only %d values were tried", tried)
		}
		if dump := s.Dump(); !dump[mario.UserID] || !dump[mario.SessionID()] || !dump[string(saltOf(mario))] {
			t.Fatal("the dump is not of this database")
		}
		mario.Refresh().Ok()
		if dump := s.Dump(); dump[mario.RefreshToken] || dump[mario.AccessToken] {
			t.Fatal("the database holds a token")
		}
	})
}

// next refreshes the client's tokens and returns who holds the new ones; the client keeps the old ones.
func nextToken(c *e2e.Client) *e2e.Client {
	c.T.Helper()
	next := *c
	next.Refresh().Ok()
	return &next
}

// craftToken computes the refresh token of a generation of the client's session, which needs the secret and the
// database.
func craftToken(c *e2e.Client, generation uint64) string {
	c.T.Helper()
	id, _ := account.ID(c.SessionID()).UUID()
	return token.Secret(e2e.Secret).RefreshToken(id, saltOf(c), generation)
}

// salt reads what the client's refresh tokens are computed with from the database.
func saltOf(c *e2e.Client) (salt []byte) {
	c.T.Helper()
	db := c.DB()
	defer db.Close()
	if err := db.QueryRow(`SELECT salt FROM sessions WHERE id = $1`, c.SessionID()).Scan(&salt); err != nil {
		c.T.Fatal(err)
	}
	return salt
}

// timeAt returns the time at a path.
func timeAt(a *e2e.Response, path string) time.Time {
	a.T.Helper()
	at, err := time.Parse(time.RFC3339Nano, a.Text(path))
	if err != nil {
		a.T.Fatal(err)
	}
	return at
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// undress returns the bytes of a refresh token, and dress makes a text of them again.
func undress(t *testing.T, refresh string) []byte {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(refresh, "rt_"))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func dress(raw []byte) string { return "rt_" + base64.RawURLEncoding.EncodeToString(raw) }
