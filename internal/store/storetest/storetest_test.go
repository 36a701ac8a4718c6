package storetest

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/mattn/go-sqlite3"
)

func open(t *testing.T, url string) *sql.DB {
	t.Helper()
	driver, source := "pgx", url
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		driver, source = "sqlite3", path
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func number(t *testing.T, db *sql.DB, query string) (n int) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

func TestDatabasesAreDistinct(t *testing.T) {
	makers := map[string]func(testing.TB) string{"sqlite": SQLite, "postgres": Postgres}
	Each(t, func(t *testing.T, url string) {
		one, other := open(t, url), open(t, makers[filepath.Base(t.Name())](t))
		if number(t, one, "SELECT 1") != 1 || number(t, other, "SELECT 1") != 1 {
			t.Fatal("1 is not 1")
		}
		for _, db := range []*sql.DB{one, other} {
			if _, err := db.ExecContext(t.Context(), "CREATE TABLE things (n INTEGER)"); err != nil {
				t.Fatal("the database is not fresh:", err)
			}
		}
		if _, err := one.ExecContext(t.Context(), "INSERT INTO things VALUES (1)"); err != nil {
			t.Fatal(err)
		}
		if number(t, one, "SELECT count(*) FROM things") != 1 || number(t, other, "SELECT count(*) FROM things") != 0 {
			t.Error("what is written to one database is in the other")
		}
	})
}

func TestEachStrict(t *testing.T) {
	var names []string
	EachStrict(t, func(t *testing.T, url string) {
		names = append(names, filepath.Base(t.Name()))
		if strings.HasPrefix(url, "sqlite:") {
			return
		}
		want := "read committed"
		if names[len(names)-1] == "postgres-serializable" {
			want = "serializable"
		}
		var level string
		err := open(t, url).QueryRowContext(t.Context(), "SHOW transaction_isolation").Scan(&level)
		if err != nil || level != want {
			t.Errorf("isolation is %q, want %q (%v)", level, want, err)
		}
	})
	if got := strings.Join(names, " "); got != "sqlite postgres postgres-serializable" && got != "sqlite" {
		t.Error("ran on", got)
	}
}

func TestDatabasesAreDropped(t *testing.T) {
	var url string
	t.Run("postgres", func(sub *testing.T) {
		url = Postgres(sub)
		number(sub, open(t, url), "SELECT 1") // which leaves a connection open
	})
	if url == "" {
		t.Skip("no PostgreSQL")
	}
	if err := open(t, url).PingContext(t.Context()); err == nil || !strings.Contains(err.Error(), "3D000") {
		t.Errorf("connecting gives %v, want a database that does not exist", err)
	}
	t.Run("sqlite", func(t *testing.T) {
		url = SQLite(t)
		number(t, open(t, url), "SELECT 1")
	})
	if _, err := os.Stat(filepath.Dir(strings.TrimPrefix(url, "sqlite:"))); !os.IsNotExist(err) {
		t.Errorf("the file's folder is still there (%v)", err)
	}
}
