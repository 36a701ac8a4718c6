package e2e

import (
	"bytes"
	"database/sql"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"latchkey/internal/account"
	"latchkey/internal/store/storetest"
	"latchkey/internal/token"
)

// The clock of a site stands still, so these stories are exact to the microsecond that the server counts in.

const (
	microsecond = time.Microsecond
	grace       = 30 * time.Second // of the settings, unless a story says otherwise
	skew        = 5 * time.Second  // how far a server's clock may have gone back
)

func TestRefreshGivesTheNextPairEachTime(t *testing.T) {
	onTwoNodes(t, func(t *testing.T, s *site) {
		mario := s.register("mario")
		seen := map[string]bool{mario.refresh: true, mario.access: true}
		for n := 1; n <= 3; n++ {
			mario.renew().ok()
			if seen[mario.refresh] || seen[mario.access] {
				t.Fatal("a token was given out twice")
			}
			seen[mario.refresh], seen[mario.access] = true, true
			if !mario.alive() {
				t.Fatal("the new access token does not work")
			}
			if have := mario.row().generation; have != n {
				t.Fatalf("generation %d after %d refreshes", have, n)
			}
		}
	})
}

func TestAParentAnswersTheSameChildInsideTheGrace(t *testing.T) {
	onTwoNodes(t, func(t *testing.T, s *site) {
		mario := s.register("mario")
		parent := mario.refresh
		mario.renew().ok()
		child, rotated := mario.refresh, s.clock.Now()
		// That many replays also show that the grace is counted from the rotation and not from the last replay.
		for i, after := range []time.Duration{0, -skew, grace / 2, grace - microsecond, 0, grace - microsecond} {
			s.clock.set(rotated.Add(after))
			tab := s.anonymous()
			tab.present(parent).ok()
			if tab.refresh != child {
				t.Fatalf("%s after the rotation, the parent answered another child", after)
			}
			if !tab.alive() {
				t.Fatalf("%s after the rotation, the access token beside the child does not work", after)
			}
			if row := mario.row(); row.generation != 1 || row.replays != i+1 {
				t.Fatalf("%s after the rotation: %+v", after, row)
			}
		}
		mario.present(child).ok()
		if mario.refresh == child || mario.row().generation != 2 {
			t.Fatal("the child did not lead on")
		}
	})
}

func TestTheParentOfANewerTokenAnswersThatOne(t *testing.T) {
	onTwoNodes(t, func(t *testing.T, s *site) {
		mario := s.register("mario")
		mario.renew().ok()
		first := mario.refresh
		s.clock.advance(time.Second)
		mario.renew().ok()
		tab := s.anonymous()
		tab.present(first).ok()
		if tab.refresh != mario.refresh {
			t.Fatal("the parent of the current token answered another one")
		}
	})
}

// TestReplayAfterTheGraceEndsTheSession, together with all its access tokens.
func TestReplayAfterTheGraceEndsTheSession(t *testing.T) {
	for _, after := range []time.Duration{grace, grace + time.Second, time.Minute} {
		t.Run(after.String(), func(t *testing.T) {
			onTwoNodes(t, func(t *testing.T, s *site) {
				first := s.register("mario")
				second := first.next()
				s.clock.advance(after)
				s.refuses(first.refresh)
				first.isOver()
				second.isOver()
				if row := second.row(); row.reason != "refresh_reuse" {
					t.Fatalf("ended by %q", row.reason)
				}
				if !strings.Contains(s.said(), `"why":"reused"`) {
					t.Fatal("the log does not tell")
				}
			})
		})
	}
}

func TestAGrandparentEndsTheSessionEvenInsideTheGrace(t *testing.T) {
	onTwoNodes(t, func(t *testing.T, s *site) {
		first := s.register("mario")
		second := first.next()
		s.clock.advance(time.Second)
		third := second.next()
		s.refuses(first.refresh)
		for _, c := range []*client{first, second, third} {
			c.isOver()
		}
	})
}

// TestGenerationsAreToldApartWithinOneMoment advances three of them before the clock does.
func TestGenerationsAreToldApartWithinOneMoment(t *testing.T) {
	onTwoNodes(t, func(t *testing.T, s *site) {
		first := s.register("mario")
		last := first.next().next().next()
		s.refuses(first.refresh)
		last.isOver()
	})
}

func TestReuseEndsNoOtherSession(t *testing.T) {
	onTwoNodes(t, func(t *testing.T, s *site) {
		phone := s.register("mario")
		laptop := s.signIn("mario")
		phone.next().next()
		s.refuses(phone.refresh)
		phone.isOver()
		if !laptop.alive() {
			t.Fatal("the other session's access token died")
		}
		laptop.renew().ok()
	})
}

func TestRestartsAndOtherServersForgetNothing(t *testing.T) {
	for _, how := range []struct {
		name string
		next func(s *site) *site
	}{
		{"restart", func(s *site) *site { s.stop(); return s.another() }},
		{"another server", func(s *site) *site { return s.another() }},
	} {
		t.Run(how.name, func(t *testing.T) {
			onTwoNodes(t, func(t *testing.T, s *site) {
				parent := s.register("mario")
				child := parent.next()
				s = how.next(s)
				tab := s.anonymous()
				tab.present(parent.refresh).ok()
				if tab.refresh != child.refresh {
					t.Fatal("inside the grace, the parent answered another child")
				}
				s.clock.advance(grace)
				s = how.next(s)
				s.refuses(parent.refresh)
				s = how.next(s)
				child.site, tab.site = s, s
				child.isOver()
				tab.isOver()
			})
		})
	}
}

// TestAClockGoneBackRefusesTheParent and nothing more: nobody has done anything wrong.
func TestAClockGoneBackRefusesTheParent(t *testing.T) {
	onTwoNodes(t, func(t *testing.T, s *site) {
		parent := s.register("mario")
		child := parent.next()
		before := child.row()
		s.clock.advance(-skew - microsecond)
		s.refuses(parent.refresh)
		if after := child.row(); after != before {
			t.Fatalf("the session was %+v and is %+v", before, after)
		}
		if !s.says(`"level":"WARN"`, `"why":"clock went back"`) {
			t.Fatal("no alarm in the log")
		}
		if !child.alive() {
			t.Fatal("the session died")
		}
		child.renew().ok()
	})
}

// TestATokenAheadOfTheDatabaseIsRefused and nothing more: the database may be an old copy.
func TestATokenAheadOfTheDatabaseIsRefused(t *testing.T) {
	onTwoNodes(t, func(t *testing.T, s *site) {
		mario := s.register("mario")
		if mario.craft(0) != mario.refresh {
			t.Fatal("this test does not craft tokens as the server does")
		}
		before := mario.row()
		for _, ahead := range []uint64{1, 5, 1 << 40, 1<<63 - 1, 1 << 63, 1<<64 - 1} {
			s.refuses(mario.craft(ahead))
		}
		if after := mario.row(); after != before {
			t.Fatalf("the session was %+v and is %+v", before, after)
		}
		if !s.says(`"level":"WARN"`, `"why":"ahead of the database"`) {
			t.Fatal("no alarm in the log")
		}
		mario.renew().ok()
	})
}

func TestASessionUnusedTooLongEnds(t *testing.T) {
	const idle = time.Hour
	for after, want := range map[time.Duration]bool{
		idle - time.Second: true, idle - microsecond: true, idle: false, idle + time.Second: false,
	} {
		t.Run(after.String(), func(t *testing.T) {
			onTwoNodes(t, func(t *testing.T, s *site) {
				mario := s.register("mario")
				s.clock.advance(idle / 2)
				mario.renew().ok() // which is use
				s.clock.advance(after)
				if !want {
					s.refuses(mario.refresh)
				} else if mario.renew().ok(); !mario.alive() {
					t.Fatal("the new access token does not work")
				}
			}, "LATCHKEY_REFRESH_IDLE_TTL="+idle.String())
		})
	}
}

func TestASessionEndsHoweverBusy(t *testing.T) {
	const limit = time.Hour
	for after, want := range map[time.Duration]bool{
		limit - time.Second: true, limit - microsecond: true, limit: false, limit + time.Second: false,
	} {
		t.Run(after.String(), func(t *testing.T) {
			onTwoNodes(t, func(t *testing.T, s *site) {
				mario := s.register("mario")
				begun := s.clock.Now()
				for s.clock.Now().Before(begun.Add(limit - 10*time.Minute)) {
					s.clock.advance(7 * time.Minute)
					mario.renew().ok()
				}
				s.clock.set(begun.Add(after))
				if want {
					mario.renew().ok()
					return
				}
				s.refuses(mario.refresh)
				if mario.alive() {
					t.Fatal("an access token outlived its session")
				}
			}, "LATCHKEY_SESSION_TTL="+limit.String(), "LATCHKEY_ACCESS_TOKEN_TTL=15m", "LATCHKEY_REFRESH_IDLE_TTL=10m")
		})
	}
}

func TestExpiryIsToldAsItIs(t *testing.T) {
	const access, idle, limit = 5 * time.Minute, 20 * time.Minute, time.Hour
	onTwoNodes(t, func(t *testing.T, s *site) {
		begun := s.clock.Now().UTC().Truncate(microsecond)
		mario := s.register("mario")
		for after := time.Duration(0); after < limit; after += 3*time.Minute + 59*time.Second {
			s.clock.set(begun.Add(after))
			parent := mario.refresh
			a := mario.renew().ok()
			ends := earliest(begun.Add(after+idle), begun.Add(limit))
			if have := a.moment("refreshToken.tokens.refreshTokenExpiresAt"); !have.Equal(ends) {
				t.Fatalf("after %s: the refresh token ends at %s, want %s", after, have, ends)
			}
			accessEnds := earliest(begun.Add(after+access), ends).Truncate(time.Second)
			if have := a.moment("refreshToken.tokens.accessTokenExpiresAt"); !have.Equal(accessEnds) {
				t.Fatalf("after %s: the access token ends at %s, want %s", after, have, accessEnds)
			}
			s.clock.advance(time.Second)
			again := s.anonymous().present(parent).ok()
			if have := again.moment("refreshToken.tokens.refreshTokenExpiresAt"); !have.Equal(ends) {
				t.Fatalf("after %s: a replay moved the end from %s to %s", after, ends, have)
			}
		}
		// The last access token, whose time the session's end cut short, works until then and no longer.
		s.clock.set(begun.Add(limit).Truncate(time.Second).Add(-microsecond))
		if !mario.alive() {
			t.Fatal("the access token ended early")
		}
		s.clock.advance(microsecond)
		mario.ask(`{ me { id } }`, nil).fails("UNAUTHENTICATED", "EXPIRED")
	}, "LATCHKEY_ACCESS_TOKEN_TTL="+access.String(), "LATCHKEY_REFRESH_IDLE_TTL="+idle.String(),
		"LATCHKEY_SESSION_TTL="+limit.String())
}

// TestARefreshMeetsTheEndOfItsAccount: it comes again while the session's row is being deleted, which PostgreSQL has it
// wait for.
func TestARefreshMeetsTheEndOfItsAccount(t *testing.T) {
	s := serve(t, storetest.Postgres(t))
	mario := s.register("mario")
	parent := mario.refresh
	mario.renew().ok()
	db := s.db()
	deleting, err := db.Begin()
	must(t, err)
	defer deleting.Rollback()
	_, err = deleting.Exec(`DELETE FROM sessions`)
	must(t, err)
	answered := make(chan *answer, 1)
	go func() { answered <- s.anonymous().present(parent) }()
	await(t, "the refresh does not wait", func() bool {
		var waiting int
		must(t, db.QueryRow(`SELECT COUNT(*) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waiting))
		return waiting > 0
	})
	must(t, deleting.Commit())
	(<-answered).mistakes("refreshToken", "TOKEN_INVALID@refreshToken")
}

// TestEverythingOfAnEndedSessionIsRefused at once, what the grace would allow included.
func TestEverythingOfAnEndedSessionIsRefused(t *testing.T) {
	for _, way := range []struct {
		name    string
		end     func(c *client)
		setting string
	}{
		{name: "sign-out in another tab", end: func(c *client) { c.anonymous().signOut(c.refresh) }},
		{name: "sign-out by access token", end: func(c *client) { c.signOut(nil) }},
		{name: "password change", end: func(c *client) { c.signIn("mario").changePassword(password, "i-keep-running") }},
		{name: "deletion", end: func(c *client) {
			c.signIn("mario").ask(`mutation ($p: String!) { deleteMe(input: {currentPassword: $p}) { userErrors { code } } }`,
				vars{"p": password}).ok()
		}},
		{name: "disabling", end: func(c *client) { c.execute(`UPDATE users SET status = 'DISABLED'`) }},
		{name: "epoch", end: func(c *client) { c.execute(`UPDATE users SET epoch = epoch + 1`) }},
		{name: "global cut", end: func(c *client) {
			c.execute(fmt.Sprintf(`INSERT INTO settings VALUES ('min_auth_time', %d)`, c.clock.Now().UnixMicro()+1))
		}},
		{name: "idle limit", setting: "LATCHKEY_REFRESH_IDLE_TTL=10s", end: func(c *client) { c.clock.advance(10 * time.Second) }},
		{name: "absolute limit", setting: "LATCHKEY_SESSION_TTL=10s", end: func(c *client) { c.clock.advance(10 * time.Second) }},
	} {
		t.Run(way.name, func(t *testing.T) {
			onTwoNodes(t, func(t *testing.T, s *site) {
				parent := s.register("mario")
				child := parent.next()
				way.end(child)
				for range 2 { // a refused replay changes nothing either
					s.refuses(child.refresh)
					s.refuses(parent.refresh)
					if parent.alive() || child.alive() {
						t.Fatal("an access token of the ended session works")
					}
				}
			}, way.setting)
		})
	}
}

func TestADisabledAccountComesBackOnlyWithItsStatus(t *testing.T) {
	onTwoNodes(t, func(t *testing.T, s *site) {
		mario := s.register("mario")
		s.execute(`UPDATE users SET status = 'DISABLED'`)
		mario.isOver()
		s.execute(`UPDATE users SET status = 'ACTIVE'`)
		if !mario.alive() || mario.row().generation != 0 {
			t.Fatal("a refused refresh changed the session")
		}
		mario.renew().ok()
	})
}

func TestSignOutTakesAnyGenuineTokenOfTheSession(t *testing.T) {
	onTwoNodes(t, func(t *testing.T, s *site) {
		phone := s.register("mario")
		laptop := s.signIn("mario")
		second := phone.next()
		third := second.next()
		s.clock.advance(grace)
		s.anonymous().signOut(phone.refresh)
		for _, c := range []*client{phone, second, third} {
			c.isOver()
		}
		if row := third.row(); row.reason != "sign_out" {
			t.Fatalf("ended by %q", row.reason)
		}
		if !laptop.alive() {
			t.Fatal("the other session died as well")
		}
		ended := third.row()
		s.clock.advance(time.Second)
		s.anonymous().signOut(third.refresh)
		if third.row() != ended {
			t.Fatal("a second sign-out changed the session")
		}
	})
}

func TestSignOutWithGarbageAnswersTheSameAndHarmsNothing(t *testing.T) {
	onTwoNodes(t, func(t *testing.T, s *site) {
		mario := s.register("mario")
		dead := s.signIn("mario")
		dead.signOut(nil)
		stranger := token.Secret(testSecret).RefreshToken([16]byte{1}, token.NewSalt(), 0)
		for _, text := range []string{
			"", "nonsense", dead.refresh, stranger, mario.access, mario.refresh[1:], mario.refresh + "=",
		} {
			s.anonymous().signOut(text)
			mario.signOut(text) // not what the access token would end
		}
		if !mario.alive() {
			t.Fatal("signed out by garbage")
		}
		mario.renew().ok()
	})
}

func TestAPasswordChangeLeavesOnlyTheNewPair(t *testing.T) {
	onTwoNodes(t, func(t *testing.T, s *site) {
		phone := s.register("mario")
		laptop := s.signIn("mario")
		before := *laptop
		laptop.changePassword(password, "i-keep-running")
		phone.isOver()
		before.isOver()
		if !laptop.alive() {
			t.Fatal("the acting client cannot go on")
		}
		laptop.renew().ok()
		laptop.renew().ok()
		if before.sessionID() == laptop.sessionID() {
			t.Fatal("the acting client goes on in the old session")
		}
	})
}

// TestADamagedTokenIsRefused in the same bytes as any, and the session is none the worse for it.
func TestADamagedTokenIsRefused(t *testing.T) {
	onTwoNodes(t, func(t *testing.T, s *site) {
		mario := s.register("mario")
		for range 5 {
			mario.renew().ok()
		}
		luigi := s.register("luigi")
		before := mario.row()
		raw := undress(t, mario.refresh)
		const generation = 1 + 1 + 16 // where it stands: behind version, key id and session
		for i := range raw {
			for _, bit := range []byte{1, 0x80} {
				flipped := bytes.Clone(raw)
				flipped[i] ^= bit
				s.refuses(dress(flipped))
			}
		}
		for i := range mario.refresh {
			for _, c := range "AB~" {
				if damaged := mario.refresh[:i] + string(c) + mario.refresh[i+1:]; damaged != mario.refresh {
					s.refuses(damaged)
				}
			}
		}
		for _, step := range []int{-1, +1} {
			moved := bytes.Clone(raw)
			moved[generation] = byte(int(moved[generation]) + step)
			s.refuses(dress(moved))
		}
		long := append(bytes.Clone(raw[:generation]), raw[generation]|0x80, 0) // the same number in two bytes
		s.refuses(dress(append(long, raw[generation+1:]...)))
		s.refuses(dress(append(bytes.Clone(raw[:2+16]), undress(t, luigi.refresh)[2+16:]...)))
		for _, more := range []string{"=", "==", "\n", "\r\n", " ", "\x00", "A", mario.refresh, strings.Repeat("A", 200<<10)} {
			s.refuses(mario.refresh + more)
			s.refuses(more + mario.refresh)
			s.refuses(mario.refresh[:30] + more + mario.refresh[30:])
		}
		for _, less := range []string{"", "rt_", mario.refresh[3:], mario.refresh[:len(mario.refresh)-1]} {
			s.refuses(less)
		}
		s.refuses(strings.ToUpper(mario.refresh))
		megabyte := s.anonymous().present(mario.refresh + strings.Repeat("A", 1<<20))
		if megabyte.fails("BAD_USER_INPUT"); megabyte.Status != http.StatusRequestEntityTooLarge {
			t.Fatalf("a megabyte answers %d", megabyte.Status)
		}
		if after := mario.row(); after != before {
			t.Fatalf("the session was %+v and is %+v", before, after)
		}
		mario.renew().ok()
	})
}

func TestTokensOfOneKindNeverPassForTheOther(t *testing.T) {
	onTwoNodes(t, func(t *testing.T, s *site) {
		mario := s.register("mario")
		s.refuses(mario.access)
		confused := &client{site: s, access: mario.refresh}
		confused.ask(`{ me { id } }`, nil).fails("UNAUTHENTICATED", "INVALID")
		mario.renew().ok()
	})
}

// TestTwoRefreshesInOneRequestAreRefusedWhole, before the first of them has happened.
func TestTwoRefreshesInOneRequestAreRefusedWhole(t *testing.T) {
	onTwoNodes(t, func(t *testing.T, s *site) {
		mario := s.register("mario")
		before := mario.row()
		a := s.anonymous().ask(`mutation ($t: String) {
			a: refreshToken(input: {refreshToken: $t}) { tokens { refreshToken } }
			b: refreshToken(input: {refreshToken: $t}) { tokens { refreshToken } } }`, vars{"t": mario.refresh})
		a.fails("REQUEST_TOO_COSTLY")
		if a.Data != nil || mario.row() != before {
			t.Fatalf("something happened: %s", a.Body)
		}
		mario.renew().ok()
	})
}

// TestRefreshingTooOftenHasToWait and costs nobody their session.
func TestRefreshingTooOftenHasToWait(t *testing.T) {
	onTwoNodes(t, func(t *testing.T, s *site) {
		mario := s.register("mario")
		other := s.signIn("mario")
		s.clock.advance(time.Hour)
		for range 30 {
			parent := mario.refresh
			mario.renew().ok()
			s.anonymous().present(parent).ok() // which counts as well
		}
		s.clock.advance(500 * time.Millisecond)
		parent, before := mario.craft(29), mario.row()
		for _, text := range []string{mario.refresh, parent} {
			limited := s.anonymous().present(text)
			limited.fails("RATE_LIMITED")
			if after := limited.Errors[0].Extensions.RetryAfter; after != 60 {
				t.Fatalf("retry after %d s", after)
			}
		}
		if mario.row() != before || !mario.alive() {
			t.Fatal("the session suffered")
		}
		other.renew().ok()
		s.clock.advance(59 * time.Second)
		mario.renew().fails("RATE_LIMITED")
		s.clock.advance(500 * time.Millisecond)
		mario.renew().ok()
		if have := mario.row().generation; have != 31 {
			t.Fatalf("generation %d", have)
		}
		mario.renew().ok()
	})
}

// TestReuseIsSeenHoweverOften: a thief cannot hide behind the limit.
func TestReuseIsSeenHoweverOften(t *testing.T) {
	onTwoNodes(t, func(t *testing.T, s *site) {
		first := s.register("mario")
		last := first.next()
		for range 59 {
			last.renew().ok()
		}
		last.renew().fails("RATE_LIMITED")
		s.refuses(first.refresh)
		last.isOver()
	})
}

// TestNothingInTheDatabaseIsAToken takes every value of a busy database for one.
func TestNothingInTheDatabaseIsAToken(t *testing.T) {
	onTwoNodes(t, func(t *testing.T, s *site) {
		mario, luigi := s.register("mario"), s.register("luigi")
		for range 3 {
			mario.renew().ok()
		}
		s.signIn("luigi").signOut(nil)
		luigi.changePassword(password, "i-keep-running")
		luigi.next().next()
		s.refuses(luigi.refresh)

		tried := 0
		for value := range s.dump() {
			for _, text := range []string{
				value, "rt_" + value,
				base64.RawURLEncoding.EncodeToString([]byte(value)), dress([]byte(value)), dress([]byte("\x01" + value)),
			} {
				if strings.ContainsFunc(text, unicode.IsControl) || !utf8.ValidString(text) {
					continue // no header and no JSON can carry it
				}
				s.refuses(text)
				if thief := (&client{site: s, access: text}); thief.alive() {
					t.Fatalf("%q is an access token", text)
				}
				tried++
			}
		}
		if tried < 100 {
			t.Fatalf("only %d values were tried", tried)
		}
		if dump := s.dump(); !dump[mario.userID] || !dump[mario.sessionID()] || !dump[string(mario.salt())] {
			t.Fatal("the dump is not of this database")
		}
		mario.renew().ok()
		if dump := s.dump(); dump[mario.refresh] || dump[mario.access] {
			t.Fatal("the database holds a token")
		}
	})
}

// next refreshes the client's tokens and returns who holds the new ones; the client keeps the old ones.
func (c *client) next() *client {
	c.t.Helper()
	next := *c
	next.renew().ok()
	return &next
}

// refuses demands that a refresh token is refused, with the very bytes that nonsense gets: they tell nobody why.
func (s *site) refuses(refresh string) {
	s.t.Helper()
	nonsense, have := s.anonymous().present("nonsense"), s.anonymous().present(refresh)
	nonsense.mistakes("refreshToken", "TOKEN_INVALID@refreshToken")
	if have.Status != nonsense.Status || !bytes.Equal(have.Body, nonsense.Body) {
		s.t.Fatalf("%.100q answers %d %s", refresh, have.Status, have.Body)
	}
}

// isOver demands that both of the client's tokens are dead.
func (c *client) isOver() {
	c.t.Helper()
	c.refuses(c.refresh)
	c.ask(`{ me { id } }`, nil).fails("UNAUTHENTICATED", "REVOKED")
}

// signOut ends the session of a refresh token or, for nil, of the client, and demands the one answer there is.
func (c *client) signOut(refresh any) {
	c.t.Helper()
	c.ask(`mutation ($t: String) { signOut(input: {refreshToken: $t}) { signedOut } }`, vars{"t": refresh}).ok().
		is("signOut.signedOut", true)
}

// changePassword replaces the client's password and takes over the new pair. It asks again for as long as too many
// passwords are being checked.
func (c *client) changePassword(old, new string) {
	c.t.Helper()
	for {
		a := c.ask(`mutation ($old: String!, $new: String!) { changePassword(input: {currentPassword: $old, newPassword: $new}) {
			tokens { accessToken refreshToken } userErrors { code field message } } }`, vars{"old": old, "new": new})
		if len(a.Errors) > 0 && a.Errors[0].Extensions.Code == "RATE_LIMITED" {
			continue
		}
		c.keep(a.ok(), "changePassword")
		return
	}
}

// sessionID returns the session that the client's refresh token is of.
func (c *client) sessionID() string {
	c.t.Helper()
	refresh, ok := token.ParseRefresh(c.refresh)
	if !ok {
		c.t.Fatal("the client has no refresh token")
	}
	return string(account.IDOf(account.SessionKind, refresh.Session))
}

// craft computes the token of the client's session for a generation, as only somebody with the secret and the database
// can.
func (c *client) craft(generation uint64) string {
	c.t.Helper()
	id, _ := account.ID(c.sessionID()).UUID()
	return token.Secret(testSecret).RefreshToken(id, c.salt(), generation)
}

// salt reads what the client's refresh tokens are computed with from the database.
func (c *client) salt() (salt []byte) {
	c.t.Helper()
	db := c.db()
	defer db.Close()
	if err := db.QueryRow(`SELECT salt FROM sessions WHERE id = $1`, c.sessionID()).Scan(&salt); err != nil {
		c.t.Fatal(err)
	}
	return salt
}

// sessionRow is how a session stands.
type sessionRow struct {
	generation, replays, refreshes      int
	generationAt, lastUsedAt, expiresAt int64
	revokedAt                           int64
	reason                              string
}

// row reads how the client's session stands from the database.
func (c *client) row() (r sessionRow) {
	c.t.Helper()
	db := c.db()
	defer db.Close()
	err := db.QueryRow(`SELECT generation, grace_replays, refreshes, generation_at, last_used_at, expires_at,
		COALESCE(revoked_at, 0), COALESCE(revoke_reason, '') FROM sessions WHERE id = $1`, c.sessionID()).Scan(
		&r.generation, &r.replays, &r.refreshes, &r.generationAt, &r.lastUsedAt, &r.expiresAt, &r.revokedAt, &r.reason)
	if err != nil {
		c.t.Fatal(err)
	}
	return r
}

// dump returns every value in the database, as bytes or text.
func (s *site) dump() map[string]bool {
	s.t.Helper()
	names := `SELECT tablename FROM pg_tables WHERE schemaname = current_schema()`
	if strings.HasPrefix(s.database, "sqlite:") {
		names = `SELECT name FROM sqlite_schema WHERE type = 'table'`
	}
	values := map[string]bool{}
	for _, table := range s.values(names) {
		for _, value := range s.values(`SELECT * FROM "` + table + `"`) {
			values[value] = true
		}
	}
	return values
}

// values returns all that a query finds.
func (s *site) values(query string) (values []string) {
	s.t.Helper()
	db := s.db()
	defer db.Close()
	rows, err := db.Query(query)
	if err != nil {
		s.t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		s.t.Fatal(err)
	}
	row := make([]sql.NullString, len(columns))
	fields := make([]any, len(columns))
	for i := range row {
		fields[i] = &row[i]
	}
	for rows.Next() {
		if err := rows.Scan(fields...); err != nil {
			s.t.Fatal(err)
		}
		for _, value := range row {
			if value.Valid {
				values = append(values, value.String)
			}
		}
	}
	if err := rows.Err(); err != nil {
		s.t.Fatal(err)
	}
	return values
}

// moment returns the time at a path.
func (a *answer) moment(path string) time.Time {
	a.t.Helper()
	at, err := time.Parse(time.RFC3339Nano, a.text(path))
	if err != nil {
		a.t.Fatal(err)
	}
	return at
}

// set moves the clock to a time.
func (c *clock) set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
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
