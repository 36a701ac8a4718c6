//go:build cgo

package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jmoiron/sqlx"

	"latchkey/internal/account"
	"latchkey/internal/store/storetest"
)

// TestEveryConnectionHasTheSettings opens all connections of both pools at once, so that each is checked.
func TestEveryConnectionHasTheSettings(t *testing.T) {
	t.Parallel()
	s := newStore(t, storetest.SQLite(t))
	want := map[string]string{
		"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "1000", "trusted_schema": "0",
	}
	for pool, test := range map[*sqlx.DB]struct{ connections, queryOnly string }{
		s.readPool:  {fmt.Sprint(s.readPool.Stats().MaxOpenConnections), "1"},
		s.writePool: {"1", "0"},
	} {
		want := maps.Clone(want)
		want["query_only"] = test.queryOnly
		if n := fmt.Sprint(pool.Stats().MaxOpenConnections); n != test.connections || n == "0" {
			t.Errorf("%s connections, want %s", n, test.connections)
		}
		for range pool.Stats().MaxOpenConnections {
			c := must1(pool.Connx(t.Context()))(t)
			t.Cleanup(func() { c.Close() })
			for name, value := range want {
				var have string
				must(t, c.GetContext(t.Context(), &have, `PRAGMA `+name))
				if have != value {
					t.Errorf("%s is %s, want %s", name, have, value)
				}
			}
		}
	}
}

func TestReadPoolCannotWrite(t *testing.T) {
	t.Parallel()
	s := newStore(t, storetest.SQLite(t))
	if _, err := s.readPool.Exec(`DELETE FROM users`); err == nil || !strings.Contains(err.Error(), "readonly") {
		t.Error("deleting gives", err)
	}
}

// TestFileMode also has a file name with all characters that are special in a URI.
func TestFileMode(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	newStore(t, "sqlite:"+filepath.Join(dir, "a b?c#d%41&é.db"))
	entries := must1(os.ReadDir(dir))(t)
	if len(entries) != 3 {
		t.Errorf("there are %v, want the database, its log and their index", entries)
	}
	for _, entry := range entries {
		info := must1(entry.Info())(t)
		if !strings.HasPrefix(info.Name(), "a b?c#d%41&é.db") || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", info.Name(), info.Mode())
		}
	}
}

func TestOpenOtherFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "diary.txt")
	diary := strings.Repeat("Dear diary, today I kept jumping.\n", 100)
	must(t, os.WriteFile(path, []byte(diary), 0o600))
	s, err := Open(t.Context(), "sqlite:"+path)
	if err == nil {
		s.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "not a database") || strings.Contains(err.Error(), "\n") {
		t.Error("opening a diary gives", err)
	}
	if text := must1(os.ReadFile(path))(t); string(text) != diary {
		t.Error("the diary has changed")
	}
	if entries := must1(os.ReadDir(filepath.Dir(path)))(t); len(entries) != 1 {
		t.Error("there are now", entries)
	}
}

func TestOpenInMissingFolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "missing")
	_, err := Open(t.Context(), "sqlite:"+filepath.Join(dir, "test.db"))
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), dir) {
		t.Error("opening gives", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Error("the folder was created")
	}
}

// TestFileIsLocked by another process: reads go on, writes fail in time, and succeed as soon as the lock is free.
func TestFileIsLocked(t *testing.T) {
	t.Parallel()
	address := storetest.SQLite(t)
	s := newStore(t, address)
	user := addUser(t, s, "mario")
	other := must1(openDirect(t, address).Conn(t.Context()))(t)
	lock := func(statement string) {
		t.Helper()
		must1(other.ExecContext(context.Background(), statement))(t)
	}
	toLuigi := func() error {
		return s.InTx(t.Context(), func(tx *Tx) error { return setUsername(t.Context(), tx, user.ID, "luigi") })
	}

	lock(`BEGIN IMMEDIATE`)
	ctx, cancel := context.WithTimeout(t.Context(), statementTimeout+statementTimeout/2)
	defer cancel()
	errs := concurrently(3, func(i int) error {
		switch i {
		case 0:
			return toLuigi()
		case 1:
			return s.SetName(t.Context(), user.ID, "Mario")
		}
		_, err := s.User(t.Context(), user.ID)
		return err
	})
	if ctx.Err() != nil {
		t.Error("giving up took too long")
	}
	if errs[0] == nil || errs[1] == nil || errors.As(errors.Join(errs[:2]...), new(*account.Error)) {
		t.Errorf("writing gives %v and %v", errs[0], errs[1])
	}
	if errs[2] != nil {
		t.Error("reading gives", errs[2])
	}

	waiting := make(chan error, 1)
	go func() { waiting <- toLuigi() }()
	lock(`ROLLBACK`)
	if err := <-waiting; err != nil {
		t.Error("after the lock is gone:", err)
	}
	if found := must1(s.User(t.Context(), user.ID))(t); found.Username != "luigi" || found.Name != "" {
		t.Errorf("what could not be written was: %+v", found)
	}
}

// TestTwoProcesses increment a number in one file to 200.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	address := storetest.SQLite(t)
	stores := []*Store{newStore(t, address), connect(t, address)}
	execute(t, stores[0], `INSERT INTO settings (name, value) VALUES ('n', 0)`)
	errs := concurrently(8, func(i int) (err error) {
		for range 25 {
			err = errors.Join(err, stores[i%2].InTx(t.Context(), func(tx *Tx) error {
				var n int
				if err := tx.get(t.Context(), &n, `SELECT value FROM settings WHERE name = 'n'`); err != nil {
					return err
				}
				_, err := tx.exec(t.Context(), `UPDATE settings SET value = ? WHERE name = 'n'`, n+1)
				return err
			}))
		}
		return err
	})
	must(t, errors.Join(errs...))
	if n := queryInt(t, stores[0], `SELECT value FROM settings WHERE name = 'n'`); n != 200 {
		t.Error("the number is", n)
	}
}

// TestTablesAreStrict inserts text into a column of numbers.
func TestTablesAreStrict(t *testing.T) {
	t.Parallel()
	s := newStore(t, storetest.SQLite(t))
	var loose []string
	must(t, s.readPool.Select(&loose, `SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND strict = 0
		AND name NOT LIKE 'sqlite_%' AND name <> 'schema_migrations'`))
	if len(loose) > 0 {
		t.Error("not STRICT:", loose)
	}
	if _, err := s.writePool.Exec(`INSERT INTO settings (name, value) VALUES ('n', 'text')`); err == nil {
		t.Error("text is taken for a number")
	}
	var integrity string
	must(t, s.readPool.Get(&integrity, `PRAGMA integrity_check`))
	if integrity != "ok" {
		t.Error(integrity)
	}
}
