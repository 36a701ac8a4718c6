package e2e

import (
	"database/sql"
	"net/url"
	"strings"
)

// db opens the site's database behind the server's back.
func (s *site) db() *sql.DB {
	s.t.Helper()
	driver, name := "pgx", s.database
	if path, ok := strings.CutPrefix(s.database, "sqlite:"); ok {
		driver, name = "sqlite3", "file:"+(&url.URL{Path: path}).EscapedPath()+"?_busy_timeout=5000"
	}
	db, err := sql.Open(driver, name)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { db.Close() })
	return db
}

// execute does to the database what no request can.
func (s *site) execute(statement string) {
	s.t.Helper()
	if _, err := s.db().Exec(statement); err != nil {
		s.t.Fatal(err)
	}
}

// count returns how many rows a table has.
func (s *site) count(table string) (n int) {
	s.t.Helper()
	if err := s.db().QueryRow("SELECT COUNT(*) FROM " + table).Scan(&n); err != nil {
		s.t.Fatal(err)
	}
	return n
}
