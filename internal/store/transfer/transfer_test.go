package transfer

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"latchkey/internal/account"
	"latchkey/internal/store"
	"latchkey/internal/store/storetest"
)

// noon is the time of everything in these tests.
var noon = time.Date(2026, 5, 1, 12, 0, 0, 123456000, time.UTC)

func atNoon() time.Time { return noon }

var errEnded = &pgconn.PgError{Code: "57P01", Message: "terminating connection"}

// options are those of a run whose progress is of no interest.
var options = Options{Now: atNoon, Verify: func(context.Context) error { return nil }, Progress: func(int64) {}}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// must1 returns a value that came without an error.
func must1[T any](value T, err error) func(t testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		must(t, err)
		return value
	}
}

// connect opens a store, and closes it at the end of the test.
func connect(t testing.TB, url string, wrappers ...store.Wrapper) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), url, wrappers...)
	must(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// newStore opens a store and brings its schema up to date.
func newStore(t testing.TB, url string) *store.Store {
	t.Helper()
	s := connect(t, url)
	must1(s.Migrate(t.Context(), atNoon))(t)
	return s
}

// openDirect opens a database without the store, and without waiting for locks.
func openDirect(t testing.TB, address string) *sql.DB {
	t.Helper()
	driver, source := "pgx", address
	if path, ok := strings.CutPrefix(address, "sqlite:"); ok {
		driver, source = "sqlite3", "file:"+(&url.URL{Path: path}).EscapedPath()+"?_busy_timeout=0"
	}
	db, err := sql.Open(driver, source)
	must(t, err)
	t.Cleanup(func() { db.Close() })
	return db
}

// execute runs a statement without the store, and leaves no connection open.
func execute(t testing.TB, url, statement string, args ...any) error {
	t.Helper()
	db := openDirect(t, url)
	defer db.Close()
	_, err := db.Exec(statement, args...)
	return err
}

func queryInt(t testing.TB, url, query string) (n int) {
	t.Helper()
	db := openDirect(t, url)
	defer db.Close()
	must(t, db.QueryRow(query).Scan(&n))
	return n
}

// addUser adds a user with a profile.
func addUser(t testing.TB, s *store.Store, username string) *account.User {
	t.Helper()
	user := &account.User{
		ID:        account.NewID(account.UserKind, noon),
		Username:  username,
		Role:      account.Member,
		Status:    account.Active,
		CreatedAt: noon,
	}
	must(t, s.InTx(t.Context(), func(tx *store.Tx) error {
		if err := tx.InsertUser(t.Context(), user, "hash"); err != nil {
			return err
		}
		return tx.InsertProfile(t.Context(), &account.Profile{
			ID: account.NewID(account.ProfileKind, noon), UserID: user.ID, DateJoined: noon, UpdatedOn: noon,
		})
	}))
	return user
}

// fullDatabase fills every table of a SQLite database with whatever a column can hold, and returns its URL.
func fullDatabase(t *testing.T) (url string) {
	t.Helper()
	url = storetest.SQLite(t)
	s := newStore(t, url)
	ctx := t.Context()
	must(t, s.InsertSigningKey(ctx, store.SigningKey{
		ID: "kid", Alg: "EdDSA", Number: 1, Sealed: []byte("\x00\xff'\\sealed"), CreatedAt: noon, SignsFrom: noon,
	}))
	mario, luigi := addUser(t, s, "mario"), addUser(t, s, "luigi")
	must1(s.InsertSession(ctx, account.Session{
		ID: account.NewID(account.SessionKind, noon), UserID: mario.ID, DeviceName: "Mario's 📱", UserAgent: "curl/8",
		IPAddress: "2001:db8::1", CreatedAt: noon, LastUsedAt: noon, ExpiresAt: noon.Add(24 * time.Hour),
	}, []byte("salt"), 7))(t)
	must(t, s.Close())
	for _, statement := range []string{
		`UPDATE users SET email_verified = 1, name = 'Mário "M" \N ü 🍄 {a,NULL}' WHERE username = 'mario'`,
		`UPDATE users SET email = NULL, email_key = NULL, profile_draft = '{"a": null}' WHERE username = 'luigi'`,
		`UPDATE profiles SET is_organizer = 1 WHERE username = 'luigi'`,
		`UPDATE sessions SET salt = x'00ff00', generation = 9223372036854775807, key_id = -1`,
		`INSERT INTO settings (name, value) VALUES ('min_auth_time', -9223372036854775808)`,
		`INSERT INTO throttles (subject, source, count, since, until, counted_at) VALUES ('', '', 0, 0, 0, 0)`,
		`INSERT INTO mails (id, letter, state, recipient, address_key, languages, username, new_email, device, ip_address,
			sealed_token, attempts, created_at, due_at, expires_at)
			VALUES ('1', '', 'READY', '', '', '', '', '', '', '', x'', 0, 0, 0, 0)`,
	} {
		must(t, execute(t, url, statement))
	}
	must(t, execute(t, url, `INSERT INTO one_time_tokens (user_id, purpose, address, address_key, hash, created_at,
		expires_at) VALUES (?, '', '', '', x'00', 0, 0)`, mario.ID))
	must(t, execute(t, url, `INSERT INTO devices (user_id, agent, network, seen_at) VALUES (?, '', '', 0)`, luigi.ID))
	return url
}

// runOnce transfers a database, and closes both.
func runOnce(t testing.TB, from, to string, wrappers ...store.Wrapper) ([]Table, error) {
	t.Helper()
	source, err := store.Open(t.Context(), from, wrappers...)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	target, err := store.Open(t.Context(), to, wrappers...)
	if err != nil {
		return nil, err
	}
	defer target.Close()
	return Run(t.Context(), source, target, options)
}

// startError returns the error with which a server would not start on a database, or nil.
func startError(t testing.TB, url string) error {
	t.Helper()
	s := connect(t, url)
	defer s.Close()
	_, err := s.Migrate(t.Context(), atNoon)
	return err
}

// tablesOf returns the names of all tables of a database.
func tablesOf(t testing.TB, url string) []string {
	t.Helper()
	s := connect(t, url)
	defer s.Close()
	return must1(s.Tables(t.Context()))(t)
}

// dumpRows returns all rows of all tables, but those about migrations and transfers, as text.
func dumpRows(t testing.TB, url string) (dump []string) {
	t.Helper()
	db := openDirect(t, url)
	defer db.Close()
	for _, table := range tablesOf(t, url) {
		if table == "schema_migrations" || table == store.MovesTable {
			continue
		}
		rows := must1(db.QueryContext(t.Context(), `SELECT * FROM `+table))(t)
		columns := must1(rows.Columns())(t)
		for rows.Next() {
			dump = append(dump, table+" "+dumpRow(t, rows, columns))
		}
		must(t, rows.Err())
		rows.Close()
	}
	slices.Sort(dump)
	return dump
}

// dumpRow returns a row as text, with booleans as SQLite stores them.
func dumpRow(t testing.TB, rows *sql.Rows, columns []string) string {
	t.Helper()
	values, dest := make([]any, len(columns)), make([]any, len(columns))
	for i := range dest {
		dest[i] = &values[i]
	}
	must(t, rows.Scan(dest...))
	cells := make([]string, len(values))
	for i, v := range values {
		switch v {
		case true:
			v = int64(1)
		case false:
			v = int64(0)
		}
		cells[i] = fmt.Sprintf("%s=%T(%v)", columns[i], v, v)
	}
	slices.Sort(cells)
	return strings.Join(cells, " ")
}

// TestRunCopiesEveryTable compares with the tables that exist, so that it fails for a new table that is not copied.
func TestRunCopiesEveryTable(t *testing.T) {
	t.Parallel()
	from, to := fullDatabase(t), storetest.Postgres(t)
	before := dumpRows(t, from)
	moved, err := runOnce(t, from, to)
	must(t, err)
	tables := tablesOf(t, to)
	for _, m := range moved {
		if m.Rows == 0 || m.Rows != int64(queryInt(t, to, `SELECT COUNT(*) FROM `+m.Table)) || len(m.Checksum) != 64 {
			t.Errorf("moved: %+v", m)
		}
		tables = slices.DeleteFunc(tables, func(name string) bool { return name == m.Table })
	}
	slices.Sort(tables)
	if !slices.Equal(tables, []string{"moves", "schema_migrations"}) {
		t.Error("not copied:", tables)
	}
	after := dumpRows(t, to)
	if len(before) < len(moved) || !slices.Equal(before, after) {
		t.Errorf("%d rows became %d:\n%s\n\n%s", len(before), len(after),
			strings.Join(before, "\n"), strings.Join(after, "\n"))
	}
	if err := startError(t, to); err != nil {
		t.Error(err)
	}
	if err := startError(t, from); err == nil || !strings.Contains(err.Error(), "to PostgreSQL at 2026-05-01T12:00:00Z") {
		t.Error("a server starts on the source:", err)
	}
	for _, other := range []string{to, storetest.Postgres(t)} {
		if _, err := runOnce(t, from, other); err == nil || !strings.Contains(err.Error(), "was moved to PostgreSQL at") {
			t.Error("a second transfer:", err)
		}
	}
	if again := dumpRows(t, to); !slices.Equal(after, again) {
		t.Error("the second transfer changed something")
	}
}

// TestRunCopiesInBatches has rows for one and a half batches.
func TestRunCopiesInBatches(t *testing.T) {
	t.Parallel()
	from, to := storetest.SQLite(t), storetest.Postgres(t)
	must(t, newStore(t, from).Close())
	const series = ` FROM (WITH RECURSIVE series (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM series WHERE i < ?)
		SELECT i FROM series)`
	must(t, execute(t, from, `INSERT INTO throttles (subject, source, count, since, until, counted_at)
		SELECT i, '', 1, 0, 0, 0`+series, batchSize*3/2))
	must(t, execute(t, from, `INSERT INTO settings (name, value) SELECT i, i`+series, batchSize*3/2))
	source, target := connect(t, from), connect(t, to)
	var progress []int64
	o := options
	o.Progress = func(rows int64) { progress = append(progress, rows) }
	_, err := Run(t.Context(), source, target, o)
	must(t, err)
	if !slices.Equal(progress, []int64{1000, 1500, 2500, 3000}) {
		t.Error("the progress was", progress)
	}
	source.Close()
	if !slices.Equal(dumpRows(t, from), dumpRows(t, to)) {
		t.Error("the rows differ")
	}
}

// TestRunRequiresAnEmptyTarget has one row in different tables.
func TestRunRequiresAnEmptyTarget(t *testing.T) {
	t.Parallel()
	from := fullDatabase(t)
	for _, statement := range []string{
		`INSERT INTO settings (name, value) VALUES ('x', 1)`,
		`INSERT INTO throttles (subject, source, count, since, until, counted_at) VALUES ('', '', 0, 0, 0, 0)`,
		`CREATE TABLE moves (id TEXT NOT NULL PRIMARY KEY, done_at BIGINT); INSERT INTO moves VALUES ('other', NULL)`,
		`CREATE TABLE moves (id TEXT NOT NULL PRIMARY KEY, done_at BIGINT); INSERT INTO moves VALUES ('other', 1)`,
	} {
		to := storetest.Postgres(t)
		newStore(t, to).Close()
		must(t, execute(t, to, statement))
		before := dumpRows(t, to)
		if _, err := runOnce(t, from, to); err == nil || !strings.Contains(err.Error(), "not empty") {
			t.Errorf("%s: %v", statement, err)
		}
		if !slices.Equal(before, dumpRows(t, to)) {
			t.Error("something has changed after", statement)
		}
	}
	old := storetest.Postgres(t)
	applyFirst(t, old)
	must(t, execute(t, old, `INSERT INTO settings (name, value) VALUES ('x', 1)`))
	if _, err := runOnce(t, from, old); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Error(err)
	}
	if n := queryInt(t, old, `SELECT COUNT(*) FROM schema_migrations`); n != 1 {
		t.Errorf("%d migrations are applied where nothing was to change", n)
	}
	other := storetest.Postgres(t)
	must(t, execute(t, other, `CREATE TABLE songs (title TEXT)`))
	if _, err := runOnce(t, from, other); err == nil || !strings.Contains(err.Error(), "another program") {
		t.Error(err)
	}
	must(t, startError(t, from))
}

// applyFirst applies the first migration of the schema, as an older program did.
func applyFirst(t *testing.T, url string) {
	t.Helper()
	script := must1(os.ReadFile("../migrations/0001_accounts.postgres.sql"))(t)
	sum := sha256.Sum256(script)
	must(t, execute(t, url, string(script)))
	must(t, execute(t, url, `CREATE TABLE schema_migrations (version BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL,
		checksum TEXT NOT NULL, applied_at BIGINT NOT NULL)`))
	must(t, execute(t, url, `INSERT INTO schema_migrations VALUES (1, '0001_accounts', $1, 0)`,
		hex.EncodeToString(sum[:])))
}

// TestServerStartsDuringRun: either the server does not start, or the transfer fails.
func TestServerStartsDuringRun(t *testing.T) {
	t.Parallel()
	from, to := fullDatabase(t), storetest.Postgres(t)
	source, target := connect(t, from), connect(t, to)
	const key = `INSERT INTO signing_keys (kid, alg, number, sealed, created_at, signs_from) VALUES ('x', '', 1, '', 0, 0)`
	migrations := 0
	o := options
	o.Now = func() time.Time { // called before each migration
		if err := startError(t, to); !errors.Is(err, store.ErrUnfinishedMove) {
			t.Error("a server starts after the claim:", err)
		}
		if migrations++; migrations == 2 { // the first one has created the table
			must(t, execute(t, to, key))
		}
		return noon
	}
	o.Progress = func(int64) { t.Error("something is copied") }
	_, err := Run(t.Context(), source, target, o)
	if !errors.Is(err, errNotEmpty) {
		t.Fatal(err)
	}
	must(t, startError(t, to))
	must(t, execute(t, to, `DELETE FROM signing_keys`))
	o = options
	o.Progress = func(int64) {
		if err := execute(t, to, `SET lock_timeout = '10ms'; `+key); err == nil {
			t.Error("a server inserts a key that was not in the source")
		}
	}
	_, err = Run(t.Context(), source, target, o)
	must(t, err)
	must(t, startError(t, to))
}

// TestRunDisablesTimeouts of the database. The function of an index fails if any is set, when rows are inserted and when
// they are analyzed.
func TestRunDisablesTimeouts(t *testing.T) {
	t.Parallel()
	from, to := fullDatabase(t), storetest.Postgres(t)
	newStore(t, to).Close()
	const limits = `SELECT name FROM pg_settings WHERE (name LIKE '%statement_timeout' OR name = 'lock_timeout'
		OR name LIKE '%transaction%_timeout') AND context = 'user'`
	must(t, execute(t, to, `DO $do$ DECLARE found TEXT; BEGIN
			FOR found IN `+limits+` LOOP
				EXECUTE format('ALTER DATABASE %I SET %I = ''10min''', current_database(), found);
			END LOOP;
		END $do$;
		CREATE FUNCTION slow(TEXT) RETURNS TEXT IMMUTABLE LANGUAGE plpgsql AS $$BEGIN
			IF EXISTS (`+limits+` AND setting <> '0') THEN
				RAISE EXCEPTION 'it takes too long';
			END IF;
			RETURN $1;
		END$$;
		CREATE INDEX slow ON users (slow(id))`))
	_, err := runOnce(t, from, to)
	must(t, err)
	must(t, startError(t, to))
	if n := queryInt(t, to, `SELECT COUNT(*) FROM pg_stats WHERE tablename = 'users'`); n == 0 {
		t.Error("the planner has no statistics")
	}
}

// TestRunRetriesAfterALostConnection, unless it took longer than retries may.
func TestRunRetriesAfterALostConnection(t *testing.T) {
	t.Parallel()
	from, to := fullDatabase(t), storetest.Postgres(t)
	before := dumpRows(t, from)
	attempt := func() (tables []Table, progress []int64, err error) {
		faults := new(storetest.Faults)
		source, target := connect(t, from), connect(t, to, faults.Wrap)
		defer source.Close()
		defer target.Close()
		o := options
		o.Progress = func(rows int64) {
			if progress = append(progress, rows); len(progress) == 3 {
				faults.Arm(1, storetest.Fault{Err: errEnded, Fatal: true})
			}
		}
		tables, err = Run(t.Context(), source, target, o)
		return tables, progress, err
	}
	tables, progress, err := attempt()
	for deadline := time.Now().Add(time.Minute); errors.Is(err, errEnded) && time.Now().Before(deadline); {
		tables, progress, err = attempt()
	}
	must(t, err)
	if len(progress) != 3+len(tables) || !slices.Equal(progress[:3], progress[3:6]) {
		t.Error("the progress was", progress)
	}
	if !slices.Equal(before, dumpRows(t, to)) {
		t.Error("the rows differ")
	}
	must(t, startError(t, to))
}

// TestRunLocksTheSource: it fails if another connection is open, even an idle one, and none can be opened meanwhile.
func TestRunLocksTheSource(t *testing.T) {
	t.Parallel()
	from, to := fullDatabase(t), storetest.Postgres(t)
	idle := connect(t, from)
	must(t, idle.Ready(t.Context()))
	if _, err := runOnce(t, from, to); err == nil || !strings.Contains(err.Error(), "is in use") {
		t.Fatal(err)
	}
	idle.Close()
	source, target := connect(t, from), connect(t, to)
	o := options
	o.Verify = func(context.Context) error {
		for _, statement := range []string{`SELECT COUNT(*) FROM users`, `UPDATE users SET name = 'late'`} {
			if err := execute(t, from, statement); err == nil || !strings.Contains(err.Error(), "locked") {
				t.Errorf("%s: %v", statement, err)
			}
		}
		if err := startError(t, to); err == nil || !strings.Contains(err.Error(), "run latchkey move again") {
			t.Error("a server starts on an unfinished target:", err)
		}
		return errors.New("another secret")
	}
	_, err := Run(t.Context(), source, target, o)
	if err == nil || err.Error() != "the move is not finished: another secret" {
		t.Fatal(err)
	}
	source.Close()
	must(t, startError(t, from))
	must(t, execute(t, from, `UPDATE users SET name = 'later'`))
	before := dumpRows(t, from)
	_, err = runOnce(t, from, to)
	must(t, err)
	if !slices.Equal(before, dumpRows(t, to)) {
		t.Error("the second transfer left out a change after the first")
	}
	must(t, startError(t, to))
}

// TestRunComparesRows with a target that drops or changes a row.
func TestRunComparesRows(t *testing.T) {
	t.Parallel()
	from := fullDatabase(t)
	for change, body := range map[string]string{
		"dropped": `RETURN NULL;`, "changed": `NEW.seen_at = 1; RETURN NEW;`, "cut": `NEW.agent = 'x'; RETURN NEW;`,
	} {
		to := storetest.Postgres(t)
		newStore(t, to).Close()
		must(t, execute(t, to, `CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN `+body+` END$$;
			CREATE TRIGGER meddle BEFORE INSERT ON devices FOR EACH ROW EXECUTE FUNCTION meddle()`))
		if _, err := runOnce(t, from, to); err == nil || !strings.Contains(err.Error(), "table devices arrived with") {
			t.Errorf("%s: %v", change, err)
		}
		if left := dumpRows(t, to); len(left) > 0 {
			t.Errorf("%s: left are %v", change, left)
		}
		must(t, startError(t, from))
	}
}

// TestEveryCallMayFail lets every fourth call to the drivers fail, from a random one on, and runs again until no call is
// left. Each time either the source is whole and a server starts on it, or all rows are in the target.
func TestEveryCallMayFail(t *testing.T) {
	const stride = 4
	t.Parallel()
	for name, fault := range map[string]storetest.Fault{
		"before": {Err: errors.New("no"), Fatal: true, NothingDone: true},
		"after":  {Err: errors.New("no"), After: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from, to := fullDatabase(t), storetest.Postgres(t)
			before := dumpRows(t, from)
			failed, finished := 0, 0
			for n := 1 + rand.IntN(stride); ; n += stride {
				struck, moved := runWithFault(t, from, to, before, n, fault)
				if !struck {
					break
				}
				failed++
				if moved {
					finished++
					from, to = fullDatabase(t), storetest.Postgres(t)
					before = dumpRows(t, from)
				}
			}
			if failed < 10 {
				t.Errorf("only %d calls failed", failed)
			}
			t.Logf("%d calls failed, after %d of them all rows were in the target", failed, finished)
		})
	}
}

// runWithFault lets the n-th call fail, and finishes a transfer that has given the source up. It reports whether there
// was such a call, and whether all rows are in the target, which then must be those of before.
func runWithFault(
	t *testing.T, from, to string, before []string, n int, fault storetest.Fault,
) (struck, moved bool) {
	t.Helper()
	faults := new(storetest.Faults)
	faults.Arm(n, fault)
	_, err := runOnce(t, from, to, faults.Wrap)
	if !faults.Disarm() {
		must(t, err)
		return false, true
	}
	if startError(t, from) == nil {
		if err == nil {
			t.Fatalf("call %d: no error is returned", n)
		}
		return true, false
	}
	if startError(t, to) != nil {
		_, err = runOnce(t, from, to)
		must(t, err)
		must(t, startError(t, to))
	}
	if after := dumpRows(t, to); !slices.Equal(before, after) {
		t.Fatalf("call %d: %d rows became %d", n, len(before), len(after))
	}
	return true, true
}
