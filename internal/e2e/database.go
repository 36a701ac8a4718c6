package e2e

import (
	"database/sql"
	"net/url"
	"strings"
)

// DB opens the site's database behind the server's back.
func (s *Env) DB() *sql.DB {
	s.T.Helper()
	driver, name := "pgx", s.Database
	if path, ok := strings.CutPrefix(s.Database, "sqlite:"); ok {
		driver, name = "sqlite3", "file:"+(&url.URL{Path: path}).EscapedPath()+"?_busy_timeout=5000"
	}
	db, err := sql.Open(driver, name)
	if err != nil {
		s.T.Fatal(err)
	}
	s.T.Cleanup(func() { db.Close() })
	return db
}

// Execute does to the database what no request can.
func (s *Env) Execute(statement string) {
	s.T.Helper()
	if _, err := s.DB().Exec(statement); err != nil {
		s.T.Fatal(err)
	}
}

// Count returns how many rows a table has.
func (s *Env) Count(table string) (n int) {
	s.T.Helper()
	if err := s.DB().QueryRow("SELECT COUNT(*) FROM " + table).Scan(&n); err != nil {
		s.T.Fatal(err)
	}
	return n
}

// sessionRow is how a session stands.
type sessionRow struct {
	Generation, Replays, refreshes      int
	generationAt, lastUsedAt, expiresAt int64
	revokedAt                           int64
	Reason                              string
}

// Row reads how the client's session stands from the database.
func (c *Client) Row() (r sessionRow) {
	c.T.Helper()
	db := c.DB()
	defer db.Close()
	err := db.QueryRow(`SELECT generation, grace_replays, refreshes, generation_at, last_used_at, expires_at,
		COALESCE(revoked_at, 0), COALESCE(revoke_reason, '') FROM sessions WHERE id = $1`, c.SessionID()).Scan(
		&r.Generation, &r.Replays, &r.refreshes, &r.generationAt, &r.lastUsedAt, &r.expiresAt, &r.revokedAt, &r.Reason)
	if err != nil {
		c.T.Fatal(err)
	}
	return r
}

// Dump returns every value in the database, as bytes or text.
func (s *Env) Dump() map[string]bool {
	s.T.Helper()
	names := `SELECT tablename FROM pg_tables WHERE schemaname = current_schema()`
	if strings.HasPrefix(s.Database, "sqlite:") {
		names = `SELECT name FROM sqlite_schema WHERE type = 'table'`
	}
	values := map[string]bool{}
	for _, table := range s.Values(names) {
		for _, value := range s.Values(`SELECT * FROM "` + table + `"`) {
			values[value] = true
		}
	}
	return values
}

// Values returns all that a query finds.
func (s *Env) Values(query string) (values []string) {
	s.T.Helper()
	db := s.DB()
	defer db.Close()
	rows, err := db.Query(query)
	if err != nil {
		s.T.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		s.T.Fatal(err)
	}
	row := make([]sql.NullString, len(columns))
	fields := make([]any, len(columns))
	for i := range row {
		fields[i] = &row[i]
	}
	for rows.Next() {
		if err := rows.Scan(fields...); err != nil {
			s.T.Fatal(err)
		}
		for _, value := range row {
			if value.Valid {
				values = append(values, value.String)
			}
		}
	}
	if err := rows.Err(); err != nil {
		s.T.Fatal(err)
	}
	return values
}
