package transfer

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"latchkey/internal/store"
)

// shortTimeout limits a statement whose cost does not depend on the number of rows.
const shortTimeout = 5 * time.Second

// target is the PostgreSQL database.
type target struct{ *store.Store }

// claim creates the table moves, so that no server starts on the database. It returns errNotEmpty if there are rows,
// other than those of an earlier attempt.
func (t target) claim(ctx context.Context, tables []table, restart bool) error {
	if _, err := t.Steps(ctx); err != nil { // refuses the database of another program
		return err
	}
	return t.InLongTx(ctx, func(tx *store.Tx) error {
		if err := tx.PrepareMigrations(ctx); err != nil {
			return err
		}
		w := writer{tx.Raw()}
		if !restart {
			if err := w.checkEmpty(ctx, tx, tables); err != nil {
				return err
			}
		}
		return w.execShort(ctx, createMoves)
	})
}

// release takes a claim back, if nothing has been copied.
func (t target) release(ctx context.Context) error {
	return t.InLongTx(ctx, func(tx *store.Tx) error {
		if err := tx.LockSchema(ctx); err != nil {
			return err
		}
		if move, err := tx.Move(ctx); err != nil || move == nil || move.ID != "" {
			return err
		}
		return writer{tx.Raw()}.execShort(ctx, `DROP TABLE moves`)
	})
}

// analyze updates the planner's statistics, without which the first queries would get bad plans.
func (t target) analyze(ctx context.Context, tables []table) error {
	return t.InLongTx(ctx, func(tx *store.Tx) error {
		w := writer{tx.Raw()}
		if err := w.disableTimeouts(ctx); err != nil {
			return err
		}
		_, err := w.ExecContext(ctx, `ANALYZE `+names(tables))
		return err
	})
}

// finish marks the target as done.
func (t target) finish(ctx context.Context, now time.Time) error {
	return t.InLongTx(ctx, func(tx *store.Tx) error {
		return writer{tx.Raw()}.execShort(ctx, `UPDATE moves SET done_at = $1`, now.UnixMicro())
	})
}

// writer is a transaction on the target.
type writer struct{ *sql.Tx }

// execShort runs a statement within shortTimeout.
func (w writer) execShort(ctx context.Context, query string, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, shortTimeout)
	defer cancel()
	_, err := w.ExecContext(ctx, query, args...)
	return err
}

// lockKeys waits for servers that started before the claim, which have inserted their key by then, and keeps others
// from inserting one.
func (w writer) lockKeys(ctx context.Context) error {
	_, err := w.ExecContext(ctx, `LOCK TABLE signing_keys IN SHARE MODE`)
	return err
}

// disableTimeouts removes the role's limits from the transaction. Not every version of PostgreSQL has all of them.
func (w writer) disableTimeouts(ctx context.Context) error {
	_, err := w.ExecContext(ctx, `SELECT set_config(name, '0', true) FROM pg_settings WHERE name IN
		('statement_timeout', 'lock_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout')`)
	return err
}

// checkEmpty returns errNotEmpty unless those of the tables that exist have no rows.
func (w writer) checkEmpty(ctx context.Context, tx *store.Tx, tables []table) error {
	existing, err := tx.Tables(ctx)
	if err != nil {
		return err
	}
	for _, t := range tables {
		if !slices.Contains(existing, t.name) {
			continue
		}
		full, err := w.hasRows(ctx, t)
		if err != nil {
			return err
		}
		if full {
			return errNotEmpty
		}
	}
	return nil
}

func (w writer) hasRows(ctx context.Context, t table) (has bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, shortTimeout)
	defer cancel()
	err = w.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM `+t.name+`)`).Scan(&has)
	return has, err
}

// findTypes sets the types of the columns. It returns an error unless the target has the same tables and columns.
func (w writer) findTypes(ctx context.Context, tx *store.Tx, tables []table) error {
	existing, err := tx.Tables(ctx)
	if err != nil {
		return err
	}
	existing = slices.DeleteFunc(existing, func(name string) bool {
		return name == "schema_migrations" || name == store.MovesTable
	})
	for i, t := range tables {
		columns, types, err := w.columns(ctx, t.name)
		if err != nil {
			return err
		}
		if !slices.Equal(columns, t.columns) {
			return fmt.Errorf("the columns of %s are not the same on both sides", t.name)
		}
		tables[i].types = types
	}
	if len(existing) != len(tables) {
		return errors.New("the tables are not the same on both sides")
	}
	return nil
}

// columns returns the names of a table's columns, in order, and their types.
func (w writer) columns(ctx context.Context, table string) (names, types []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, shortTimeout)
	defer cancel()
	rows, err := w.QueryContext(ctx, `SELECT column_name, data_type FROM information_schema.columns
		WHERE table_schema = current_schema() AND table_name = $1 ORDER BY column_name COLLATE "C"`, table)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name, kind string
		if err := rows.Scan(&name, &kind); err != nil {
			return nil, nil, err
		}
		names, types = append(names, name), append(types, kind)
	}
	return names, types, rows.Err()
}
