package operations

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"latchkey/internal/cli"
	"latchkey/internal/e2e"
	"latchkey/internal/store/storetest"
	"latchkey/internal/store/transfer"
)

// moves runs latchkey move, with settings of the form LATCHKEY_X=value, and returns what it prints.
func runMove(s *e2e.Env, args []string, settings ...string) (printed string, err error) {
	s.T.Helper()
	var stdout bytes.Buffer
	err = e2e.RunProgram(s.T.Context(), append([]string{"move"}, args...), settings, strings.NewReader(""), &stdout, os.Stderr,
		s.Clock.Now)
	return stdout.String(), err
}

// TestTransferKeepsSessions checks that sessions, pending emails and tokens of SQLite continue on PostgreSQL.
func TestTransferKeepsSessions(t *testing.T) {
	if testing.Short() {
		t.Skip("it needs PostgreSQL")
	}
	from, to := storetest.SQLite(t), storetest.Postgres(t)
	secret := filepath.Join(filepath.Dir(strings.TrimPrefix(from, "sqlite:")), "latchkey.secret")
	box := e2e.NewMailbox(t)
	s := e2e.Start(t, from, "LATCHKEY_SECRET=", box.Setting, "LATCHKEY_NEW_DEVICE_NOTICE=on")
	mario, luigi := s.RegisterAndSignIn("mario", "mario@example.com"), s.RegisterAndSignIn("luigi", "luigi@example.com")
	peach := s.Register("peach")
	ended := s.SignIn("peach")
	ended.Ask(`mutation { signOut(input: {}) { signedOut } }`, nil).Ok()
	page := peach.Ask(e2e.ListProfilesQuery, e2e.Vars{"first": 1}).Ok()
	second := peach.Ask(e2e.ListProfilesQuery, e2e.Vars{"first": 1, "after": page.Text("profiles.pageInfo.endCursor")}).Ok()
	spent := peach.RefreshToken
	peach.Refresh().Ok()
	for range 5 {
		s.Anonymous().TryPassword("bowser", "wrong-password")
	}
	s.Anonymous().Ask(e2e.RequestPasswordResetMutation, e2e.Vars{"e": "luigi@example.com"}).Ok()
	link := s.NextEmail(box, "luigi@example.com").Token()
	box.Reply(451)
	s.Anonymous().Ask(e2e.RequestPasswordResetMutation, e2e.Vars{"e": "mario@example.com"}).Ok()
	box.Next()
	s.WaitForLog(`"email postponed"`, 1)
	if _, err := runMove(s, []string{from, to}); err == nil || !strings.Contains(err.Error(), "is in use") {
		t.Fatalf("under a running server: %v", err)
	}
	if !mario.SignedIn() {
		t.Fatal("a refused move did something")
	}
	s.Stop()

	printed, err := runMove(s, []string{from}, "LATCHKEY_DATABASE_URL="+to)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"TABLE ", "users ", "sessions ", "LATCHKEY_SECRET_FILE=" + secret, "LATCHKEY_DATABASE_URL",
	} {
		if !strings.Contains(printed, want) {
			t.Errorf("it does not say %q: %s", want, printed)
		}
	}
	if why := s.StartError(); !strings.Contains(why, "was moved to PostgreSQL at "+s.Clock.Now().UTC().Format(time.RFC3339)) {
		t.Errorf("the old one says %s", why)
	}

	moved := s.NodeOn(to, "LATCHKEY_SECRET=", "LATCHKEY_SECRET_FILE="+secret, box.Setting,
		"LATCHKEY_NEW_DEVICE_NOTICE=on")
	for _, c := range []*e2e.Client{mario, luigi, peach, ended} {
		c.Env = moved
	}
	kid := mario.KeyID()
	for _, c := range []*e2e.Client{mario, luigi, peach} {
		if !c.SignedIn() || c.Refresh().Get("refreshToken.tokens") == nil || !c.SignedIn() || c.KeyID() != kid {
			t.Error("a session is over, or another key signs")
		}
	}
	ended.Ask(`{ me { id } }`, nil).FailsWith("UNAUTHENTICATED", "REVOKED")
	ended.Refresh().HasUserErrors("refreshToken", "TOKEN_INVALID@refreshToken")
	again := peach.Ask(e2e.ListProfilesQuery, e2e.Vars{"first": 1, "after": page.Text("profiles.pageInfo.endCursor")}).Ok()
	if !bytes.Equal(again.Body, second.Body) {
		t.Errorf("the second page was %s and is %s", second.Body, again.Body)
	}
	if code, _ := moved.Anonymous().TryPassword("bowser", "wrong-password"); code != "RATE_LIMITED" {
		t.Errorf("a guess answers %q", code)
	}
	box.Reply(0)
	s.Clock.Advance(time.Minute)
	waited := moved.NextEmail(box, "mario@example.com").Token()
	moved.SignIn("mario")
	moved.AssertNoEmail(box) // for the device is not new
	for name, token := range map[string]string{"luigi": link, "mario": waited} {
		if code := moved.Redeem("resetPassword", token); code != "" {
			t.Errorf("the link of %s answers %q", name, code)
		}
		moved.NextEmail(box, name+"@example.com") // the notice
	}
	s.Clock.Advance(time.Minute)
	peach.RefreshWith(spent).HasUserErrors("refreshToken", "TOKEN_INVALID@refreshToken")
	if peach.SignedIn() {
		t.Error("a stolen token is taken for another")
	}
	if printed := moved.Run("check", "--secret", "", "--secret-file", secret); !strings.HasPrefix(printed, "No problems found") {
		t.Errorf("check says %s", printed)
	}
}

// TestTransferKilled checks that a killed transfer leaves a database that serves as before or a complete one, and can
// be run again.
func TestTransferKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("it needs PostgreSQL")
	}
	from, to := storetest.SQLite(t), storetest.Postgres(t)
	s := e2e.NewEnv(t, from, e2e.NewClock(time.Now()))
	p := e2e.StartProcess(t, from)
	people := []*e2e.Client{p.Register("mario")}
	p.Kill() // which leaves more than one file
	target := e2e.NewEnv(t, to, s.Clock)
	target.Run("migrate", "up")
	// interrupted stops the transfer at a table with a lock, ends it with a signal and releases the lock.
	interrupted := func(lock, table string, signal os.Signal) string {
		t.Helper()
		db := target.DB()
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
		command.Env = []string{"LATCHKEY_TEST_SERVER=1", "LATCHKEY_DATABASE_URL=" + to, "LATCHKEY_SECRET=" + e2e.Secret}
		var printed bytes.Buffer
		command.Stdout, command.Stderr = &printed, &printed
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		defer command.Process.Kill()
		e2e.WaitFor(t, "the move does not come to "+table, func() bool {
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
			t.Fatal("it ended well: ", printed.String())
		}
		return printed.String()
	}
	serves := func(username string) {
		t.Helper()
		s := e2e.StartAt(t, from, s.Clock)
		people = append(people, s.Register(username))
		for _, c := range people {
			if c.Env = s; !c.SignedIn() {
				t.Fatal("a user is signed out")
			}
		}
		s.Stop()
		if n := target.Count("users"); n != 0 {
			t.Fatalf("%d users arrived", n)
		}
	}
	if printed := interrupted("SHARE", "sessions", os.Interrupt); !strings.Contains(printed, "the move is not finished") ||
		strings.Count(printed, "\n") != 1 {
		t.Errorf("interrupted it says %s", printed)
	}
	unfinished := func() {
		t.Helper()
		if why := target.StartError("LATCHKEY_SECRET=" + e2e.Secret); !strings.Contains(why, "run latchkey move again") {
			t.Errorf("the other side says %s", why)
		}
	}
	unfinished()
	serves("luigi")
	interrupted("SHARE", "sessions", os.Kill)
	unfinished()
	serves("peach")

	interrupted("SHARE UPDATE EXCLUSIVE", "users", os.Kill)
	for _, side := range []*e2e.Env{s, target} {
		why := side.StartError("LATCHKEY_SECRET=" + e2e.Secret)
		if !strings.Contains(why, "moved to PostgreSQL") && !strings.Contains(why, "run latchkey move again") {
			t.Errorf("one side says %s", why)
		}
		side.RunFails("move", "user", "list")
	}
	var moved []transfer.Table
	printed, err := runMove(s, []string{from, to, "--json"}, "LATCHKEY_SECRET="+e2e.Secret)
	if err != nil || json.Unmarshal([]byte(printed), &moved) != nil || len(moved) == 0 {
		t.Fatal(err, printed)
	}
	there := e2e.StartAt(t, to, s.Clock)
	for _, c := range people {
		if c.Env = there; !c.SignedIn() {
			t.Error("a user is signed out")
		}
	}
	if n := there.Count("users"); n != len(people) {
		t.Errorf("there are %d users", n)
	}
}

// TestTransferRejected checks that impossible transfers are refused in one line without database URLs.
func TestTransferRejected(t *testing.T) {
	if testing.Short() {
		t.Skip("it needs PostgreSQL")
	}
	from, to := storetest.SQLite(t), storetest.Postgres(t)
	s := e2e.Start(t, from)
	s.Register("mario")
	s.Stop()
	const own = "LATCHKEY_SECRET=" + e2e.Secret
	hidden := "postgres://mario:jump-jump@127.0.0.1:1/x"
	other := e2e.Start(t, storetest.Postgres(t))
	missing := "sqlite:" + filepath.Join(t.TempDir(), "latchkey.db")
	for _, refused := range []struct {
		args     []string
		settings []string
		code     int
		why      string
	}{
		{nil, nil, 2, "move needs the SQLite database to move"},
		{[]string{"jump-jump"}, nil, 2, "move needs the SQLite database to move"},
		{[]string{from, "jump-jump"}, nil, 2, "move needs the target database"},
		{[]string{from, to, "jump-jump"}, nil, 2, "unexpected argument"},
		{[]string{from}, []string{own}, 2, "must start with postgres://"},
		{[]string{from, from}, []string{own}, 2, "must start with postgres://"},
		{[]string{to, hidden}, []string{own}, 2, "must be SQLite"},
		{[]string{hidden}, []string{own, "LATCHKEY_DATABASE_URL=" + from}, 2, "must be SQLite"},
		{[]string{missing, to}, []string{own}, 1, "no such file"},
		{[]string{from, to}, nil, 1, "latchkey.secret: no such file"},
		{[]string{from, to}, []string{"LATCHKEY_SECRET=" + e2e.NextSecret}, 1, "is the secret of this database"},
		{[]string{from, hidden}, []string{own}, 1, "database postgres://mario@127.0.0.1:1/x: "},
		{[]string{from}, []string{own, "LATCHKEY_DATABASE_URL=" + hidden}, 1, "database postgres://mario@127.0.0.1:1/x: "},
		{[]string{from, other.Database}, []string{own}, 1, "is not empty"},
		{[]string{from, to, "--log-level", "loud"}, []string{own}, 1, "LATCHKEY_LOG_LEVEL"},
	} {
		printed, err := runMove(s, refused.args, refused.settings...)
		if err == nil || !strings.Contains(err.Error(), refused.why) || strings.Contains(err.Error(), "jump-jump") ||
			strings.Contains(err.Error(), "\n") || cli.ExitCode(err) != refused.code || printed != "" {
			t.Errorf("%q: %v %s", refused.args, err, printed)
		}
	}
	if _, err := os.Stat(strings.TrimPrefix(missing, "sqlite:")); err == nil {
		t.Error("a database was made")
	}
	if other.Count("users") != 0 {
		t.Error("something arrived")
	}
	e2e.StartAt(t, from, s.Clock).SignIn("mario")
}
