package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
)

// A move leaves a table of one row on both sides, with an ID that they share. The time is when that side was done: the
// SQLite database gave up, the PostgreSQL database is ready. A side that has no such table was never part of a move; on
// one with an empty table a move has begun that has copied nothing yet.
const movesTable = "moves"

type moveRow struct {
	ID     string `db:"id"`
	DoneAt *int64 `db:"done_at"`
}

const createMoves = `CREATE TABLE IF NOT EXISTS moves (id TEXT NOT NULL PRIMARY KEY, done_at BIGINT)`

// Moved is a table that has been moved.
type Moved struct {
	Table    string `json:"table"`
	Rows     int64  `json:"rows"`
	Checksum string `json:"checksum"` // the same on both sides; of all rows in any order, in hexadecimal
}

var (
	errInUse      = errors.New("the database to move is in use: stop every server and command that has it open")
	errTaken      = errors.New("the database to move to is not empty: nothing was changed there")
	errUnfinished = errors.New("the move to this database is not finished: run latchkey move again")
)

// moveBatch is how many rows are inserted at once.
const moveBatch = 1000

// Move copies all that s, on SQLite, keeps to another store, on PostgreSQL, whose schema it brings up to date and which
// must hold nothing. It fails when anybody else has the file of s open, and nobody can open it meanwhile. It calls seen
// with the number of rows copied so far, and prove when they are there. Afterwards no server starts on s, which is of
// no use but to be closed.
//
// Whenever it is cut short either s is as it was, and a server starts on it, or everything is at the other one. No
// server starts on what is not finished, and calling Move again begins again, or finishes it:
//
//  1. s is locked, and gets the ID of the move.
//  2. The other store is claimed: no server starts on it any more.
//  3. One transaction copies all rows, compares what the other store then holds, and leaves the ID there, not done.
//  4. s is marked as done: nobody writes to it any more.
//  5. The other store is marked as done.
func (s *Store) Move(
	ctx context.Context, to *Store, now func() time.Time, prove func(context.Context) error, seen func(rows int64),
) ([]Moved, error) {
	from, err := s.alone(ctx)
	if err != nil {
		return nil, err
	}
	defer from.Close()
	here, err := from.begin(ctx)
	if err != nil {
		return nil, err
	}
	there, err := to.move(ctx)
	if err != nil {
		return nil, err
	}
	switch same := there != nil && there.ID == here.ID; {
	case here.DoneAt != nil && (!same || there.DoneAt != nil):
		return nil, movedError(*here.DoneAt)
	case there != nil && there.ID != "" && (!same || there.DoneAt != nil):
		return nil, errTaken
	}
	moved, err := from.carry(ctx, to, here, there != nil && there.ID != "", now, prove, seen)
	if errors.Is(err, errTaken) {
		if failed := to.release(context.WithoutCancel(ctx)); failed != nil {
			return nil, failed
		}
		return nil, err
	}
	if err != nil {
		return nil, singleLineError{fmt.Errorf("the move is not finished: %w", err)}
	}
	return moved, nil
}

// CheckNotMoved returns an error when no server may start on the database because of a move from it, or to it, which is not
// finished. A move to a database begins only where there is no row yet; so who looks at this after writing one is safe
// from all that begin later.
func (s *Store) CheckNotMoved(ctx context.Context) error {
	move, err := s.move(ctx)
	switch {
	case err != nil || move == nil:
		return err
	case s.dialect.name == "sqlite" && move.DoneAt != nil:
		return movedError(*move.DoneAt)
	case s.dialect.name != "sqlite" && move.DoneAt == nil:
		return errUnfinished
	}
	return nil
}

func movedError(at int64) error {
	return fmt.Errorf("the database was moved to PostgreSQL at %s: set LATCHKEY_DATABASE_URL to the one it was moved to",
		fromMicros(at).Format(time.RFC3339))
}

// move returns the trace of a move, without an ID when that has copied nothing yet, or nil.
func (q *Queries) move(ctx context.Context) (*moveRow, error) {
	tables, err := q.tables(ctx)
	if err != nil || !slices.Contains(tables, movesTable) {
		return nil, err
	}
	var rows []moveRow
	if err := q.scanAll(ctx, &rows, `SELECT id, done_at FROM moves`); err != nil || len(rows) == 0 {
		return new(moveRow), err
	}
	return &rows[0], nil
}

// leaver is the only connection to a SQLite database that is about to be moved.
type leaver struct{ *sqlx.Conn }

// alone returns a connection that keeps all others out until it is closed.
func (s *Store) alone(ctx context.Context) (_ *leaver, err error) {
	s.readPool.SetMaxIdleConns(-1) // which closes those that do nothing
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
	// Every open connection holds a lock that keeps the journal as it is.
	for _, step := range []string{
		`PRAGMA journal_mode = DELETE`, `PRAGMA locking_mode = EXCLUSIVE`, `BEGIN EXCLUSIVE`, `COMMIT`,
	} {
		if _, err := conn.ExecContext(ctx, step); err != nil {
			if s.dialect.retryable(err) {
				err = errInUse
			}
			return nil, err
		}
	}
	var journal string
	if err := conn.GetContext(ctx, &journal, `PRAGMA journal_mode`); err != nil {
		return nil, err
	}
	if journal != "delete" { // somebody came in between
		return nil, errInUse
	}
	return &leaver{conn}, nil
}

// begin returns the trace of the move, which it makes unless there is one.
func (l *leaver) begin(ctx context.Context) (row moveRow, err error) {
	tx, err := l.BeginTxx(ctx, nil)
	if err != nil {
		return row, err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, createMoves); err != nil {
		return row, err
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO moves (id) SELECT ? WHERE NOT EXISTS (SELECT 1 FROM moves)`,
		rand.Text()); err != nil {
		return row, err
	}
	if err := tx.GetContext(ctx, &row, `SELECT id, done_at FROM moves`); err != nil {
		return row, err
	}
	return row, tx.Commit()
}

// carry does what is left of a move. again tells that there is something of it on the other side.
func (l *leaver) carry(
	ctx context.Context, to *Store, move moveRow, again bool, now func() time.Time,
	prove func(context.Context) error, seen func(rows int64),
) (moved []Moved, err error) {
	tables, err := l.tables(ctx)
	if err != nil {
		return nil, err
	}
	if move.DoneAt == nil {
		if _, err := to.Steps(ctx); err != nil { // which refuses what is not ours
			return nil, err
		}
		if err := to.InLongTx(ctx, func(tx *Tx) error { return tx.claim(ctx, tables, again) }); err != nil {
			return nil, err
		}
		if _, err := to.applyMigrations(ctx, now); err != nil {
			return nil, err
		}
	}
	if err := to.InLongTx(ctx, func(tx *Tx) (err error) {
		if move.DoneAt == nil {
			if err := tx.takeOver(ctx); err != nil {
				return err
			}
		}
		if err := tx.unhurried(ctx); err != nil {
			return err
		}
		if move.DoneAt == nil {
			moved, err = l.copy(ctx, tx, tables, move.ID, again, seen)
		} else {
			moved, err = l.compare(ctx, tx, tables)
		}
		return err
	}); err != nil {
		return nil, err
	}
	if err := prove(ctx); err != nil {
		return nil, err
	}
	ctx = context.WithoutCancel(ctx) // the rest is short, and better done
	if move.DoneAt == nil {
		if _, err := l.ExecContext(ctx, `UPDATE moves SET done_at = ?`, micros(now())); err != nil {
			return nil, err
		}
	}
	if err := to.InLongTx(ctx, func(tx *Tx) error {
		if err := tx.unhurried(ctx); err != nil {
			return err
		}
		_, err := tx.tx.ExecContext(ctx, `ANALYZE `+namesOf(tables)) // or the first queries would be planned blindly
		return err
	}); err != nil {
		return nil, err
	}
	_, err = to.exec(ctx, `UPDATE moves SET done_at = ?`, micros(now()))
	return moved, err
}

// claim keeps servers from starting on this side from now on. It fails where there are rows already, other than those
// of an earlier attempt.
func (tx *Tx) claim(ctx context.Context, tables []moveTable, again bool) error {
	if err := tx.prepareMigrations(ctx); err != nil {
		return err
	}
	if !again {
		if err := tx.holdsNothing(ctx, tables); err != nil {
			return err
		}
	}
	_, err := tx.exec(ctx, createMoves)
	return err
}

// takeOver makes a transaction the only one that fills this side: a server that began before the claim has made its key
// by now, or waits.
func (tx *Tx) takeOver(ctx context.Context) error {
	if err := tx.lockSchema(ctx); err != nil {
		return err
	}
	_, err := tx.tx.ExecContext(ctx, `LOCK TABLE signing_keys IN SHARE MODE`)
	return err
}

// release takes a claim back, if nothing has been copied.
func (s *Store) release(ctx context.Context) error {
	return s.InLongTx(ctx, func(tx *Tx) error {
		if err := tx.lockSchema(ctx); err != nil {
			return err
		}
		if move, err := tx.move(ctx); err != nil || move == nil || move.ID != "" {
			return err
		}
		_, err := tx.exec(ctx, `DROP TABLE moves`)
		return err
	})
}

// holdsNothing fails unless those of the tables that there are have no rows.
func (tx *Tx) holdsNothing(ctx context.Context, tables []moveTable) error {
	names, err := tx.tables(ctx)
	if err != nil {
		return err
	}
	for _, t := range tables {
		if !slices.Contains(names, t.name) {
			continue
		}
		var full bool
		if err := tx.get(ctx, &full, `SELECT EXISTS (SELECT 1 FROM `+t.name+`)`); err != nil {
			return err
		}
		if full {
			return errTaken
		}
	}
	return nil
}

// moveTable is a table to move, and its columns in the order of their names.
type moveTable struct {
	name    string
	columns []string
}

func namesOf(tables []moveTable) string {
	names := make([]string, len(tables))
	for i, t := range tables {
		names[i] = t.name
	}
	return strings.Join(names, ", ")
}

func (t moveTable) selection() string {
	return `SELECT ` + strings.Join(t.columns, ", ") + ` FROM ` + t.name
}

// tables returns the tables that hold what the program keeps, each after those it refers to.
func (l *leaver) tables(ctx context.Context) (sorted []moveTable, err error) {
	var names []string
	if err := l.SelectContext(ctx, &names, `SELECT name FROM sqlite_schema WHERE type = 'table'
		AND name NOT LIKE 'sqlite\_%' ESCAPE '\' AND name NOT IN ('schema_migrations', 'moves') ORDER BY name`); err != nil {
		return nil, err
	}
	parents := map[string][]string{}
	for _, name := range names {
		var to []string
		err := l.SelectContext(ctx, &to, `SELECT DISTINCT "table" FROM pragma_foreign_key_list(?) WHERE "table" <> ?`,
			name, name)
		if err != nil {
			return nil, err
		}
		parents[name] = to
	}
	for len(names) > 0 {
		i := slices.IndexFunc(names, func(name string) bool {
			return !slices.ContainsFunc(parents[name], func(parent string) bool { return slices.Contains(names, parent) })
		})
		if i < 0 {
			return nil, fmt.Errorf("the tables %s refer to one another in a circle", strings.Join(names, ", "))
		}
		table := moveTable{name: names[i]}
		if err := l.SelectContext(ctx, &table.columns, `SELECT name FROM pragma_table_info(?) ORDER BY name`,
			table.name); err != nil {
			return nil, err
		}
		sorted, names = append(sorted, table), slices.Delete(names, i, i+1)
	}
	return sorted, nil
}

// copy copies the tables within a transaction of the other side, which must be empty, or be emptied because an earlier
// attempt filled it; compares both; and leaves the move's ID there.
func (l *leaver) copy(
	ctx context.Context, tx *Tx, tables []moveTable, id string, again bool, seen func(rows int64),
) ([]Moved, error) {
	types := make([][]string, len(tables))
	if err := tx.sameTables(ctx, tables, types); err != nil {
		return nil, err
	}
	if again {
		if _, err := tx.tx.ExecContext(ctx, `TRUNCATE moves, `+namesOf(tables)); err != nil {
			return nil, err
		}
	} else if err := tx.holdsNothing(ctx, tables); err != nil {
		return nil, err
	}
	total := int64(0)
	for i, t := range tables {
		if err := l.copyTable(ctx, tx, t, types[i], func(rows int) { total += int64(rows); seen(total) }); err != nil {
			return nil, fmt.Errorf("table %s: %w", t.name, err)
		}
	}
	moved, err := l.compare(ctx, tx, tables)
	if err != nil {
		return nil, err
	}
	_, err = tx.exec(ctx, `INSERT INTO moves (id) VALUES (?)`, id)
	return moved, err
}

// unhurried lets a transaction take as long as it takes, whatever the role's limits are. Not every version of
// PostgreSQL has all of them.
func (tx *Tx) unhurried(ctx context.Context) error {
	_, err := tx.tx.ExecContext(ctx, `SELECT set_config(name, '0', true) FROM pg_settings WHERE name IN
		('statement_timeout', 'lock_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout')`)
	return err
}

// sameTables finds the types of the columns, and fails unless there are the same tables and columns on this side.
func (tx *Tx) sameTables(ctx context.Context, tables []moveTable, types [][]string) error {
	names, err := tx.tables(ctx)
	if err != nil {
		return err
	}
	names = slices.DeleteFunc(names, func(name string) bool { return name == "schema_migrations" || name == movesTable })
	for i, t := range tables {
		var columns []struct {
			Name string `db:"column_name"`
			Type string `db:"data_type"`
		}
		if err := tx.scanAll(ctx, &columns, `SELECT column_name, data_type FROM information_schema.columns
			WHERE table_schema = current_schema() AND table_name = ? ORDER BY column_name COLLATE "C"`, t.name); err != nil {
			return err
		}
		found := make([]string, len(columns))
		for j, c := range columns {
			found[j], types[i] = c.Name, append(types[i], c.Type)
		}
		if !slices.Equal(found, t.columns) {
			return fmt.Errorf("the columns of %s are not the same on both sides", t.name)
		}
	}
	if len(names) != len(tables) {
		return errors.New("the tables are not the same on both sides")
	}
	return nil
}

// copyTable inserts the rows of a table, a batch at a time, and calls seen with the size of each.
func (l *leaver) copyTable(ctx context.Context, tx *Tx, t moveTable, types []string, seen func(rows int)) error {
	arrays := make([]string, len(types))
	for i, name := range types {
		arrays[i] = `CAST(? AS ` + name + `[])`
	}
	insert := tx.dialect.bind(`INSERT INTO ` + t.name + ` (` + strings.Join(t.columns, ", ") + `)
		SELECT * FROM unnest(` + strings.Join(arrays, ", ") + `)`)
	batch := make([][]any, len(types))
	flush := func() error {
		if len(batch[0]) == 0 {
			return nil
		}
		args := make([]any, len(batch))
		for i := range batch {
			args[i] = batch[i]
		}
		if _, err := tx.tx.ExecContext(ctx, insert, args...); err != nil {
			return err
		}
		seen(len(batch[0]))
		for i := range batch {
			batch[i] = batch[i][:0]
		}
		return nil
	}
	if err := each(ctx, l, t, func(row []any) error {
		for i, value := range row {
			if types[i] == "boolean" {
				var err error
				if value, err = truth(value); err != nil {
					return fmt.Errorf("%s: %w", t.columns[i], err)
				}
			}
			batch[i] = append(batch[i], value)
		}
		if len(batch[0]) < moveBatch {
			return nil
		}
		return flush()
	}); err != nil {
		return err
	}
	return flush()
}

// truth returns what SQLite keeps as a number as what it means.
func truth(value any) (any, error) {
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

// compare returns the rows and checksums of the tables, and fails unless both sides have the same.
func (l *leaver) compare(ctx context.Context, tx *Tx, tables []moveTable) ([]Moved, error) {
	moved := make([]Moved, len(tables))
	for i, t := range tables {
		here, err := sum(ctx, l, t)
		if err != nil {
			return nil, err
		}
		there, err := sum(ctx, tx.tx, t)
		if err != nil {
			return nil, err
		}
		if here != there {
			return nil, fmt.Errorf("table %s arrived with %d rows and checksum %s instead of %d and %s",
				t.name, there.Rows, there.Checksum, here.Rows, here.Checksum)
		}
		moved[i] = here
	}
	return moved, nil
}

// sum reads a table and returns its rows and checksum: the sum of a hash of each row, so their order is of no
// importance, which differs between the engines.
func sum(ctx context.Context, q sqlx.QueryerContext, t moveTable) (Moved, error) {
	rows, total := int64(0), [4]uint64{}
	hash := sha256.New()
	var text []byte
	err := each(ctx, q, t, func(row []any) error {
		text = text[:0]
		for i, value := range row {
			var err error
			if text, err = appendValue(text, value); err != nil {
				return fmt.Errorf("%s: %w", t.columns[i], err)
			}
		}
		hash.Reset()
		hash.Write(text)
		digest := hash.Sum(nil)
		for i := range total {
			total[i] += binary.BigEndian.Uint64(digest[8*i:])
		}
		rows++
		return nil
	})
	var checksum []byte
	for _, part := range total {
		checksum = binary.BigEndian.AppendUint64(checksum, part)
	}
	return Moved{t.name, rows, hex.EncodeToString(checksum)}, err
}

// appendValue appends a value so that no two rows look alike unless they are. Yes and no are 1 and 0, as in SQLite.
func appendValue(to []byte, value any) ([]byte, error) {
	kind, text := byte('x'), []byte(nil)
	switch v := value.(type) {
	case nil:
		return append(to, 'n'), nil
	case bool:
		kind, text = 'i', []byte("0")
		if v {
			text = []byte("1")
		}
	case int64:
		kind, text = 'i', strconv.AppendInt(nil, v, 10)
	case string:
		kind, text = 't', []byte(v)
	case []byte:
		text = v
	default:
		return nil, fmt.Errorf("there is no checksum of a %T", value)
	}
	to = binary.BigEndian.AppendUint64(append(to, kind), uint64(len(text)))
	return append(to, text...), nil
}

// each calls f with every row of a table: its columns as they come from the driver.
func each(ctx context.Context, q sqlx.QueryerContext, t moveTable, f func(row []any) error) error {
	rows, err := q.QueryContext(ctx, t.selection())
	if err != nil {
		return err
	}
	defer rows.Close()
	row, targets := make([]any, len(t.columns)), make([]any, len(t.columns))
	for i := range row {
		targets[i] = &row[i]
	}
	for rows.Next() {
		if err := rows.Scan(targets...); err != nil {
			return err
		}
		if err := f(row); err != nil {
			return err
		}
	}
	return rows.Err()
}
