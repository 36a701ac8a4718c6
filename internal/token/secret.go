package token

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"
)

// Limits of a secret, in bytes.
const (
	minSecret   = 32
	minDistinct = 10
)

const hidden = "[secret]"

// Secret is the secret of an installation, from which every other key is derived. It is formatted as [secret], except
// in an unexported field of a struct, where package fmt calls no methods.
type Secret []byte

// NewSecret returns text as a secret. It must have at least 32 bytes, of which at least 10 are different. This rejects
// placeholders; it cannot detect every text that is not random.
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
// different labels reveal nothing about each other or the secret.
func (s Secret) Key(label string) []byte { return s.derive(nil, label) }

func (s Secret) derive(salt []byte, label string) []byte {
	key, err := hkdf.Key(sha256.New, s, salt, label, sha256.Size)
	if err != nil {
		panic(err) // only for a key longer than HKDF can give
	}
	return key
}

// sealer returns AES-256-GCM with the key for a label. It puts a random nonce before what it seals.
func (s Secret) sealer(label string) (cipher.AEAD, error) {
	block, err := aes.NewCipher(s.Key(label))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// Secrets are the current secret of an installation and, after a change, the previous one, with which nothing new is
// created. Previous is nil when there is none.
type Secrets struct{ Current, Previous Secret }

// NewSecrets returns a current and a previous secret; pass nil for no previous one. It returns an error when both have
// the same key id, by which refresh tokens name their secret.
func NewSecrets(current, previous Secret) (Secrets, error) {
	switch {
	case previous == nil:
	case bytes.Equal(current, previous):
		return Secrets{}, errors.New("the previous secret is the same as the current one")
	case current.KeyID() == previous.KeyID():
		return Secrets{}, errors.New("the previous secret has the same key id as the current one, " +
			"as one in 256 has; draw another current one")
	}
	return Secrets{current, previous}, nil
}

// Named returns the secret that a key id names, or nil.
func (s Secrets) Named(keyID byte) Secret {
	// Both are computed first, so that every result takes the same time.
	current, previous := s.Current.KeyID(), s.Previous.KeyID()
	switch {
	case keyID == current:
		return s.Current
	case keyID == previous:
		return s.Previous
	}
	return nil
}

// VerifyMAC reports whether r was computed with the secret that it names and with the session's salt. For a session
// that does not exist pass a nil salt: the result is false, after the same time.
func (s Secrets) VerifyMAC(r Refresh, salt []byte) bool {
	named := s.Named(r.KeyID)
	if named == nil {
		named, salt = s.Current, nil
	}
	return named.VerifyMAC(r, salt)
}

// OpenKey returns the key that Seal sealed with one of the secrets, or ErrSealed when it was neither; stale reports
// that it was the previous one.
func (s Secrets) OpenKey(id, alg string, createdAt time.Time, sealed []byte) (key *Key, stale bool, err error) {
	key, err = OpenKey(s.Current, id, alg, createdAt, sealed)
	if s.Previous != nil && errors.Is(err, ErrSealed) {
		key, err = OpenKey(s.Previous, id, alg, createdAt, sealed)
		stale = err == nil
	}
	return key, stale, err
}

func (Secret) String() string               { return hidden }
func (Secret) GoString() string             { return hidden }
func (Secret) Format(f fmt.State, _ rune)   { io.WriteString(f, hidden) }
func (Secret) LogValue() slog.Value         { return slog.StringValue(hidden) }
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }
