//go:build cgo

package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/jmoiron/sqlx"
	"github.com/mattn/go-sqlite3"
)

func openSQLite(path string, wrap Wrapper) (*database, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := checkLogBelongs(absolute); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(absolute, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	opened, err := file.Stat()
	if err != nil {
		return nil, err
	}
	open := func(connections int, writes bool, options string) *sqlx.DB {
		// The driver ignores the context while it waits for a lock, so it waits for one second and the store retries. A
		// connection needs no mutex, as the pool gives it to one goroutine at a time.
		dsn := "file:" + (&url.URL{Path: absolute}).EscapedPath() + "?mode=rw&_journal_mode=WAL&_synchronous=FULL" +
			"&_foreign_keys=on&_busy_timeout=1000&_mutex=no&_stmt_cache_size=" + strconv.Itoa(cachedStatements) + options
		db := sqlx.NewDb(sql.OpenDB(wrap(&sqliteConnector{dsn, absolute, opened, writes})), "sqlite3")
		db.SetMaxOpenConns(connections)
		db.SetMaxIdleConns(connections)
		return db
	}
	return &database{
		dialect: dialect{
			name:       "sqlite",
			bind:       sqliteBind,
			inProcess:  true,
			constraint: sqliteConstraint,
			retryable: func(err error) bool {
				var e sqlite3.Error
				return errors.As(err, &e) && (e.Code == sqlite3.ErrBusy || e.Code == sqlite3.ErrLocked)
			},
			broken:     func(error) bool { return false },
			position:   "instr",
			tables:     `SELECT name FROM sqlite_schema WHERE type = 'table'`,
			objects:    `SELECT name FROM sqlite_schema WHERE type IN ('table', 'index')`,
			triggers:   `SELECT name FROM sqlite_schema WHERE type = 'trigger'`,
			backup:     `VACUUM INTO ?`,
			corruption: sqliteCorruption,
		},
		readPool:  open(max(4, 2*runtime.NumCPU()), false, "&_query_only=on"),
		writePool: open(1, true, "&_txlock=immediate"),
	}, nil
}

// cachedStatements is the number of latest statements that a connection keeps prepared. There are more forms of pages
// alone, of which clients use few.
const cachedStatements = 100

// sqliteBind writes a plus sign before each argument. It changes nothing but that SQLite ignores the value when it
// plans a statement; otherwise SQLite would plan again for each value (sqlite3_prepare_v3).
func sqliteBind(query string) string { return strings.ReplaceAll(query, "?", "+?") }

// checkLogBelongs returns an error if the write-ahead log beside a database file is not that of the file. SQLite would
// discard it if the file is missing or empty, and apply it to any other.
func checkLogBelongs(path string) error {
	log := path + "-wal"
	if info, err := os.Stat(log); err != nil || info.Size() == 0 {
		return nil
	}
	// The log is checked first: while another process starts, the file is in WAL mode before the log exists.
	head := make([]byte, 20)
	file, err := os.Open(path)
	if err == nil {
		defer file.Close()
		_, err = io.ReadFull(file, head)
	}
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, io.EOF):
		return fmt.Errorf("the file is empty or missing, but %s is there: restore the database, or start in an "+
			"empty folder", log)
	case err == nil && head[18] == rollbackMode:
		return fmt.Errorf("%s is of another database: if the file is a restored backup, remove that one, and the file "+
			"that ends in -shm", log)
	}
	return nil
}

// rollbackMode is in the header of a database without a write-ahead log, as backups have none (Database File Format,
// section 1.3.3).
const rollbackMode = 1

// sqliteConstraint returns users_username_key for "UNIQUE constraint failed: users.username_key".
func sqliteConstraint(err error) string {
	var e sqlite3.Error
	if !errors.As(err, &e) || e.ExtendedCode != sqlite3.ErrConstraintUnique {
		return ""
	}
	_, column, _ := strings.Cut(e.Error(), ": ")
	return strings.ReplaceAll(column, ".", "_")
}

// sqliteCorruption returns the problems of the file and the broken references between tables.
func sqliteCorruption(ctx context.Context, db *sqlx.DB) (found []string, err error) {
	if err := db.SelectContext(ctx, &found, `PRAGMA integrity_check`); err != nil {
		return nil, err
	}
	if len(found) == 1 && found[0] == "ok" {
		found = nil
	}
	var orphans []struct {
		Table  string `db:"table"`
		RowID  *int64 `db:"rowid"`
		Parent string `db:"parent"`
		Key    int    `db:"fkid"`
	}
	if err := db.SelectContext(ctx, &orphans, `PRAGMA foreign_key_check`); err != nil {
		return nil, err
	}
	for _, o := range orphans {
		found = append(found, fmt.Sprintf("a row of %s refers to one of %s that is not there", o.Table, o.Parent))
	}
	return found, nil
}

// sqliteConnector opens connections to a file as long as it is in its place. SQLite would go on writing to a file that
// has been moved or deleted, where the next start does not find what was acknowledged meanwhile.
type sqliteConnector struct {
	dsn, path string
	file      os.FileInfo
	writes    bool
}

func (c *sqliteConnector) Connect(context.Context) (driver.Conn, error) {
	if err := c.checkInPlace(); err != nil {
		return nil, err
	}
	conn, err := c.Driver().Open(c.dsn)
	if err != nil || !c.writes {
		return conn, err
	}
	return &sqliteConn{conn.(*sqlite3.SQLiteConn), c.checkInPlace}, nil
}

func (c *sqliteConnector) Driver() driver.Driver {
	return &sqlite3.SQLiteDriver{ConnectHook: func(conn *sqlite3.SQLiteConn) error {
		_, err := conn.Exec(`PRAGMA trusted_schema = off`, nil)
		return err
	}}
}

func (c *sqliteConnector) checkInPlace() error {
	if file, err := os.Stat(c.path); err != nil || !os.SameFile(file, c.file) {
		return errors.New("the database file has been moved or replaced: put it back, or stop the server")
	}
	return nil
}

// sqliteConn refuses to write unless its file is in its place.
type sqliteConn struct {
	*sqlite3.SQLiteConn
	checkInPlace func() error
}

func (c *sqliteConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	if err := c.checkInPlace(); err != nil {
		return nil, err
	}
	return c.SQLiteConn.BeginTx(ctx, o)
}

func (c *sqliteConn) ExecContext(
	ctx context.Context, query string, args []driver.NamedValue,
) (driver.Result, error) {
	if err := c.checkInPlace(); err != nil {
		return nil, err
	}
	return c.SQLiteConn.ExecContext(ctx, query, args)
}

func (c *sqliteConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if err := c.checkInPlace(); err != nil {
		return nil, err
	}
	return c.SQLiteConn.QueryContext(ctx, query, args)
}
