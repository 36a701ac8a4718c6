package password

import (
	"errors"
	"strings"
	"testing"
)

// reversed is a scheme of its own: the password backwards behind a prefix.
type reversed string

const reversedPrefix = "$reversed$"

func parseReversed(encoded string) (hash, error) {
	if encoded == reversedPrefix {
		return nil, errors.New("empty")
	}
	return reversed(strings.TrimPrefix(encoded, reversedPrefix)), nil
}

func (h reversed) matches(text string) bool {
	if len(h) != len(text) {
		return false
	}
	for i := range len(text) {
		if h[i] != text[len(text)-1-i] {
			return false
		}
	}
	return true
}

func (reversed) cost() cost { return currentParams.cost() / 4 }

func (reversed) current() bool { return false }

// TestSchemes verifies hashes of two schemes by their prefixes.
func TestSchemes(t *testing.T) {
	builtIn := schemes
	t.Cleanup(func() { schemes = builtIn })
	schemes = append(schemes[:len(schemes):len(schemes)], scheme{reversedPrefix, parseReversed})

	h := NewHasher(1)
	argon2id, err := h.Hash(t.Context(), "i-keep-jumping")
	if err != nil {
		t.Fatal(err)
	}
	less := currentParams.cost() - currentParams.cost()/4
	for _, test := range []struct {
		name, encoded          string
		readable, ok, outdated bool
		extra                  cost
	}{
		{"argon2id", argon2id, true, true, false, 0},
		{"another scheme", reversedPrefix + "gnipmuj-peek-i", true, true, true, less},
		{"another password", reversedPrefix + "gnipmuj-peek-u", true, false, true, less},
		{"broken", reversedPrefix, false, false, true, 0},
		{"unknown prefix", "$plain$i-keep-jumping", false, false, true, 0},
		{"prefix alone", "$argon2id", false, false, true, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			if readable := Readable(test.encoded); readable != test.readable {
				t.Errorf("Readable: %v, want %v", readable, test.readable)
			}
			if outdated := NeedsRehash(test.encoded); outdated != test.outdated {
				t.Errorf("NeedsRehash: %v, want %v", outdated, test.outdated)
			}
			ok, err := h.Verify(t.Context(), test.encoded, "i-keep-jumping")
			if ok != test.ok || (err == nil) != test.readable {
				t.Errorf("Verify: %v, %v, want %v", ok, err, test.ok)
			}
			if err != nil {
				if strings.Contains(err.Error(), "jumping") {
					t.Errorf("the error repeats the hash: %v", err)
				}
				return
			}
			stored, err := parse(test.encoded)
			if err != nil {
				t.Fatal(err)
			}
			if extra := extraCost(stored); extra != test.extra {
				t.Errorf("extra cost %d, want %d", extra, test.extra)
			}
		})
	}
}
