package token

import (
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// Limits of a secret, in bytes.
const (
	minSecret   = 32
	minDistinct = 10
)

const hidden = "[secret]"

// Secret is the one secret of an installation, from which every other key is derived. It prints as [secret] wherever
// it stands, except inside an unexported field of a struct, where package fmt calls no methods.
type Secret []byte

// NewSecret returns text, as it is, as a secret. It must have at least 32 bytes and 10 different ones among them, which
// refuses what somebody typed to get past a prompt; it cannot tell whether the rest was drawn at random.
func NewSecret(text string) (Secret, error) {
	if len(text) < minSecret {
		return nil, fmt.Errorf("the secret has %d bytes; it needs at least %d", len(text), minSecret)
	}
	seen := map[byte]bool{}
	for i := range len(text) {
		seen[text[i]] = true
	}
	if len(seen) < minDistinct {
		return nil, errors.New("the secret repeats itself; draw one at random")
	}
	return Secret(text), nil
}

// Key returns the 32 byte key for one purpose: HKDF-SHA256 without salt and the label as info (RFC 5869). Keys for
// different labels tell nothing about each other or the secret.
func (s Secret) Key(label string) []byte { return s.derive(nil, label) }

func (s Secret) derive(salt []byte, label string) []byte {
	key, err := hkdf.Key(sha256.New, s, salt, label, sha256.Size)
	if err != nil {
		panic(err) // only for a key longer than HKDF can give
	}
	return key
}

func (Secret) String() string               { return hidden }
func (Secret) GoString() string             { return hidden }
func (Secret) Format(f fmt.State, _ rune)   { io.WriteString(f, hidden) }
func (Secret) LogValue() slog.Value         { return slog.StringValue(hidden) }
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }
