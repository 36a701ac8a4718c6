package password

import (
	"errors"
	"strings"
)

// scheme is one way to hash passwords. Its prefix identifies its hashes.
type scheme struct {
	prefix string
	parse  func(encoded string) (hash, error)
}

// schemes are all whose hashes are verified. New hashes are argon2id.
var schemes = []scheme{
	{argon2idPrefix, parseArgon2id},
}

// hash is a stored hash of any scheme.
type hash interface {
	// matches reports whether the hash is that of a password in Normalization Form C.
	matches(text string) bool
	// cost returns the time that matches takes.
	cost() cost
	// current reports whether the hash is in the form that new hashes have.
	current() bool
}

// cost is the time of one check, relative to that of other checks. The unit is half a pass of argon2id over 1 KiB of
// memory.
type cost uint64

// parse returns the stored hash that encoded represents. No error contains encoded.
func parse(encoded string) (hash, error) {
	for _, s := range schemes {
		if strings.HasPrefix(encoded, s.prefix) {
			return s.parse(encoded)
		}
	}
	return nil, errors.New("not a hash of a known scheme")
}
