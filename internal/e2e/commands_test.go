package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/cli"
	"latchkey/internal/store"
	"latchkey/internal/store/storetest"
)

// TestHelp shows every command there is and every setting, with no need for a database.
func TestHelp(t *testing.T) {
	s := &site{t: t, database: "sqlite:", clock: newClock(time.Time{})}
	for _, args := range [][]string{
		{"--help"}, {"-h"}, {"serve", "--help"}, {"keys", "--help"}, {"keys", "retire", "--help"},
	} {
		if printed := s.does(args...); !strings.HasPrefix(printed, "Usage: latchkey ") {
			t.Errorf("%q: it prints %s", args, printed)
		}
	}
	printed := s.does("--help")
	for _, want := range []string{
		"serve", "keys list", "keys rotate", "keys retire", "mail preview", "mail test", "restore-cut", "schema", "version",
		"migrate status", "migrate up", "user create", "user list", "user show", "user disable", "user enable", "user role",
		"user reset-password", "user delete", "sessions revoke", "backup", "move", "check",
		"--database-url", "LATCHKEY_SECRET_FILE",
	} {
		if !strings.Contains(printed, want) {
			t.Errorf("no %s in %s", want, printed)
		}
	}
}

// TestSettingsStandAnywhere reads them before a command, in it and after it, the last one of several.
func TestSettingsStandAnywhere(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.register("mario")
		for _, args := range [][]string{
			{"--signing-alg", "ES256", "keys", "rotate"}, {"keys", "--signing-alg=ES256", "rotate"},
			{"keys", "rotate", "--signing-alg", "HS256", "--signing-alg", "ES256"},
		} {
			s.does(args...)
		}
		if printed := s.does("keys", "list"); strings.Count(printed, "ES256") != 3 {
			t.Errorf("the keys are %s", printed)
		}
		_, err := s.command("keys", "list", "--signing-alg", "--log-level", "info")
		if cli.ExitCode(err) != 2 {
			t.Errorf("a flag counts as a value, and the value as an argument: %v", err)
		}
		s.declines("LATCHKEY_SIGNING_ALG (from --signing-alg): must be", "keys", "list", "--signing-alg", "RS1")
	})
}

// TestErrorsHelp tells operators what to do, and not what lies behind.
func TestErrorsHelp(t *testing.T) {
	s := &site{t: t, database: storetest.SQLite(t), clock: newClock(time.Time{})}
	s.declines("run latchkey migrate up first", "user", "list")
	s.declines("goes behind two", "user", "create", "-SEKRET")
	serve(t, s.database).stop()
	other, err := s.db().Conn(t.Context())
	must(t, err)
	_, err = other.ExecContext(t.Context(), `BEGIN IMMEDIATE`)
	must(t, err)
	s.declines("busy or locked by another process", "restore-cut")
	_, err = other.ExecContext(t.Context(), `ROLLBACK`)
	must(t, err)
	interrupted, interrupt := context.WithCancel(t.Context())
	interrupt()
	env := []string{"LATCHKEY_DATABASE_URL=" + s.database, "LATCHKEY_SECRET=" + testSecret}
	err = run(interrupted, []string{"user", "list"}, env, strings.NewReader(""), io.Discard, io.Discard, time.Now)
	if err == nil || !strings.HasSuffix(err.Error(), ": interrupted") {
		t.Error("an end is told as", err)
	}
	closed, err := os.Create(filepath.Join(t.TempDir(), "closed"))
	must(t, err)
	closed.Close()
	err = run(t.Context(), []string{"--help"}, nil, strings.NewReader(""), closed, io.Discard, time.Now)
	if err == nil || cli.ExitCode(err) != 1 {
		t.Error("help that cannot be written is told as", err)
	}
}

// TestWhatNeedsNoDatabase asks the program about itself, with settings that no server would start with.
func TestWhatNeedsNoDatabase(t *testing.T) {
	s := &site{t: t, database: "nowhere", clock: newClock(time.Time{})}
	if printed := s.does("schema"); printed != schema {
		t.Errorf("the schema is %s", printed)
	}
	version := regexp.MustCompile(`^latchkey \S+( \(\w+ of .+\))?, go1\.\S+.*\n$`)
	if printed := s.does("version"); !version.MatchString(printed) {
		t.Errorf("the version is %s", printed)
	}
}

// TestTheSchemaIsMigratedByCommand takes the last step again, on a database that looks as it did before that.
func TestTheSchemaIsMigratedByCommand(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		at := s.clock.Now().UTC().Format(time.RFC3339)
		status := func() []string { return strings.Split(s.does("migrate", "status"), "\n") }
		first := status()
		if len(first) != 5 || !slices.Equal(strings.Fields(first[3]), []string{"3", "0003_throttles", at}) {
			t.Fatalf("the status is %q", first)
		}
		if said := s.does("migrate", "up"); said != "The schema is up to date.\n" {
			t.Fatalf("up says %s", said)
		}
		s.stop()
		s.execute(`DROP TABLE throttles`)
		s.execute(`DELETE FROM schema_migrations WHERE version = 3`)
		for _, args := range [][]string{{"user", "list"}, {"keys", "list"}, {"restore-cut"}} {
			s.declines("run latchkey migrate up first", args...)
		}
		for range 2 {
			if said := s.does("migrate", "up", "--dry-run"); said != "0003_throttles would be taken.\n" {
				t.Fatalf("the dry run says %s", said)
			}
		}
		if have := status()[3]; !strings.HasSuffix(have, "0003_throttles  not yet") {
			t.Fatalf("the status is %q", have)
		}
		if said := s.does("migrate", "up"); said != "0003_throttles is taken.\n" {
			t.Fatalf("up says %s", said)
		}
		var steps []store.Step
		if err := json.Unmarshal([]byte(s.does("migrate", "status", "--json")), &steps); err != nil || len(steps) != 3 ||
			steps[2].AppliedAt == nil || steps[2].Name != "0003_throttles" {
			t.Fatalf("the status is %v, %v", steps, err)
		}
		s.execute(`INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES (4, '0004_x', 'x', 0)`)
		for _, args := range [][]string{{"migrate", "status"}, {"migrate", "up", "--dry-run"}, {"migrate", "up"}} {
			s.declines("use a newer program", args...)
		}
		for _, version := range []string{"0", "-1"} {
			s.execute(`UPDATE schema_migrations SET version = ` + version + ` WHERE name = '0004_x'`)
			for _, args := range [][]string{{"migrate", "status"}, {"migrate", "up"}, {"check"}, {"user", "list"}} {
				s.declines("which there never was", args...)
			}
		}
	})
}

// TestMigratingFromNothing makes a database that a server then uses.
func TestMigratingFromNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		s := &site{t: t, database: url, clock: newClock(time.Now())}
		if strings.HasPrefix(url, "sqlite:") {
			s.declines("no such file", "migrate", "status")
			s.declines("no such file", "migrate", "up", "--dry-run")
		} else if said := s.does("migrate", "up", "--dry-run"); strings.Count(said, "would be taken") != 3 {
			t.Fatalf("the dry run says %s", said)
		}
		if said := s.does("migrate", "up"); strings.Count(said, "is taken") != 3 {
			t.Fatalf("up says %s", said)
		}
		serve(t, url).register("mario")
	})
}

// shown is what a script sees of a user.
func (s *site) shown(who string) (u userJSON) {
	s.t.Helper()
	if err := json.Unmarshal([]byte(s.does("user", "show", who, "--json")), &u); err != nil {
		s.t.Fatal(err)
	}
	return u
}

// create makes a user with the usual password by command.
func (s *site) create(username string, more ...string) {
	s.t.Helper()
	args := append([]string{"user", "create", username}, more...)
	if _, err := s.commandWith(password+"\n", args...); err != nil {
		s.t.Fatal(err)
	}
}

func TestOperatorsMakeUsers(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		said, err := s.commandWith(password+"\nmore\n", "user", "create", "Mario", "--email", "Mario@Example.com",
			"--name", "Mario M.", "--role", "admin", "--registration", "closed", "--json")
		var made userJSON
		if err := errors.Join(err, json.Unmarshal([]byte(said), &made)); err != nil {
			t.Fatal(err)
		}
		if made.Username != "Mario" || *made.Email != "Mario@Example.com" || made.EmailVerified || made.Name != "Mario M." ||
			made.Role != account.Admin || made.Status != account.Active || strings.Contains(said, "assword") {
			t.Fatalf("made %s", said)
		}
		mario := s.signIn("mario")
		mario.ask(`{ me { role profile { username location } } }`, nil).ok().is("me.role", "ADMIN").
			is("me.profile.username", "Mario")
		for _, who := range []string{"mario", "MARIO", "mario@example.COM", string(made.ID)} {
			if u := s.shown(who); u.ID != made.ID || len(u.Sessions) != 1 || u.LastLoginAt == nil {
				t.Errorf("%s is %+v", who, u)
			}
		}
		if text := s.does("user", "show", "mario"); !strings.Contains(text, "Mario@Example.com (not confirmed)") ||
			!strings.Contains(text, string(s.shown("mario").Sessions[0].ID)) {
			t.Errorf("shown as %s", text)
		}
		for _, refused := range []struct{ typed, username, email, why string }{
			{"short", "luigi", "luigi@example.com", "TOO_SHORT at password"},
			{"password123", "luigi", "luigi@example.com", "PASSWORD_TOO_COMMON at password"},
			{password, "m\u0430rio", "luigi@example.com", "INVALID at username"},
			{password, "mARIO", "luigi@example.com", "TAKEN at username"},
			{password, "luigi", "mario@example.com", "TAKEN at email"},
			{password, "luigi", "luigi", "INVALID at email"},
			{password, string(made.ID), "luigi@example.com", "RESERVED at username"},
			{"", "luigi", "luigi@example.com", "password"},
		} {
			printed, err := s.commandWith(refused.typed, "user", "create", refused.username, "--email", refused.email)
			if err == nil || !strings.Contains(err.Error(), refused.why) || printed != "" || cli.ExitCode(err) != 1 ||
				refused.typed != "" && strings.Contains(err.Error(), refused.typed) {
				t.Errorf("%+v: %v %s", refused, err, printed)
			}
		}
		s.declines("needs a username", "user", "create")
		s.declines("--role must be one of", "user", "create", "luigi", "--role", "king")
		s.declines("NOT_FOUND: There is no such user", "user", "show", "luigi")
		s.declines("NOT_FOUND: There is no such user", "user", "show", "user_01990000-0000-7000-8000-000000000000")
		s.declines("There is no such user", "user", "show", "luigi@example.com")
		if s.count("users") != 1 || s.count("profiles") != 1 {
			t.Error("a refused command did something")
		}
		s.execute("UPDATE users SET name = 'M\u202eoiram'")
		if text := s.does("user", "show", "mario"); !strings.Contains(text, "M\ufffdoiram") {
			t.Errorf("a name turns the terminal round: %q", text)
		}
		if !s.says("user_created", string(made.ID), "operator", "ADMIN") {
			t.Error("the log does not tell")
		}
		s.create("luigi", "--email-verification", "required")
		if s.signIn("luigi"); s.shown("luigi").Email != nil {
			t.Error("an address came from nowhere")
		}
	})
}

// TestOperatorsListUsers turns the pages.
func TestOperatorsListUsers(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		if said := s.does("user", "list", "--json"); said != "[]\n" {
			t.Fatalf("nobody is %s", said)
		}
		names := []string{"mario", "luigi", "peach", "toad", "yoshi"}
		for _, name := range names {
			s.clock.advance(time.Millisecond)
			s.register(name)
		}
		var seen []string
		for after := (userJSON{}); ; {
			args := []string{"user", "list", "--limit", "2", "--json"}
			if after.ID != "" {
				args = append(args, "--after", string(after.ID))
			}
			var page []userJSON
			if err := json.Unmarshal([]byte(s.does(args...)), &page); err != nil || len(page) > 2 {
				t.Fatalf("%v %v", page, err)
			}
			if len(page) == 0 {
				break
			}
			for _, after = range page {
				seen = append(seen, after.Username)
			}
		}
		if !slices.Equal(seen, names) {
			t.Errorf("seen: %v", seen)
		}
		if rows := strings.Split(s.does("user", "list", "--limit", "3"), "\n"); len(rows) != 5 ||
			!strings.Contains(rows[3], "peach") || !s.says("There are more: --after "+strings.Fields(rows[3])[0]) {
			t.Errorf("the table is %q", rows)
		}
		for _, args := range [][]string{{"--limit", "0"}, {"--limit", "1001"}, {"--limit", "x"}, {"--after", "mario"}} {
			if _, err := s.command(append([]string{"user", "list"}, args...)...); err == nil || cli.ExitCode(err) != 2 {
				t.Errorf("%q: %v", args, err)
			}
		}
	})
}

func TestOperatorsShutUsersOut(t *testing.T) {
	onEachWithMail(t, func(t *testing.T, s *site, box *mailbox) {
		mario, luigi := s.joined("mario", "mario@example.com"), s.joined("luigi", "luigi@example.com")
		s.anonymous().ask(requestResetMutation, vars{"e": "mario@example.com"}).ok()
		link := s.letter(box, "mario@example.com").token()
		if said := s.does("user", "disable", "mario@example.com"); said != "mario is disabled; every session is over.\n" {
			t.Fatalf("it says %s", said)
		}
		mario.ask(`{ me { id } }`, nil).fails("UNAUTHENTICATED", "REVOKED")
		mario.renew().mistakes("refreshToken", "TOKEN_INVALID@refreshToken")
		s.obtain("mario", password).mistakes("obtainToken", "INVALID_CREDENTIALS")
		isDead := func(token string) {
			t.Helper()
			if code := s.redeem("resetPassword", token); code != "TOKEN_INVALID" {
				t.Fatalf("the link answers %q", code)
			}
		}
		isDead(link)
		s.declines("This user is disabled", "user", "reset-password", "mario", "--smtp-url", "smtp://localhost:1")
		if !luigi.alive() || !s.says("user_archived", mario.userID, "operator") {
			t.Fatal("it is about the wrong one")
		}
		logged := strings.Count(s.said(), `"user_archived"`)
		s.does("user", "disable", "mario")
		if again := strings.Count(s.said(), `"user_archived"`); again != logged || logged == 0 {
			t.Errorf("once disabled, it is logged %d times, then %d", logged, again)
		}
		if said := s.does("user", "enable", "mario"); said != "mario may sign in.\n" {
			t.Fatalf("it says %s", said)
		}
		if mario.alive() {
			t.Fatal("an ended session lives again")
		}
		isDead(link)
		back := s.signIn("mario")

		s.anonymous().ask(requestResetMutation, vars{"e": "mario@example.com"}).ok()
		s.clock.advance(time.Minute)
		s.anonymous().ask(requestResetMutation, vars{"e": "mario@example.com"}).ok()
		link = s.letter(box, "mario@example.com").token()
		s.does("user", "role", "mario", "staff")
		back.ask(`{ me { id } }`, nil).fails("UNAUTHENTICATED", "REVOKED")
		isDead(link)
		if !s.says("privilege_permissions_changed", mario.userID, "MEMBER", "STAFF") {
			t.Error("the log does not tell")
		}
		again := s.signIn("mario")
		again.ask(`{ me { role } }`, nil).ok().is("me.role", "STAFF")
		if s.does("user", "role", "mario", "staff"); !again.alive() {
			t.Error("the role there was ends sessions")
		}
		s.declines("user role needs a role: member, staff or admin", "user", "role", "mario")
		s.declines("user role needs a role: member, staff or admin", "user", "role", "mario", "king")
	})
}

// TestNobodySetsAPassword has the user choose it.
func TestNobodySetsAPassword(t *testing.T) {
	onEachWithMail(t, func(t *testing.T, s *site, box *mailbox) {
		mario := s.joined("mario", "Mario@example.com")
		smtp := "--smtp-url=" + strings.TrimPrefix(box.setting, "LATCHKEY_SMTP_URL=")
		s.declines("LATCHKEY_SMTP_URL is not set", "user", "reset-password", "mario",
			"--mode", "production", "--public-url", "https://x.example")
		if said := s.does("user", "reset-password", "mario", smtp); !strings.Contains(said, "outbox for mario") {
			t.Fatalf("it says %s", said)
		}
		l := s.letter(box, "Mario@example.com")
		if !mario.alive() {
			t.Fatal("the mail ends sessions")
		}
		s.anonymous().ask(resetMutation, vars{"t": l.token(), "p": newPassword}).ok()
		if mario.alive() {
			t.Fatal("the new password ends no sessions")
		}
		s.obtain("mario", newPassword).ok()
		s.register("luigi")
		s.declines("This user has no e-mail address", "user", "reset-password", "luigi", smtp)
	})
}

func TestOperatorsDeleteUsers(t *testing.T) {
	onEachWithMail(t, func(t *testing.T, s *site, box *mailbox) {
		mario := s.joined("mario", "mario@example.com")
		for _, typed := range []string{"", "no\n", "y\n"} {
			if printed, err := s.commandWith(typed, "user", "delete", "mario"); err == nil || printed != "" || !mario.alive() {
				t.Fatalf("%q: %v %s", typed, err, printed)
			}
		}
		if said, err := s.commandWith("yes\n", "user", "delete", "mario"); err != nil || said != "mario is deleted.\n" {
			t.Fatalf("%v %s", err, said)
		}
		mario.ask(`{ me { id } }`, nil).fails("UNAUTHENTICATED", "REVOKED")
		for _, table := range []string{"users", "profiles", "sessions", "devices", "one_time_tokens"} {
			if n := s.count(table); n != 0 {
				t.Errorf("%d rows are left in %s", n, table)
			}
		}
		if l := s.letter(box, "mario@example.com"); !strings.Contains(l.Subject, "deleted") {
			t.Errorf("the mail is %s", l.Subject)
		}
		if !s.says("user_deleted", mario.userID, "operator") {
			t.Error("the log does not tell")
		}
		s.join("mario", "mario@example.com")
		s.does("user", "disable", "mario")
		s.does("user", "delete", "mario", "--yes")
		if s.count("users") != 0 {
			t.Error("a disabled user stays")
		}
	})
}

// TestOperatorsAndAccountsThatWait leaves the confirmation of an address to its owner.
func TestOperatorsAndAccountsThatWait(t *testing.T) {
	onEachWithMail(t, func(t *testing.T, s *site, box *mailbox) {
		s.join("mario", "mario@example.com")
		s.letter(box, "mario@example.com")
		if u := s.shown("mario@example.com"); u.Status != account.Pending {
			t.Fatalf("found %+v", u)
		}
		s.declines("waits for the confirmation", "user", "disable", "mario")
		s.declines("waits for the confirmation", "user", "enable", "mario")
		s.join("luigi", "mario@example.com")
		s.declines("Several accounts wait for this address", "user", "show", "mario@example.com")
		s.letter(box, "mario@example.com")
		s.does("user", "delete", "luigi", "--yes")
		s.noLetter(box)
		if s.count("users") != 1 {
			t.Error("the wrong one is deleted")
		}
	}, "LATCHKEY_EMAIL_VERIFICATION=required")
}

// TestTheLastAdministratorStays tries all ways to be rid of them, one by one, and of two by two at once.
func TestTheLastAdministratorStays(t *testing.T) {
	const deleteMe = `mutation ($p: String!) { deleteMe(input: {currentPassword: $p}) {
		deletedUserId userErrors { code field } } }`
	onEachStrict(t, func(t *testing.T, s *site) {
		s.create("mario", "--role", "admin")
		mario := s.signIn("mario")
		s.declines("the last administrator", "user", "disable", "mario")
		s.declines("the last administrator", "user", "role", "mario", "staff")
		s.declines("the last administrator", "user", "delete", "mario", "--yes")
		mario.ask(deleteMe, vars{"p": password}).fails("FORBIDDEN")
		s.create("luigi", "--role", "admin")
		s.does("user", "disable", "luigi")
		s.declines("the last administrator", "user", "disable", "mario")
		if !mario.alive() {
			t.Fatal("a refused command did something")
		}
		s.does("user", "delete", "luigi", "--yes")

		svc, ctx := s.server.Service(), t.Context()
		id := account.ID(mario.userID)
		for round, act := range []func(id account.ID, c *client) error{
			func(id account.ID, _ *client) error { _, err := svc.DisableUser(ctx, id); return err },
			func(id account.ID, _ *client) error { _, err := svc.SetRole(ctx, id, account.Member); return err },
			func(id account.ID, _ *client) error { _, err := svc.RemoveUser(ctx, id); return err },
			func(_ account.ID, c *client) error {
				if a := c.ask(deleteMe, vars{"p": password}); len(a.Errors) > 0 {
					return errors.New(a.Errors[0].Message)
				}
				return nil
			},
		} {
			names := []string{"toad", "yoshi"}
			clients := make([]*client, len(names))
			for i, name := range names {
				s.create(name+strings.Repeat("x", round), "--role", "admin")
				clients[i] = s.signIn(name + strings.Repeat("x", round))
			}
			if _, err := svc.DisableUser(ctx, id); err != nil {
				t.Fatal(err)
			}
			gone := make([]bool, len(names))
			together(len(names), func(i int) { gone[i] = act(account.ID(clients[i].userID), clients[i]) == nil })
			if gone[0] == gone[1] {
				t.Fatalf("round %d: gone are %v", round, gone)
			}
			// The one that stayed makes room for the next round.
			if _, err := svc.EnableUser(ctx, id); err != nil {
				t.Fatal(err)
			}
			for i := range names {
				if !gone[i] {
					if _, err := svc.RemoveUser(ctx, account.ID(clients[i].userID)); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	})
}

func TestOperatorsEndSessions(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		mario, luigi := s.register("mario"), s.register("luigi")
		second, third := s.signIn("mario"), s.signIn("mario")
		sessions := s.shown("mario").Sessions
		if len(sessions) != 3 {
			t.Fatalf("shown: %v", sessions)
		}
		newest := string(sessions[0].ID)
		if said := s.does("sessions", "revoke", "--session", newest); said != "Sessions ended: 1.\n" {
			t.Fatalf("it says %s", said)
		}
		if left := s.shown("mario").Sessions; len(left) != 2 || slices.ContainsFunc(left, func(j sessionJSON) bool {
			return string(j.ID) == newest
		}) {
			t.Fatalf("left: %v", left)
		}
		s.declines("There is no such session, or it is over", "sessions", "revoke", "--session", newest)
		if said := s.does("sessions", "revoke", "mario", "--json"); said != "{\n  \"revoked\": 2\n}\n" {
			t.Fatalf("it says %s", said)
		}
		for _, c := range []*client{mario, second, third} {
			c.ask(`{ me { id } }`, nil).fails("UNAUTHENTICATED", "REVOKED")
			c.renew().mistakes("refreshToken", "TOKEN_INVALID@refreshToken")
		}
		if !luigi.alive() || !s.signIn("mario").alive() || !s.says("authn_token_revoked", mario.userID, "operator") {
			t.Fatal("it is about the wrong ones")
		}
		for _, args := range [][]string{nil, {"luigi", "--session", newest}, {"--session", mario.userID}} {
			_, err := s.command(append([]string{"sessions", "revoke"}, args...)...)
			if err == nil || cli.ExitCode(err) != 2 {
				t.Errorf("%q: %v", args, err)
			}
		}
		s.declines("NOT_FOUND", "sessions", "revoke", "peach")
		if !luigi.alive() {
			t.Fatal("a refused command did something")
		}
	})
}

// TestABackupIsOfOneMoment makes it while users register, and serves it.
func TestABackupIsOfOneMoment(t *testing.T) {
	s := serve(t, storetest.SQLite(t))
	mario := s.register("mario")
	folder := t.TempDir()
	path := filepath.Join(folder, "copy.db")
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for j := range 4 {
				s.register(fmt.Sprintf("toad-%d-%d", i, j))
			}
		})
	}
	said := s.does("backup", path)
	all.Wait()
	if !strings.HasPrefix(said, path+" is a copy of the database.") || !strings.Contains(said, "LATCHKEY_SECRET") {
		t.Errorf("it says %s", said)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("the file is %v %v", info, err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s.declines("is there already", "backup", path)
	s.declines("no such file", "backup", filepath.Join(folder, "nowhere", "copy.db"))
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Error("a file is replaced")
	}
	restored := serve(t, "sqlite:"+path)
	if said := restored.does("check"); !strings.HasPrefix(said, "Nothing is wrong") {
		t.Errorf("check says %s", said)
	}
	if mario.site = restored; !mario.alive() || restored.count("users") != restored.count("profiles") {
		t.Error("the copy is not whole")
	}
	restored.stop()
}

// TestABackupIsWholeOrNothing interrupts one that has begun, has another exceed what a file may hold, and hangs up.
func TestABackupIsWholeOrNothing(t *testing.T) {
	s := serve(t, storetest.SQLite(t))
	s.execute(`INSERT INTO mails (id, letter, state, recipient, address_key, languages, username, new_email, device,
		ip_address, attempts, created_at, due_at, expires_at)
		WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
		SELECT 'mail_' || i, '', 'FAILED', '', '', '', hex(randomblob(8000)), '', '', '', 0, 0, 0, 0 FROM n`)
	folder := t.TempDir()
	path := filepath.Join(folder, "copy.db")
	nothing := func() {
		t.Helper()
		if files, err := os.ReadDir(folder); len(files) > 0 || err != nil {
			t.Fatalf("it leaves %v %v", files, err)
		}
	}
	// begun returns when a file has grown in the folder, or there is no more hope.
	begun := func(ended <-chan struct{}) {
		for {
			drafts, _ := filepath.Glob(filepath.Join(folder, "*.part"))
			for _, draft := range drafts {
				if info, err := os.Stat(draft); err == nil && info.Size() > 0 {
					return
				}
			}
			select {
			case <-ended:
				return
			case <-time.After(time.Millisecond):
			}
		}
	}
	// halfway calls try until it fails, for a copy may be whole before it is interrupted.
	halfway := func(try func() error) {
		t.Helper()
		for began := time.Now(); try() == nil; {
			if time.Since(began) > time.Minute {
				t.Fatal("it cannot be interrupted")
			}
			must(t, os.Remove(path))
		}
		nothing()
	}
	env := []string{"LATCHKEY_DATABASE_URL=" + s.database, "LATCHKEY_SECRET=" + testSecret}
	halfway(func() (err error) {
		ctx, interrupt := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			err = run(ctx, []string{"backup", path}, env, strings.NewReader(""), io.Discard, io.Discard, time.Now)
		}()
		begun(ended)
		interrupt()
		<-ended
		return err
	})
	for _, sent := range []os.Signal{syscall.SIGHUP, syscall.SIGTERM} {
		if signal.Ignored(sent) { // then the program ignores it too
			continue
		}
		halfway(func() (err error) {
			command := s.program("backup", path)
			must(t, command.Start())
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				err = command.Wait()
			}()
			begun(ended)
			command.Process.Signal(sent)
			<-ended
			return err
		})
	}
	full := s.program("backup", path)
	full.Args = append([]string{"sh", "-c", `ulimit -f 2000 && exec "$0" "$@"`}, full.Args...)
	shell, err := exec.LookPath("sh")
	must(t, err)
	full.Path = shell
	if said, err := full.CombinedOutput(); err == nil || !strings.Contains(string(said), "no backup is made") {
		t.Errorf("it says %s", said)
	}
	nothing()
}

// program returns a command as a program of its own.
func (s *site) program(args ...string) *exec.Cmd {
	s.t.Helper()
	name, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	command := exec.Command(name, args...)
	command.Env = append(os.Environ(), "LATCHKEY_TEST_SERVER=1", "LATCHKEY_DATABASE_URL="+s.database,
		"LATCHKEY_SECRET="+testSecret)
	return command
}

// TestABackupThatIsOfNoUse is said to be, or not made at all.
func TestABackupThatIsOfNoUse(t *testing.T) {
	s := serve(t, storetest.SQLite(t))
	folder := t.TempDir()
	s.declines("backup needs the path of a file", "backup", "")
	path := filepath.Join(folder, "copy.db")
	s.declines("there is no", "backup", path, "--secret", "")
	if _, err := os.Stat(path); err != nil {
		t.Error("it is not made:", err)
	}
	songs := &site{t: t, database: "sqlite:" + filepath.Join(folder, "songs.db"), clock: s.clock}
	songs.execute(`CREATE TABLE songs (title TEXT)`)
	songs.declines("another program", "backup", filepath.Join(folder, "songs-copy.db"))
}

func TestPostgreSQLIsBackedUpByItsOwnTool(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		s := &site{t: t, database: url, clock: newClock(time.Now())}
		path := filepath.Join(t.TempDir(), "copy.db")
		why := "pg_dump"
		if strings.HasPrefix(url, "sqlite:") {
			why = "no such file"
		}
		s.declines(why, "backup", path)
		if _, err := os.Lstat(path); err == nil {
			t.Error("a file is made")
		}
	})
}

// TestNoCommandTakesAnotherSecret for that of the database, whatever it is about.
func TestNoCommandTakesAnotherSecret(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		mario := s.register("mario")
		for _, args := range [][]string{
			{"user", "create", "luigi"}, {"user", "list"}, {"user", "disable", "mario"}, {"sessions", "revoke", "mario"},
			{"user", "reset-password", "mario", "--smtp-url", "smtp://localhost:1"}, {"restore-cut"}, {"keys", "list"},
			{"keys", "rotate"},
		} {
			s.declines("is the secret of this database", append(args, "--secret", nextSecret)...)
		}
		if !mario.alive() || s.count("users") != 1 || s.count("signing_keys") != 1 {
			t.Fatal("a refused command did something")
		}
		s.does("keys", "list", "--secret", nextSecret, "--secret-previous", testSecret)
	})
}

// TestCheckFindsWhatIsWrong damages a database in one way after another, and mends it.
func TestCheckFindsWhatIsWrong(t *testing.T) {
	onEachWithMail(t, func(t *testing.T, s *site, _ *mailbox) {
		s.create("Mario", "--email", "Mario@Example.com")
		s.create("luigi")
		s.join("toad", "toad@example.com")
		s.signIn("mario")
		s.signIn("luigi")
		s.does("user", "disable", "luigi")
		fine := func() {
			t.Helper()
			if said := s.does("check"); said != "Nothing is wrong with 1 signing keys, 3 users and 2 sessions.\n" {
				t.Fatalf("it says %s", said)
			}
		}
		fine()
		for _, damage := range []struct{ statement, undo, found string }{
			{`UPDATE users SET username_key = 'x' WHERE username = 'Mario'`,
				`UPDATE users SET username_key = 'mario' WHERE username = 'Mario'`, "the username is not found"},
			{`UPDATE users SET email_key = 'x' WHERE username = 'Mario'`,
				`UPDATE users SET email_key = 'mario@example.com' WHERE username = 'Mario'`, "the address is not found"},
			{`UPDATE users SET email_key = 'x' WHERE username = 'luigi'`,
				`UPDATE users SET email_key = NULL WHERE username = 'luigi'`, "the address is not found"},
			{`UPDATE users SET email_key = 'toad@example.com' WHERE username = 'toad'`,
				`UPDATE users SET email_key = NULL WHERE username = 'toad'`, "the address is not found"},
			{`UPDATE users SET pending_email_key = NULL WHERE username = 'toad'`,
				`UPDATE users SET pending_email_key = 'toad@example.com' WHERE username = 'toad'`, "the address that waits"},
			{`UPDATE users SET profile_draft = '{}' WHERE username = 'luigi'`,
				`UPDATE users SET profile_draft = NULL WHERE username = 'luigi'`, "half made"},
			{`UPDATE profiles SET username = 'x' WHERE username = 'Mario'`,
				`UPDATE profiles SET username = 'Mario' WHERE username = 'x'`, "the profile has another username"},
			{`UPDATE profiles SET location_key = 'x' WHERE username = 'Mario'`,
				`UPDATE profiles SET location_key = '' WHERE username = 'Mario'`, "the profile is not found"},
			{`UPDATE sessions SET user_epoch = user_epoch + 7 WHERE user_id IN (SELECT id FROM users WHERE status = 'ACTIVE')`,
				`UPDATE sessions SET user_epoch = 0`, "an epoch of its user"},
			{`UPDATE users SET password_hash = '$2' || password_hash WHERE username = 'luigi'`,
				`UPDATE users SET password_hash = substr(password_hash, 3) WHERE username = 'luigi'`, "the password cannot be"},
			{`UPDATE users SET email_verified = (1 = 1) WHERE username = 'luigi'`,
				`UPDATE users SET email_verified = (1 = 0) WHERE username = 'luigi'`, "an address is confirmed"},
			{`UPDATE sessions SET generation = -1 WHERE id IN (SELECT MIN(id) FROM sessions)`,
				`UPDATE sessions SET generation = 0`, "no refresh token"},
			{`UPDATE sessions SET expires_at = expires_at - 1000000000000000 WHERE id IN (SELECT MIN(id) FROM sessions)`,
				`UPDATE sessions SET expires_at = expires_at + 1000000000000000 WHERE expires_at < created_at`,
				"it ends before it begins"},
			{`ALTER TABLE devices RENAME TO gone`, `ALTER TABLE gone RENAME TO devices`, "table devices is missing"},
			{`DROP INDEX sessions_by_use`, `CREATE INDEX sessions_by_use ON sessions (last_used_at)`,
				"index sessions_by_use is missing"},
			{map[string]string{
				"sqlite": `CREATE TRIGGER strange AFTER DELETE ON devices BEGIN SELECT 1; END`,
				"postgr": `CREATE TRIGGER strange BEFORE UPDATE ON devices
					FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()`,
			}[s.database[:6]],
				map[string]string{"sqlite": `DROP TRIGGER strange`, "postgr": `DROP TRIGGER strange ON devices`}[s.database[:6]],
				"a trigger"},
			{`UPDATE signing_keys SET alg = 'ES256'`, `UPDATE signing_keys SET alg = 'EdDSA'`, "signing key"},
		} {
			s.execute(damage.statement)
			printed, err := s.command("check")
			if err == nil || err.Error() != "things that are wrong: 1" || !strings.Contains(printed, damage.found) ||
				strings.Count(printed, "\n") != 1 || cli.ExitCode(err) != 1 {
				t.Errorf("%s: %v %s", damage.statement, err, printed)
			}
			s.execute(damage.undo)
			fine()
		}
		printed, err := s.command("check", "--secret", nextSecret)
		if err == nil || !strings.Contains(printed, "the secret does not open") {
			t.Errorf("another secret: %v %s", err, printed)
		}
		s.execute(`UPDATE sessions SET salt = substr(salt, 1, 15)`)
		if printed, err := s.command("check"); err == nil || strings.Count(printed, "no refresh token") != 2 {
			t.Errorf("short salts: %v %s", err, printed)
		}
		if strings.HasPrefix(s.database, "sqlite:") {
			s.execute(`PRAGMA foreign_keys = off; DELETE FROM users WHERE username = 'Mario'`)
			if printed, err := s.command("check"); err == nil || !strings.Contains(printed, "refers to one of users") {
				t.Errorf("orphans: %v %s", err, printed)
			}
		}
		s.stop()
		s.execute(`DELETE FROM schema_migrations WHERE version = 3`)
		s.declines("run latchkey migrate up", "check")
	}, "LATCHKEY_EMAIL_VERIFICATION=required")
}

// userJSON is a user as commands print one for scripts.
type userJSON struct {
	ID            account.ID     `json:"id"`
	Username      string         `json:"username"`
	Email         *string        `json:"email"`
	PendingEmail  *string        `json:"pendingEmail"`
	EmailVerified bool           `json:"emailVerified"`
	Name          string         `json:"name"`
	Role          account.Role   `json:"role"`
	Status        account.Status `json:"status"`
	CreatedAt     time.Time      `json:"createdAt"`
	LastLoginAt   *time.Time     `json:"lastLoginAt"`
	Sessions      []sessionJSON  `json:"sessions,omitzero"` // live ones, where they are shown
}

type sessionJSON struct {
	ID         account.ID `json:"id"`
	DeviceName string     `json:"deviceName"`
	UserAgent  string     `json:"userAgent"`
	IPAddress  string     `json:"ipAddress"`
	CreatedAt  time.Time  `json:"createdAt"`
	LastUsedAt time.Time  `json:"lastUsedAt"`
	ExpiresAt  time.Time  `json:"expiresAt"`
}
