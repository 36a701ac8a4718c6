package store

import (
	"errors"
	"slices"
	"strings"
	"testing"

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

func TestMigrateOnceAndAgain(t *testing.T) {
	t.Parallel()
	storetest.EachStrict(t, func(t *testing.T, url string) {
		s := connect(t, url)
		taken, err := s.Migrate(t.Context(), atNoon)
		if want := steps(t, s); err != nil || len(want) == 0 || !slices.Equal(taken, want) {
			t.Fatalf("took %v instead of %v: %v", taken, want, err)
		}
		user := join(t, s, "mario")
		for _, s := range []*Store{s, connect(t, url)} {
			if taken, err := s.Migrate(t.Context(), atNoon); err != nil || len(taken) != 0 {
				t.Errorf("took %v again: %v", taken, err)
			}
			if _, err := s.User(t.Context(), user.ID); err != nil {
				t.Error(err)
			}
		}
		if at := number(t, s, `SELECT MIN(applied_at) FROM schema_migrations`); int64(at) != noon.UnixMicro() {
			t.Error("the clock said", at)
		}
	})
}

func TestManyNodesMigrateTogether(t *testing.T) {
	t.Parallel()
	storetest.EachStrict(t, func(t *testing.T, url string) {
		const nodes = 8
		taken := make([][]string, nodes)
		errs := together(nodes, func(i int) error {
			s, err := Open(t.Context(), url)
			if err != nil {
				return err
			}
			defer s.Close()
			taken[i], err = s.Migrate(t.Context(), atNoon)
			return err
		})
		for i, err := range errs {
			if err != nil {
				t.Errorf("node %d: %v", i, err)
			}
		}
		s := connect(t, url)
		all := slices.Concat(taken...)
		slices.Sort(all)
		if want := steps(t, s); !slices.Equal(all, want) {
			t.Errorf("the nodes took %v, want each of %v once", taken, want)
		}
		join(t, s, "mario")
	})
}

func TestMigrateRefusesAnotherProgramsDatabase(t *testing.T) {
	t.Parallel()
	storetest.EachStrict(t, func(t *testing.T, url string) {
		other := behind(t, url)
		must1(other.Exec(`CREATE TABLE things (n BIGINT)`))(t)
		must1(other.Exec(`INSERT INTO things VALUES (42)`))(t)
		s := connect(t, url)
		if taken, err := s.Migrate(t.Context(), atNoon); err == nil || !strings.Contains(err.Error(), "another program") {
			t.Errorf("took %v: %v", taken, err)
		}
		var tables []string
		must(t, s.read.Select(&tables, s.dialect.tables))
		if n := number(t, s, `SELECT n FROM things`); n != 42 || !slices.Equal(tables, []string{"things"}) {
			t.Errorf("there are %v and %d now", tables, n)
		}
	})
}

func TestMigrateRefusesAnotherVersionsDatabase(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ change, want string }{
		"newer":   {`INSERT INTO schema_migrations SELECT MAX(version) + 1, 'later', '', 0 FROM schema_migrations`, "newer program"},
		"changed": {`UPDATE schema_migrations SET checksum = 'other' WHERE version = 1`, "different step"},
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, s *Store) {
				execute(t, s, test.change)
				if taken, err := s.Migrate(t.Context(), atNoon); err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("took %v: %v", taken, err)
				}
			})
		})
	}
}

// TestAStepThatFailsLeavesNothing stands in for a node that is killed in the middle of one.
func TestAStepThatFailsLeavesNothing(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		step := migration{99, "0099_broken", "sum", `CREATE TABLE a (n BIGINT); INSERT INTO nowhere VALUES (1)`}
		take := func() error {
			return s.InTx(ctx, func(tx *Store) error { _, err := tx.migrate(ctx, step, noon); return err })
		}
		if err := take(); err == nil || errors.As(err, new(*account.Error)) {
			t.Fatal("the step gives", err)
		}
		if n := number(t, s, `SELECT COUNT(*) FROM schema_migrations WHERE version = 99`); n != 0 {
			t.Error("the step counts as taken")
		}
		step.script = `CREATE TABLE a (n BIGINT)`
		must(t, take())
	})
}
