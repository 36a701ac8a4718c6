package operations

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"latchkey/internal/e2e"
	"latchkey/internal/store/storetest"
)

const updateNameMutation = `mutation ($n: String!) { updateMe(input: {name: $n}) { user { name } userErrors { code } } }`

// hampered checks that writes fail in time and without an internal cause, while reads and token checks succeed.
func hampered(c *e2e.Client) {
	c.T.Helper()
	for range 3 {
		began := time.Now()
		c.Ask(updateNameMutation, e2e.Vars{"n": "lost"}).FailsWith("INTERNAL_SERVER_ERROR")
		c.RefreshWith(c.RefreshToken).FailsWith("INTERNAL_SERVER_ERROR")
		c.Anonymous().Ask(e2e.RegisterMutation, e2e.Vars{"input": e2e.Vars{"username": "luigi", "password": e2e.Password}}).
			FailsWith("INTERNAL_SERVER_ERROR")
		if took := time.Since(began); took > e2e.Timeout {
			c.T.Fatalf("three refusals took %s", took)
		}
		c.Ask(`{ me { name } profiles(first: 5) { nodes { id } } }`, nil).Ok().Equals("me.name", "Mario")
		c.Ask(`mutation ($t: String!) { verifyToken(input: {token: $t}) { valid } }`, e2e.Vars{"t": c.RefreshToken}).Ok().
			Equals("verifyToken.valid", true)
	}
}

// recovered checks that the server works as before.
func recovered(c *e2e.Client) {
	c.T.Helper()
	c.Ask(`{ me { name } }`, nil).Ok().Equals("me.name", "Mario")
	c.Ask(updateNameMutation, e2e.Vars{"n": "Super Mario"}).Ok()
	c.Refresh().Ok()
	c.Register("luigi")
	if found := c.Values(`PRAGMA integrity_check`); len(found) != 1 || found[0] != "ok" {
		c.T.Error(found)
	}
}

// TestDatabaseFileMoved checks that a server neither writes to a moved database file nor creates another one in its
// place.
func TestDatabaseFileMoved(t *testing.T) {
	database := storetest.SQLite(t)
	path := strings.TrimPrefix(database, "sqlite:")
	p := e2e.StartProcess(t, database)
	mario := p.Register("mario")
	mario.Ask(updateNameMutation, e2e.Vars{"n": "Mario"}).Ok()
	move := func(from, to string) {
		t.Helper()
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	move(path, path+".away")
	hampered(mario)
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Fatal("there is another database: ", err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	hampered(mario)
	move(path+".away", path)
	recovered(mario)
}

// TestStartRejectsForeignDatabase checks that a server does not start on a file that is not its database, and the error
// is one line.
func TestStartRejectsForeignDatabase(t *testing.T) {
	type refusal struct {
		harm func(t *testing.T, path string)
		want string
	}
	refusals := map[string]refusal{
		"cut in half": {func(t *testing.T, path string) {
			info, err := os.Stat(path)
			if err == nil {
				err = os.Truncate(path, info.Size()/2)
			}
			if err != nil {
				t.Fatal(err)
			}
		}, "malformed"},
		"emptied": {func(t *testing.T, path string) {
			if err := os.Truncate(path, 0); err != nil {
				t.Fatal(err)
			}
		}, "restore the database"},
		"a text": {func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(strings.Repeat("Dear diary, ", 1000)), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "not a database"},
		"of another program": {func(t *testing.T, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			e2e.NewEnv(t, "sqlite:"+path, nil).Exec(`CREATE TABLE songs (title TEXT)`)
		}, "another program"},
	}
	if os.Geteuid() != 0 { // who may write to every file
		refusals["read-only"] = refusal{func(t *testing.T, path string) {
			if err := os.Chmod(path, 0o400); err != nil {
				t.Fatal(err)
			}
		}, "permission denied"}
	}
	for name, test := range refusals {
		t.Run(name, func(t *testing.T) {
			database := storetest.SQLite(t)
			path := strings.TrimPrefix(database, "sqlite:")
			first := e2e.Start(t, database, "LATCHKEY_SECRET=")
			first.Register("mario")
			first.Stop()
			test.harm(t, path)
			err := e2e.RunProgram(t.Context(), nil, []string{"LATCHKEY_LISTEN=127.0.0.1:0", "LATCHKEY_DATABASE_URL=" + database},
				strings.NewReader(""), io.Discard, os.Stderr, time.Now)
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("want %q, have %v", test.want, err)
			}
		})
	}
}

// TestDatabaseFileLostAfterKill checks that neither a start nor a command accepts or changes the write-ahead log that a
// killed server left without its database file.
func TestDatabaseFileLostAfterKill(t *testing.T) {
	for name, lose := range map[string]func(path string) error{
		"moved":     func(path string) error { return os.Rename(path, path+".away") },
		"truncated": func(path string) error { return os.Truncate(path, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			database := storetest.SQLite(t)
			path := strings.TrimPrefix(database, "sqlite:")
			p := e2e.StartProcess(t, database)
			p.Register("mario")
			if name == "truncated" {
				e2e.Must(t, lose(path))
				p.Kill()
			} else {
				p.Kill()
				e2e.Must(t, lose(path))
			}
			before := contents(t, path+"*")
			why := p.StartError("LATCHKEY_SECRET=" + e2e.Secret)
			if !strings.Contains(why, "restore the database") || strings.Contains(why, "\n") {
				t.Errorf("it is refused because %s", why)
			}
			for _, args := range [][]string{{"migrate", "up"}, {"migrate", "status"}, {"user", "list"}, {"check"}} {
				if printed, err := p.Env.TryRun(args...); err == nil || printed != "" {
					t.Errorf("%q: it is not refused: %s", args, printed)
				}
			}
			if after := contents(t, path+"*"); !maps.EqualFunc(before, after, bytes.Equal) {
				t.Fatal("what is refused changes files")
			}
			if name == "moved" {
				e2e.Must(t, os.Rename(path+".away", path))
				p.Run("check")
				e2e.Start(t, database).SignIn("mario")
			}
		})
	}
}

// contents returns what is in the files whose paths have a form.
func contents(t *testing.T, form string) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob(form)
	e2e.Must(t, err)
	found := map[string][]byte{}
	for _, path := range paths {
		found[path], err = os.ReadFile(path)
		e2e.Must(t, err)
	}
	return found
}

// TestBackupRestoredAfterKill checks that a restored backup is not mixed with the write-ahead log of a killed server.
func TestBackupRestoredAfterKill(t *testing.T) {
	database := storetest.SQLite(t)
	path := strings.TrimPrefix(database, "sqlite:")
	p := e2e.StartProcess(t, database)
	p.Register("mario")
	saved := filepath.Join(t.TempDir(), "copy.db")
	p.Run("backup", saved)
	p.Register("luigi")
	p.Kill()
	text, err := os.ReadFile(saved)
	e2e.Must(t, err)
	e2e.Must(t, os.WriteFile(path, text, 0o600))
	before := contents(t, path+"*")
	p.RunFails("-wal is of another database", "check")
	if why := p.StartError("LATCHKEY_SECRET=" + e2e.Secret); !strings.Contains(why, "is of another database") {
		t.Errorf("it is refused because %s", why)
	}
	if !maps.EqualFunc(before, contents(t, path+"*"), bytes.Equal) {
		t.Fatal("what is refused changes files")
	}
	e2e.Must(t, os.Remove(path+"-wal"))
	e2e.Must(t, os.Remove(path+"-shm"))
	if printed := p.Run("check"); !strings.Contains(printed, " 1 user ") {
		t.Fatalf("it prints %s", printed)
	}
	e2e.Start(t, database).SignIn("mario")
}

// TestReadinessOfDamagedDatabase checks that a server is not ready while its database file is empty or lacks a table.
func TestReadinessOfDamagedDatabase(t *testing.T) {
	ready := func(s *e2e.Env) int {
		response, err := http.Get(s.URL + "/readyz")
		e2e.Must(t, err)
		response.Body.Close()
		return response.StatusCode
	}
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		s.Register("mario")
		if have := ready(s); have != http.StatusOK {
			t.Fatalf("it answers %d", have)
		}
		s.Exec(`ALTER TABLE sessions RENAME TO elsewhere`)
		if have := ready(s); have != http.StatusServiceUnavailable {
			t.Errorf("without a table it answers %d", have)
		}
		if why := s.StartError("LATCHKEY_SECRET=" + e2e.Secret); !strings.Contains(why, "sessions") {
			t.Errorf("it is refused because %s", why)
		}
	})
	p := e2e.StartProcess(t, storetest.SQLite(t))
	p.Exec(`PRAGMA wal_checkpoint(TRUNCATE)`) // until then the log has it all
	e2e.Must(t, os.Truncate(strings.TrimPrefix(p.Database, "sqlite:"), 0))
	if have := ready(p.Env); have != http.StatusServiceUnavailable {
		t.Errorf("without anything in the file it answers %d", have)
	}
}
