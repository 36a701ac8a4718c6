// Package store is the memory of the house: all SQL, on SQLite or PostgreSQL, and the words account has for what the
// databases answer. It decides nothing that a single statement can decide, and knows neither tokens nor passwords nor
// requests.
package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"

	"latchkey/internal/account"
)

// Store keeps everything. One made by Open is safe for use by many; one that InTx hands out belongs to its function.
type Store struct {
	// Trace, if it is set before others use the store, is told of each statement before it runs, in words that hold no
	// value, and afterwards whether it failed.
	Trace func(ctx context.Context, engine, statement string) (_ context.Context, done func(failed bool))

	dialect dialect
	read    *sqlx.DB
	write   *sqlx.DB // the same as read where the engine takes several writers
	bound   *sync.Map
	tx      *sqlx.Tx // nil outside InTx

	commits *groupCommit
}

// dialect is all that differs between the engines, migrations aside.
type dialect struct {
	name       string
	bind       func(string) string    // writes the arguments of a statement, question marks, in the engine's way
	inProcess  bool                   // a statement that finds its rows by an index takes less than to interrupt it would
	constraint func(err error) string // the unique constraint that err speaks of, as table_column; or ""
	retryable  func(err error) bool   // nothing happened, and the same again may well succeed
	broken     func(err error) bool   // the connection ended; what was sent on it may have happened
	lockSchema string                 // makes a migration wait for others; empty where every transaction does
	tables     string                 // the names of the tables there are
	objects    string                 // the names of the tables and indexes there are
	triggers   string                 // the names of the triggers there are
	backup     string                 // copies the database into a file; empty where a tool does
	corruption inspection             // nil where the engine keeps watch
	position   string                 // the function that finds a text in another, from 1 on, or 0
}

// inspection returns what is wrong with a database's file.
type inspection func(ctx context.Context, db *sqlx.DB) (found []string, err error)

// statementTimeout ends a statement. On SQLite one that writes only does not begin any more, and one that finds its rows
// by an index knows nothing but its caller's context.
const statementTimeout = 5 * time.Second

// Wrapper stands between a store and its driver. Tests count and fail calls with it.
type Wrapper func(driver.Connector) driver.Connector

// Open connects to the database that a URL names, sqlite:PATH or postgres://…, and makes sure that it answers. A
// SQLite database that does not exist is made.
func Open(ctx context.Context, url string, wrappers ...Wrapper) (*Store, error) {
	open := openPostgres
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		open, url = openSQLite, path
	}
	s, err := open(url, func(c driver.Connector) driver.Connector {
		for _, wrap := range wrappers {
			c = wrap(c)
		}
		return c
	})
	if err != nil {
		return nil, err
	}
	s.bound, s.commits = new(sync.Map), new(groupCommit)
	if err := s.Ping(ctx); err != nil {
		s.Close()
		return nil, singleLineError{err}
	}
	return s, nil
}

// singleLineError says in one what an error says in several.
type singleLineError struct{ error }

func (e singleLineError) Error() string { return strings.Join(strings.Fields(e.error.Error()), " ") }

func (e singleLineError) Unwrap() error { return e.error }

// Close lets go of the database.
func (s *Store) Close() error {
	if s.read == s.write {
		return s.write.Close()
	}
	return errors.Join(s.read.Close(), s.write.Close())
}

// Pools returns figures of the connections to the database, by what they are for: read and write, or all.
func (s *Store) Pools() map[string]sql.DBStats {
	if s.read == s.write {
		return map[string]sql.DBStats{"all": s.write.Stats()}
	}
	return map[string]sql.DBStats{"read": s.read.Stats(), "write": s.write.Stats()}
}

// Ping returns nil when the database answers.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	return s.get(ctx, &one, `SELECT 1`)
}

// Ready returns nil when what every request needs can be read.
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

// InTx runs f in one transaction: all that f does through tx happens, or, if f fails, nothing. It runs f again, a few
// times, when the database says that concurrent work got in the way, and once when the connection ended before the
// commit; so f must start from nothing each time, and change nothing else. No statement begins after five seconds.
func (s *Store) InTx(ctx context.Context, f func(tx *Store) error) error {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	return s.inTx(ctx, f)
}

// withoutCancel returns a context for a statement that finds its rows by an index. Where that is over sooner than it could
// be interrupted it does not end: to wait for the end of a context costs more than the statement.
func (s *Store) withoutCancel(ctx context.Context) context.Context {
	if s.dialect.inProcess {
		return context.WithoutCancel(ctx)
	}
	return ctx
}

// inTx is InTx without a limit for one run of f, for migrations, which take as long as they take.
func (s *Store) inTx(ctx context.Context, f func(tx *Store) error) error {
	patience, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	return s.retrying(patience, func() (notApplied bool, err error) {
		notApplied = true
		err = s.withConn(ctx, s.write, func(conn *sqlx.Conn) error {
			tx, err := conn.BeginTxx(s.withoutCancel(ctx), nil)
			if err != nil {
				return err
			}
			defer tx.Rollback()
			inside := *s
			inside.tx = tx
			if err := f(&inside); err != nil {
				return err
			}
			notApplied = false
			return tx.Commit()
		})
		return notApplied, err
	})
}

// Many callers may want one row at once, and where transactions are serializable all but one of them fail each time.
const (
	maxTries = 25
	maxPause = 200 * time.Millisecond // at most
)

// retrying calls f until it succeeds, fails for good, or has been tried often enough, with growing, random pauses. Once
// ctx has ended it does not try again. A connection that ends is forgiven once, and only if f says that nothing it did
// can have lasted.
func (s *Store) retrying(ctx context.Context, f func() (notApplied bool, err error)) error {
	retriedConn := false
	for try := 1; ; try++ {
		notApplied, err := f()
		if err == nil || s.tx != nil {
			return err
		}
		again := s.dialect.retryable(err)
		if s.dialect.broken(err) && notApplied && !again && !retriedConn {
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

// get reads one row, which an index finds, into dest: a value, or a struct by column names. It fails with NOT_FOUND when
// there is none.
func (s *Store) get(ctx context.Context, dest any, query string, args ...any) error {
	err := s.reading(ctx, anIndex, query, func(ctx context.Context, q sqlx.QueryerContext, query string) error {
		return get(ctx, q, dest, query, args)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return &account.Error{Code: account.NotFound, Message: "There is no such thing."}
	}
	return err
}

// list reads the rows that an index finds into dest, a slice.
func (s *Store) list(ctx context.Context, dest any, query string, args ...any) error {
	return s.reading(ctx, anIndex, query, func(ctx context.Context, q sqlx.QueryerContext, query string) error {
		return find(ctx, q, dest, query, args)
	})
}

// aggregate reads the one row that a statement makes of many into dest, until ctx ends.
func (s *Store) aggregate(ctx context.Context, dest any, query string, args ...any) error {
	return s.reading(ctx, allRows, query, func(ctx context.Context, q sqlx.QueryerContext, query string) error {
		return get(ctx, q, dest, query, args)
	})
}

// scanAll reads every row into dest, a slice, until ctx ends.
func (s *Store) scanAll(ctx context.Context, dest any, query string, args ...any) error {
	return s.reading(ctx, allRows, query, func(ctx context.Context, q sqlx.QueryerContext, query string) error {
		return find(ctx, q, dest, query, args)
	})
}

// exec runs a statement that writes and returns how many rows it touched. It fails with TAKEN or ALREADY_EXISTS when
// a unique column says so.
func (s *Store) exec(ctx context.Context, query string, args ...any) (rows int64, err error) {
	err = s.writing(ctx, query, func(ctx context.Context, q queryer, query string) error {
		result, err := q.ExecContext(ctx, query, args...)
		if err != nil {
			return err
		}
		rows, err = result.RowsAffected()
		return err
	})
	return rows, err
}

// execBatched is change for small changes of which many may come at once.
func (s *Store) execBatched(ctx context.Context, query string, args ...any) (rows int64, err error) {
	if s.tx != nil || !s.dialect.inProcess {
		return s.exec(ctx, query, args...)
	}
	return s.commits.exec(ctx, s, query, args)
}

// execReturning is change for a statement with a RETURNING clause: it reads the one row into dest and reports whether there
// was one.
func (s *Store) execReturning(ctx context.Context, dest any, query string, args ...any) (found bool, err error) {
	err = s.writing(ctx, query, func(ctx context.Context, q queryer, query string) error {
		return get(ctx, q, dest, query, args)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// get reads one row into dest, and fails with sql.ErrNoRows when there is none.
func get(ctx context.Context, q sqlx.QueryerContext, dest any, query string, args []any) error {
	row, ok := dest.(scanner)
	if !ok {
		return sqlx.GetContext(ctx, q, dest, query, args...)
	}
	n, err := scan(ctx, q, row, 1, query, args)
	if err == nil && n == 0 {
		err = sql.ErrNoRows
	}
	return err
}

// find reads all rows into dest.
func find(ctx context.Context, q sqlx.QueryerContext, dest any, query string, args []any) error {
	rows, ok := dest.(scanner)
	if !ok {
		return sqlx.SelectContext(ctx, q, dest, query, args...)
	}
	_, err := scan(ctx, q, rows, math.MaxInt, query, args)
	return err
}

// scan reads rows to where dest says, and returns how many there were.
func scan(ctx context.Context, q sqlx.QueryerContext, dest scanner, most int, query string, args []any) (n int, err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for ; n < most && rows.Next(); n++ {
		if err := rows.Scan(dest.scanDest()...); err != nil {
			return n, err
		}
	}
	if err := rows.Err(); err != nil {
		return n, err
	}
	return n, rows.Close() // what was done may fail as late as that
}

// queryer is what runs a statement: a transaction or a connection.
type queryer interface {
	sqlx.QueryerContext
	sqlx.ExecerContext
}

// reading and writing run one statement: as part of the transaction, or as one by itself, which is tried again like
// one; but nobody knows of a writing one whether it was done when its connection ended.

// What a reading statement goes through. An index finds its rows within microseconds; all rows take as long as they take.
const (
	anIndex = true
	allRows = false
)

func (s *Store) reading(
	ctx context.Context, indexed bool, query string,
	f func(ctx context.Context, q sqlx.QueryerContext, query string) error,
) (err error) {
	if !indexed || !s.dialect.inProcess {
		var cancel func()
		ctx, cancel = context.WithTimeout(ctx, statementTimeout)
		defer cancel()
	}
	ctx, done := s.traced(ctx, query)
	defer func() { done(err) }()
	if err := ctx.Err(); err != nil {
		return err
	}
	query = s.rebind(query)
	during := ctx
	if indexed {
		during = s.withoutCancel(ctx)
	}
	if s.tx != nil {
		return f(during, s.tx, query)
	}
	return s.retrying(ctx, func() (notApplied bool, err error) {
		return true, s.withConn(ctx, s.read, func(conn *sqlx.Conn) error { return f(during, conn, query) })
	})
}

func (s *Store) writing(
	ctx context.Context, query string, f func(ctx context.Context, q queryer, query string) error,
) (err error) {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	ctx, done := s.traced(ctx, query)
	defer func() { done(err) }()
	if err := ctx.Err(); err != nil {
		return err
	}
	query = s.rebind(query)
	if s.tx != nil {
		return s.classify(f(s.withoutCancel(ctx), s.tx, query))
	}
	return s.classify(s.retrying(ctx, func() (notApplied bool, err error) {
		return false, s.withConn(ctx, s.write, func(conn *sqlx.Conn) error {
			return f(s.withoutCancel(ctx), conn, query)
		})
	}))
}

// withConn runs f on a connection of a pool, for which it waits until ctx ends.
func (s *Store) withConn(ctx context.Context, pool *sqlx.DB, f func(*sqlx.Conn) error) error {
	conn, err := pool.Connx(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return f(conn)
}

// rebind returns a statement as the engine takes it, the same text each time, by which drivers know it again.
func (s *Store) rebind(query string) string {
	if text, known := s.bound.Load(query); known {
		return text.(string)
	}
	text, _ := s.bound.LoadOrStore(query, s.dialect.bind(query))
	return text.(string)
}

func (s *Store) traced(ctx context.Context, query string) (context.Context, func(error)) {
	if s.Trace == nil {
		return ctx, func(error) {}
	}
	ctx, done := s.Trace(ctx, s.dialect.name, query)
	return ctx, func(err error) {
		_, foreseen := errors.AsType[*account.Error](err)
		done(err != nil && !foreseen && !errors.Is(err, sql.ErrNoRows))
	}
}

// classify turns the breach of a unique constraint into account's words.
func (s *Store) classify(err error) error {
	if err == nil {
		return nil
	}
	switch s.dialect.constraint(err) {
	case "users_username_key":
		return wrap(account.UsernameTaken(), err, "username")
	case "users_email_key":
		return wrap(account.EmailTaken(), err, "email")
	case "profiles_user_id":
		return wrap(account.ProfileExists(), err)
	}
	return err
}

func wrap(e *account.Error, cause error, field ...string) error {
	e.Err, e.Field = cause, field
	return e
}
