package storetest

import (
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// Server is a PostgreSQL server for one test, which can crash, start and promote it. What it has acknowledged survives
// a crash of its processes, but not of the machine.
type Server struct {
	t        testing.TB
	bin, dir string
	port     int
}

// NewServer starts a server, which is removed at the end of the test. It skips the test if PostgreSQL is not installed.
func NewServer(t testing.TB) *Server {
	t.Helper()
	bin, err := binaries()
	if errors.Is(err, errNoPostgres) {
		t.Skipf("no PostgreSQL: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return startServer(t, bin, makeCluster, "")
}

// Standby starts a synchronous standby: from now on the first server acknowledges only what the standby has.
func (s *Server) Standby() *Server {
	s.t.Helper()
	standby := startServer(s.t, s.bin, makeStandby, s.URL())
	s.execute(`ALTER SYSTEM SET synchronous_standby_names = '*'`)
	s.execute(`SELECT pg_reload_conf()`)
	s.await(`SELECT COUNT(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'`)
	return standby
}

// makeStandby creates a replica of the server in $PRIMARY.
const makeStandby = serveCluster + `
make() {
	"$BIN/pg_basebackup" -D "$DIR/data" -R --no-sync -c fast -d "$PRIMARY" &&
	serve
}
`

// startServer tries another port if another program has taken the free one meanwhile.
func startServer(t testing.TB, bin, script, primary string) *Server {
	t.Helper()
	for try := 1; ; try++ {
		s := &Server{t: t, bin: bin, dir: newFolder("server"), port: freePort(t)}
		lifeline, err := supervise(s.dir, script, "BIN="+bin, "PRIMARY="+primary, fmt.Sprintf(`MORE=
			listen_addresses = '127.0.0.1'
			port = %d
			synchronous_commit = on`, s.port))
		if err == nil {
			t.Cleanup(func() { lifeline.Close() })
			return s
		}
		if try == 3 {
			t.Fatalf("starting PostgreSQL: %v", err)
		}
	}
}

func freePort(t testing.TB) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// URL returns the URL of the server, or that of several servers of which the primary is used.
func (s *Server) URL(others ...*Server) string {
	hosts := []string{s.address()}
	for _, other := range others {
		hosts = append(hosts, other.address())
	}
	return "postgres://" + superuser + "@" + strings.Join(hosts, ",") + "/postgres?target_session_attrs=read-write"
}

func (s *Server) address() string { return fmt.Sprint("127.0.0.1:", s.port) }

// Crash kills all processes of the server.
func (s *Server) Crash() { s.t.Helper(); s.control("stop", "-m", "immediate") }

// Start starts the server again, and returns when it accepts connections.
func (s *Server) Start() { s.t.Helper(); s.control("start", "-l", s.dir+"/log", "-w", "-t", "60") }

// Promote promotes a standby to the primary, and returns when it accepts writes.
func (s *Server) Promote() { s.t.Helper(); s.control("promote", "-w", "-t", "60") }

func (s *Server) control(args ...string) {
	s.t.Helper()
	command := strings.Join(append([]string{`exec "$BIN/pg_ctl" -D "$DIR/data"`}, args...), " ")
	cmd := unprivileged("cd /; "+command+` >"$DIR/control" 2>&1`, "BIN="+s.bin, "DIR="+s.dir)
	if err := cmd.Run(); err != nil {
		s.t.Fatalf("pg_ctl %s: %v", args[0], err)
	}
}

func (s *Server) execute(statement string) {
	s.t.Helper()
	if err := execute(s.URL(), statement); err != nil {
		s.t.Fatal(err)
	}
}

// await returns when a query returns true.
func (s *Server) await(query string) {
	s.t.Helper()
	db, err := sql.Open("pgx", s.URL())
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	for deadline, yes := time.Now().Add(startLimit), false; !yes; <-time.After(10 * time.Millisecond) {
		if err := db.QueryRow(query).Scan(&yes); err != nil {
			s.t.Fatal(err)
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("in vain: %s", query)
		}
	}
}
