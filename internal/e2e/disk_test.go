package e2e

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

	"latchkey/internal/store/storetest"
)

const updateNameMutation = `mutation ($n: String!) { updateMe(input: {name: $n}) { user { name } userErrors { code } } }`

// hampered demands that writing fails in time and without a cause, while reading and token checks go on.
func (c *client) hampered() {
	c.t.Helper()
	for range 3 {
		began := time.Now()
		c.ask(updateNameMutation, vars{"n": "lost"}).fails("INTERNAL_SERVER_ERROR")
		c.present(c.refresh).fails("INTERNAL_SERVER_ERROR")
		c.anonymous().ask(registerMutation, vars{"input": vars{"username": "luigi", "password": password}}).
			fails("INTERNAL_SERVER_ERROR")
		if took := time.Since(began); took > patience {
			c.t.Fatalf("three refusals took %s", took)
		}
		c.ask(`{ me { name } profiles(first: 5) { nodes { id } } }`, nil).ok().is("me.name", "Mario")
		c.ask(`mutation ($t: String!) { verifyToken(input: {token: $t}) { valid } }`, vars{"t": c.refresh}).ok().
			is("verifyToken.valid", true)
	}
}

// recovered demands that all is as if nothing had been the matter.
func (c *client) recovered() {
	c.t.Helper()
	c.ask(`{ me { name } }`, nil).ok().is("me.name", "Mario")
	c.ask(updateNameMutation, vars{"n": "Super Mario"}).ok()
	c.renew().ok()
	c.register("luigi")
	if found := c.values(`PRAGMA integrity_check`); len(found) != 1 || found[0] != "ok" {
		c.t.Error(found)
	}
}

// TestADatabaseThatIsMovedAway does not grow where nobody will look for it, nor is another one begun.
func TestADatabaseThatIsMovedAway(t *testing.T) {
	database := storetest.SQLite(t)
	path := strings.TrimPrefix(database, "sqlite:")
	p := start(t, database)
	mario := p.register("mario")
	mario.ask(updateNameMutation, vars{"n": "Mario"}).ok()
	move := func(from, to string) {
		t.Helper()
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	move(path, path+".away")
	mario.hampered()
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Fatal("there is another database: ", err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	mario.hampered()
	move(path+".away", path)
	mario.recovered()
}

// TestStartingRefusesWhatIsNotItsDatabase with one line that says why.
func TestStartingRefusesWhatIsNotItsDatabase(t *testing.T) {
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
		}, "bring the database back"},
		"a text": {func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(strings.Repeat("Dear diary, ", 1000)), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "not a database"},
		"of another program": {func(t *testing.T, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			(&site{t: t, database: "sqlite:" + path}).execute(`CREATE TABLE songs (title TEXT)`)
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
			first := serve(t, database, "LATCHKEY_SECRET=")
			first.register("mario")
			first.stop()
			test.harm(t, path)
			err := run(t.Context(), nil, []string{"LATCHKEY_LISTEN=127.0.0.1:0", "LATCHKEY_DATABASE_URL=" + database},
				strings.NewReader(""), io.Discard, os.Stderr, time.Now)
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("want %q, have %v", test.want, err)
			}
		})
	}
}

// TestALostFileLeavesItsLog kills a server, so that what it answered is in the log alone, and takes the file away.
func TestALostFileLeavesItsLog(t *testing.T) {
	for name, lose := range map[string]func(path string) error{
		"moved":     func(path string) error { return os.Rename(path, path+".away") },
		"truncated": func(path string) error { return os.Truncate(path, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			database := storetest.SQLite(t)
			path := strings.TrimPrefix(database, "sqlite:")
			p := start(t, database)
			p.register("mario")
			if name == "truncated" {
				must(t, lose(path))
				p.kill()
			} else {
				p.kill()
				must(t, lose(path))
			}
			before := contents(t, path+"*")
			why := p.refusesToStart("LATCHKEY_SECRET=" + testSecret)
			if !strings.Contains(why, "bring the database back") || strings.Contains(why, "\n") {
				t.Errorf("it is refused because %s", why)
			}
			for _, args := range [][]string{{"migrate", "up"}, {"migrate", "status"}, {"user", "list"}, {"check"}} {
				if printed, err := p.site.command(args...); err == nil || printed != "" {
					t.Errorf("%q: it is not refused: %s", args, printed)
				}
			}
			if after := contents(t, path+"*"); !maps.EqualFunc(before, after, bytes.Equal) {
				t.Fatal("what is refused changes files")
			}
			if name == "moved" {
				must(t, os.Rename(path+".away", path))
				p.does("check")
				serve(t, database).signIn("mario")
			}
		})
	}
}

// contents returns what is in the files whose paths have a form.
func contents(t *testing.T, form string) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob(form)
	must(t, err)
	found := map[string][]byte{}
	for _, path := range paths {
		found[path], err = os.ReadFile(path)
		must(t, err)
	}
	return found
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestABackupRestoredAfterAKill is not mixed with what the killed server left beside its file.
func TestABackupRestoredAfterAKill(t *testing.T) {
	database := storetest.SQLite(t)
	path := strings.TrimPrefix(database, "sqlite:")
	p := start(t, database)
	p.register("mario")
	saved := filepath.Join(t.TempDir(), "copy.db")
	p.does("backup", saved)
	p.register("luigi")
	p.kill()
	text, err := os.ReadFile(saved)
	must(t, err)
	must(t, os.WriteFile(path, text, 0o600))
	before := contents(t, path+"*")
	p.declines("-wal is of another database", "check")
	if why := p.refusesToStart("LATCHKEY_SECRET=" + testSecret); !strings.Contains(why, "is of another database") {
		t.Errorf("it is refused because %s", why)
	}
	if !maps.EqualFunc(before, contents(t, path+"*"), bytes.Equal) {
		t.Fatal("what is refused changes files")
	}
	must(t, os.Remove(path+"-wal"))
	must(t, os.Remove(path+"-shm"))
	if said := p.does("check"); !strings.Contains(said, " 1 users ") {
		t.Fatalf("it says %s", said)
	}
	serve(t, database).signIn("mario")
}

// TestReadinessIsThatOfTheDatabase empties the file of a running server, and takes a table from another.
func TestReadinessIsThatOfTheDatabase(t *testing.T) {
	ready := func(s *site) int {
		response, err := http.Get(s.address + "/readyz")
		must(t, err)
		response.Body.Close()
		return response.StatusCode
	}
	onEach(t, func(t *testing.T, s *site) {
		s.register("mario")
		if have := ready(s); have != http.StatusOK {
			t.Fatalf("it answers %d", have)
		}
		s.execute(`ALTER TABLE sessions RENAME TO elsewhere`)
		if have := ready(s); have != http.StatusServiceUnavailable {
			t.Errorf("without a table it answers %d", have)
		}
		if why := s.refusesToStart("LATCHKEY_SECRET=" + testSecret); !strings.Contains(why, "sessions") {
			t.Errorf("it is refused because %s", why)
		}
	})
	p := start(t, storetest.SQLite(t))
	p.execute(`PRAGMA wal_checkpoint(TRUNCATE)`) // until then the log has it all
	must(t, os.Truncate(strings.TrimPrefix(p.database, "sqlite:"), 0))
	if have := ready(p.site); have != http.StatusServiceUnavailable {
		t.Errorf("without anything in the file it answers %d", have)
	}
}
