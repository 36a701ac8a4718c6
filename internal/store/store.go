// Package store holds all SQL, for SQLite and PostgreSQL. [Open] connects to a database, [Store.Migrate] brings its
// schema up to date, and [Store.InTx] runs a transaction.
//
// # Statements and transactions
//
// A method that is one statement exists on [Store] and on [Tx]. On a Store the statement runs by itself, on a Tx inside
// the transaction. A method that takes a lock, or several statements that must happen together, exists on Tx only.
//
// # Errors
//
// What package account has a code for is returned as an [account.Error]: a row that does not exist is NOT_FOUND, and a
// unique column that has the value already is TAKEN or ALREADY_EXISTS. All other errors are the driver's. Conflicts
// between transactions are retried here, a limited number of times.
//
// The package decides nothing that a single statement cannot decide. It knows nothing of tokens, passwords or requests.
package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"
)

// Store is a database. It is safe for concurrent use.
type Store struct{ Queries }

// Tx is a transaction. It is valid until the function that InTx passed it to returns, and not safe for concurrent use.
type Tx struct{ Queries }

// Queries are the methods that Store and Tx share: those that are one statement.
type Queries struct {
	*database
	tx *sqlx.Tx // nil on a Store
}

// database is what a Store and its transactions have in common.
type database struct {
	// Trace, if set, is called before each statement with its text, which contains no values, and done after it. Set it
	// before the store is used by several goroutines.
	Trace func(ctx context.Context, engine, statement string) (_ context.Context, done func(failed bool))

	dialect     dialect
	readPool    *sqlx.DB
	writePool   *sqlx.DB // the same as readPool if the engine accepts concurrent writers
	rebound     sync.Map // statements by their text with question marks
	groupCommit groupCommit
}

// dialect is all that differs between the engines, migrations aside.
type dialect struct {
	name       string
	bind       func(string) string    // replaces question marks by the engine's placeholders
	inProcess  bool                   // a statement that uses an index takes less time than interrupting it
	constraint func(err error) string // the unique constraint that err violates, as table_column; or ""
	retryable  func(err error) bool   // nothing was done, and another attempt may succeed
	broken     func(err error) bool   // the connection ended; what was sent on it may have been done
	lockSchema string                 // makes a migration wait for others; empty if every transaction does
	tables     string                 // selects the names of the tables
	objects    string                 // selects the names of the tables and indexes
	triggers   string                 // selects the names of the triggers
	backup     string                 // copies the database into a file; empty if the engine has a tool for it
	corruption inspection             // nil if the engine checks its files itself
	position   string                 // the function that returns the position of a text in another, from 1, or 0
}

// inspection returns the problems of a database file.
type inspection func(ctx context.Context, db *sqlx.DB) (found []string, err error)

// statementTimeout limits a statement. On SQLite a statement that writes is only kept from starting later than that,
// and one that uses an index has no limit but the caller's context.
const statementTimeout = 5 * time.Second

// Wrapper wraps a driver's connector. Tests use it to count calls and to let them fail.
type Wrapper func(driver.Connector) driver.Connector

// Open connects to the database of a URL, sqlite:PATH or postgres://…, and checks the connection. It creates the file
// of a SQLite database that does not exist.
func Open(ctx context.Context, url string, wrappers ...Wrapper) (*Store, error) {
	open := openPostgres
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		open, url = openSQLite, path
	}
	db, err := open(url, func(c driver.Connector) driver.Connector {
		for _, wrap := range wrappers {
			c = wrap(c)
		}
		return c
	})
	if err != nil {
		return nil, err
	}
	s := &Store{Queries{database: db}}
	db.groupCommit.store = s
	if err := s.Ping(ctx); err != nil {
		s.Close()
		return nil, SingleLine(err)
	}
	return s, nil
}

// SingleLine returns an error that writes the text of err, which drivers break into lines, in one line.
func SingleLine(err error) error { return singleLineError{err} }

type singleLineError struct{ error }

func (e singleLineError) Error() string { return strings.Join(strings.Fields(e.error.Error()), " ") }

func (e singleLineError) Unwrap() error { return e.error }

// Close closes all connections.
func (s *Store) Close() error {
	if s.readPool == s.writePool {
		return s.writePool.Close()
	}
	return errors.Join(s.readPool.Close(), s.writePool.Close())
}

// Pools returns the statistics of the connection pools: "read" and "write", or "all" if there is one pool.
func (s *Store) Pools() map[string]sql.DBStats {
	if s.readPool == s.writePool {
		return map[string]sql.DBStats{"all": s.writePool.Stats()}
	}
	return map[string]sql.DBStats{"read": s.readPool.Stats(), "write": s.writePool.Stats()}
}

// Ping returns an error unless the database answers.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	return s.get(ctx, &one, `SELECT 1`)
}

// Ready returns an error unless the tables that every request needs can be read.
func (s *Store) Ready(ctx context.Context) error {
	var found struct {
		Keys     bool `db:"keys"`
		Users    bool `db:"users"`
		Profiles bool `db:"profiles"`
		Sessions bool `db:"sessions"`
	}
	return s.get(ctx, &found, `SELECT EXISTS (SELECT 1 FROM signing_keys) AS keys, EXISTS (SELECT 1 FROM users) AS users,
		EXISTS (SELECT 1 FROM profiles) AS profiles, EXISTS (SELECT 1 FROM sessions) AS sessions`)
}

// Backup copies a SQLite database, as it is at one moment, into an empty file, while others read and write. It has no
// limit but ctx. It returns errors.ErrUnsupported on PostgreSQL, which has a tool for that.
func (s *Store) Backup(ctx context.Context, path string) error {
	if s.dialect.backup == "" {
		return errors.ErrUnsupported
	}
	_, err := s.writePool.ExecContext(ctx, s.dialect.backup, path)
	return err
}

// Contended reports whether err says that others locked the database for too long.
func (s *Store) Contended(err error) bool {
	return err != nil && (errors.Is(err, context.DeadlineExceeded) || s.dialect.retryable(err))
}

// InTx runs f in one transaction, which is committed if f returns nil and rolled back otherwise. It runs f again, a
// limited number of times, after a conflict with another transaction, and once if the connection ended before the
// commit. So f must start from nothing each time and have no other effects. No statement starts after five seconds.
func (s *Store) InTx(ctx context.Context, f func(tx *Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	return s.InLongTx(ctx, f)
}

// InLongTx is InTx without a limit for one run of f, for migrations and transfers. It retries for five seconds.
func (s *Store) InLongTx(ctx context.Context, f func(tx *Tx) error) error {
	retryCtx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	return s.retry(retryCtx, func() (notApplied bool, err error) {
		notApplied = true
		err = withConn(ctx, s.writePool, func(conn *sqlx.Conn) error {
			tx, err := conn.BeginTxx(s.withoutCancel(ctx), nil)
			if err != nil {
				return err
			}
			defer tx.Rollback()
			if err := f(&Tx{Queries{s.database, tx}}); err != nil {
				return err
			}
			notApplied = false
			return tx.Commit()
		})
		return notApplied, err
	})
}

// Limits of retry. Many callers may write one row at once, and where transactions are serializable all but one of them
// fail each time.
const (
	maxTries = 25
	maxPause = 200 * time.Millisecond
)

// retry calls f until it succeeds, fails with an error that is not retryable, or has been called maxTries times, with
// growing random pauses. After the end of ctx it does not try again. A connection that ended is retried once, and only
// if f reports that nothing was applied.
func (d *database) retry(ctx context.Context, f func() (notApplied bool, err error)) error {
	retriedConn := false
	for try := 1; ; try++ {
		notApplied, err := f()
		if err == nil {
			return nil
		}
		again := d.dialect.retryable(err)
		if d.dialect.broken(err) && notApplied && !again && !retriedConn {
			again, retriedConn = true, true
		}
		if !again || try == maxTries || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(rand.N(min(time.Duration(try)*10*time.Millisecond, maxPause))):
		}
	}
}

// withConn runs f on a connection of a pool, for which it waits until ctx ends.
func withConn(ctx context.Context, pool *sqlx.DB, f func(*sqlx.Conn) error) error {
	conn, err := pool.Connx(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return f(conn)
}

// withoutCancel returns a context for a statement that uses an index. In-process engines finish such a statement sooner
// than they could be interrupted, and waiting for the end of a context costs more than the statement.
func (d *database) withoutCancel(ctx context.Context) context.Context {
	if d.dialect.inProcess {
		return context.WithoutCancel(ctx)
	}
	return ctx
}
