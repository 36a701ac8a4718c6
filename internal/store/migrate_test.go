package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/store/storetest"
)

func steps(t *testing.T, s *Store) (names []string) {
	t.Helper()
	for _, step := range must1(s.migrations())(t) {
		names = append(names, step.Name)
	}
	return names
}

func TestMigrateTwice(t *testing.T) {
	t.Parallel()
	storetest.EachStrict(t, func(t *testing.T, url string) {
		s := connect(t, url)
		applied, err := s.Migrate(t.Context(), atNoon)
		if want := steps(t, s); err != nil || len(want) == 0 || !slices.Equal(applied, want) {
			t.Fatalf("applied %v instead of %v: %v", applied, want, err)
		}
		user := addUser(t, s, "mario")
		for _, s := range []*Store{s, connect(t, url)} {
			if applied, err := s.Migrate(t.Context(), atNoon); err != nil || len(applied) != 0 {
				t.Errorf("applied %v again: %v", applied, err)
			}
			if _, err := s.User(t.Context(), user.ID); err != nil {
				t.Error(err)
			}
		}
		if at := queryInt(t, s, `SELECT MIN(applied_at) FROM schema_migrations`); int64(at) != noon.UnixMicro() {
			t.Error("applied at", at)
		}
	})
}

func TestMigrateConcurrently(t *testing.T) {
	t.Parallel()
	storetest.EachStrict(t, func(t *testing.T, url string) {
		const nodes = 8
		applied := make([][]string, nodes)
		errs := concurrently(nodes, func(i int) error {
			s, err := Open(t.Context(), url)
			if err != nil {
				return err
			}
			defer s.Close()
			applied[i], err = s.Migrate(t.Context(), atNoon)
			return err
		})
		for i, err := range errs {
			if err != nil {
				t.Errorf("node %d: %v", i, err)
			}
		}
		s := connect(t, url)
		all := slices.Concat(applied...)
		slices.Sort(all)
		if want := steps(t, s); !slices.Equal(all, want) {
			t.Errorf("the nodes applied %v, want each of %v once", applied, want)
		}
		addUser(t, s, "mario")
	})
}

func TestMigrateRefusesOtherProgram(t *testing.T) {
	t.Parallel()
	storetest.EachStrict(t, func(t *testing.T, url string) {
		other := openDirect(t, url)
		must1(other.Exec(`CREATE TABLE things (n BIGINT)`))(t)
		must1(other.Exec(`INSERT INTO things VALUES (42)`))(t)
		s := connect(t, url)
		if applied, err := s.Migrate(t.Context(), atNoon); err == nil || !strings.Contains(err.Error(), "another program") {
			t.Errorf("applied %v: %v", applied, err)
		}
		var tables []string
		must(t, s.readPool.Select(&tables, s.dialect.tables))
		if n := queryInt(t, s, `SELECT n FROM things`); n != 42 || !slices.Equal(tables, []string{"things"}) {
			t.Errorf("there are %v and %d now", tables, n)
		}
	})
}

func TestMigrateRefusesOtherVersion(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ change, want string }{
		"newer":   {`INSERT INTO schema_migrations SELECT MAX(version) + 1, 'later', '', 0 FROM schema_migrations`, "newer program"},
		"changed": {`UPDATE schema_migrations SET checksum = 'other' WHERE version = 1`, "different step"},
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, s *Store) {
				execute(t, s, test.change)
				if applied, err := s.Migrate(t.Context(), atNoon); err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("applied %v: %v", applied, err)
				}
			})
		})
	}
}

// applyFirst applies the first n migrations, as an older program did.
func applyFirst(t *testing.T, s *Store, n int) {
	t.Helper()
	must(t, s.InLongTx(t.Context(), func(tx *Tx) error { return tx.PrepareMigrations(t.Context()) }))
	for _, step := range must1(s.migrations())(t)[:n] {
		must(t, s.apply(t.Context(), step))
	}
}

func (s *Store) apply(ctx context.Context, step migration) error {
	return s.InLongTx(ctx, func(tx *Tx) error { _, err := tx.applyMigration(ctx, step, noon); return err })
}

// TestMigrateFromEveryVersion with several nodes at once.
func TestMigrateFromEveryVersion(t *testing.T) {
	t.Parallel()
	storetest.EachStrict(t, func(t *testing.T, url string) {
		s := connect(t, url)
		applyFirst(t, s, 1)
		// A row of the first version.
		execute(t, s, `INSERT INTO users (id, username, username_key, email_verified, name, role, status, password_hash,
			epoch, created_at) VALUES ('user_1', 'Mario', 'mario', ?, '', 'MEMBER', 'ACTIVE', 'hash', 0, 1)`, false)
		names := steps(t, s)
		for first := 1; first < len(names); first++ {
			applied := make([][]string, 4)
			must(t, errors.Join(concurrently(len(applied), func(i int) error {
				node, err := Open(t.Context(), url)
				if err != nil {
					return err
				}
				defer node.Close()
				applied[i], err = node.Migrate(t.Context(), atNoon)
				return err
			})...))
			all := slices.Concat(applied...)
			slices.Sort(all)
			if want := names[1:]; first == 1 && !slices.Equal(all, want) || first > 1 && len(all) > 0 {
				t.Fatalf("the nodes applied %v, want each of %v once", applied, want)
			}
		}
		if found := must1(s.CredentialsByName(t.Context(), "mario", ""))(t); found.PasswordHash != "hash" {
			t.Errorf("found %+v", found)
		}
	})
}

// eventuallyTimeout is how long a test waits for an expected event on a slow machine.
const eventuallyTimeout = time.Minute

// eventually calls f until it succeeds.
func eventually(f func() error) (err error) {
	for deadline := time.Now().Add(eventuallyTimeout); time.Now().Before(deadline); {
		if err = f(); err == nil {
			break
		}
	}
	return err
}

// newerMigration is one that this program does not have. A newer one may apply its like while older nodes serve.
var newerMigration = migration{Version: 99, Name: "0099_later", Checksum: "sum", script: `
	ALTER TABLE users ADD COLUMN nickname TEXT NOT NULL DEFAULT '';
	ALTER TABLE sessions ADD COLUMN place TEXT;
	ALTER TABLE profiles ADD COLUMN rank INTEGER NOT NULL DEFAULT 0;
	CREATE TABLE things (user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE);
	CREATE INDEX users_by_nickname ON users (nickname)`}

// TestMigrateWhileOlderNodesServe, on connections that have cached the old tables.
func TestMigrateWhileOlderNodesServe(t *testing.T) {
	t.Parallel()
	storetest.EachStrict(t, func(t *testing.T, url string) {
		older, newer, ctx := newStore(t, url), connect(t, url), t.Context()
		user := addUser(t, older, "mario")
		var luigis atomic.Int64
		use := func(int) error {
			i := luigis.Add(1)
			_, err := older.User(ctx, user.ID)
			_, also := older.CredentialsByName(ctx, "mario", "")
			return errors.Join(err, also, older.SetName(ctx, user.ID, fmt.Sprint("Mario ", i)),
				older.InTx(ctx, func(tx *Tx) error {
					luigi := newUser(fmt.Sprintf("luigi%d", i))
					return errors.Join(tx.InsertUser(ctx, luigi, "hash"), tx.InsertProfile(ctx, newProfile(luigi)))
				}))
		}
		must(t, errors.Join(concurrently(8, use)...))
		stop, busy := make(chan struct{}), make(chan error, 2)
		for range cap(busy) {
			go func() {
				for {
					select {
					case <-stop:
						busy <- nil
						return
					default:
					}
					if err := use(0); err != nil {
						busy <- err
						return
					}
				}
			}()
		}
		must(t, eventually(func() error { return newer.apply(ctx, newerMigration) }))
		close(stop)
		for range cap(busy) {
			must(t, <-busy)
		}
		must(t, errors.Join(concurrently(8, use)...))
		if _, err := older.Migrate(ctx, atNoon); err == nil || !strings.Contains(err.Error(), "newer program") {
			t.Error("an older program starts:", err)
		}
	})
}

// TestMigrateDoesNotBlockReaders while it waits for a long reader, such as a backup.
func TestMigrateDoesNotBlockReaders(t *testing.T) {
	t.Parallel()
	url := storetest.Postgres(t)
	s, ctx := newStore(t, url), t.Context()
	user := addUser(t, s, "mario")
	backup := must1(openDirect(t, url).BeginTx(ctx, nil))(t)
	defer backup.Rollback()
	must1(backup.Exec(`LOCK TABLE users IN ACCESS SHARE MODE`))(t)
	node, applied := connect(t, url), make(chan error, 1)
	go func() { applied <- eventually(func() error { return node.apply(ctx, newerMigration) }) }()
	for waiting := 0; waiting == 0; {
		select {
		case err := <-applied:
			t.Fatal("nothing waits for the backup:", err)
		default:
		}
		waiting = queryInt(t, s, `SELECT COUNT(*) FROM pg_locks WHERE NOT granted AND relation = 'users'::regclass`)
	}
	must1(s.User(ctx, user.ID))(t)
	must(t, backup.Rollback())
	must(t, <-applied)
}

// TestMigrationIsAtomic, as for a node that is killed during one.
func TestMigrationIsAtomic(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		step := migration{99, "0099_broken", "sum", `CREATE TABLE a (n BIGINT); INSERT INTO nowhere VALUES (1)`}
		if err := s.apply(ctx, step); err == nil || errors.As(err, new(*account.Error)) {
			t.Fatal("the migration returns", err)
		}
		if n := queryInt(t, s, `SELECT COUNT(*) FROM schema_migrations WHERE version = 99`); n != 0 {
			t.Error("the migration counts as applied")
		}
		step.script = `CREATE TABLE a (n BIGINT)`
		must(t, s.apply(ctx, step))
	})
}
