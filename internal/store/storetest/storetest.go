// Package storetest provides databases to tests: call [Each] for an empty one on each engine, or [SQLite] and
// [Postgres] for one of them. [Faults] lets calls to a driver fail.
//
// The package knows nothing of what is stored there.
package storetest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
)

// server is the environment variable with the URL of a PostgreSQL server to use instead of a temporary one. Its user
// must be allowed to create databases.
const server = "LATCHKEY_TEST_POSTGRES_URL"

// limit limits the creation and the removal of a database.
const limit = 30 * time.Second

// runner is a test or a benchmark.
type runner[T any] interface {
	testing.TB
	Run(name string, f func(T)) bool
}

// Each runs f as a subtest or a sub-benchmark on every engine, with the URL of an empty database in the form of
// LATCHKEY_DATABASE_URL.
func Each[T runner[T]](t T, f func(t T, url string)) {
	t.Helper()
	t.Run("sqlite", func(t T) { f(t, SQLite(t)) })
	t.Run("postgres", func(t T) { f(t, Postgres(t)) })
}

// EachStrict is Each with one more subtest: PostgreSQL with serializable transactions by default, as the distributed
// engines that speak its protocol have them.
func EachStrict(t *testing.T, f func(t *testing.T, url string)) {
	t.Helper()
	Each(t, f)
	t.Run("postgres-serializable", func(t *testing.T) {
		f(t, withParameter(t, Postgres(t), "default_transaction_isolation", "serializable"))
	})
}

// SQLite returns the URL of a database whose file does not exist yet. The file is removed at the end of the test.
func SQLite(t testing.TB) string {
	t.Helper()
	return "sqlite:" + filepath.Join(t.TempDir(), "test.db")
}

// Postgres returns the URL of an empty database, which is dropped at the end of the test. It skips the test if
// PostgreSQL is not installed.
func Postgres(t testing.TB) string {
	t.Helper()
	base := os.Getenv(server)
	if base == "" {
		var err error
		base, err = cluster()
		if errors.Is(err, errNoPostgres) {
			t.Skipf("no PostgreSQL: %v; install it or set %s", err, server)
		}
		if err != nil {
			t.Fatalf("starting PostgreSQL: %v", err)
		}
	}
	name := "latchkey_test_" + strings.ToLower(rand.Text())
	// Not template1: a connection to it prevents the copy, and it may have been changed. template0 allows neither.
	if err := execute(base, "CREATE DATABASE "+name+" TEMPLATE template0"); err != nil {
		t.Fatalf("creating a database: %v", err)
	}
	t.Cleanup(func() {
		if err := execute(base, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("dropping the database: %v", err)
		}
	})
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

func execute(base, statement string) error {
	db, err := sql.Open("pgx", base)
	if err != nil {
		return err
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	_, err = db.ExecContext(ctx, statement)
	return err
}

func withParameter(t testing.TB, base, name, value string) string {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	query.Set(name, value)
	u.RawQuery = query.Encode()
	return u.String()
}
