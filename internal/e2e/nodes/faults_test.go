package nodes

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
	"latchkey/internal/e2e"
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

// action is a request in the state that it needs. When it is sent again, it succeeds or fails with one of the codes,
// which show that it was done.
type action struct {
	ask  func() *e2e.Response
	done []string
}

// actions returns an action for each field of the schema's queries and mutations. Calling it with a number prepares the
// action.
func actions(s, confirming *e2e.Env) map[string]func(n int) action {
	mario := s.Register("mario")
	fresh := func(n int) *e2e.Client {
		return s.RegisterAndSignIn(fmt.Sprint("luigi", n), fmt.Sprintf("luigi%d@example.com", n))
	}
	another := func() *e2e.Client {
		c := *mario
		c.TrySignIn("mario", e2e.Password)
		return &c
	}
	again := func(c *e2e.Client, query string, variables e2e.Vars, done ...string) action {
		return action{func() *e2e.Response { return c.Ask(query, variables) }, done}
	}
	always := func(d action) func(int) action { return func(int) action { return d } }
	address := func(n int) e2e.Vars {
		fresh(n)
		return e2e.Vars{"e": fmt.Sprintf("luigi%d@example.com", n)}
	}
	change := func(n int) {
		c := fresh(n)
		c.Ask(e2e.RequestEmailChangeMutation, e2e.Vars{"p": e2e.Password, "e": fmt.Sprintf("new%d@example.com", n)}).Ok()
	}
	return map[string]func(n int) action{
		"serverInfo": always(again(s.Anonymous(), `{ serverInfo { registration } }`, nil)),
		"me":         always(again(mario, `{ me { id profile { id } sessions { id } } }`, nil)),
		"profile":    always(again(mario, `query ($id: ID!) { profile(id: $id) { id } }`, e2e.Vars{"id": mario.ProfileID})),
		"profiles":   always(again(mario, `{ profiles(first: 3) { nodes { id } totalCount } }`, nil)),
		"node": always(again(mario, `query ($u: ID!, $p: ID!, $s: ID!) {
			user: node(id: $u) { id } profile: node(id: $p) { id } session: node(id: $s) { id } }`,
			e2e.Vars{"u": mario.UserID, "p": mario.ProfileID, "s": mario.SessionID()})),
		"verifyToken": always(again(mario, `mutation ($t: String!) { verifyToken(input: {token: $t}) { valid } }`,
			e2e.Vars{"t": mario.RefreshToken})),
		"updateMe": func(n int) action {
			return again(mario, `mutation ($n: String!) { updateMe(input: {name: $n}) { user { name } userErrors { code } } }`,
				e2e.Vars{"n": fmt.Sprint("Mario ", n)})
		},
		"updateProfile": func(n int) action {
			return again(mario, `mutation ($id: ID!, $d: String!) { updateProfile(id: $id, input: {description: $d}) {
				profile { id } userErrors { code } } }`, e2e.Vars{"id": mario.ProfileID, "d": fmt.Sprint(n)})
		},
		"register": func(n int) action {
			return again(s.Anonymous(), e2e.RegisterMutation, e2e.Vars{"input": e2e.Vars{
				"username": fmt.Sprint("peach", n), "email": fmt.Sprintf("peach%d@example.com", n), "password": e2e.Password,
			}}, "TAKEN")
		},
		"obtainToken": always(again(s.Anonymous(), e2e.ObtainTokenMutation,
			e2e.Vars{"input": e2e.Vars{"identifier": "mario", "password": e2e.Password}})),
		"refreshToken": func(int) action {
			return again(s.Anonymous(), `mutation ($t: String!) { refreshToken(input: {refreshToken: $t}) {
				tokens { accessToken refreshToken } userErrors { code } } }`, e2e.Vars{"t": another().RefreshToken})
		},
		"signOut": func(int) action {
			return again(s.Anonymous(), `mutation ($t: String!) { signOut(input: {refreshToken: $t}) { signedOut } }`,
				e2e.Vars{"t": another().RefreshToken})
		},
		"revokeSession": func(int) action {
			return again(mario, `mutation ($id: ID!) { revokeSession(id: $id) { revokedSessionId userErrors { code } } }`,
				e2e.Vars{"id": another().SessionID()}, "NOT_FOUND")
		},
		"signOutEverywhere": func(n int) action {
			return again(fresh(n), `mutation { signOutEverywhere(input: {keepCurrent: false}) { revokedCount } }`, nil,
				"UNAUTHENTICATED")
		},
		"deleteMe": func(n int) action {
			return again(fresh(n), `mutation ($p: String!) { deleteMe(input: {currentPassword: $p}) {
				deletedUserId userErrors { code } } }`, e2e.Vars{"p": e2e.Password}, "UNAUTHENTICATED")
		},
		"changePassword": func(n int) action {
			return again(fresh(n), `mutation ($p: String!, $q: String!) {
				changePassword(input: {currentPassword: $p, newPassword: $q}) {
				tokens { accessToken refreshToken } userErrors { code } } }`,
				e2e.Vars{"p": e2e.Password, "q": e2e.NewPassword}, "UNAUTHENTICATED")
		},
		"changeUsername": func(n int) action {
			return again(fresh(n), `mutation ($p: String!, $n: String!) {
				changeUsername(input: {currentPassword: $p, newUsername: $n}) { user { username } userErrors { code } } }`,
				e2e.Vars{"p": e2e.Password, "n": fmt.Sprint("toad", n)})
		},
		"createProfile": func(n int) action {
			c := fresh(n)
			deleteProfile(c)
			return again(c, `mutation { createProfile(input: {location: "here"}) { profile { id } userErrors { code } } }`, nil,
				"ALREADY_EXISTS")
		},
		"deleteProfile": func(n int) action {
			c := fresh(n)
			return again(c, `mutation ($id: ID!) { deleteProfile(id: $id) { deletedProfileId userErrors { code } } }`,
				e2e.Vars{"id": ownProfile(c)}, "NOT_FOUND")
		},
		"resendActivation":        func(n int) action { return again(s.Anonymous(), e2e.ResendActivationMutation, address(n)) },
		"requestPasswordReset":    func(n int) action { return again(s.Anonymous(), e2e.RequestPasswordResetMutation, address(n)) },
		"requestUsernameReminder": func(n int) action { return again(s.Anonymous(), e2e.RequestUsernameReminderMutation, address(n)) },
		"requestEmailChange": func(n int) action {
			return again(fresh(n), e2e.RequestEmailChangeMutation, e2e.Vars{"p": e2e.Password, "e": fmt.Sprintf("new%d@example.com", n)})
		},
		"activate": func(n int) action {
			confirming.RegisterWithEmail(fmt.Sprint("wario", n), fmt.Sprintf("wario%d@example.com", n))
			return again(s.Anonymous(), e2e.ActivateMutation, e2e.Vars{"t": emailToken(s, account.Activation)}, "TOKEN_INVALID")
		},
		"resetPassword": func(n int) action {
			s.Anonymous().Ask(e2e.RequestPasswordResetMutation, address(n)).Ok()
			return again(s.Anonymous(), e2e.ResetPasswordMutation, e2e.Vars{"t": emailToken(s, account.PasswordReset), "p": e2e.NewPassword},
				"TOKEN_INVALID")
		},
		"confirmEmailChange": func(n int) action {
			change(n)
			return again(s.Anonymous(), e2e.ConfirmEmailChangeMutation, e2e.Vars{"t": emailToken(s, account.EmailConfirmation)}, "TOKEN_INVALID")
		},
		"cancelEmailChange": func(n int) action {
			change(n)
			return again(s.Anonymous(), e2e.CancelEmailChangeMutation, e2e.Vars{"t": emailToken(s, account.EmailChangeNotice)}, "TOKEN_INVALID")
		},
	}
}

// mailed takes all mails from the outbox and returns the token of the newest of a kind.
func emailToken(s *e2e.Env, kind account.MailTemplate) (token string) {
	s.T.Helper()
	box, ctx := s.Server.Service().Outbox, s.T.Context()
	for waiting := 1; waiting > 0; {
		due, err := box.Claim(ctx)
		for _, d := range due {
			if m := d.Payload.(account.Mail); m.Template == kind {
				token = m.Token
			}
			err = errors.Join(err, box.Sent(ctx, d))
		}
		if err != nil {
			s.T.Fatal(err)
		}
		if waiting, _, err = box.Stats(ctx); err != nil {
			s.T.Fatal(err)
		}
	}
	if token == "" {
		s.T.Fatalf("no mail of the kind %s", kind)
	}
	return token
}

func ownProfile(c *e2e.Client) string {
	c.T.Helper()
	return c.Ask(`{ me { profile { id } } }`, nil).Ok().Text("me.profile.id")
}

func deleteProfile(c *e2e.Client) {
	c.T.Helper()
	c.Ask(`mutation ($id: ID!) { deleteProfile(id: $id) { userErrors { code } } }`, e2e.Vars{"id": ownProfile(c)}).Ok()
}

// TestFaultInEachDatabaseCall checks that each request stays atomic when any one of its calls to the database driver
// fails. LATCHKEY_TEST_SEED is the first fault. On PostgreSQL and with -short, every third call fails.
func TestFaultInEachDatabaseCall(t *testing.T) {
	e2e.EachDatabase(t, func(t *testing.T, database string) {
		goroutines := runtime.NumGoroutine()
		seed := testNumber(t, "LATCHKEY_TEST_SEED", int(rand.Int32()))
		t.Logf("LATCHKEY_TEST_SEED=%d", seed)
		faults, kinds, stride := new(storetest.Faults), faultsOf["postgres"], 3
		if strings.HasPrefix(database, "sqlite:") {
			kinds = faultsOf["sqlite"]
			if !testing.Short() {
				stride = 1
			}
		}
		now := e2e.NewClock(time.Now())
		s, stop := startIdle(t, database, now, faults.Wrap)
		confirming, stopToo := startIdle(t, database, now, faults.Wrap, e2e.RequireEmailVerification)
		every := actions(s, confirming)
		for _, field := range e2e.RootFields(e2e.LoadSchema(t)) {
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
					if !checkFault(s, name, d, faults, call, fault) {
						break
					}
					struck++
				}
			}
		}
		t.Logf("%d faults in %d fields", struck, len(every))
		stop()
		stopToo()
		for deadline := time.Now().Add(e2e.Timeout); runtime.NumGoroutine() > goroutines; runtime.Gosched() {
			if time.Now().After(deadline) {
				t.Fatalf("%d goroutines have become %d", goroutines, runtime.NumGoroutine())
			}
		}
	})
}

// startIdle returns a server without background jobs, so that all its calls to the database are for requests.
func startIdle(
	t *testing.T, database string, now *e2e.Clock, wrapper store.Wrapper, settings ...string,
) (s *e2e.Env, stop func()) {
	t.Helper()
	s = e2e.NewEnv(t, database, now)
	s.Options.Wrappers = []store.Wrapper{wrapper}
	s.Server = s.Open(append(settings, "LATCHKEY_MAX_SESSIONS=1000", "LATCHKEY_LIMIT_MAIL=100000/1h",
		"LATCHKEY_LIMIT_REGISTER=100000/1h")...)
	listener := httptest.NewServer(s.Server.HTTP().Handler)
	s.URL = listener.URL
	return s, func() {
		listener.Close()
		s.Server.Close()
		s.AssertNoSecretsLogged()
	}
}

// checkFault lets one database call of an action fail, and checks that the client learns nothing else, that nothing
// stays open, and that the action can be repeated. It returns false if the action makes fewer calls.
func checkFault(s *e2e.Env, name string, d action, faults *storetest.Faults, call int, fault storetest.Fault) bool {
	s.T.Helper()
	what := fmt.Sprintf("%s, call %d, %+v", name, call, fault)
	defer func() {
		if s.T.Failed() {
			s.T.Log(what)
		}
	}()
	said := len(s.Logs())
	faults.Arm(call, fault)
	a := d.ask()
	struck := faults.Disarm()
	if open := faults.Open(); open != 0 {
		s.T.Fatalf("%s: %d left open", what, open)
	}
	log := s.Logs()[said:]
	switch {
	case strings.Contains(string(a.Body), fault.Err.Error()) || strings.Contains(log, `"stack"`):
		s.T.Fatalf("%s: answered %s, logged %s", what, a.Body, log)
	case len(a.Errors) == 0:
		a.Ok()
	case !struck, a.Errors[0].Extensions.Code != "INTERNAL_SERVER_ERROR", a.Errors[0].Extensions.RequestID == "":
		s.T.Fatalf("%s: answered %s", what, a.Body)
	case !strings.Contains(log, fault.Err.Error()):
		s.T.Fatalf("%s: logged %s", what, log)
	}
	if !struck {
		return false
	}
	again := d.ask()
	saysDone := slices.Contains(d.done, errorCode(again))
	switch {
	case len(a.Errors) == 0 && len(d.done) > 0 && !saysDone:
		s.T.Fatalf("%s: it was not done: %s", what, again.Body)
	case len(a.Errors) > 0 && !fault.After, !saysDone:
		again.Ok()
	}
	return true
}

// errorCode returns the code of the first error or user error, or "".
func errorCode(a *e2e.Response) string {
	if len(a.Errors) > 0 {
		return a.Errors[0].Extensions.Code
	}
	fields, _ := a.Data.(map[string]any)
	for name := range fields {
		if code, ok := a.Get(name + ".userErrors.0.code").(string); ok {
			return code
		}
	}
	return ""
}

// TestFaultConnectionsTerminated checks that requests survive PostgreSQL terminating all connections repeatedly, as
// operators and failovers do.
func TestFaultConnectionsTerminated(t *testing.T) {
	if testing.Short() {
		t.Skip("it needs PostgreSQL")
	}
	p := e2e.StartProcess(t, storetest.Postgres(t))
	mario := p.Register("mario")
	db := p.DB()
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
					a := mario.Ask(`mutation ($n: String!) { updateMe(input: {name: $n}) { user { name } userErrors { code } } }`,
						e2e.Vars{"n": fmt.Sprint(round, i, n)})
					if len(a.Errors) > 0 {
						a.FailsWith("INTERNAL_SERVER_ERROR")
						crowd[i]++
						continue
					}
					a.Ok()
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
			if a := p.Anonymous().Ask(`mutation ($t: String!) { verifyToken(input: {token: $t}) { valid } }`,
				e2e.Vars{"t": mario.RefreshToken}); len(a.Errors) > 0 {
				good = 0
			}
			if time.Since(last) > e2e.Timeout {
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
