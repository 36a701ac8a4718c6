package store

import (
	"context"
	"database/sql"
	"errors"
	"math"

	"github.com/jmoiron/sqlx"

	"latchkey/internal/account"
)

// How a statement finds its rows. An index finds them within microseconds; a full scan takes as long as it takes.
const (
	indexed  = true
	fullScan = false
)

// get reads one row, which an index finds, into dest: a value, or a struct by column names.
//
// Errors: NOT_FOUND.
func (q *Queries) get(ctx context.Context, dest any, query string, args ...any) error {
	err := q.read(ctx, indexed, dest, 1, query, args)
	if errors.Is(err, sql.ErrNoRows) {
		return &account.Error{Code: account.NotFound, Message: "Not found."}
	}
	return err
}

// list reads the rows that an index finds into dest, a slice.
func (q *Queries) list(ctx context.Context, dest any, query string, args ...any) error {
	return q.read(ctx, indexed, dest, math.MaxInt, query, args)
}

// aggregate reads one row that is computed from many into dest.
func (q *Queries) aggregate(ctx context.Context, dest any, query string, args ...any) error {
	return q.read(ctx, fullScan, dest, 1, query, args)
}

// scanAll reads rows that no index finds into dest, a slice.
func (q *Queries) scanAll(ctx context.Context, dest any, query string, args ...any) error {
	return q.read(ctx, fullScan, dest, math.MaxInt, query, args)
}

// exec runs a statement that writes and returns the number of rows it changed.
//
// Errors: TAKEN and ALREADY_EXISTS for a value that a unique column has already.
func (q *Queries) exec(ctx context.Context, query string, args ...any) (rows int64, err error) {
	err = q.write(ctx, query, func(ctx context.Context, conn runner, query string) error {
		result, err := conn.ExecContext(ctx, query, args...)
		if err != nil {
			return err
		}
		rows, err = result.RowsAffected()
		return err
	})
	return rows, err
}

// execBatched is exec for small statements of which many may come at once.
func (q *Queries) execBatched(ctx context.Context, query string, args ...any) (rows int64, err error) {
	if q.tx != nil || !q.dialect.inProcess {
		return q.exec(ctx, query, args...)
	}
	return q.groupCommit.exec(ctx, query, args)
}

// execReturning is exec for a statement with a RETURNING clause: it reads the one row into dest and reports whether
// there was one.
func (q *Queries) execReturning(ctx context.Context, dest any, query string, args ...any) (found bool, err error) {
	err = q.write(ctx, query, func(ctx context.Context, conn runner, query string) error {
		return scan(ctx, conn, dest, 1, query, args)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// runner runs a statement: a transaction or a connection.
type runner interface {
	sqlx.QueryerContext
	sqlx.ExecerContext
}

// read runs one statement that only reads: inside the transaction, or by itself with retries.
func (q *Queries) read(
	ctx context.Context, indexed bool, dest any, limit int, query string, args []any,
) (err error) {
	if !indexed || !q.dialect.inProcess {
		var cancel func()
		ctx, cancel = context.WithTimeout(ctx, statementTimeout)
		defer cancel()
	}
	ctx, done := q.traced(ctx, query)
	defer func() { done(err) }()
	if err := ctx.Err(); err != nil {
		return err
	}
	query = q.rebind(query)
	scanCtx := ctx
	if indexed {
		scanCtx = q.withoutCancel(ctx)
	}
	if q.tx != nil {
		return scan(scanCtx, q.tx, dest, limit, query, args)
	}
	return q.retry(ctx, func() (notApplied bool, err error) {
		return true, withConn(ctx, q.readPool, func(conn *sqlx.Conn) error {
			return scan(scanCtx, conn, dest, limit, query, args)
		})
	})
}

// write runs one statement that writes: inside the transaction, or by itself with retries. Without a transaction it is
// unknown whether the statement was applied when its connection ended, so that is not retried.
func (q *Queries) write(
	ctx context.Context, query string, f func(ctx context.Context, conn runner, query string) error,
) (err error) {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	ctx, done := q.traced(ctx, query)
	defer func() { done(err) }()
	if err := ctx.Err(); err != nil {
		return err
	}
	query = q.rebind(query)
	if q.tx != nil {
		return q.classify(f(q.withoutCancel(ctx), q.tx, query))
	}
	return q.classify(q.retry(ctx, func() (notApplied bool, err error) {
		return false, withConn(ctx, q.writePool, func(conn *sqlx.Conn) error {
			return f(q.withoutCancel(ctx), conn, query)
		})
	}))
}

// scanner is a row that returns where its columns go, in their order, or a list that returns it for one more row.
// Reading it takes half the time that matching columns and tags takes. A struct that embeds a scanner needs a method of
// its own.
type scanner interface{ scanDest() []any }

var _ = []scanner{(*userRow)(nil), (*profileRow)(nil), (*profileRows)(nil), (*sessionRow)(nil), (*sessionStateRow)(nil)}

// scan reads at most limit rows into dest. It returns sql.ErrNoRows if limit is 1 and there is none.
func scan(ctx context.Context, conn sqlx.QueryerContext, dest any, limit int, query string, args []any) error {
	row, ok := dest.(scanner)
	switch {
	case !ok && limit == 1:
		return sqlx.GetContext(ctx, conn, dest, query, args...)
	case !ok:
		return sqlx.SelectContext(ctx, conn, dest, query, args...)
	}
	rows, err := conn.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	n := 0
	for ; n < limit && rows.Next(); n++ {
		if err := rows.Scan(row.scanDest()...); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if err := rows.Close(); err != nil { // a statement that writes may fail as late as here
		return err
	}
	if limit == 1 && n == 0 {
		return sql.ErrNoRows
	}
	return nil
}

// rebind returns a statement with the engine's placeholders. It returns the same string each time, by which drivers
// recognize a statement.
func (d *database) rebind(query string) string {
	if text, ok := d.rebound.Load(query); ok {
		return text.(string)
	}
	text, _ := d.rebound.LoadOrStore(query, d.dialect.bind(query))
	return text.(string)
}

// traced calls Trace, if set.
func (d *database) traced(ctx context.Context, query string) (context.Context, func(error)) {
	if d.Trace == nil {
		return ctx, func(error) {}
	}
	ctx, done := d.Trace(ctx, d.dialect.name, query)
	return ctx, func(err error) {
		_, expected := errors.AsType[*account.Error](err)
		done(err != nil && !expected && !errors.Is(err, sql.ErrNoRows))
	}
}

// classify returns the account.Error for the violation of a unique constraint, and other errors as they are.
func (d *database) classify(err error) error {
	if err == nil {
		return nil
	}
	switch d.dialect.constraint(err) {
	case "users_username_key":
		return wrap(account.UsernameTaken(), err, "username")
	case "users_email_key":
		return wrap(account.EmailTaken(), err, "email")
	case "profiles_user_id":
		return wrap(account.ProfileExists(), err)
	}
	return err
}

// wrap sets the cause and the field of an error.
func wrap(e *account.Error, cause error, field ...string) error {
	e.Err, e.Field = cause, field
	return e
}
