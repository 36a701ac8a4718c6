package store

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/jmoiron/sqlx"
)

func openPostgres(url string, wrap Wrapper) (*Store, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, errors.New("database: the postgres:// address cannot be understood")
	}
	// Unnamed statements only: behind a transaction pooler the next statement may run on another connection.
	config.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = statementTimeout
	}
	db := sqlx.NewDb(sql.OpenDB(wrap(stdlib.GetConnector(*config))), "pgx")
	db.SetMaxOpenConns(20)
	db.SetMaxIdleConns(20)
	db.SetConnMaxIdleTime(5 * time.Minute)
	return &Store{
		dialect: dialect{
			name: "postgres",
			constraint: func(err error) string {
				if e := new(pgconn.PgError); errors.As(err, &e) && e.Code == "23505" {
					return e.ConstraintName
				}
				return ""
			},
			retryable: func(err error) bool {
				e := new(pgconn.PgError)
				// A bad connection is one on which nothing was sent; several may lie in the pool after callers hung up.
				return errors.Is(err, driver.ErrBadConn) || errors.As(err, &e) && (e.Code == "40001" || e.Code == "40P01")
			},
			find:   "strpos",
			tables: `SELECT tablename FROM pg_tables WHERE schemaname = current_schema()`,
			// A stricter transaction would see the database as it was before the wait.
			exclusive: fmt.Sprintf(`SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
				SELECT pg_advisory_xact_lock(%d)`, migrationLock),
		},
		read:  db,
		write: db,
	}, nil
}

// migrationLock is "latchkey" as a number.
const migrationLock = 0x6c61746368_6b6579
