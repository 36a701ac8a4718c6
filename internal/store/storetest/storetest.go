// Package storetest gives each test a fresh, empty database on every engine that the product supports. It knows
// nothing of what is kept there.
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

// server names a variable with the URL of a PostgreSQL server to use instead of a throw-away one. Its user must be
// allowed to create databases.
const server = "LATCHKEY_TEST_POSTGRES_URL"

// limit is how long creating or dropping a database may take.
const limit = 30 * time.Second

// runner is a test or a benchmark.
type runner[T any] interface {
	testing.TB
	Run(name string, f func(T)) bool
}

// Each runs f as a part of a test or a benchmark on every engine, with the URL of a fresh, empty database in the form of
// LATCHKEY_DATABASE_URL.
func Each[T runner[T]](t T, f func(t T, url string)) {
	t.Helper()
	t.Run("sqlite", func(t T) { f(t, SQLite(t)) })
	t.Run("postgres", func(t T) { f(t, Postgres(t)) })
}

// EachStrict does what Each does, and then once more on PostgreSQL with every transaction serializable unless it says
// otherwise, which is how the distributed engines that speak its protocol behave.
func EachStrict(t *testing.T, f func(t *testing.T, url string)) {
	t.Helper()
	Each(t, f)
	t.Run("postgres-serializable", func(t *testing.T) {
		f(t, withParameter(t, Postgres(t), "default_transaction_isolation", "serializable"))
	})
}

// SQLite returns the URL of a database whose file does not exist yet. It is removed at the end of the test.
func SQLite(t testing.TB) string {
	t.Helper()
	return "sqlite:" + filepath.Join(t.TempDir(), "test.db")
}

// Postgres returns the URL of an empty database, which is dropped at the end of the test. It skips the test when there
// is no PostgreSQL on the machine.
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
	// Nobody can be connected to template0, which would forbid copying it, and nobody can have added anything to it.
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
