package password

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"latchkey/internal/account"
)

func TestCommonList(t *testing.T) {
	n, before := 0, ""
	for line := range strings.Lines(common) {
		entry, whole := strings.CutSuffix(line, "\n")
		if !whole || entry <= before {
			t.Fatalf("line %d is not whole or not after the one before", n+1)
		}
		if account.Canonical(entry) != entry || utf8.RuneCountInString(entry) < 8 {
			t.Errorf("line %d is not canonical or too short to matter", n+1)
		}
		if strings.ContainsFunc(entry, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("line %d cannot be printed", n+1)
		}
		n, before = n+1, entry
	}
	if n != 17_950 {
		t.Errorf("the list has %d passwords, its comment says 17,950", n)
	}
}

func TestIsCommon(t *testing.T) {
	for line := range strings.Lines(common) {
		if !isCommon(strings.TrimSuffix(line, "\n")) {
			t.Fatalf("%q is in the list but not found", line)
		}
	}
	for _, key := range []string{"", "\n", " ", "!", "~~~~~~~~~", "passwor", "password\n", "password\npassword1"} {
		if isCommon(key) {
			t.Errorf("%q is found but not in the list", key)
		}
	}
}
