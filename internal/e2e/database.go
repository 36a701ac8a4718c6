package e2e

import (
	"database/sql"
	"net/url"
	"strings"

	"latchkey/internal/store"
)

// DB opens another connection to the database. It is closed at the end of the test.
func (env *Env) DB() *sql.DB {
	env.T.Helper()
	driver, name := "sqlite3", ""
	if path, ok := strings.CutPrefix(env.Database, "sqlite:"); ok {
		name = "file:" + (&url.URL{Path: path}).EscapedPath() + "?_busy_timeout=5000"
	} else {
		u, err := url.Parse(env.Database)
		if err != nil {
			env.T.Fatal(err)
		}
		query := u.Query()
		query.Set("default_query_exec_mode", "exec") // a pooler may execute a prepared statement on another connection
		u.RawQuery = query.Encode()
		driver, name = "pgx", u.String()
	}
	db, err := sql.Open(driver, name)
	if err != nil {
		env.T.Fatal(err)
	}
	env.T.Cleanup(func() { db.Close() })
	return db
}

// Exec executes a statement on the database.
func (env *Env) Exec(statement string) {
	env.T.Helper()
	if _, err := env.DB().Exec(statement); err != nil {
		env.T.Fatal(err)
	}
}

// Count returns the number of rows of a table.
func (env *Env) Count(table string) (n int) {
	env.T.Helper()
	if err := env.DB().QueryRow("SELECT COUNT(*) FROM " + table).Scan(&n); err != nil {
		env.T.Fatal(err)
	}
	return n
}

// Dump returns the set of all values in the database.
func (env *Env) Dump() map[string]bool {
	env.T.Helper()
	names := `SELECT tablename FROM pg_tables WHERE schemaname = current_schema()`
	if strings.HasPrefix(env.Database, "sqlite:") {
		names = `SELECT name FROM sqlite_schema WHERE type = 'table'`
	}
	values := map[string]bool{}
	for _, table := range env.Values(names) {
		for _, value := range env.Values(`SELECT * FROM "` + table + `"`) {
			values[value] = true
		}
	}
	return values
}

// Values returns all values of the rows of a query, except NULL.
func (env *Env) Values(query string) (values []string) {
	env.T.Helper()
	db := env.DB()
	defer db.Close()
	rows, err := db.Query(query)
	if err != nil {
		env.T.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		env.T.Fatal(err)
	}
	row := make([]sql.NullString, len(columns))
	fields := make([]any, len(columns))
	for i := range row {
		fields[i] = &row[i]
	}
	for rows.Next() {
		if err := rows.Scan(fields...); err != nil {
			env.T.Fatal(err)
		}
		for _, value := range row {
			if value.Valid {
				values = append(values, value.String)
			}
		}
	}
	if err := rows.Err(); err != nil {
		env.T.Fatal(err)
	}
	return values
}

// InStore runs f in a transaction of a connection other than the server's.
func (env *Env) InStore(f func(tx *store.Tx) error) {
	env.T.Helper()
	st, err := store.Open(env.T.Context(), env.Database)
	if err != nil {
		env.T.Fatal(err)
	}
	defer st.Close()
	if err := st.InTx(env.T.Context(), f); err != nil {
		env.T.Fatal(err)
	}
}
