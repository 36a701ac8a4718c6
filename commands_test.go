package main

import (
	"errors"
	"regexp"
	"strings"
	"testing"
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
	if printed := s.does("version"); !regexp.MustCompile(`^latchkey \S+( \(\w+ of .+\))?, go1\.\S+.*\n$`).MatchString(printed) {
		t.Errorf("the version is %s", printed)
	}
}
