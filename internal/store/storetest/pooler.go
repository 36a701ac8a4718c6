package storetest

import (
	"fmt"
	"net/url"
	"os/exec"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Pooled returns the URL of a PostgreSQL database behind PgBouncer, where each transaction may run on another one of
// five connections, without support for prepared statements. It skips the test if PgBouncer is not installed.
func Pooled(t testing.TB, database string) string {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		program, err = exec.LookPath("/usr/sbin/pgbouncer") // which is not in the PATH of every user
	}
	if err != nil {
		t.Skip("no PgBouncer; install it")
	}
	behind, err := pgx.ParseConfig(database)
	if err != nil {
		t.Fatal(err)
	}
	dir, proof, more := newFolder("pooler"), "", ""
	if behind.Password != "" {
		proof = "password='" + strings.ReplaceAll(behind.Password, "'", "''") + "'"
	}
	if out, _ := exec.Command(program, "--version").Output(); knowsPrepared(string(out)) {
		more = "max_prepared_statements = 0"
	}
	lifeline, err := supervise(dir, makePooler, "PROGRAM="+program, fmt.Sprintf(`SETTINGS=
		[databases]
		%s = host=%s port=%d user=%s %s
		[pgbouncer]
		pool_mode = transaction
		default_pool_size = 5
		max_client_conn = 200
		auth_type = any
		listen_port = %s
		unix_socket_dir = %s
		%s`, behind.Database, behind.Host, behind.Port, behind.User, proof, port, dir, more))
	if err != nil {
		t.Fatalf("starting PgBouncer: %v", err)
	}
	t.Cleanup(func() { lifeline.Close() })
	query := url.Values{"host": {dir}, "port": {port}}.Encode()
	u := url.URL{Scheme: "postgres", User: url.User(superuser), Path: "/" + behind.Database, RawQuery: query}
	return u.String()
}

// knowsPrepared reports whether a version supports prepared statements by default.
func knowsPrepared(version string) bool {
	major, minor := 0, 0
	fmt.Sscanf(version, "PgBouncer %d.%d", &major, &minor)
	return major > 1 || minor >= 21
}

// makePooler starts $PROGRAM with $SETTINGS.
const makePooler = `
make() {
	umask 077
	echo "$SETTINGS" | sed 's/^[[:space:]]*//' >"$DIR/ini" || return
	"$PROGRAM" "$DIR/ini" &
	PID=$!
	until [ -S "$DIR/.s.PGSQL.` + port + `" ]; do
		kill -0 "$PID" || return
		sleep 0.02
	done
}
remove() { kill "$PID"; wait "$PID"; }
`
