package transfer

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"latchkey/internal/store"
)

// createMoves creates the table of store.Move.
const createMoves = `CREATE TABLE IF NOT EXISTS ` + store.MovesTable + ` (id TEXT NOT NULL PRIMARY KEY, done_at BIGINT)`

// source is the only connection to the SQLite database.
type source struct{ *sql.Conn }

// table is a table to copy.
type table struct {
	name    string
	columns []string // in the order of their names
	types   []string // those of PostgreSQL, in the same order
}

func names(tables []table) string {
	all := make([]string, len(tables))
	for i, t := range tables {
		all[i] = t.name
	}
	return strings.Join(all, ", ")
}

func (t table) selectAll() string {
	return `SELECT ` + strings.Join(t.columns, ", ") + ` FROM ` + t.name
}

// begin returns the row about the transfer, which it inserts unless there is one.
func (s source) begin(ctx context.Context) (move store.Move, err error) {
	tx, err := s.BeginTx(ctx, nil)
	if err != nil {
		return move, err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, createMoves); err != nil {
		return move, err
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO moves (id) SELECT ? WHERE NOT EXISTS (SELECT 1 FROM moves)`,
		rand.Text()); err != nil {
		return move, err
	}
	if err := tx.QueryRowContext(ctx, `SELECT id, done_at FROM moves`).Scan(&move.ID, &move.DoneAt); err != nil {
		return move, err
	}
	return move, tx.Commit()
}

// finish marks the source as done.
func (s source) finish(ctx context.Context, now time.Time) error {
	_, err := s.ExecContext(ctx, `UPDATE moves SET done_at = ?`, now.UnixMicro())
	return err
}

// tables returns the tables to copy, each after those it refers to.
func (s source) tables(ctx context.Context) (sorted []table, err error) {
	left, err := selectStrings(ctx, s, `SELECT name FROM sqlite_schema WHERE type = 'table'
		AND name NOT LIKE 'sqlite\_%' ESCAPE '\' AND name NOT IN ('schema_migrations', 'moves') ORDER BY name`)
	if err != nil {
		return nil, err
	}
	parents := map[string][]string{}
	for _, name := range left {
		if parents[name], err = selectStrings(ctx, s,
			`SELECT DISTINCT "table" FROM pragma_foreign_key_list(?) WHERE "table" <> ?`, name, name); err != nil {
			return nil, err
		}
	}
	isLeft := func(name string) bool { return slices.Contains(left, name) }
	for len(left) > 0 {
		i := slices.IndexFunc(left, func(name string) bool { return !slices.ContainsFunc(parents[name], isLeft) })
		if i < 0 {
			return nil, fmt.Errorf("the tables %s refer to one another in a circle", strings.Join(left, ", "))
		}
		columns, err := selectStrings(ctx, s, `SELECT name FROM pragma_table_info(?) ORDER BY name`, left[i])
		if err != nil {
			return nil, err
		}
		sorted, left = append(sorted, table{name: left[i], columns: columns}), slices.Delete(left, i, i+1)
	}
	return sorted, nil
}

// batchSize is the number of rows that are inserted at once.
const batchSize = 1000

// copyTable inserts the rows of a table in batches, and calls progress with the size of each.
func (s source) copyTable(ctx context.Context, w writer, t table, progress func(rows int)) error {
	b := newBatch(t)
	flush := func() error {
		n := b.rows()
		if n == 0 {
			return nil
		}
		if err := b.insert(ctx, w); err != nil {
			return err
		}
		progress(n)
		return nil
	}
	if err := forEachRow(ctx, s, t, func(row []any) error {
		if err := b.add(row); err != nil || b.rows() < batchSize {
			return err
		}
		return flush()
	}); err != nil {
		return err
	}
	return flush()
}

// batch is rows to insert, by columns: PostgreSQL gets an array for each.
type batch struct {
	table
	statement string
	columns   [][]any
}

func newBatch(t table) *batch {
	arrays := make([]string, len(t.types))
	for i, name := range t.types {
		arrays[i] = fmt.Sprintf(`CAST($%d AS %s[])`, i+1, name)
	}
	return &batch{
		table: t,
		statement: `INSERT INTO ` + t.name + ` (` + strings.Join(t.columns, ", ") + `)
		SELECT * FROM unnest(` + strings.Join(arrays, ", ") + `)`,
		columns: make([][]any, len(t.types)),
	}
}

func (b *batch) rows() int { return len(b.columns[0]) }

// add appends a row of SQLite.
func (b *batch) add(row []any) (err error) {
	for i, value := range row {
		if b.types[i] == "boolean" {
			if value, err = toBool(value); err != nil {
				return fmt.Errorf("%s: %w", b.table.columns[i], err)
			}
		}
		b.columns[i] = append(b.columns[i], value)
	}
	return nil
}

// insert inserts the rows and removes them from the batch.
func (b *batch) insert(ctx context.Context, w writer) error {
	args := make([]any, len(b.columns))
	for i := range b.columns {
		args[i] = b.columns[i]
	}
	if _, err := w.ExecContext(ctx, b.statement, args...); err != nil {
		return err
	}
	for i := range b.columns {
		b.columns[i] = b.columns[i][:0]
	}
	return nil
}

// toBool returns the boolean, or NULL, that SQLite stores as a number.
func toBool(value any) (any, error) {
	switch value {
	case nil:
		return nil, nil
	case int64(0):
		return false, nil
	case int64(1):
		return true, nil
	}
	return nil, errors.New("a value is neither 0 nor 1")
}
