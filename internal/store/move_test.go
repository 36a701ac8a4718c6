package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"latchkey/internal/store/storetest"
)

// fullDatabase fills every table of a SQLite database, with whatever a column can hold, and returns its address.
func fullDatabase(t *testing.T) (url string) {
	t.Helper()
	url = storetest.SQLite(t)
	s := newStore(t, url)
	defer s.Close()
	must(t, s.InsertSigningKey(t.Context(), SigningKey{"kid", "EdDSA", 1, []byte("\x00\xff'\\sealed"), noon, noon}))
	mario := addUser(t, s, "mario")
	luigi := addUser(t, s, "luigi")
	signIn(t, s, mario)
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
		execute(t, s, statement)
	}
	execute(t, s, `INSERT INTO one_time_tokens (user_id, purpose, address, address_key, hash, created_at, expires_at)
		VALUES (?, '', '', '', x'00', 0, 0)`, mario.ID)
	execute(t, s, `INSERT INTO devices (user_id, agent, network, seen_at) VALUES (?, '', '', 0)`, luigi.ID)
	return url
}

func content(context.Context) error { return nil }

// moveAll moves a database, and closes both sides.
func moveAll(t testing.TB, from, to string, wrappers ...Wrapper) ([]Moved, error) {
	t.Helper()
	source, err := Open(t.Context(), from, wrappers...)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	target, err := Open(t.Context(), to, wrappers...)
	if err != nil {
		return nil, err
	}
	defer target.Close()
	return source.Move(t.Context(), target, atNoon, content, func(int64) {})
}

// startError tells why no server starts on a database, or nil.
func startError(t testing.TB, url string) error {
	t.Helper()
	s := connect(t, url)
	defer s.Close()
	_, err := s.Migrate(t.Context(), atNoon)
	return err
}

// alter runs a statement behind the store's back, and leaves no connection open.
func alter(t testing.TB, url, statement string) error {
	t.Helper()
	db := openDirect(t, url)
	defer db.Close()
	_, err := db.Exec(statement)
	return err
}

// dumpRows returns all rows of all tables but those about the schema and moves, as text.
func dumpRows(t testing.TB, url string) (said []string) {
	t.Helper()
	s := connect(t, url)
	defer s.Close()
	for _, table := range must1(s.tables(t.Context()))(t) {
		if table == "schema_migrations" || table == movesTable {
			continue
		}
		var columns []string
		rows := must1(s.readPool.QueryxContext(t.Context(), `SELECT * FROM `+table))(t)
		columns = must1(rows.Columns())(t)
		for rows.Next() {
			values := must1(rows.SliceScan())(t)
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
			said = append(said, table+" "+strings.Join(cells, " "))
		}
		must(t, rows.Err())
		rows.Close()
	}
	slices.Sort(said)
	return said
}

// TestAMoveCopiesEverything holds it to the tables that there are, so that none is forgotten that comes later.
func TestAMoveCopiesEverything(t *testing.T) {
	t.Parallel()
	from, to := fullDatabase(t), storetest.Postgres(t)
	before := dumpRows(t, from)
	moved, err := moveAll(t, from, to)
	must(t, err)
	s := connect(t, to)
	tables := must1(s.tables(t.Context()))(t)
	for _, m := range moved {
		if m.Rows == 0 || m.Rows != int64(queryInt(t, s, `SELECT COUNT(*) FROM `+m.Table)) || len(m.Checksum) != 64 {
			t.Errorf("moved: %+v", m)
		}
		tables = slices.DeleteFunc(tables, func(name string) bool { return name == m.Table })
	}
	slices.Sort(tables)
	if !slices.Equal(tables, []string{"moves", "schema_migrations"}) {
		t.Error("not moved:", tables)
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
		t.Error("a server starts on what was moved:", err)
	}
	for _, other := range []string{to, storetest.Postgres(t)} {
		if _, err := moveAll(t, from, other); err == nil || !strings.Contains(err.Error(), "was moved to PostgreSQL at") {
			t.Error("it moves again:", err)
		}
	}
	if again := dumpRows(t, to); !slices.Equal(after, again) {
		t.Error("moving again changed something")
	}
}

// TestAMoveInManyBatches has rows for one and a half.
func TestAMoveInManyBatches(t *testing.T) {
	t.Parallel()
	from, to := storetest.SQLite(t), storetest.Postgres(t)
	s := newStore(t, from)
	fill(t, s, moveBatch*3/2)
	must(t, s.Close())
	source, target := connect(t, from), connect(t, to)
	var heard []int64
	_, err := source.Move(t.Context(), target, atNoon, content, func(rows int64) { heard = append(heard, rows) })
	must(t, err)
	if !slices.Equal(heard, []int64{1000, 1500, 2500, 3000}) {
		t.Error("the progress was", heard)
	}
	source.Close()
	if !slices.Equal(dumpRows(t, from), dumpRows(t, to)) {
		t.Error("the rows differ")
	}
}

// TestAMoveNeverOverwrites one row of any table.
func TestAMoveNeverOverwrites(t *testing.T) {
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
		must(t, alter(t, to, statement))
		before := dumpRows(t, to)
		if _, err := moveAll(t, from, to); err == nil || !strings.Contains(err.Error(), "not empty") {
			t.Errorf("%s: %v", statement, err)
		}
		if !slices.Equal(before, dumpRows(t, to)) {
			t.Error("something has changed after", statement)
		}
	}
	old := storetest.Postgres(t)
	s := connect(t, old)
	applyFirst(t, s, 1)
	must(t, alter(t, old, `INSERT INTO settings (name, value) VALUES ('x', 1)`))
	if _, err := moveAll(t, from, old); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Error(err)
	}
	if n := queryInt(t, s, `SELECT COUNT(*) FROM schema_migrations`); n != 1 {
		t.Errorf("%d steps are taken where nothing was to change", n)
	}
	other := storetest.Postgres(t)
	must(t, alter(t, other, `CREATE TABLE songs (title TEXT)`))
	if _, err := moveAll(t, from, other); err == nil || !strings.Contains(err.Error(), "another program") {
		t.Error(err)
	}
	must(t, startError(t, from))
}

// TestAServerThatBeginsBesideAMove comes too late, or the move does.
func TestAServerThatBeginsBesideAMove(t *testing.T) {
	t.Parallel()
	from, to := fullDatabase(t), storetest.Postgres(t)
	source, target := connect(t, from), connect(t, to)
	const key = `INSERT INTO signing_keys (kid, alg, number, sealed, created_at, signs_from) VALUES ('x', '', 1, '', 0, 0)`
	steps := 0
	_, err := source.Move(t.Context(), target, func() time.Time {
		if err := startError(t, to); !errors.Is(err, errUnfinished) {
			t.Error("a server starts after the claim:", err)
		}
		if steps++; steps == 2 { // the table is there since the first one
			must(t, alter(t, to, key))
		}
		return noon
	}, content, func(int64) { t.Error("something is copied") })
	if !errors.Is(err, errTaken) {
		t.Fatal(err)
	}
	must(t, startError(t, to))
	must(t, alter(t, to, `DELETE FROM signing_keys`))
	_, err = source.Move(t.Context(), target, atNoon, content, func(rows int64) {
		if err := alter(t, to, `SET lock_timeout = '10ms'; `+key); err == nil {
			t.Error("a server makes a key that was not in the source")
		}
	})
	must(t, err)
	must(t, startError(t, to))
}

// TestAMoveTakesItsTime whatever limits the database has. An index that looks at them stands in for one that takes long,
// when rows come and when they are looked at.
func TestAMoveTakesItsTime(t *testing.T) {
	t.Parallel()
	from, to := fullDatabase(t), storetest.Postgres(t)
	newStore(t, to).Close()
	const limits = `SELECT name FROM pg_settings WHERE (name LIKE '%statement_timeout' OR name = 'lock_timeout'
		OR name LIKE '%transaction%_timeout') AND context = 'user'`
	must(t, alter(t, to, `DO $do$ DECLARE found TEXT; BEGIN
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
	_, err := moveAll(t, from, to)
	must(t, err)
	must(t, startError(t, to))
	s := connect(t, to)
	if n := queryInt(t, s, `SELECT COUNT(*) FROM pg_stats WHERE tablename = 'users'`); n == 0 {
		t.Error("the first queries are planned blindly")
	}
}

// TestAMoveBeginsAgainWhenItsConnectionEnds, of itself, unless it has gone on for long.
func TestAMoveBeginsAgainWhenItsConnectionEnds(t *testing.T) {
	t.Parallel()
	from, to := fullDatabase(t), storetest.Postgres(t)
	before := dumpRows(t, from)
	attempt := func() (moved []Moved, heard []int64, err error) {
		faults := new(storetest.Faults)
		source, target := connect(t, from), must1(Open(t.Context(), to, faults.Wrap))(t)
		defer source.Close()
		defer target.Close()
		moved, err = source.Move(t.Context(), target, atNoon, content, func(rows int64) {
			if heard = append(heard, rows); len(heard) == 3 {
				faults.Arm(1, storetest.Fault{Err: errEnded, Fatal: true})
			}
		})
		return moved, heard, err
	}
	moved, heard, err := attempt()
	for deadline := time.Now().Add(eventuallyTimeout); errors.Is(err, errEnded) && time.Now().Before(deadline); {
		moved, heard, err = attempt()
	}
	must(t, err)
	if len(heard) != 3+len(moved) || !slices.Equal(heard[:3], heard[3:6]) {
		t.Error("the progress was", heard)
	}
	if !slices.Equal(before, dumpRows(t, to)) {
		t.Error("the rows differ")
	}
	must(t, startError(t, to))
}

// TestAMoveIsAlone with the file, however idle the others are, and lets nobody in.
func TestAMoveIsAlone(t *testing.T) {
	t.Parallel()
	from, to := fullDatabase(t), storetest.Postgres(t)
	idle := connect(t, from)
	queryInt(t, idle, `SELECT COUNT(*) FROM users`)
	if _, err := moveAll(t, from, to); err == nil || !strings.Contains(err.Error(), "is in use") {
		t.Fatal(err)
	}
	idle.Close()
	source, target := connect(t, from), connect(t, to)
	_, err := source.Move(t.Context(), target, atNoon, func(context.Context) error {
		for _, statement := range []string{`SELECT COUNT(*) FROM users`, `UPDATE users SET name = 'late'`} {
			if err := alter(t, from, statement); err == nil || !strings.Contains(err.Error(), "locked") {
				t.Errorf("%s: %v", statement, err)
			}
		}
		if err := startError(t, to); err == nil || !strings.Contains(err.Error(), "run latchkey move again") {
			t.Error("a server starts on what is not finished:", err)
		}
		return errors.New("another secret")
	}, func(int64) {})
	if err == nil || err.Error() != "the move is not finished: another secret" {
		t.Fatal(err)
	}
	source.Close()
	must(t, startError(t, from))
	must(t, alter(t, from, `UPDATE users SET name = 'later'`))
	before := dumpRows(t, from)
	_, err = moveAll(t, from, to)
	must(t, err)
	if !slices.Equal(before, dumpRows(t, to)) {
		t.Error("the second move left out what happened after the first")
	}
	must(t, startError(t, to))
}

// TestAMoveComparesWhatArrived notices a row that the other side drops or changes.
func TestAMoveComparesWhatArrived(t *testing.T) {
	t.Parallel()
	from := fullDatabase(t)
	for change, body := range map[string]string{
		"dropped": `RETURN NULL;`, "changed": `NEW.seen_at = 1; RETURN NEW;`, "cut": `NEW.agent = 'x'; RETURN NEW;`,
	} {
		to := storetest.Postgres(t)
		newStore(t, to).Close()
		must(t, alter(t, to, `CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN `+body+` END$$;
			CREATE TRIGGER meddle BEFORE INSERT ON devices FOR EACH ROW EXECUTE FUNCTION meddle()`))
		if _, err := moveAll(t, from, to); err == nil || !strings.Contains(err.Error(), "table devices arrived with") {
			t.Errorf("%s: %v", change, err)
		}
		if left := dumpRows(t, to); len(left) > 0 {
			t.Errorf("%s: left are %v", change, left)
		}
		must(t, startError(t, from))
	}
}

// TestEveryCallOfAMoveMayFail lets every fourth, from a random one on, do so, on either side, and moves again until it
// is done. Every time either the source is whole and serves, or everything is on the other side.
func TestEveryCallOfAMoveMayFail(t *testing.T) {
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
			struck, finished := 0, 0
			for n := 1 + rand.IntN(stride); ; n += stride {
				faults := new(storetest.Faults)
				faults.Arm(n, fault)
				_, err := moveAll(t, from, to, faults.Wrap)
				if !faults.Disarm() {
					must(t, err)
					break
				}
				struck++
				if startError(t, from) == nil {
					if err == nil {
						t.Fatalf("call %d: it says that all is well", n)
					}
					continue
				}
				if startError(t, to) != nil {
					_, err = moveAll(t, from, to)
					must(t, err)
					must(t, startError(t, to))
				}
				if after := dumpRows(t, to); !slices.Equal(before, after) {
					t.Fatalf("call %d: %d rows became %d", n, len(before), len(after))
				}
				finished++
				from, to = fullDatabase(t), storetest.Postgres(t)
				before = dumpRows(t, from)
			}
			if struck < 10 {
				t.Errorf("only %d calls failed", struck)
			}
			t.Logf("%d calls failed, after %d of them all was on the other side", struck, finished)
		})
	}
}
