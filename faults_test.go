package main

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/mattn/go-sqlite3"

	"latchkey/internal/account"
	"latchkey/internal/store"
	"latchkey/internal/store/storetest"
)

var errFault = errors.New("the disk is on fire")

// faultsOf are what the drivers of an engine can fail with.
var faultsOf = map[string][]storetest.Fault{
	"sqlite": {
		{Err: errFault},
		{Err: sqlite3.Error{Code: sqlite3.ErrBusy}, NothingDone: true},
		{Err: sqlite3.Error{Code: sqlite3.ErrFull}},
		{Err: driver.ErrBadConn, NothingDone: true},
		{Err: sqlite3.Error{Code: sqlite3.ErrIoErr}},
		{Err: context.DeadlineExceeded},
	},
	"postgres": {
		{Err: errFault},
		{Err: &pgconn.PgError{Code: "40001", Message: "could not serialize access"}, NothingDone: true},
		{Err: &pgconn.PgError{Code: "57P01", Message: "terminating connection"}, Fatal: true},
		{Err: driver.ErrBadConn, NothingDone: true},
		{Err: context.DeadlineExceeded},
	},
}

// deed is a request in the state that it needs. Asked again, it succeeds or fails with one of the codes, which tell
// that it has been done already.
type deed struct {
	ask  func() *answer
	done []string
}

// deeds returns each field of the schema's queries and mutations as a deed, to be made ready by calling it with a
// number that has not been used before. Deeds are asked of s; confirming is a server on the same database that has
// addresses confirmed.
func deeds(s, confirming *site) map[string]func(n int) deed {
	mario := s.register("mario")
	fresh := func(n int) *client {
		return s.joined(fmt.Sprint("luigi", n), fmt.Sprintf("luigi%d@example.com", n))
	}
	another := func() *client {
		c := *mario
		c.signInWith("mario", password)
		return &c
	}
	again := func(c *client, query string, variables vars, done ...string) deed {
		return deed{func() *answer { return c.ask(query, variables) }, done}
	}
	always := func(d deed) func(int) deed { return func(int) deed { return d } }
	address := func(n int) vars {
		fresh(n)
		return vars{"e": fmt.Sprintf("luigi%d@example.com", n)}
	}
	change := func(n int) {
		c := fresh(n)
		c.ask(requestChangeQuery, vars{"p": password, "e": fmt.Sprintf("new%d@example.com", n)}).ok()
	}
	return map[string]func(n int) deed{
		"serverInfo": always(again(s.anonymous(), `{ serverInfo { registration } }`, nil)),
		"me":         always(again(mario, `{ me { id profile { id } sessions { id } } }`, nil)),
		"profile":    always(again(mario, `query ($id: ID!) { profile(id: $id) { id } }`, vars{"id": mario.profileID})),
		"profiles":   always(again(mario, `{ profiles(first: 3) { nodes { id } totalCount } }`, nil)),
		"node": always(again(mario, `query ($u: ID!, $p: ID!, $s: ID!) {
			user: node(id: $u) { id } profile: node(id: $p) { id } session: node(id: $s) { id } }`,
			vars{"u": mario.userID, "p": mario.profileID, "s": mario.sessionID()})),
		"verifyToken": always(again(mario, `mutation ($t: String!) { verifyToken(input: {token: $t}) { valid } }`,
			vars{"t": mario.refresh})),
		"updateMe": func(n int) deed {
			return again(mario, `mutation ($n: String!) { updateMe(input: {name: $n}) { user { name } userErrors { code } } }`,
				vars{"n": fmt.Sprint("Mario ", n)})
		},
		"updateProfile": func(n int) deed {
			return again(mario, `mutation ($id: ID!, $d: String!) { updateProfile(id: $id, input: {description: $d}) {
				profile { id } userErrors { code } } }`, vars{"id": mario.profileID, "d": fmt.Sprint(n)})
		},
		"register": func(n int) deed {
			return again(s.anonymous(), registerMutation, vars{"input": vars{
				"username": fmt.Sprint("peach", n), "email": fmt.Sprintf("peach%d@example.com", n), "password": password,
			}}, "TAKEN")
		},
		"obtainToken": always(again(s.anonymous(), obtainTokenMutation,
			vars{"input": vars{"identifier": "mario", "password": password}})),
		"refreshToken": func(int) deed {
			return again(s.anonymous(), `mutation ($t: String!) { refreshToken(input: {refreshToken: $t}) {
				tokens { accessToken refreshToken } userErrors { code } } }`, vars{"t": another().refresh})
		},
		"signOut": func(int) deed {
			return again(s.anonymous(), `mutation ($t: String!) { signOut(input: {refreshToken: $t}) { signedOut } }`,
				vars{"t": another().refresh})
		},
		"revokeSession": func(int) deed {
			return again(mario, `mutation ($id: ID!) { revokeSession(id: $id) { revokedSessionId userErrors { code } } }`,
				vars{"id": another().sessionID()}, "NOT_FOUND")
		},
		"signOutEverywhere": func(n int) deed {
			return again(fresh(n), `mutation { signOutEverywhere(input: {keepCurrent: false}) { revokedCount } }`, nil,
				"UNAUTHENTICATED")
		},
		"deleteMe": func(n int) deed {
			return again(fresh(n), `mutation ($p: String!) { deleteMe(input: {currentPassword: $p}) {
				deletedUserId userErrors { code } } }`, vars{"p": password}, "UNAUTHENTICATED")
		},
		"changePassword": func(n int) deed {
			return again(fresh(n), `mutation ($p: String!, $q: String!) {
				changePassword(input: {currentPassword: $p, newPassword: $q}) {
				tokens { accessToken refreshToken } userErrors { code } } }`,
				vars{"p": password, "q": newPassword}, "UNAUTHENTICATED")
		},
		"changeUsername": func(n int) deed {
			return again(fresh(n), `mutation ($p: String!, $n: String!) {
				changeUsername(input: {currentPassword: $p, newUsername: $n}) { user { username } userErrors { code } } }`,
				vars{"p": password, "n": fmt.Sprint("toad", n)})
		},
		"createProfile": func(n int) deed {
			c := fresh(n)
			c.deleteProfile()
			return again(c, `mutation { createProfile(input: {location: "here"}) { profile { id } userErrors { code } } }`, nil,
				"ALREADY_EXISTS")
		},
		"deleteProfile": func(n int) deed {
			c := fresh(n)
			return again(c, `mutation ($id: ID!) { deleteProfile(id: $id) { deletedProfileId userErrors { code } } }`,
				vars{"id": c.ownProfile()}, "NOT_FOUND")
		},
		"resendActivation":        func(n int) deed { return again(s.anonymous(), resendMutation, address(n)) },
		"requestPasswordReset":    func(n int) deed { return again(s.anonymous(), requestResetMutation, address(n)) },
		"requestUsernameReminder": func(n int) deed { return again(s.anonymous(), reminderMutation, address(n)) },
		"requestEmailChange": func(n int) deed {
			return again(fresh(n), requestChangeQuery, vars{"p": password, "e": fmt.Sprintf("new%d@example.com", n)})
		},
		"activate": func(n int) deed {
			confirming.join(fmt.Sprint("wario", n), fmt.Sprintf("wario%d@example.com", n))
			return again(s.anonymous(), activateMutation, vars{"t": s.mailed(account.Activation)}, "TOKEN_INVALID")
		},
		"resetPassword": func(n int) deed {
			s.anonymous().ask(requestResetMutation, address(n)).ok()
			return again(s.anonymous(), resetMutation, vars{"t": s.mailed(account.PasswordReset), "p": newPassword},
				"TOKEN_INVALID")
		},
		"confirmEmailChange": func(n int) deed {
			change(n)
			return again(s.anonymous(), confirmMutation, vars{"t": s.mailed(account.EmailConfirmation)}, "TOKEN_INVALID")
		},
		"cancelEmailChange": func(n int) deed {
			change(n)
			return again(s.anonymous(), cancelMutation, vars{"t": s.mailed(account.EmailChangeNotice)}, "TOKEN_INVALID")
		},
	}
}

// mailed takes all mails from the outbox and returns the token of the newest of a kind.
func (s *site) mailed(kind account.MailTemplate) (token string) {
	s.t.Helper()
	box, ctx := s.server.service.Outbox, s.t.Context()
	for waiting := 1; waiting > 0; {
		due, err := box.Claim(ctx)
		for _, d := range due {
			if m := d.Payload.(account.Mail); m.Letter == kind {
				token = m.Token
			}
			err = errors.Join(err, box.Sent(ctx, d))
		}
		if err != nil {
			s.t.Fatal(err)
		}
		if waiting, _, err = box.Stats(ctx); err != nil {
			s.t.Fatal(err)
		}
	}
	if token == "" {
		s.t.Fatalf("no mail of the kind %s", kind)
	}
	return token
}

func (c *client) ownProfile() string {
	c.t.Helper()
	return c.ask(`{ me { profile { id } } }`, nil).ok().text("me.profile.id")
}

func (c *client) deleteProfile() {
	c.t.Helper()
	c.ask(`mutation ($id: ID!) { deleteProfile(id: $id) { userErrors { code } } }`, vars{"id": c.ownProfile()}).ok()
}

// TestEveryCallToTheDatabaseMayFail lets the first call that a request makes to the driver fail, then the second, and
// so on until the request makes no more, each with another fault. LATCHKEY_TEST_SEED says which fault is the first.
// On PostgreSQL every third call is enough.
func TestEveryCallToTheDatabaseMayFail(t *testing.T) {
	storetest.Each(t, func(t *testing.T, database string) {
		goroutines := runtime.NumGoroutine()
		seed := testNumber(t, "LATCHKEY_TEST_SEED", int(rand.Int32()))
		t.Logf("LATCHKEY_TEST_SEED=%d", seed)
		faults, kinds, stride := new(storetest.Faults), faultsOf["postgres"], 3
		if strings.HasPrefix(database, "sqlite:") {
			kinds, stride = faultsOf["sqlite"], 1
		}
		now := &clock{now: time.Now()}
		s, stop := idle(t, database, now, faults.Wrap)
		confirming, stopToo := idle(t, database, now, faults.Wrap, verification)
		every := deeds(s, confirming)
		for _, field := range rootFields(loadSchema(t)) {
			if every[field.Name] == nil {
				t.Errorf("no deed for %s", field.Name)
			}
		}
		n, struck := 0, 0
		for _, name := range slices.Sorted(maps.Keys(every)) {
			for _, after := range []bool{false, true} {
				for call := 1 + seed%stride; ; call += stride {
					n++
					fault := kinds[(seed+n)%len(kinds)]
					if after && fault.NothingDone {
						fault = storetest.Fault{Err: errFault}
					}
					fault.After = after
					d := every[name](n)
					if !s.suffers(name, d, faults, call, fault) {
						break
					}
					struck++
				}
			}
		}
		t.Logf("%d faults in %d fields", struck, len(every))
		stop()
		stopToo()
		for deadline := time.Now().Add(patience); runtime.NumGoroutine() > goroutines; runtime.Gosched() {
			if time.Now().After(deadline) {
				t.Fatalf("%d goroutines have become %d", goroutines, runtime.NumGoroutine())
			}
		}
	})
}

// idle returns a server that does nothing by itself, so that all its calls to the database are for requests.
func idle(
	t *testing.T, database string, now *clock, wrapper store.Wrapper, settings ...string,
) (s *site, stop func()) {
	t.Helper()
	s = &site{t: t, database: database, clock: now, log: new(buffer), secrets: new(sync.Map), wrappers: []store.Wrapper{wrapper}}
	s.server = s.open(append(settings, "LATCHKEY_MAX_SESSIONS=1000", "LATCHKEY_LIMIT_MAIL=100000/1h",
		"LATCHKEY_LIMIT_REGISTER=100000/1h")...)
	listener := httptest.NewServer(s.server.http.Handler)
	s.address = listener.URL
	return s, func() {
		listener.Close()
		s.server.close()
		s.kept()
	}
}

// suffers lets one call of a deed fail and demands that the client learns no more than that, that nothing is left open,
// and that the deed can be repeated. It returns false when the deed makes fewer calls.
func (s *site) suffers(name string, d deed, faults *storetest.Faults, call int, fault storetest.Fault) bool {
	s.t.Helper()
	what := fmt.Sprintf("%s, call %d, %+v", name, call, fault)
	defer func() {
		if s.t.Failed() {
			s.t.Log(what)
		}
	}()
	said := len(s.said())
	faults.Arm(call, fault)
	a := d.ask()
	struck := faults.Disarm()
	if open := faults.Open(); open != 0 {
		s.t.Fatalf("%s: %d left open", what, open)
	}
	log := s.said()[said:]
	switch {
	case strings.Contains(string(a.Body), fault.Err.Error()) || strings.Contains(log, `"stack"`):
		s.t.Fatalf("%s: answered %s, logged %s", what, a.Body, log)
	case len(a.Errors) == 0:
		a.ok()
	case !struck, a.Errors[0].Extensions.Code != "INTERNAL_SERVER_ERROR", a.Errors[0].Extensions.RequestID == "":
		s.t.Fatalf("%s: answered %s", what, a.Body)
	case !strings.Contains(log, fault.Err.Error()):
		s.t.Fatalf("%s: logged %s", what, log)
	}
	if !struck {
		return false
	}
	again := d.ask()
	saysDone := slices.Contains(d.done, again.refusal())
	switch {
	case len(a.Errors) == 0 && len(d.done) > 0 && !saysDone:
		s.t.Fatalf("%s: it was not done: %s", what, again.Body)
	case len(a.Errors) > 0 && !fault.After, !saysDone:
		again.ok()
	}
	return true
}

// refusal returns the code of the first error or mistake, or "".
func (a *answer) refusal() string {
	if len(a.Errors) > 0 {
		return a.Errors[0].Extensions.Code
	}
	fields, _ := a.Data.(map[string]any)
	for name := range fields {
		if code, ok := a.get(name + ".userErrors.0.code").(string); ok {
			return code
		}
	}
	return ""
}

// TestPostgresEndsItsConnections under traffic, again and again, as an operator or a fail-over does.
func TestPostgresEndsItsConnections(t *testing.T) {
	p := start(t, storetest.Postgres(t))
	mario := p.register("mario")
	db := p.db()
	ended, failed, slowest := 0, 0, time.Duration(0)
	for round := range 5 {
		stop, crowd := make(chan struct{}), make([]int, 6)
		var all sync.WaitGroup
		for i := range crowd {
			all.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-stop:
						return
					default:
					}
					a := mario.ask(`mutation ($n: String!) { updateMe(input: {name: $n}) { user { name } userErrors { code } } }`,
						vars{"n": fmt.Sprint(round, i, n)})
					if len(a.Errors) > 0 {
						a.fails("INTERNAL_SERVER_ERROR")
						crowd[i]++
						continue
					}
					a.ok()
				}
			})
		}
		for range 10 {
			n := 0
			if err := db.QueryRow(`SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity
				WHERE datname = current_database() AND pid <> pg_backend_pid()`).Scan(&n); err != nil {
				t.Error(err)
			}
			ended += n
		}
		last := time.Now()
		for good := 0; good < 40; good++ { // more than there are connections
			if a := p.anonymous().ask(`mutation ($t: String!) { verifyToken(input: {token: $t}) { valid } }`,
				vars{"t": mario.refresh}); len(a.Errors) > 0 {
				good = 0
			}
			if time.Since(last) > patience {
				t.Fatal("the server does not come back")
			}
		}
		slowest = max(slowest, time.Since(last))
		close(stop)
		all.Wait()
		for _, n := range crowd {
			failed += n
		}
	}
	t.Logf("%d connections ended, %d requests failed, back after %s", ended, failed, slowest)
}
