package sessions

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/e2e"
	"latchkey/internal/server"
)

const revokeSession = `mutation ($id: ID!) { revokeSession(id: $id) { revokedSessionId userErrors { code } } }`

const signOutEverywhere = `mutation ($keep: Boolean!) { signOutEverywhere(input: {keepCurrent: $keep}) { revokedCount } }`

// TestSessionList checks that a user lists their sessions.
func TestSessionList(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		mario := s.Register("mario")
		s.Clock.Advance(time.Minute)
		a := s.Anonymous().Ask(`mutation { obtainToken(input: {identifier: "mario", password: "i-keep-jumping", deviceName: "Phone"}) {
			user { sessions { deviceName isCurrent } } tokens { accessToken refreshToken } userErrors { code } } }`, nil).Ok().
			Equals("obtainToken.user.sessions.0.deviceName", "Phone").Equals("obtainToken.user.sessions.0.isCurrent", true).
			Equals("obtainToken.user.sessions.1.deviceName", "").Equals("obtainToken.user.sessions.1.isCurrent", false)
		phone := s.Anonymous()
		phone.UseTokens(a, "obtainToken")
		stamp := func(d time.Duration) string {
			return s.Clock.Now().Add(d).UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano)
		}
		const sessions = `{ me { sessions { id deviceName userAgent ipAddress createdAt lastUsedAt expiresAt isCurrent } } }`
		mario.Ask(sessions, nil).Ok().
			Equals("me.sessions.0.deviceName", "Phone").Equals("me.sessions.0.isCurrent", false).Equals("me.sessions.0.ipAddress", "127.0.0.1").
			Equals("me.sessions.0.userAgent", "Go-http-client/1.1").Equals("me.sessions.0.createdAt", stamp(0)).
			Equals("me.sessions.0.lastUsedAt", stamp(0)).Equals("me.sessions.0.expiresAt", stamp(168*time.Hour)).
			Equals("me.sessions.1.isCurrent", true).Equals("me.sessions.1.createdAt", stamp(-time.Minute)).Equals("me.sessions.2", nil)
		s.Clock.Advance(time.Minute)
		mario.Refresh().Ok()
		mario.Ask(sessions, nil).Ok().Equals("me.sessions.0.isCurrent", true).Equals("me.sessions.0.lastUsedAt", stamp(0)).
			Equals("me.sessions.0.createdAt", stamp(-2*time.Minute))
		s.Clock.Advance(720*time.Hour - 3*time.Minute)
		s.SignIn("mario").Ask(`{ me { sessions { isCurrent } } }`, nil).Ok().Equals("me.sessions.0.isCurrent", true).Equals("me.sessions.1", nil)
	})
}

// TestSessionEnd checks that a user ends one of their sessions.
func TestSessionEnd(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		other := s.AnotherNode()
		luigi, mario := s.Register("luigi"), s.Register("mario")
		phone := s.SignIn("mario")
		phone.Env = other
		id := phone.SessionID()
		foreign := luigi.Ask(revokeSession, e2e.Vars{"id": id})
		unknown := luigi.Ask(revokeSession, e2e.Vars{"id": "session_0198c5a2-7f1e-7cc3-98c4-dc0c0c07398f"})
		foreign.FailsWith("NOT_FOUND")
		if !bytes.Equal(foreign.Body, unknown.Body) {
			t.Fatalf("%s is not %s", foreign.Body, unknown.Body)
		}
		luigi.Ask(revokeSession, e2e.Vars{"id": luigi.ProfileID}).FailsWith("NOT_FOUND")
		if !phone.SignedIn() {
			t.Fatal("a stranger ended the session")
		}
		mario.Ask(revokeSession, e2e.Vars{"id": id}).Ok().Equals("revokeSession.revokedSessionId", id)
		phone.Ask(`{ me { id } }`, nil).FailsWith("UNAUTHENTICATED", "REVOKED")
		phone.Refresh().HasUserErrors("refreshToken", "TOKEN_INVALID@refreshToken")
		mario.Ask(revokeSession, e2e.Vars{"id": id}).FailsWith("NOT_FOUND")
		mario.Ask(`{ me { sessions { isCurrent } } }`, nil).Ok().Equals("me.sessions.0.isCurrent", true).Equals("me.sessions.1", nil)
		mario.Ask(revokeSession, e2e.Vars{"id": mario.SessionID()}).Ok()
		mario.Ask(`{ me { id } }`, nil).FailsWith("UNAUTHENTICATED", "REVOKED")
	})
}

// TestSignOutEverywhere checks that a user ends all of their sessions.
func TestSignOutEverywhere(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		other := s.AnotherNode()
		luigi, mario := s.Register("luigi"), s.Register("mario")
		var elsewhere []*e2e.Client
		for range 3 {
			c := s.SignIn("mario")
			c.Env = other
			elsewhere = append(elsewhere, c)
		}
		mario.Ask(signOutEverywhere, e2e.Vars{"keep": true}).Ok().Equals("signOutEverywhere.revokedCount", 3)
		for _, c := range elsewhere {
			c.Ask(`{ me { id } }`, nil).FailsWith("UNAUTHENTICATED", "REVOKED")
			c.Refresh().HasUserErrors("refreshToken", "TOKEN_INVALID@refreshToken")
		}
		if mario.Refresh().Ok(); !mario.SignedIn() || !luigi.SignedIn() {
			t.Fatal("it ended more than was asked")
		}
		s.SignIn("mario")
		mario.Ask(signOutEverywhere, e2e.Vars{"keep": false}).Ok().Equals("signOutEverywhere.revokedCount", 2)
		mario.Ask(`{ me { id } }`, nil).FailsWith("UNAUTHENTICATED", "REVOKED")
		mario.Refresh().HasUserErrors("refreshToken", "TOKEN_INVALID@refreshToken")
		s.SignIn("mario")
	})
}

// TestSignOutOthersRacesRefresh checks that ending all other sessions keeps the caller's, which is refreshed
// concurrently.
func TestSignOutOthersRacesRefresh(t *testing.T) {
	e2e.EachStrict(t, func(t *testing.T, s *e2e.Env) {
		mario := s.Register("mario")
		for range 20 {
			tab := *mario
			e2e.Concurrently(2, func(i int) {
				if i == 0 {
					tab.Refresh().Ok()
				} else {
					mario.Ask(signOutEverywhere, e2e.Vars{"keep": true}).Ok()
				}
			})
			mario.RefreshToken = tab.RefreshToken
			s.Clock.Advance(time.Second)
		}
		if mario.Refresh().Ok(); !mario.SignedIn() {
			t.Fatal("the session that was to be kept is over")
		}
	})
}

// TestSignOutOthersConcurrent checks that of two sessions that end all others concurrently, the faster one remains.
func TestSignOutOthersConcurrent(t *testing.T) {
	e2e.EachStrict(t, func(t *testing.T, s *e2e.Env) {
		s.Register("mario")
		for range 10 {
			s.Clock.Advance(time.Second)
			both := []*e2e.Client{s.SignIn("mario"), s.SignIn("mario")}
			e2e.Concurrently(2, func(i int) { both[i].Ask(signOutEverywhere, e2e.Vars{"keep": true}) })
			if both[0].SignedIn() == both[1].SignedIn() {
				t.Fatalf("the first lives: %t, the second lives: %t", both[0].SignedIn(), both[1].SignedIn())
			}
		}
	})
}

// TestSessionLimit checks that the number of sessions per user is limited.
func TestSessionLimit(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		first := s.Register("mario")
		s.Clock.Advance(time.Second)
		second := s.SignIn("mario")
		s.Clock.Advance(time.Second)
		first.Refresh().Ok()
		s.Clock.Advance(time.Second)
		third := s.SignIn("mario")
		if !first.SignedIn() || !second.SignedIn() || !third.SignedIn() {
			t.Fatal("three are allowed")
		}
		s.Clock.Advance(time.Second)
		fourth := s.SignIn("mario")
		if !first.SignedIn() || second.SignedIn() || !third.SignedIn() || !fourth.SignedIn() {
			t.Fatal("the least recently used one ends, and no other")
		}
		s.Clock.Advance(time.Second)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				s.Anonymous().Ask(e2e.ObtainTokenMutation, e2e.Vars{"input": e2e.Vars{"identifier": "mario", "password": e2e.Password}}).Ok()
			})
		}
		all.Wait()
		a := s.SignIn("mario").Ask(`{ me { sessions { id } } }`, nil).Ok()
		if n := len(a.Get("me.sessions").([]any)); n != 3 {
			t.Fatalf("%d sessions live", n)
		}
	}, "LATCHKEY_MAX_SESSIONS=3")
}

// TestBackgroundJobs checks that servers run their background jobs until they stop.
func TestBackgroundJobs(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		s.Register("mario")
		s.Clock.Advance(2161 * time.Hour) // both the session and the signing key are too old now
		s.Options = server.Options{PurgeInterval: time.Millisecond, KeyRefreshInterval: time.Millisecond}
		busy := s.Open()
		ctx, stop := context.WithCancel(t.Context())
		stopped := make(chan error)
		go func() { stopped <- busy.Serve(ctx) }()
		for s.Count("sessions") > 0 || s.Count("signing_keys") == 1 {
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

// TestSessionPurge checks that ended sessions are purged.
func TestSessionPurge(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		s.Register("mario")
		for i := range 3 {
			s.Exec(fmt.Sprintf(`INSERT INTO sessions (id, user_id, user_epoch, salt, key_id, parent_key_id, generation, generation_at, created_at, last_used_at,
				expires_at, grace_replays, refreshes, refreshes_since, auth_time, device_name, user_agent, ip_created, ip_last)
				SELECT id || '-' || u.n || '-%d', user_id, user_epoch, salt, key_id, parent_key_id, generation, generation_at, created_at, last_used_at, expires_at,
				grace_replays, refreshes, refreshes_since, auth_time, device_name, user_agent, ip_created, ip_last
				FROM sessions, (WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 170) SELECT n FROM r) u
				WHERE length(sessions.id) < 50`, i))
		}
		s.Clock.Advance(168*time.Hour - time.Microsecond)
		living := s.Count("sessions")
		if _, err := s.Server.Service().PurgeExpired(t.Context(), account.System); err != nil || s.Count("sessions") != living {
			t.Fatalf("%d of %d living sessions are left: %v", s.Count("sessions"), living, err)
		}
		luigi := s.Register("luigi")
		s.Clock.Advance(time.Microsecond)
		var all sync.WaitGroup
		for _, node := range []*e2e.Env{s, s.AnotherNode()} {
			all.Go(func() {
				if _, err := node.Server.Service().PurgeExpired(t.Context(), account.System); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := s.Count("sessions"); n != 1 || !luigi.SignedIn() {
			t.Fatalf("%d sessions are left, want luigi's alone", n)
		}
	})
}
