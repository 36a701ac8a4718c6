package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"latchkey/internal/store"
	"latchkey/internal/store/storetest"
)

// moves runs latchkey move, with settings of the form LATCHKEY_X=value, and returns what it prints.
func (s *site) moves(args []string, settings ...string) (printed string, err error) {
	s.t.Helper()
	var stdout bytes.Buffer
	err = run(s.t.Context(), append([]string{"move"}, args...), settings, strings.NewReader(""), &stdout, os.Stderr,
		s.clock.Now)
	return stdout.String(), err
}

// TestAMoveSignsNobodyOut: whatever was begun on SQLite goes on, on PostgreSQL.
func TestAMoveSignsNobodyOut(t *testing.T) {
	from, to := storetest.SQLite(t), storetest.Postgres(t)
	secret := filepath.Join(filepath.Dir(strings.TrimPrefix(from, "sqlite:")), "latchkey.secret")
	box := newMailbox(t)
	s := serve(t, from, "LATCHKEY_SECRET=", box.setting, "LATCHKEY_NEW_DEVICE_NOTICE=on")
	mario, luigi := s.joined("mario", "mario@example.com"), s.joined("luigi", "luigi@example.com")
	peach := s.register("peach")
	ended := s.signIn("peach")
	ended.ask(`mutation { signOut(input: {}) { signedOut } }`, nil).ok()
	page := peach.ask(listing, vars{"first": 1}).ok()
	second := peach.ask(listing, vars{"first": 1, "after": page.text("profiles.pageInfo.endCursor")}).ok()
	spent := peach.refresh
	peach.renew().ok()
	for range 5 {
		s.anonymous().guess("bowser", "wrong-password")
	}
	s.anonymous().ask(requestResetMutation, vars{"e": "luigi@example.com"}).ok()
	link := s.letter(box, "luigi@example.com").token()
	box.answer(451)
	s.anonymous().ask(requestResetMutation, vars{"e": "mario@example.com"}).ok()
	box.next()
	s.hears(`"email postponed"`, 1)
	if _, err := s.moves([]string{from, to}); err == nil || !strings.Contains(err.Error(), "is in use") {
		t.Fatalf("under a running server: %v", err)
	}
	if !mario.alive() {
		t.Fatal("a refused move did something")
	}
	s.stop()

	said, err := s.moves([]string{from}, "LATCHKEY_DATABASE_URL="+to)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"TABLE ", "users ", "sessions ", "LATCHKEY_SECRET_FILE=" + secret, "LATCHKEY_DATABASE_URL",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q: %s", want, said)
		}
	}
	if why := s.refusesToStart(); !strings.Contains(why, "was moved to PostgreSQL at "+stamp(s.clock.Now())) {
		t.Errorf("the old one says %s", why)
	}

	moved := serveAt(t, to, s.clock, "LATCHKEY_SECRET=", "LATCHKEY_SECRET_FILE="+secret, box.setting,
		"LATCHKEY_NEW_DEVICE_NOTICE=on")
	moved.secrets = s.secrets
	for _, c := range []*client{mario, luigi, peach, ended} {
		c.site = moved
	}
	kid := mario.kid()
	for _, c := range []*client{mario, luigi, peach} {
		if !c.alive() || c.renew().get("refreshToken.tokens") == nil || !c.alive() || c.kid() != kid {
			t.Error("a session is over, or another key signs")
		}
	}
	ended.ask(`{ me { id } }`, nil).fails("UNAUTHENTICATED", "REVOKED")
	ended.renew().mistakes("refreshToken", "TOKEN_INVALID@refreshToken")
	again := peach.ask(listing, vars{"first": 1, "after": page.text("profiles.pageInfo.endCursor")}).ok()
	if !bytes.Equal(again.Body, second.Body) {
		t.Errorf("the second page was %s and is %s", second.Body, again.Body)
	}
	if code, _ := moved.anonymous().guess("bowser", "wrong-password"); code != "RATE_LIMITED" {
		t.Errorf("a guess answers %q", code)
	}
	box.answer(0)
	s.clock.advance(time.Minute)
	waited := moved.letter(box, "mario@example.com").token()
	moved.signIn("mario")
	moved.noLetter(box) // for the device is not new
	for name, token := range map[string]string{"luigi": link, "mario": waited} {
		if code := moved.redeem("resetPassword", token); code != "" {
			t.Errorf("the link of %s answers %q", name, code)
		}
		moved.letter(box, name+"@example.com") // the notice
	}
	s.clock.advance(time.Minute)
	peach.present(spent).mistakes("refreshToken", "TOKEN_INVALID@refreshToken")
	if peach.alive() {
		t.Error("a stolen token is taken for another")
	}
	if said := moved.does("check", "--secret", "", "--secret-file", secret); !strings.HasPrefix(said, "Nothing is wrong") {
		t.Errorf("check says %s", said)
	}
}

// TestAMoveThatIsKilled leaves either a database that serves as before or one that has everything, and goes on.
func TestAMoveThatIsKilled(t *testing.T) {
	from, to := storetest.SQLite(t), storetest.Postgres(t)
	s := &site{t: t, database: from, clock: &clock{now: time.Now()}}
	p := start(t, from)
	people := []*client{p.register("mario")}
	p.kill() // which leaves more than one file
	target := &site{t: t, database: to, clock: s.clock}
	target.does("migrate", "up")
	// interrupted holds a lock that stops the move at a place, ends it there with a signal and lets go.
	interrupted := func(lock, table string, signal os.Signal) string {
		t.Helper()
		db := target.db()
		defer db.Close()
		tx, err := db.Begin()
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback()
		if _, err := tx.Exec(`LOCK TABLE ` + table + ` IN ` + lock + ` MODE`); err != nil {
			t.Fatal(err)
		}
		program, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		command := exec.Command(program, "move", from)
		command.Env = []string{"LATCHKEY_TEST_SERVER=1", "LATCHKEY_DATABASE_URL=" + to, "LATCHKEY_SECRET=" + testSecret}
		var said bytes.Buffer
		command.Stdout, command.Stderr = &said, &said
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		defer command.Process.Kill()
		await(t, "the move does not come to "+table, func() bool {
			var waiting int
			if err := db.QueryRow(`SELECT COUNT(*) FROM pg_locks WHERE NOT granted AND relation = CAST($1 AS regclass)`,
				table).Scan(&waiting); err != nil {
				t.Fatal(err)
			}
			return waiting > 0
		})
		if err := command.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		if err := command.Wait(); err == nil {
			t.Fatal("it ended well: ", said.String())
		}
		return said.String()
	}
	serves := func(username string) {
		t.Helper()
		s := serveAt(t, from, s.clock)
		people = append(people, s.register(username))
		for _, c := range people {
			if c.site = s; !c.alive() {
				t.Fatal("somebody is signed out")
			}
		}
		s.stop()
		if n := target.count("users"); n != 0 {
			t.Fatalf("%d users arrived", n)
		}
	}
	if said := interrupted("SHARE", "sessions", os.Interrupt); !strings.Contains(said, "the move is not finished") ||
		strings.Count(said, "\n") != 1 {
		t.Errorf("interrupted it says %s", said)
	}
	unfinished := func() {
		t.Helper()
		if why := target.refusesToStart("LATCHKEY_SECRET=" + testSecret); !strings.Contains(why, "run latchkey move again") {
			t.Errorf("the other side says %s", why)
		}
	}
	unfinished()
	serves("luigi")
	interrupted("SHARE", "sessions", os.Kill)
	unfinished()
	serves("peach")

	interrupted("SHARE UPDATE EXCLUSIVE", "users", os.Kill)
	for _, side := range []*site{s, target} {
		why := side.refusesToStart("LATCHKEY_SECRET=" + testSecret)
		if !strings.Contains(why, "moved to PostgreSQL") && !strings.Contains(why, "run latchkey move again") {
			t.Errorf("one side says %s", why)
		}
		side.declines("move", "user", "list")
	}
	var moved []store.Moved
	said, err := s.moves([]string{from, to, "--json"}, "LATCHKEY_SECRET="+testSecret)
	if err != nil || json.Unmarshal([]byte(said), &moved) != nil || len(moved) == 0 {
		t.Fatal(err, said)
	}
	there := serveAt(t, to, s.clock)
	for _, c := range people {
		if c.site = there; !c.alive() {
			t.Error("somebody is signed out")
		}
	}
	if n := there.count("users"); n != len(people) {
		t.Errorf("there are %d users", n)
	}
}

// TestWhatIsNoMove is refused in one line that repeats no address.
func TestWhatIsNoMove(t *testing.T) {
	from, to := storetest.SQLite(t), storetest.Postgres(t)
	s := serve(t, from)
	s.register("mario")
	s.stop()
	const own = "LATCHKEY_SECRET=" + testSecret
	hidden := "postgres://mario:jump-jump@127.0.0.1:1/x"
	other := serve(t, storetest.Postgres(t))
	missing := "sqlite:" + filepath.Join(t.TempDir(), "latchkey.db")
	for _, refused := range []struct {
		args     []string
		settings []string
		code     int
		why      string
	}{
		{nil, nil, 2, "move needs the SQLite database to move"},
		{[]string{"jump-jump"}, nil, 2, "move needs the SQLite database to move"},
		{[]string{from, "jump-jump"}, nil, 2, "move needs a database to move to"},
		{[]string{from, to, "jump-jump"}, nil, 2, "not understood"},
		{[]string{from}, []string{own}, 2, "starts with postgres://"},
		{[]string{from, from}, []string{own}, 2, "starts with postgres://"},
		{[]string{to, hidden}, []string{own}, 2, "is one of SQLite"},
		{[]string{hidden}, []string{own, "LATCHKEY_DATABASE_URL=" + from}, 2, "is one of SQLite"},
		{[]string{missing, to}, []string{own}, 1, "no such file"},
		{[]string{from, to}, nil, 1, "latchkey.secret: no such file"},
		{[]string{from, to}, []string{"LATCHKEY_SECRET=" + nextSecret}, 1, "is the secret of this database"},
		{[]string{from, hidden}, []string{own}, 1, "database postgres://mario@127.0.0.1:1/x: "},
		{[]string{from}, []string{own, "LATCHKEY_DATABASE_URL=" + hidden}, 1, "database postgres://mario@127.0.0.1:1/x: "},
		{[]string{from, other.database}, []string{own}, 1, "is not empty"},
		{[]string{from, to, "--log-level", "loud"}, []string{own}, 1, "LATCHKEY_LOG_LEVEL"},
	} {
		printed, err := s.moves(refused.args, refused.settings...)
		if err == nil || !strings.Contains(err.Error(), refused.why) || strings.Contains(err.Error(), "jump-jump") ||
			strings.Contains(err.Error(), "\n") || exitCode(err) != refused.code || printed != "" {
			t.Errorf("%q: %v %s", refused.args, err, printed)
		}
	}
	if _, err := os.Stat(strings.TrimPrefix(missing, "sqlite:")); err == nil {
		t.Error("a database was made")
	}
	if other.count("users") != 0 {
		t.Error("something arrived")
	}
	serveAt(t, from, s.clock).signIn("mario")
}
