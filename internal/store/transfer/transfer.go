// Package transfer copies a SQLite database to PostgreSQL: call [Run].
//
// # Steps
//
// Both databases get a table moves with the ID of the transfer and the time at which that side was done:
//
//  1. The source is locked, and gets the ID.
//  2. The target is claimed: it gets the empty table, and no server starts on it any more.
//  3. One transaction copies all rows, compares both databases, and stores the ID in the target, not done.
//  4. The source is marked as done: no server starts on it any more.
//  5. The target is marked as done.
//
// If Run is interrupted at any point, either the source is as it was and a server starts on it, or all rows are in the
// target. No server starts on an unfinished target. Calling Run again starts again, or finishes the rest.
package transfer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"latchkey/internal/store"
)

// Table is the result for one table.
type Table struct {
	Table    string `json:"table"`
	Rows     int64  `json:"rows"`
	Checksum string `json:"checksum"` // of all rows in any order, in hexadecimal; the same in both databases
}

// Options are what Run needs besides the databases.
type Options struct {
	Now      func() time.Time
	Verify   func(context.Context) error // called when all rows are in the target, before the source is given up
	Progress func(rows int64)            // called with the number of rows copied so far
}

var errNotEmpty = errors.New("the database to move to is not empty: nothing was changed there")

// Run copies all rows of a database on SQLite to an empty one on PostgreSQL, whose schema it migrates. It returns an
// error if another connection has the source's file open, and prevents others from opening it meanwhile. Afterwards no
// server starts on the source, and from can only be closed.
func Run(ctx context.Context, from, to *store.Store, o Options) ([]Table, error) {
	conn, err := from.LockFile(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	src := source{conn}
	here, err := src.begin(ctx)
	if err != nil {
		return nil, err
	}
	there, err := to.Move(ctx)
	if err != nil {
		return nil, err
	}
	started := there != nil && there.ID != "" // rows were copied by an earlier attempt
	switch same := there != nil && there.ID == here.ID; {
	case here.DoneAt.Valid && (!same || there.DoneAt.Valid):
		return nil, here.MovedError()
	case started && (!same || there.DoneAt.Valid):
		return nil, errNotEmpty
	}
	t := &transfer{Options: o, from: src, to: target{to}, move: here, restart: started}
	tables, err := t.run(ctx)
	if errors.Is(err, errNotEmpty) {
		if err := t.to.release(context.WithoutCancel(ctx)); err != nil {
			return nil, err
		}
		return nil, errNotEmpty
	}
	if err != nil {
		return nil, store.SingleLine(fmt.Errorf("the move is not finished: %w", err))
	}
	return tables, nil
}

// transfer is one call of Run.
type transfer struct {
	Options
	from    source
	to      target
	move    store.Move // the row in the source
	restart bool       // an earlier attempt filled the target
	tables  []table
}

// run does the steps from the claim on, or those that an earlier attempt has left.
func (t *transfer) run(ctx context.Context) (result []Table, err error) {
	if t.tables, err = t.from.tables(ctx); err != nil {
		return nil, err
	}
	if t.move.DoneAt.Valid {
		result, err = t.compareAgain(ctx)
	} else {
		result, err = t.copyAll(ctx)
	}
	if err != nil {
		return nil, err
	}
	if err := t.Verify(ctx); err != nil {
		return nil, err
	}
	ctx = context.WithoutCancel(ctx) // the rest is short, and better not interrupted
	if !t.move.DoneAt.Valid {
		if err := t.from.finish(ctx, t.Now()); err != nil {
			return nil, err
		}
	}
	if err := t.to.analyze(ctx, t.tables); err != nil {
		return nil, err
	}
	return result, t.to.finish(ctx, t.Now())
}

// copyAll claims and migrates the target and copies all rows in one transaction.
func (t *transfer) copyAll(ctx context.Context) (result []Table, err error) {
	if err := t.to.claim(ctx, t.tables, t.restart); err != nil {
		return nil, err
	}
	if err := t.to.MigrateClaimed(ctx, t.Now); err != nil {
		return nil, err
	}
	err = t.to.InLongTx(ctx, func(tx *store.Tx) error {
		w := writer{tx.Raw()}
		if err := tx.LockSchema(ctx); err != nil {
			return err
		}
		if err := w.lockKeys(ctx); err != nil {
			return err
		}
		if err := w.disableTimeouts(ctx); err != nil {
			return err
		}
		if err := t.prepare(ctx, tx); err != nil {
			return err
		}
		if err := t.copyTables(ctx, w); err != nil {
			return err
		}
		if result, err = compare(ctx, t.from, w, t.tables); err != nil {
			return err
		}
		return w.execShort(ctx, `INSERT INTO moves (id) VALUES ($1)`, t.move.ID)
	})
	return result, err
}

// compareAgain compares both databases if the source has been given up already.
func (t *transfer) compareAgain(ctx context.Context) (result []Table, err error) {
	err = t.to.InLongTx(ctx, func(tx *store.Tx) error {
		w := writer{tx.Raw()}
		if err := w.disableTimeouts(ctx); err != nil {
			return err
		}
		result, err = compare(ctx, t.from, w, t.tables)
		return err
	})
	return result, err
}

// prepare checks that both databases have the same tables, finds the target's column types, and removes the rows of an
// earlier attempt. It returns errNotEmpty if there are other rows.
func (t *transfer) prepare(ctx context.Context, tx *store.Tx) error {
	w := writer{tx.Raw()}
	if err := w.findTypes(ctx, tx, t.tables); err != nil {
		return err
	}
	if t.restart {
		_, err := w.ExecContext(ctx, `TRUNCATE moves, `+names(t.tables))
		return err
	}
	return w.checkEmpty(ctx, tx, t.tables)
}

// copyTables copies the rows of all tables.
func (t *transfer) copyTables(ctx context.Context, w writer) error {
	total := int64(0)
	for _, table := range t.tables {
		if err := t.from.copyTable(ctx, w, table, func(rows int) {
			total += int64(rows)
			t.Progress(total)
		}); err != nil {
			return fmt.Errorf("table %s: %w", table.name, err)
		}
	}
	return nil
}
