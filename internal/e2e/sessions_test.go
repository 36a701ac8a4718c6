package e2e

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/server"
)

const revokeSession = `mutation ($id: ID!) { revokeSession(id: $id) { revokedSessionId userErrors { code } } }`

const signOutEverywhere = `mutation ($keep: Boolean!) { signOutEverywhere(input: {keepCurrent: $keep}) { revokedCount } }`

func TestPeopleSeeWhereTheyAreSignedIn(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		mario := s.register("mario")
		s.clock.advance(time.Minute)
		a := s.anonymous().ask(`mutation { obtainToken(input: {identifier: "mario", password: "i-keep-jumping", deviceName: "Phone"}) {
			user { sessions { deviceName isCurrent } } tokens { accessToken refreshToken } userErrors { code } } }`, nil).ok().
			is("obtainToken.user.sessions.0.deviceName", "Phone").is("obtainToken.user.sessions.0.isCurrent", true).
			is("obtainToken.user.sessions.1.deviceName", "").is("obtainToken.user.sessions.1.isCurrent", false)
		phone := s.anonymous()
		phone.keep(a, "obtainToken")
		stamp := func(d time.Duration) string {
			return s.clock.Now().Add(d).UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano)
		}
		const sessions = `{ me { sessions { id deviceName userAgent ipAddress createdAt lastUsedAt expiresAt isCurrent } } }`
		mario.ask(sessions, nil).ok().
			is("me.sessions.0.deviceName", "Phone").is("me.sessions.0.isCurrent", false).is("me.sessions.0.ipAddress", "127.0.0.1").
			is("me.sessions.0.userAgent", "Go-http-client/1.1").is("me.sessions.0.createdAt", stamp(0)).
			is("me.sessions.0.lastUsedAt", stamp(0)).is("me.sessions.0.expiresAt", stamp(168*time.Hour)).
			is("me.sessions.1.isCurrent", true).is("me.sessions.1.createdAt", stamp(-time.Minute)).is("me.sessions.2", nil)
		s.clock.advance(time.Minute)
		mario.renew().ok()
		mario.ask(sessions, nil).ok().is("me.sessions.0.isCurrent", true).is("me.sessions.0.lastUsedAt", stamp(0)).
			is("me.sessions.0.createdAt", stamp(-2*time.Minute))
		s.clock.advance(720*time.Hour - 3*time.Minute)
		s.signIn("mario").ask(`{ me { sessions { isCurrent } } }`, nil).ok().is("me.sessions.0.isCurrent", true).is("me.sessions.1", nil)
	})
}

func TestEndingAChosenSession(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		other := s.another()
		luigi, mario := s.register("luigi"), s.register("mario")
		phone := s.signIn("mario")
		phone.site = other
		id := phone.sessionID()
		foreign := luigi.ask(revokeSession, vars{"id": id})
		unknown := luigi.ask(revokeSession, vars{"id": "session_0198c5a2-7f1e-7cc3-98c4-dc0c0c07398f"})
		foreign.fails("NOT_FOUND")
		if !bytes.Equal(foreign.Body, unknown.Body) {
			t.Fatalf("%s is not %s", foreign.Body, unknown.Body)
		}
		luigi.ask(revokeSession, vars{"id": luigi.profileID}).fails("NOT_FOUND")
		if !phone.alive() {
			t.Fatal("a stranger ended the session")
		}
		mario.ask(revokeSession, vars{"id": id}).ok().is("revokeSession.revokedSessionId", id)
		phone.ask(`{ me { id } }`, nil).fails("UNAUTHENTICATED", "REVOKED")
		phone.renew().mistakes("refreshToken", "TOKEN_INVALID@refreshToken")
		mario.ask(revokeSession, vars{"id": id}).fails("NOT_FOUND")
		mario.ask(`{ me { sessions { isCurrent } } }`, nil).ok().is("me.sessions.0.isCurrent", true).is("me.sessions.1", nil)
		mario.ask(revokeSession, vars{"id": mario.sessionID()}).ok()
		mario.ask(`{ me { id } }`, nil).fails("UNAUTHENTICATED", "REVOKED")
	})
}

func TestSignOutEverywhere(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		other := s.another()
		luigi, mario := s.register("luigi"), s.register("mario")
		var elsewhere []*client
		for range 3 {
			c := s.signIn("mario")
			c.site = other
			elsewhere = append(elsewhere, c)
		}
		mario.ask(signOutEverywhere, vars{"keep": true}).ok().is("signOutEverywhere.revokedCount", 3)
		for _, c := range elsewhere {
			c.ask(`{ me { id } }`, nil).fails("UNAUTHENTICATED", "REVOKED")
			c.renew().mistakes("refreshToken", "TOKEN_INVALID@refreshToken")
		}
		if mario.renew().ok(); !mario.alive() || !luigi.alive() {
			t.Fatal("it ended more than was asked")
		}
		s.signIn("mario")
		mario.ask(signOutEverywhere, vars{"keep": false}).ok().is("signOutEverywhere.revokedCount", 2)
		mario.ask(`{ me { id } }`, nil).fails("UNAUTHENTICATED", "REVOKED")
		mario.renew().mistakes("refreshToken", "TOKEN_INVALID@refreshToken")
		s.signIn("mario")
	})
}

// TestSigningOutEverywhereElseRacesARefresh keeps the session that refreshes meanwhile.
func TestSigningOutEverywhereElseRacesARefresh(t *testing.T) {
	onEachStrict(t, func(t *testing.T, s *site) {
		mario := s.register("mario")
		for range 20 {
			tab := *mario
			together(2, func(i int) {
				if i == 0 {
					tab.renew().ok()
				} else {
					mario.ask(signOutEverywhere, vars{"keep": true}).ok()
				}
			})
			mario.refresh = tab.refresh
			s.clock.advance(time.Second)
		}
		if mario.renew().ok(); !mario.alive() {
			t.Fatal("the session that was to be kept is over")
		}
	})
}

// TestTwoSignOutEverywhereElse leaves the session of the one that was faster.
func TestTwoSignOutEverywhereElse(t *testing.T) {
	onEachStrict(t, func(t *testing.T, s *site) {
		s.register("mario")
		for range 10 {
			s.clock.advance(time.Second)
			both := []*client{s.signIn("mario"), s.signIn("mario")}
			together(2, func(i int) { both[i].ask(signOutEverywhere, vars{"keep": true}) })
			if both[0].alive() == both[1].alive() {
				t.Fatalf("the first lives: %t, the second lives: %t", both[0].alive(), both[1].alive())
			}
		}
	})
}

func TestTooManySessions(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		first := s.register("mario")
		s.clock.advance(time.Second)
		second := s.signIn("mario")
		s.clock.advance(time.Second)
		first.renew().ok()
		s.clock.advance(time.Second)
		third := s.signIn("mario")
		if !first.alive() || !second.alive() || !third.alive() {
			t.Fatal("three are allowed")
		}
		s.clock.advance(time.Second)
		fourth := s.signIn("mario")
		if !first.alive() || second.alive() || !third.alive() || !fourth.alive() {
			t.Fatal("the least recently used one ends, and no other")
		}
		s.clock.advance(time.Second)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				s.anonymous().ask(obtainTokenMutation, vars{"input": vars{"identifier": "mario", "password": password}}).ok()
			})
		}
		all.Wait()
		a := s.signIn("mario").ask(`{ me { sessions { id } } }`, nil).ok()
		if n := len(a.get("me.sessions").([]any)); n != 3 {
			t.Fatalf("%d sessions live", n)
		}
	}, "LATCHKEY_MAX_SESSIONS=3")
}

// TestWorkInTheBackground has servers that do often what they do now and then, until they are stopped.
func TestWorkInTheBackground(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.register("mario")
		s.clock.advance(2161 * time.Hour) // both the session and the signing key are too old now
		s.options = server.Options{PurgeInterval: time.Millisecond, KeyRefreshInterval: time.Millisecond}
		busy := s.open()
		ctx, stop := context.WithCancel(t.Context())
		stopped := make(chan error)
		go func() { stopped <- busy.Serve(ctx) }()
		for s.count("sessions") > 0 || s.count("signing_keys") == 1 {
			if t.Context().Err() != nil {
				t.Fatal("nothing was done")
			}
		}
		stop()
		if err := <-stopped; err != nil {
			t.Fatal(err)
		}
	})
}

func TestDeadSessionsAreSwept(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.register("mario")
		for i := range 3 {
			s.execute(fmt.Sprintf(`INSERT INTO sessions (id, user_id, user_epoch, salt, key_id, parent_key_id, generation, generation_at, created_at, last_used_at,
				expires_at, grace_replays, refreshes, refreshes_since, auth_time, device_name, user_agent, ip_created, ip_last)
				SELECT id || '-' || u.n || '-%d', user_id, user_epoch, salt, key_id, parent_key_id, generation, generation_at, created_at, last_used_at, expires_at,
				grace_replays, refreshes, refreshes_since, auth_time, device_name, user_agent, ip_created, ip_last
				FROM sessions, (WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 170) SELECT n FROM r) u
				WHERE length(sessions.id) < 50`, i))
		}
		s.clock.advance(168*time.Hour - time.Microsecond)
		living := s.count("sessions")
		if _, err := s.server.Service().PurgeExpired(t.Context(), account.System); err != nil || s.count("sessions") != living {
			t.Fatalf("%d of %d living sessions are left: %v", s.count("sessions"), living, err)
		}
		luigi := s.register("luigi")
		s.clock.advance(time.Microsecond)
		var all sync.WaitGroup
		for _, node := range []*site{s, s.another()} {
			all.Go(func() {
				if _, err := node.server.Service().PurgeExpired(t.Context(), account.System); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := s.count("sessions"); n != 1 || !luigi.alive() {
			t.Fatalf("%d sessions are left, want luigi's alone", n)
		}
	})
}
