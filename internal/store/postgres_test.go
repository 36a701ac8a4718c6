package store

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"net/url"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"latchkey/internal/store/storetest"
)

// TestEndedConnectionsAreNotUsed, as it would be unknown whether a statement on one was applied.
func TestEndedConnectionsAreNotUsed(t *testing.T) {
	t.Parallel()
	database := storetest.Postgres(t)
	s, db := newStore(t, database), openDirect(t, database)
	user := addUser(t, s, "mario")
	for range 3 {
		held := make([]*sql.Conn, 10)
		for i := range held {
			held[i] = must1(s.writePool.Conn(t.Context()))(t)
		}
		for _, c := range held {
			must(t, c.Close()) // into the pool
		}
		must(t, errors.Join(concurrently(len(held), func(int) error { return s.Ping(t.Context()) })...))
		for there := 1; there > 0; {
			must(t, db.QueryRow(`SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity
				WHERE datname = current_database() AND pid <> pg_backend_pid()`).Scan(&there))
		}
		must(t, errors.Join(concurrently(len(held), func(i int) error {
			return s.SetName(t.Context(), user.ID, fmt.Sprint("Mario ", i))
		})...))
	}
}

var errEnded = &pgconn.PgError{Code: "57P01", Message: "terminating connection"}

// TestRetryOnlyIfNotApplied: a statement or a commit whose connection ended is not retried, as it may have been applied.
// What cannot have been applied is retried once.
func TestRetryOnlyIfNotApplied(t *testing.T) {
	t.Parallel()
	faults, ctx := new(storetest.Faults), t.Context()
	s := must1(Open(ctx, storetest.Postgres(t), faults.Wrap))(t)
	t.Cleanup(func() { s.Close() })
	must1(s.Migrate(ctx, atNoon))(t)
	execute(t, s, `INSERT INTO settings (name, value) VALUES ('n', 0)`)
	increment := func(q *Queries) error {
		_, err := q.exec(ctx, `UPDATE settings SET value = value + ?`, 1)
		return err
	}
	runs := 0
	together := func(tx *Tx) error { runs++; return increment(&tx.Queries) }
	value := 0
	for what, test := range map[string]struct {
		do          func() error
		call        int
		after       bool
		adds, tries int
		fails       bool
	}{
		"statement": {do: func() error { return increment(&s.Queries) }, call: 1, after: true, adds: 1, fails: true},
		"step": {do: func() error {
			_, err := s.execBatched(ctx, `UPDATE settings SET value = value + 1 WHERE value = ?`, value)
			return err
		}, call: 1, after: true, adds: 1, fails: true},
		"commit": {
			do: func() error { return s.InTx(ctx, together) }, call: 1, after: true, adds: 1, tries: 1, fails: true,
		},
		"begin":       {do: func() error { return s.InTx(ctx, together) }, call: 1, adds: 1, tries: 1},
		"transaction": {do: func() error { return s.InTx(ctx, together) }, call: 2, adds: 1, tries: 2},
		"reading":     {do: func() error { return s.Ping(ctx) }, call: 1},
	} {
		runs = 0
		faults.Arm(test.call, storetest.Fault{Err: errEnded, Fatal: true, After: test.after})
		err := test.do()
		if !faults.Disarm() || (err != nil) != test.fails || err != nil && !errors.Is(err, errEnded) || runs != test.tries {
			t.Errorf("%s: %v after %d tries", what, err, runs)
		}
		value += test.adds
		if n := queryInt(t, s, `SELECT value FROM settings WHERE name = 'n'`); n != value {
			t.Errorf("%s: there are %d, want %d", what, n, value)
		}
	}

	reads := 0
	broken := func() (bool, error) { reads++; return true, errEnded }
	if err := s.retry(ctx, broken); !errors.Is(err, errEnded) || reads != 2 {
		t.Errorf("a statement that ends its connection runs %d times: %v", reads, err)
	}
}

// TestSilentHostLeavesTimeForTheNext: Open has five seconds for all hosts.
func TestSilentHostLeavesTimeForTheNext(t *testing.T) {
	t.Parallel()
	silent := must1(net.Listen("tcp", "127.0.0.1:0"))(t)
	defer silent.Close()
	u := must1(url.Parse(storetest.NewServer(t).URL()))(t)
	u.Host = silent.Addr().String() + "," + u.Host
	must(t, eventually(func() error {
		s, err := Open(t.Context(), u.String())
		if err == nil {
			s.Close()
		}
		return err
	}))
}

// TestPostgresErrors classifies errors as retryable, broken, both or neither.
func TestPostgresErrors(t *testing.T) {
	t.Parallel()
	_, refused := pgconn.Connect(t.Context(), "postgres://latchkey@127.0.0.1:1/latchkey?sslmode=disable")
	nowhere := must1(url.Parse(storetest.Postgres(t)))(t)
	nowhere.Path = "/nowhere"
	_, missing := pgconn.Connect(t.Context(), nowhere.String())
	failed := func(code string) error { return fmt.Errorf("in a transaction: %w", &pgconn.PgError{Code: code}) }
	for what, test := range map[string]struct {
		err               error
		retryable, broken bool
	}{
		"no server":       {refused, true, true},
		"no database":     {missing, false, false},
		"nothing sent":    {driver.ErrBadConn, true, false},
		"conflict":        {failed("40001"), true, false},
		"deadlock":        {failed("40P01"), true, false},
		"lock not given":  {failed("55P03"), true, false},
		"ended":           {failed("57P01"), false, true},
		"pooler's server": {failed("08P01"), false, true},
		"cancelled":       {failed("57014"), false, false},
		"unique":          {failed("23505"), false, false},
		"wrong password":  {failed("28P01"), false, false},
		"reset":           {&net.OpError{Op: "read", Err: errors.New("connection reset by peer")}, false, true},
	} {
		if have := postgresRetryable(test.err); have != test.retryable {
			t.Errorf("%s: retryable is %t", what, have)
		}
		if have := postgresBroken(test.err); have != test.broken {
			t.Errorf("%s: broken is %t", what, have)
		}
	}
}

// TestPendingDataDoesNotWait for a concurrent Read, as the driver may have one.
func TestPendingDataDoesNotWait(t *testing.T) {
	t.Parallel()
	listener := must1(net.Listen("tcp", "127.0.0.1:0"))(t)
	defer listener.Close()
	ours := must1(net.Dial("tcp", listener.Addr().String()))(t)
	defer ours.Close()
	theirs := must1(listener.Accept())(t)
	ended := make(chan error, 1)
	go func() {
		_, err := ours.Read(make([]byte, 1))
		ended <- err
	}()
	for range 1000 {
		if hasPendingData(ours) {
			t.Fatal("nothing was sent")
		}
	}
	must(t, theirs.Close())
	if err := <-ended; err == nil || !hasPendingData(ours) {
		t.Error("the end of the connection is not detected:", err)
	}
}
