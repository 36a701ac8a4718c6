package main

import (
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"latchkey/internal/store"
	"latchkey/internal/store/storetest"
)

// TestHelp shows every command there is and every setting, with no need for a database.
func TestHelp(t *testing.T) {
	s := &site{t: t, database: "sqlite:", clock: &clock{}}
	for _, args := range [][]string{
		{"--help"}, {"-h"}, {"serve", "--help"}, {"keys", "--help"}, {"keys", "retire", "--help"},
	} {
		if printed := s.does(args...); !strings.HasPrefix(printed, "Usage: latchkey ") {
			t.Errorf("%q: it prints %s", args, printed)
		}
	}
	printed := s.does("--help")
	for _, want := range []string{
		"serve", "keys list", "keys rotate", "keys retire", "mail preview", "mail test", "restore-cut", "schema", "version",
		"migrate status", "migrate up",
		"--database-url", "LATCHKEY_SECRET_FILE",
	} {
		if !strings.Contains(printed, want) {
			t.Errorf("no %s in %s", want, printed)
		}
	}
}

// TestSettingsStandAnywhere reads them before a command, in it and after it, the last one of several.
func TestSettingsStandAnywhere(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.register("mario")
		for _, args := range [][]string{
			{"--signing-alg", "ES256", "keys", "rotate"}, {"keys", "--signing-alg=ES256", "rotate"},
			{"keys", "rotate", "--signing-alg", "HS256", "--signing-alg", "ES256"},
		} {
			s.does(args...)
		}
		if printed := s.does("keys", "list"); strings.Count(printed, "ES256") != 3 {
			t.Errorf("the keys are %s", printed)
		}
		_, err := s.command("keys", "list", "--signing-alg", "--log-level", "info")
		if _, ok := errors.AsType[usage](err); !ok {
			t.Errorf("a flag counts as a value, and the value as an argument: %v", err)
		}
		s.declines("LATCHKEY_SIGNING_ALG (from --signing-alg): must be", "keys", "list", "--signing-alg", "RS1")
	})
}

// TestWhatNeedsNoDatabase asks the program about itself, with settings that no server would start with.
func TestWhatNeedsNoDatabase(t *testing.T) {
	s := &site{t: t, database: "nowhere", clock: &clock{}}
	if printed := s.does("schema"); printed != schema {
		t.Errorf("the schema is %s", printed)
	}
	version := regexp.MustCompile(`^latchkey \S+( \(\w+ of .+\))?, go1\.\S+.*\n$`)
	if printed := s.does("version"); !version.MatchString(printed) {
		t.Errorf("the version is %s", printed)
	}
}

// TestTheSchemaIsMigratedByCommand takes the last step again, on a database that looks as it did before that.
func TestTheSchemaIsMigratedByCommand(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		at := stamp(s.clock.Now())
		status := func() []string { return strings.Split(s.does("migrate", "status"), "\n") }
		first := status()
		if len(first) != 5 || !slices.Equal(strings.Fields(first[3]), []string{"3", "0003_throttles", at}) {
			t.Fatalf("the status is %q", first)
		}
		if said := s.does("migrate", "up"); said != "The schema is up to date.\n" {
			t.Fatalf("up says %s", said)
		}
		s.stop()
		s.execute(`DROP TABLE throttles`)
		s.execute(`DELETE FROM schema_migrations WHERE version = 3`)
		for range 2 {
			if said := s.does("migrate", "up", "--dry-run"); said != "0003_throttles would be taken.\n" {
				t.Fatalf("the dry run says %s", said)
			}
		}
		if have := status()[3]; !strings.HasSuffix(have, "0003_throttles  not yet") {
			t.Fatalf("the status is %q", have)
		}
		if said := s.does("migrate", "up"); said != "0003_throttles is taken.\n" {
			t.Fatalf("up says %s", said)
		}
		var steps []store.Step
		if err := json.Unmarshal([]byte(s.does("migrate", "status", "--json")), &steps); err != nil || len(steps) != 3 ||
			steps[2].AppliedAt == nil || steps[2].Name != "0003_throttles" {
			t.Fatalf("the status is %v, %v", steps, err)
		}
		s.execute(`INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES (4, '0004_x', 'x', 0)`)
		for _, args := range [][]string{{"migrate", "status"}, {"migrate", "up", "--dry-run"}, {"migrate", "up"}} {
			s.declines("use a newer program", args...)
		}
	})
}

// TestMigratingFromNothing makes a database that a server then uses.
func TestMigratingFromNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		s := &site{t: t, database: url, clock: &clock{now: time.Now()}}
		if strings.HasPrefix(url, "sqlite:") {
			s.declines("no such file", "migrate", "status")
			s.declines("no such file", "migrate", "up", "--dry-run")
		} else if said := s.does("migrate", "up", "--dry-run"); strings.Count(said, "would be taken") != 3 {
			t.Fatalf("the dry run says %s", said)
		}
		if said := s.does("migrate", "up"); strings.Count(said, "is taken") != 3 {
			t.Fatalf("up says %s", said)
		}
		serve(t, url).register("mario")
	})
}
