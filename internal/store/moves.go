package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
)

// MovesTable is the table that package transfer creates in both databases. A database without it has never been part of
// a transfer. An empty one means that a transfer has begun that has copied nothing yet.
const MovesTable = "moves"

// Move is the row of the table moves.
type Move struct {
	ID     string          `db:"id"`      // the same in both databases
	DoneAt sql.Null[int64] `db:"done_at"` // SQLite: when it was given up; PostgreSQL: when it was ready
}

// MovedError returns the error for a SQLite database that has been moved.
func (m Move) MovedError() error {
	return fmt.Errorf("the database was moved to PostgreSQL at %s: set LATCHKEY_DATABASE_URL to the one it was moved to",
		fromMicros(m.DoneAt.V).Format(time.RFC3339))
}

// ErrUnfinishedMove is returned for a PostgreSQL database that a transfer has not finished.
var ErrUnfinishedMove = errors.New("the move to this database is not finished: run latchkey move again")

var errInUse = errors.New("the database to move is in use: stop every server and command that has it open")

// CheckNotMoved returns an error if no server may start on the database: it was moved away, or a move to it is not
// finished. A move to a database begins only if it has no rows. So a caller that has inserted a row before the check is
// safe from all moves that begin later.
func (s *Store) CheckNotMoved(ctx context.Context) error {
	move, err := s.Move(ctx)
	switch {
	case err != nil || move == nil:
		return err
	case s.dialect.name == "sqlite" && move.DoneAt.Valid:
		return move.MovedError()
	case s.dialect.name != "sqlite" && !move.DoneAt.Valid:
		return ErrUnfinishedMove
	}
	return nil
}

// Move returns the row about a transfer, the zero Move if the table is empty, or nil without the table.
func (q *Queries) Move(ctx context.Context) (*Move, error) {
	tables, err := q.Tables(ctx)
	if err != nil || !slices.Contains(tables, MovesTable) {
		return nil, err
	}
	var rows []Move
	if err := q.scanAll(ctx, &rows, `SELECT id, done_at FROM moves`); err != nil || len(rows) == 0 {
		return new(Move), err
	}
	return &rows[0], nil
}

// LockFile returns the only connection to a SQLite database, which keeps all others out until it is closed. It returns
// an error if another process, or this one, has the file open. Afterwards the Store can only be closed.
func (s *Store) LockFile(ctx context.Context) (_ *sql.Conn, err error) {
	s.readPool.SetMaxIdleConns(-1) // closes idle connections
	conn, err := s.writePool.Connx(ctx)
	if err != nil {
		return nil, err
	}
	s.writePool.SetMaxIdleConns(-1) // the lock ends with the connection
	defer func() {
		if err != nil {
			conn.Close()
		}
	}()
	if err := lockFile(ctx, conn); err != nil {
		if s.dialect.retryable(err) {
			return nil, errInUse
		}
		return nil, err
	}
	return conn.Conn, nil
}

// lockFile takes the exclusive lock on a SQLite file. Every open connection has a lock that prevents the change of the
// journal.
func lockFile(ctx context.Context, conn *sqlx.Conn) error {
	for _, statement := range []string{
		`PRAGMA journal_mode = DELETE`, `PRAGMA locking_mode = EXCLUSIVE`, `BEGIN EXCLUSIVE`, `COMMIT`,
	} {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	var journal string
	if err := conn.GetContext(ctx, &journal, `PRAGMA journal_mode`); err != nil {
		return err
	}
	if journal != "delete" { // another connection was opened in between
		return errInUse
	}
	return nil
}

// Raw returns the transaction itself, for package transfer, which copies tables whatever they hold. All other SQL is in
// this package.
func (tx *Tx) Raw() *sql.Tx { return tx.tx.Tx }
