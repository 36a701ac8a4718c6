package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/jmoiron/sqlx"
)

func openPostgres(url string, wrap Wrapper) (*database, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, errors.New("database: the postgres:// address cannot be understood")
	}
	// Unnamed statements only: behind a transaction pooler the next statement may run on another connection.
	config.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = statementTimeout
		if slices.ContainsFunc(config.Fallbacks, func(f *pgconn.FallbackConfig) bool {
			return f.Host != config.Host || f.Port != config.Port
		}) {
			config.ConnectTimeout = hostTimeout
		}
	}
	tried := stdlib.OptionShouldPing(func(_ context.Context, p stdlib.ShouldPingParams) bool {
		return p.IdleDuration > time.Second || hasPendingData(p.Conn.PgConn().Conn())
	})
	db := sqlx.NewDb(sql.OpenDB(wrap(stdlib.GetConnector(*config, tried))), "pgx")
	db.SetMaxOpenConns(20)
	db.SetMaxIdleConns(20)
	db.SetConnMaxIdleTime(5 * time.Minute)
	return &database{
		dialect: dialect{
			name: "postgres",
			bind: func(query string) string { return sqlx.Rebind(sqlx.DOLLAR, query) },
			constraint: func(err error) string {
				if e := new(pgconn.PgError); errors.As(err, &e) && e.Code == "23505" {
					return e.ConstraintName
				}
				return ""
			},
			retryable: postgresRetryable,
			broken:    postgresBroken,
			position:  "strpos",
			tables:    `SELECT tablename FROM pg_tables WHERE schemaname = current_schema()`,
			objects: `SELECT tablename FROM pg_tables WHERE schemaname = current_schema()
				UNION ALL SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()`,
			triggers: `SELECT t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
				JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = current_schema() AND NOT t.tgisinternal`,
			// A stricter transaction would see the database as it was before the wait. A transaction that waits for a
			// table blocks all later ones; so a migration gives up its lock after one second and is retried.
			lockSchema: fmt.Sprintf(`SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
				SELECT pg_advisory_xact_lock(%d);
				SET LOCAL lock_timeout = '1s'`, migrationLock),
		},
		readPool:  db,
		writePool: db,
	}, nil
}

// hostTimeout limits the connection to one of several hosts, so that there is time for the next.
const hostTimeout = time.Second

// postgresRetryable reports conflicts, and connections on which nothing was sent: several may be in the pool after
// callers hung up, and none can be opened while a server starts or a standby is promoted.
func postgresRetryable(err error) bool {
	code := ""
	if e := new(pgconn.PgError); errors.As(err, &e) {
		code = e.Code
	}
	if errors.As(err, new(*pgconn.ConnectError)) {
		// Not a wrong password, a missing database or a missing privilege.
		return !hasClass(code, "28", "3D", "42")
	}
	return errors.Is(err, driver.ErrBadConn) || pgconn.SafeToRetry(err) ||
		slices.Contains([]string{"40001", "40P01", "55P03"}, code)
}

// postgresBroken reports whether a connection ended after something was sent on it.
func postgresBroken(err error) bool {
	if e := new(pgconn.PgError); errors.As(err, &e) {
		return hasClass(e.Code, "08", "57P")
	}
	var e net.Error
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &e) && !e.Timeout()
}

// hasClass reports whether an error code begins with one of these (PostgreSQL, Appendix A).
func hasClass(code string, classes ...string) bool {
	return slices.ContainsFunc(classes, func(class string) bool { return strings.HasPrefix(code, class) })
}

// migrationLock is "latchkey" as a number.
const migrationLock = 0x6c61746368_6b6579
