package operations

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
	"latchkey/internal/e2e"
	"latchkey/internal/store"
	"latchkey/internal/store/storetest"
)

// TestHelp checks that help lists each command and setting without a database.
func TestHelp(t *testing.T) {
	s := e2e.NewEnv(t, "sqlite:", e2e.NewClock(time.Time{}))
	for _, args := range [][]string{
		{"--help"}, {"-h"}, {"serve", "--help"}, {"keys", "--help"}, {"keys", "retire", "--help"},
	} {
		if printed := s.Run(args...); !strings.HasPrefix(printed, "Usage: latchkey ") {
			t.Errorf("%q: it prints %s", args, printed)
		}
	}
	printed := s.Run("--help")
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

// TestSettingsAnywhere checks that settings are read before, inside and after a command, and the last one of several
// counts.
func TestSettingsAnywhere(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		s.Register("mario")
		for _, args := range [][]string{
			{"--signing-alg", "ES256", "keys", "rotate"}, {"keys", "--signing-alg=ES256", "rotate"},
			{"keys", "rotate", "--signing-alg", "HS256", "--signing-alg", "ES256"},
		} {
			s.Run(args...)
		}
		if printed := s.Run("keys", "list"); strings.Count(printed, "ES256") != 3 {
			t.Errorf("the keys are %s", printed)
		}
		_, err := s.TryRun("keys", "list", "--signing-alg", "--log-level", "info")
		if cli.ExitCode(err) != 2 {
			t.Errorf("a flag counts as a value, and the value as an argument: %v", err)
		}
		s.RunFails("LATCHKEY_SIGNING_ALG (from --signing-alg): must be", "keys", "list", "--signing-alg", "RS1")
	})
}

// TestErrorsForOperators checks that error messages say what the operator can do, without internal causes.
func TestErrorsForOperators(t *testing.T) {
	s := e2e.NewEnv(t, storetest.SQLite(t), e2e.NewClock(time.Time{}))
	s.RunFails("run latchkey migrate up first", "user", "list")
	s.RunFails("put -- before an argument", "user", "create", "-SEKRET")
	e2e.Start(t, s.Database).Stop()
	other, err := s.DB().Conn(t.Context())
	e2e.Must(t, err)
	_, err = other.ExecContext(t.Context(), `BEGIN IMMEDIATE`)
	e2e.Must(t, err)
	s.RunFails("busy or locked by another process", "restore-cut")
	_, err = other.ExecContext(t.Context(), `ROLLBACK`)
	e2e.Must(t, err)
	interrupted, interrupt := context.WithCancel(t.Context())
	interrupt()
	env := []string{"LATCHKEY_DATABASE_URL=" + s.Database, "LATCHKEY_SECRET=" + e2e.Secret}
	err = e2e.RunProgram(interrupted, []string{"user", "list"}, env, strings.NewReader(""), io.Discard, io.Discard, time.Now)
	if err == nil || !strings.HasSuffix(err.Error(), ": interrupted") {
		t.Error("an interrupt is reported as", err)
	}
	closed, err := os.Create(filepath.Join(t.TempDir(), "closed"))
	e2e.Must(t, err)
	closed.Close()
	err = e2e.RunProgram(t.Context(), []string{"--help"}, nil, strings.NewReader(""), closed, io.Discard, time.Now)
	if err == nil || cli.ExitCode(err) != 1 {
		t.Error("a failed write of help is reported as", err)
	}
}

// TestCommandsWithoutDatabase checks that commands about the program itself run with settings that prevent a start.
func TestCommandsWithoutDatabase(t *testing.T) {
	s := e2e.NewEnv(t, "nowhere", e2e.NewClock(time.Time{}))
	if printed := s.Run("schema"); printed != e2e.Schema() {
		t.Errorf("the schema is %s", printed)
	}
	version := regexp.MustCompile(`^latchkey \S+( \(\w+ of .+\))?, go1\.\S+.*\n$`)
	if printed := s.Run("version"); !version.MatchString(printed) {
		t.Errorf("the version is %s", printed)
	}
}

// TestMigrateCommand checks that latchkey migrate applies the last migration to a database of the previous version.
func TestMigrateCommand(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		at := s.Clock.Now().UTC().Format(time.RFC3339)
		status := func() []string { return strings.Split(s.Run("migrate", "status"), "\n") }
		first := status()
		if len(first) != 5 || !slices.Equal(strings.Fields(first[3]), []string{"3", "0003_throttles", at}) {
			t.Fatalf("the status is %q", first)
		}
		if printed := s.Run("migrate", "up"); printed != "The schema is up to date.\n" {
			t.Fatalf("up says %s", printed)
		}
		s.Stop()
		s.Exec(`DROP TABLE throttles`)
		s.Exec(`DELETE FROM schema_migrations WHERE version = 3`)
		for _, args := range [][]string{{"user", "list"}, {"keys", "list"}, {"restore-cut"}} {
			s.RunFails("run latchkey migrate up first", args...)
		}
		for range 2 {
			if printed := s.Run("migrate", "up", "--dry-run"); printed != "0003_throttles would be applied.\n" {
				t.Fatalf("the dry run says %s", printed)
			}
		}
		if have := status()[3]; !strings.HasSuffix(have, "0003_throttles  not yet") {
			t.Fatalf("the status is %q", have)
		}
		if printed := s.Run("migrate", "up"); printed != "0003_throttles is applied.\n" {
			t.Fatalf("up says %s", printed)
		}
		var steps []store.Step
		if err := json.Unmarshal([]byte(s.Run("migrate", "status", "--json")), &steps); err != nil || len(steps) != 3 ||
			steps[2].AppliedAt == nil || steps[2].Name != "0003_throttles" {
			t.Fatalf("the status is %v, %v", steps, err)
		}
		s.Exec(`INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES (4, '0004_x', 'x', 0)`)
		for _, args := range [][]string{{"migrate", "status"}, {"migrate", "up", "--dry-run"}, {"migrate", "up"}} {
			s.RunFails("use a newer program", args...)
		}
		for _, version := range []string{"0", "-1"} {
			s.Exec(`UPDATE schema_migrations SET version = ` + version + ` WHERE name = '0004_x'`)
			for _, args := range [][]string{{"migrate", "status"}, {"migrate", "up"}, {"check"}, {"user", "list"}} {
				s.RunFails("which there never was", args...)
			}
		}
	})
}

// TestMigrateEmptyDatabase checks that latchkey migrate creates a database that a server then uses.
func TestMigrateEmptyDatabase(t *testing.T) {
	e2e.EachDatabase(t, func(t *testing.T, url string) {
		s := e2e.NewEnv(t, url, e2e.NewClock(time.Now()))
		if strings.HasPrefix(url, "sqlite:") {
			s.RunFails("no such file", "migrate", "status")
			s.RunFails("no such file", "migrate", "up", "--dry-run")
		} else if printed := s.Run("migrate", "up", "--dry-run"); strings.Count(printed, "would be applied") != 3 {
			t.Fatalf("the dry run says %s", printed)
		}
		if printed := s.Run("migrate", "up"); strings.Count(printed, "is applied") != 3 {
			t.Fatalf("up says %s", printed)
		}
		e2e.Start(t, url).Register("mario")
	})
}

// showUser is what a script sees of a user.
func showUser(s *e2e.Env, who string) (u userJSON) {
	s.T.Helper()
	if err := json.Unmarshal([]byte(s.Run("user", "show", who, "--json")), &u); err != nil {
		s.T.Fatal(err)
	}
	return u
}

// createUser creates a user with the usual password by command.
func createUser(s *e2e.Env, username string, more ...string) {
	s.T.Helper()
	args := append([]string{"user", "create", username}, more...)
	if _, err := s.TryRunWithInput(e2e.Password+"\n", args...); err != nil {
		s.T.Fatal(err)
	}
}

// TestUserCreate checks that an operator creates users.
func TestUserCreate(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		printed, err := s.TryRunWithInput(e2e.Password+"\nmore\n", "user", "create", "Mario", "--email", "Mario@Example.com",
			"--name", "Mario M.", "--role", "admin", "--registration", "closed", "--json")
		var made userJSON
		if err := errors.Join(err, json.Unmarshal([]byte(printed), &made)); err != nil {
			t.Fatal(err)
		}
		if made.Username != "Mario" || *made.Email != "Mario@Example.com" || made.EmailVerified || made.Name != "Mario M." ||
			made.Role != account.Admin || made.Status != account.Active || strings.Contains(printed, "assword") {
			t.Fatalf("made %s", printed)
		}
		mario := s.SignIn("mario")
		mario.Ask(`{ me { role profile { username location } } }`, nil).Ok().Equals("me.role", "ADMIN").
			Equals("me.profile.username", "Mario")
		for _, who := range []string{"mario", "MARIO", "mario@example.COM", string(made.ID)} {
			if u := showUser(s, who); u.ID != made.ID || len(u.Sessions) != 1 || u.LastLoginAt == nil {
				t.Errorf("%s is %+v", who, u)
			}
		}
		if text := s.Run("user", "show", "mario"); !strings.Contains(text, "Mario@Example.com (not verified)") ||
			!strings.Contains(text, string(showUser(s, "mario").Sessions[0].ID)) {
			t.Errorf("shown as %s", text)
		}
		for _, refused := range []struct{ typed, username, email, why string }{
			{"short", "luigi", "luigi@example.com", "TOO_SHORT at password"},
			{"password123", "luigi", "luigi@example.com", "PASSWORD_TOO_COMMON at password"},
			{e2e.Password, "m\u0430rio", "luigi@example.com", "INVALID at username"},
			{e2e.Password, "mARIO", "luigi@example.com", "TAKEN at username"},
			{e2e.Password, "luigi", "mario@example.com", "TAKEN at email"},
			{e2e.Password, "luigi", "luigi", "INVALID at email"},
			{e2e.Password, string(made.ID), "luigi@example.com", "RESERVED at username"},
			{"", "luigi", "luigi@example.com", "password"},
		} {
			printed, err := s.TryRunWithInput(refused.typed, "user", "create", refused.username, "--email", refused.email)
			if err == nil || !strings.Contains(err.Error(), refused.why) || printed != "" || cli.ExitCode(err) != 1 ||
				refused.typed != "" && strings.Contains(err.Error(), refused.typed) {
				t.Errorf("%+v: %v %s", refused, err, printed)
			}
		}
		s.RunFails("needs a username", "user", "create")
		s.RunFails("--role must be one of", "user", "create", "luigi", "--role", "king")
		s.RunFails("NOT_FOUND: There is no such user", "user", "show", "luigi")
		s.RunFails("NOT_FOUND: There is no such user", "user", "show", "user_01990000-0000-7000-8000-000000000000")
		s.RunFails("There is no such user", "user", "show", "luigi@example.com")
		if s.Count("users") != 1 || s.Count("profiles") != 1 {
			t.Error("a refused command did something")
		}
		s.Exec("UPDATE users SET name = 'M\u202eoiram'")
		if text := s.Run("user", "show", "mario"); !strings.Contains(text, "M\ufffdoiram") {
			t.Errorf("a name turns the terminal round: %q", text)
		}
		if !s.LogContains("user_created", string(made.ID), "operator", "ADMIN") {
			t.Error("the log does not tell")
		}
		createUser(s, "luigi", "--email-verification", "required")
		if s.SignIn("luigi"); showUser(s, "luigi").Email != nil {
			t.Error("an address came from nowhere")
		}
	})
}

// TestUserList checks that an operator lists users in pages.
func TestUserList(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		if printed := s.Run("user", "list", "--json"); printed != "[]\n" {
			t.Fatalf("an unknown user is %s", printed)
		}
		names := []string{"mario", "luigi", "peach", "toad", "yoshi"}
		for _, name := range names {
			s.Clock.Advance(time.Millisecond)
			s.Register(name)
		}
		var seen []string
		for after := (userJSON{}); ; {
			args := []string{"user", "list", "--limit", "2", "--json"}
			if after.ID != "" {
				args = append(args, "--after", string(after.ID))
			}
			var page []userJSON
			if err := json.Unmarshal([]byte(s.Run(args...)), &page); err != nil || len(page) > 2 {
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
		if rows := strings.Split(s.Run("user", "list", "--limit", "3"), "\n"); len(rows) != 5 ||
			!strings.Contains(rows[3], "peach") || !s.LogContains("More: --after "+strings.Fields(rows[3])[0]) {
			t.Errorf("the table is %q", rows)
		}
		for _, args := range [][]string{{"--limit", "0"}, {"--limit", "1001"}, {"--limit", "x"}, {"--after", "mario"}} {
			if _, err := s.TryRun(append([]string{"user", "list"}, args...)...); err == nil || cli.ExitCode(err) != 2 {
				t.Errorf("%q: %v", args, err)
			}
		}
	})
}

// TestUserDisable checks that an operator disables and enables users.
func TestUserDisable(t *testing.T) {
	e2e.EachWithMail(t, func(t *testing.T, s *e2e.Env, box *e2e.Mailbox) {
		mario, luigi := s.RegisterAndSignIn("mario", "mario@example.com"), s.RegisterAndSignIn("luigi", "luigi@example.com")
		s.Anonymous().Ask(e2e.RequestPasswordResetMutation, e2e.Vars{"e": "mario@example.com"}).Ok()
		link := s.NextEmail(box, "mario@example.com").Token()
		if printed := s.Run("user", "disable", "mario@example.com"); printed != "User mario disabled; all sessions revoked.\n" {
			t.Fatalf("it prints %s", printed)
		}
		mario.Ask(`{ me { id } }`, nil).FailsWith("UNAUTHENTICATED", "REVOKED")
		mario.Refresh().HasUserErrors("refreshToken", "TOKEN_INVALID@refreshToken")
		s.ObtainToken("mario", e2e.Password).HasUserErrors("obtainToken", "INVALID_CREDENTIALS")
		isDead := func(token string) {
			t.Helper()
			if code := s.Redeem("resetPassword", token); code != "TOKEN_INVALID" {
				t.Fatalf("the link answers %q", code)
			}
		}
		isDead(link)
		s.RunFails("This user is disabled", "user", "reset-password", "mario", "--smtp-url", "smtp://localhost:1")
		if !luigi.SignedIn() || !s.LogContains("user_archived", mario.UserID, "operator") {
			t.Fatal("it is about the wrong one")
		}
		logged := strings.Count(s.Logs(), `"user_archived"`)
		s.Run("user", "disable", "mario")
		if again := strings.Count(s.Logs(), `"user_archived"`); again != logged || logged == 0 {
			t.Errorf("once disabled, it is logged %d times, then %d", logged, again)
		}
		if printed := s.Run("user", "enable", "mario"); printed != "User mario enabled.\n" {
			t.Fatalf("it prints %s", printed)
		}
		if mario.SignedIn() {
			t.Fatal("an ended session lives again")
		}
		isDead(link)
		back := s.SignIn("mario")

		s.Anonymous().Ask(e2e.RequestPasswordResetMutation, e2e.Vars{"e": "mario@example.com"}).Ok()
		s.Clock.Advance(time.Minute)
		s.Anonymous().Ask(e2e.RequestPasswordResetMutation, e2e.Vars{"e": "mario@example.com"}).Ok()
		link = s.NextEmail(box, "mario@example.com").Token()
		s.Run("user", "role", "mario", "staff")
		back.Ask(`{ me { id } }`, nil).FailsWith("UNAUTHENTICATED", "REVOKED")
		isDead(link)
		if !s.LogContains("privilege_permissions_changed", mario.UserID, "MEMBER", "STAFF") {
			t.Error("the log does not tell")
		}
		again := s.SignIn("mario")
		again.Ask(`{ me { role } }`, nil).Ok().Equals("me.role", "STAFF")
		if s.Run("user", "role", "mario", "staff"); !again.SignedIn() {
			t.Error("the role there was ends sessions")
		}
		s.RunFails("user role needs a role: member, staff or admin", "user", "role", "mario")
		s.RunFails("user role needs a role: member, staff or admin", "user", "role", "mario", "king")
	})
}

// TestUserResetPassword checks that an operator sends the email of a password reset, and that only the new password
// ends sessions.
func TestUserResetPassword(t *testing.T) {
	e2e.EachWithMail(t, func(t *testing.T, s *e2e.Env, box *e2e.Mailbox) {
		mario := s.RegisterAndSignIn("mario", "Mario@example.com")
		smtp := "--smtp-url=" + strings.TrimPrefix(box.Setting, "LATCHKEY_SMTP_URL=")
		s.RunFails("LATCHKEY_SMTP_URL is not set", "user", "reset-password", "mario",
			"--mode", "production", "--public-url", "https://x.example")
		if printed := s.Run("user", "reset-password", "mario", smtp); !strings.Contains(printed, "outbox for mario") {
			t.Fatalf("it prints %s", printed)
		}
		l := s.NextEmail(box, "Mario@example.com")
		if !mario.SignedIn() {
			t.Fatal("the mail ends sessions")
		}
		s.Anonymous().Ask(e2e.ResetPasswordMutation, e2e.Vars{"t": l.Token(), "p": e2e.NewPassword}).Ok()
		if mario.SignedIn() {
			t.Fatal("the new password ends no sessions")
		}
		s.ObtainToken("mario", e2e.NewPassword).Ok()
		s.Register("luigi")
		s.RunFails("This user has no email address", "user", "reset-password", "luigi", smtp)
	})
}

// TestUserDelete checks that an operator deletes users.
func TestUserDelete(t *testing.T) {
	e2e.EachWithMail(t, func(t *testing.T, s *e2e.Env, box *e2e.Mailbox) {
		mario := s.RegisterAndSignIn("mario", "mario@example.com")
		for _, typed := range []string{"", "no\n", "y\n"} {
			if printed, err := s.TryRunWithInput(typed, "user", "delete", "mario"); err == nil || printed != "" || !mario.SignedIn() {
				t.Fatalf("%q: %v %s", typed, err, printed)
			}
		}
		if printed, err := s.TryRunWithInput("yes\n", "user", "delete", "mario"); err != nil || printed != "User mario deleted.\n" {
			t.Fatalf("%v %s", err, printed)
		}
		mario.Ask(`{ me { id } }`, nil).FailsWith("UNAUTHENTICATED", "REVOKED")
		for _, table := range []string{"users", "profiles", "sessions", "devices", "one_time_tokens"} {
			if n := s.Count(table); n != 0 {
				t.Errorf("%d rows are left in %s", n, table)
			}
		}
		if l := s.NextEmail(box, "mario@example.com"); !strings.Contains(l.Subject, "deleted") {
			t.Errorf("the mail is %s", l.Subject)
		}
		if !s.LogContains("user_deleted", mario.UserID, "operator") {
			t.Error("the log does not tell")
		}
		s.RegisterWithEmail("mario", "mario@example.com")
		s.Run("user", "disable", "mario")
		s.Run("user", "delete", "mario", "--yes")
		if s.Count("users") != 0 {
			t.Error("a disabled user stays")
		}
	})
}

// TestUserPending checks that operators neither enable nor disable a pending account, whose address its owner confirms.
func TestUserPending(t *testing.T) {
	e2e.EachWithMail(t, func(t *testing.T, s *e2e.Env, box *e2e.Mailbox) {
		s.RegisterWithEmail("mario", "mario@example.com")
		s.NextEmail(box, "mario@example.com")
		if u := showUser(s, "mario@example.com"); u.Status != account.Pending {
			t.Fatalf("found %+v", u)
		}
		s.RunFails("pending until its email address is confirmed", "user", "disable", "mario")
		s.RunFails("pending until its email address is confirmed", "user", "enable", "mario")
		s.RegisterWithEmail("luigi", "mario@example.com")
		s.RunFails("Several pending accounts have this address", "user", "show", "mario@example.com")
		s.NextEmail(box, "mario@example.com")
		s.Run("user", "delete", "luigi", "--yes")
		s.AssertNoEmail(box)
		if s.Count("users") != 1 {
			t.Error("the wrong one is deleted")
		}
	}, "LATCHKEY_EMAIL_VERIFICATION=required")
}

// TestUserLastAdministrator checks that no way of removing administrators, alone or two concurrently, removes the last
// one.
func TestUserLastAdministrator(t *testing.T) {
	const deleteMe = `mutation ($p: String!) { deleteMe(input: {currentPassword: $p}) {
		deletedUserId userErrors { code field } } }`
	e2e.EachStrict(t, func(t *testing.T, s *e2e.Env) {
		createUser(s, "mario", "--role", "admin")
		mario := s.SignIn("mario")
		s.RunFails("the last administrator", "user", "disable", "mario")
		s.RunFails("the last administrator", "user", "role", "mario", "staff")
		s.RunFails("the last administrator", "user", "delete", "mario", "--yes")
		mario.Ask(deleteMe, e2e.Vars{"p": e2e.Password}).FailsWith("FORBIDDEN")
		createUser(s, "luigi", "--role", "admin")
		s.Run("user", "disable", "luigi")
		s.RunFails("the last administrator", "user", "disable", "mario")
		if !mario.SignedIn() {
			t.Fatal("a refused command did something")
		}
		s.Run("user", "delete", "luigi", "--yes")

		svc, ctx := s.Server.Service(), t.Context()
		id := account.ID(mario.UserID)
		for round, act := range []func(id account.ID, c *e2e.Client) error{
			func(id account.ID, _ *e2e.Client) error {
				_, err := svc.DisableUser(ctx, account.Operator, id)
				return err
			},
			func(id account.ID, _ *e2e.Client) error {
				_, err := svc.SetRole(ctx, account.Operator, id, account.Member)
				return err
			},
			func(id account.ID, _ *e2e.Client) error {
				_, err := svc.RemoveUser(ctx, account.Operator, id)
				return err
			},
			func(_ account.ID, c *e2e.Client) error {
				if a := c.Ask(deleteMe, e2e.Vars{"p": e2e.Password}); len(a.Errors) > 0 {
					return errors.New(a.Errors[0].Message)
				}
				return nil
			},
		} {
			names := []string{"toad", "yoshi"}
			clients := make([]*e2e.Client, len(names))
			for i, name := range names {
				createUser(s, name+strings.Repeat("x", round), "--role", "admin")
				clients[i] = s.SignIn(name + strings.Repeat("x", round))
			}
			if _, err := svc.DisableUser(ctx, account.Operator, id); err != nil {
				t.Fatal(err)
			}
			gone := make([]bool, len(names))
			e2e.Concurrently(len(names), func(i int) { gone[i] = act(account.ID(clients[i].UserID), clients[i]) == nil })
			if gone[0] == gone[1] {
				t.Fatalf("round %d: gone are %v", round, gone)
			}
			// The remaining one is deleted for the next round.
			if _, err := svc.EnableUser(ctx, account.Operator, id); err != nil {
				t.Fatal(err)
			}
			for i := range names {
				if !gone[i] {
					if _, err := svc.RemoveUser(ctx, account.Operator, account.ID(clients[i].UserID)); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	})
}

// TestUserSessionsEnd checks that an operator ends the sessions of a user.
func TestUserSessionsEnd(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		mario, luigi := s.Register("mario"), s.Register("luigi")
		second, third := s.SignIn("mario"), s.SignIn("mario")
		sessions := showUser(s, "mario").Sessions
		if len(sessions) != 3 {
			t.Fatalf("shown: %v", sessions)
		}
		newest := string(sessions[0].ID)
		if printed := s.Run("sessions", "revoke", "--session", newest); printed != "1 session revoked.\n" {
			t.Fatalf("it prints %s", printed)
		}
		if left := showUser(s, "mario").Sessions; len(left) != 2 || slices.ContainsFunc(left, func(j sessionJSON) bool {
			return string(j.ID) == newest
		}) {
			t.Fatalf("left: %v", left)
		}
		s.RunFails("There is no such session, or it has ended", "sessions", "revoke", "--session", newest)
		if printed := s.Run("sessions", "revoke", "mario", "--json"); printed != "{\n  \"revoked\": 2\n}\n" {
			t.Fatalf("it prints %s", printed)
		}
		for _, c := range []*e2e.Client{mario, second, third} {
			c.Ask(`{ me { id } }`, nil).FailsWith("UNAUTHENTICATED", "REVOKED")
			c.Refresh().HasUserErrors("refreshToken", "TOKEN_INVALID@refreshToken")
		}
		if !luigi.SignedIn() || !s.SignIn("mario").SignedIn() || !s.LogContains("authn_token_revoked", mario.UserID, "operator") {
			t.Fatal("it is about the wrong ones")
		}
		for _, args := range [][]string{nil, {"luigi", "--session", newest}, {"--session", mario.UserID}} {
			_, err := s.TryRun(append([]string{"sessions", "revoke"}, args...)...)
			if err == nil || cli.ExitCode(err) != 2 {
				t.Errorf("%q: %v", args, err)
			}
		}
		s.RunFails("NOT_FOUND", "sessions", "revoke", "peach")
		if !luigi.SignedIn() {
			t.Fatal("a refused command did something")
		}
	})
}

// TestBackupConsistent checks that a backup taken during registrations is consistent, and serves.
func TestBackupConsistent(t *testing.T) {
	s := e2e.Start(t, storetest.SQLite(t))
	mario := s.Register("mario")
	folder := t.TempDir()
	path := filepath.Join(folder, "copy.db")
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for j := range 4 {
				s.Register(fmt.Sprintf("toad-%d-%d", i, j))
			}
		})
	}
	printed := s.Run("backup", path)
	all.Wait()
	if !strings.HasPrefix(printed, path+" is a copy of the database.") || !strings.Contains(printed, "LATCHKEY_SECRET") {
		t.Errorf("it says %s", printed)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("the file is %v %v", info, err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s.RunFails("already exists", "backup", path)
	s.RunFails("no such file", "backup", filepath.Join(folder, "nowhere", "copy.db"))
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Error("a file is replaced")
	}
	restored := e2e.Start(t, "sqlite:"+path)
	if printed := restored.Run("check"); !strings.HasPrefix(printed, "No problems found") {
		t.Errorf("check says %s", printed)
	}
	if mario.Env = restored; !mario.SignedIn() || restored.Count("users") != restored.Count("profiles") {
		t.Error("the copy is not whole")
	}
	restored.Stop()
}

// TestBackupAtomic checks that an interrupted or failed backup leaves no file.
func TestBackupAtomic(t *testing.T) {
	s := e2e.Start(t, storetest.SQLite(t))
	s.Exec(`INSERT INTO mails (id, letter, state, recipient, address_key, languages, username, new_email, device,
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
	// begun returns when a file in the folder has grown, or after a timeout.
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
			e2e.Must(t, os.Remove(path))
		}
		nothing()
	}
	env := []string{"LATCHKEY_DATABASE_URL=" + s.Database, "LATCHKEY_SECRET=" + e2e.Secret}
	halfway(func() (err error) {
		ctx, interrupt := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			err = e2e.RunProgram(ctx, []string{"backup", path}, env, strings.NewReader(""), io.Discard, io.Discard, time.Now)
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
			command := newCommand(s, "backup", path)
			e2e.Must(t, command.Start())
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
	full := newCommand(s, "backup", path)
	full.Args = append([]string{"sh", "-c", `ulimit -f 2000 && exec "$0" "$@"`}, full.Args...)
	shell, err := exec.LookPath("sh")
	e2e.Must(t, err)
	full.Path = shell
	if printed, err := full.CombinedOutput(); err == nil || !strings.Contains(string(printed), "the backup failed") {
		t.Errorf("it says %s", printed)
	}
	nothing()
}

// newCommand returns a command that runs in a process of its own.
func newCommand(s *e2e.Env, args ...string) *exec.Cmd {
	s.T.Helper()
	name, err := os.Executable()
	if err != nil {
		s.T.Fatal(err)
	}
	command := exec.Command(name, args...)
	command.Env = append(os.Environ(), "LATCHKEY_TEST_SERVER=1", "LATCHKEY_DATABASE_URL="+s.Database,
		"LATCHKEY_SECRET="+e2e.Secret)
	return command
}

// TestBackupUnusable checks that a backup without its secret is reported, and that another program's file is not backed
// up.
func TestBackupUnusable(t *testing.T) {
	s := e2e.Start(t, storetest.SQLite(t))
	folder := t.TempDir()
	s.RunFails("backup needs the path of a file", "backup", "")
	path := filepath.Join(folder, "copy.db")
	s.RunFails("there is no", "backup", path, "--secret", "")
	if _, err := os.Stat(path); err != nil {
		t.Error("it is not made:", err)
	}
	songs := e2e.NewEnv(t, "sqlite:"+filepath.Join(folder, "songs.db"), s.Clock)
	songs.Exec(`CREATE TABLE songs (title TEXT)`)
	songs.RunFails("another program", "backup", filepath.Join(folder, "songs-copy.db"))
}

// TestBackupPostgres checks that latchkey backup refuses PostgreSQL and names pg_dump.
func TestBackupPostgres(t *testing.T) {
	e2e.EachDatabase(t, func(t *testing.T, url string) {
		s := e2e.NewEnv(t, url, e2e.NewClock(time.Now()))
		path := filepath.Join(t.TempDir(), "copy.db")
		why := "pg_dump"
		if strings.HasPrefix(url, "sqlite:") {
			why = "no such file"
		}
		s.RunFails(why, "backup", path)
		if _, err := os.Lstat(path); err == nil {
			t.Error("a file is made")
		}
	})
}

// TestCommandsRejectWrongSecret checks that each command rejects a secret other than the database's.
func TestCommandsRejectWrongSecret(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		mario := s.Register("mario")
		for _, args := range [][]string{
			{"user", "create", "luigi"}, {"user", "list"}, {"user", "disable", "mario"}, {"sessions", "revoke", "mario"},
			{"user", "reset-password", "mario", "--smtp-url", "smtp://localhost:1"}, {"restore-cut"}, {"keys", "list"},
			{"keys", "rotate"},
		} {
			s.RunFails("is the secret of this database", append(args, "--secret", e2e.NextSecret)...)
		}
		if !mario.SignedIn() || s.Count("users") != 1 || s.Count("signing_keys") != 1 {
			t.Fatal("a refused command did something")
		}
		s.Run("keys", "list", "--secret", e2e.NextSecret, "--secret-previous", e2e.Secret)
	})
}

// TestCheckFindsProblems checks that latchkey check reports each kind of damage, and no problem after its repair.
func TestCheckFindsProblems(t *testing.T) {
	e2e.EachWithMail(t, func(t *testing.T, s *e2e.Env, _ *e2e.Mailbox) {
		createUser(s, "Mario", "--email", "Mario@Example.com")
		createUser(s, "luigi")
		s.RegisterWithEmail("toad", "toad@example.com")
		s.SignIn("mario")
		s.SignIn("luigi")
		s.Run("user", "disable", "luigi")
		fine := func() {
			t.Helper()
			if printed := s.Run("check"); printed != "No problems found in 1 signing key, 3 users and 2 sessions.\n" {
				t.Fatalf("it prints %s", printed)
			}
		}
		fine()
		for _, damage := range []struct{ statement, undo, found string }{
			{`UPDATE users SET username_key = 'x' WHERE username = 'Mario'`,
				`UPDATE users SET username_key = 'mario' WHERE username = 'Mario'`, "canonical form of the username is wrong"},
			{`UPDATE users SET email_key = 'x' WHERE username = 'Mario'`,
				`UPDATE users SET email_key = 'mario@example.com' WHERE username = 'Mario'`, "canonical form of the email address is wrong"},
			{`UPDATE users SET email_key = 'x' WHERE username = 'luigi'`,
				`UPDATE users SET email_key = NULL WHERE username = 'luigi'`, "canonical form of the email address is wrong"},
			{`UPDATE users SET email_key = 'toad@example.com' WHERE username = 'toad'`,
				`UPDATE users SET email_key = NULL WHERE username = 'toad'`, "canonical form of the email address is wrong"},
			{`UPDATE users SET pending_email_key = NULL WHERE username = 'toad'`,
				`UPDATE users SET pending_email_key = 'toad@example.com' WHERE username = 'toad'`, "pending email address is wrong"},
			{`UPDATE users SET profile_draft = '{}' WHERE username = 'luigi'`,
				`UPDATE users SET profile_draft = NULL WHERE username = 'luigi'`, "the profile draft does not match"},
			{`UPDATE profiles SET username = 'x' WHERE username = 'Mario'`,
				`UPDATE profiles SET username = 'Mario' WHERE username = 'x'`, "the username of the profile"},
			{`UPDATE profiles SET location_key = 'x' WHERE username = 'Mario'`,
				`UPDATE profiles SET location_key = '' WHERE username = 'Mario'`, "description or location is wrong"},
			{`UPDATE sessions SET user_epoch = user_epoch + 7 WHERE user_id IN (SELECT id FROM users WHERE status = 'ACTIVE')`,
				`UPDATE sessions SET user_epoch = 0`, "later than that of its user"},
			{`UPDATE users SET password_hash = '$2' || password_hash WHERE username = 'luigi'`,
				`UPDATE users SET password_hash = substr(password_hash, 3) WHERE username = 'luigi'`, "the password hash"},
			{`UPDATE users SET email_verified = (1 = 1) WHERE username = 'luigi'`,
				`UPDATE users SET email_verified = (1 = 0) WHERE username = 'luigi'`, "verified, but missing"},
			{`UPDATE sessions SET generation = -1 WHERE id IN (SELECT MIN(id) FROM sessions)`,
				`UPDATE sessions SET generation = 0`, "no refresh token"},
			{`UPDATE sessions SET expires_at = expires_at - 1000000000000000 WHERE id IN (SELECT MIN(id) FROM sessions)`,
				`UPDATE sessions SET expires_at = expires_at + 1000000000000000 WHERE expires_at < created_at`,
				"it expires before it was created"},
			{`ALTER TABLE devices RENAME TO gone`, `ALTER TABLE gone RENAME TO devices`, "table devices is missing"},
			{`DROP INDEX sessions_by_use`, `CREATE INDEX sessions_by_use ON sessions (last_used_at)`,
				"index sessions_by_use is missing"},
			{map[string]string{
				"sqlite": `CREATE TRIGGER strange AFTER DELETE ON devices BEGIN SELECT 1; END`,
				"postgr": `CREATE TRIGGER strange BEFORE UPDATE ON devices
					FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()`,
			}[s.Database[:6]],
				map[string]string{"sqlite": `DROP TRIGGER strange`, "postgr": `DROP TRIGGER strange ON devices`}[s.Database[:6]],
				"a trigger"},
			{`UPDATE signing_keys SET alg = 'ES256'`, `UPDATE signing_keys SET alg = 'EdDSA'`, "signing key"},
		} {
			s.Exec(damage.statement)
			printed, err := s.TryRun("check")
			if err == nil || err.Error() != "1 problem found" || !strings.Contains(printed, damage.found) ||
				strings.Count(printed, "\n") != 1 || cli.ExitCode(err) != 1 {
				t.Errorf("%s: %v %s", damage.statement, err, printed)
			}
			s.Exec(damage.undo)
			fine()
		}
		printed, err := s.TryRun("check", "--secret", e2e.NextSecret)
		if err == nil || !strings.Contains(printed, "the secret does not open") {
			t.Errorf("another secret: %v %s", err, printed)
		}
		s.Exec(`UPDATE sessions SET salt = substr(salt, 1, 15)`)
		if printed, err := s.TryRun("check"); err == nil || strings.Count(printed, "no refresh token") != 2 {
			t.Errorf("short salts: %v %s", err, printed)
		}
		if strings.HasPrefix(s.Database, "sqlite:") {
			s.Exec(`PRAGMA foreign_keys = off; DELETE FROM users WHERE username = 'Mario'`)
			if printed, err := s.TryRun("check"); err == nil || !strings.Contains(printed, "refers to one of users") {
				t.Errorf("orphans: %v %s", err, printed)
			}
		}
		s.Stop()
		s.Exec(`DELETE FROM schema_migrations WHERE version = 3`)
		s.RunFails("run latchkey migrate up", "check")
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
