package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
)

const (
	refreshPrefix  = "rt_"
	refreshVersion = 1
	maxRefresh     = 128 // characters
)

// SaltSize is how many bytes of salt a session has at least.
const SaltSize = 16

// Refresh is what a refresh token says. Until Proves has said yes, it is somebody's word and no more. It prints as
// [secret], for its parts are enough to write the token down again.
type Refresh struct {
	Session    [16]byte
	Generation uint64
	KeyID      byte // of the secret it was computed with
	mac        [sha256.Size]byte
}

// NewSalt returns the 16 random bytes that a session needs for its refresh tokens.
func NewSalt() []byte { return random(SaltSize) }

// KeyID returns the byte by which a refresh token names the secret it was computed with. It tells secrets apart, and
// nothing about them.
func (s Secret) KeyID() byte { return s.Key("refresh-key-id/v1")[0] }

// RefreshToken returns the one refresh token of a session, with the session's salt of at least 16 bytes, for a
// generation. It is 71 to 83 characters long: rt_ and, in base64url without padding (RFC 4648, section 5), a version,
// the key id, the session, the generation as the shortest varint, and the HMAC-SHA256 of all these (RFC 2104) under
// HKDF-SHA256(secret, salt, "refresh/v1"). Neither the secret nor the database alone is enough to compute it.
func (s Secret) RefreshToken(session [16]byte, salt []byte, generation uint64) string {
	r := Refresh{Session: session, Generation: generation, KeyID: s.KeyID()}
	r.mac = s.prove(r, salt)
	return r.text()
}

// ParseRefresh returns what a refresh token says; ok is false when text has not the form of one. There is one text
// only for each token.
func ParseRefresh(text string) (r Refresh, ok bool) {
	encoded, found := strings.CutPrefix(text, refreshPrefix)
	if !found || len(text) > maxRefresh {
		return Refresh{}, false
	}
	raw, err := strict.DecodeString(encoded)
	if err != nil || len(raw) < 2+len(r.Session) || raw[0] != refreshVersion {
		return Refresh{}, false
	}
	r.KeyID = raw[1]
	rest := raw[2+copy(r.Session[:], raw[2:]):]
	generation, n := binary.Uvarint(rest)
	if n <= 0 || len(rest) != n+len(r.mac) {
		return Refresh{}, false
	}
	r.Generation = generation
	copy(r.mac[:], rest[n:])
	if r.text() != text { // line breaks, which Go's decoder skips, or a varint longer than need be
		return Refresh{}, false
	}
	return r, true
}

// VerifyMAC reports whether r was computed with this secret and the session's salt. For a session that does not exist pass
// nil: the answer is no, and takes as long.
func (s Secret) VerifyMAC(r Refresh, salt []byte) bool {
	known := len(salt) >= SaltSize
	if !known {
		salt = noSalt[:]
	}
	mac, id := s.prove(r, salt), s.KeyID() // both before any answer, so that none comes sooner
	return hmac.Equal(mac[:], r.mac[:]) && known && r.KeyID == id
}

var noSalt [SaltSize]byte

func (s Secret) prove(r Refresh, salt []byte) (mac [sha256.Size]byte) {
	h := hmac.New(sha256.New, s.derive(salt, "refresh/v1"))
	h.Write(r.head())
	h.Sum(mac[:0])
	return mac
}

// head returns all of the token but its MAC.
func (r Refresh) head() []byte {
	return binary.AppendUvarint(append([]byte{refreshVersion, r.KeyID}, r.Session[:]...), r.Generation)
}

func (r Refresh) text() string {
	return refreshPrefix + base64.RawURLEncoding.EncodeToString(append(r.head(), r.mac[:]...))
}

// Format keeps the token out of every print.
func (Refresh) Format(f fmt.State, _ rune) { io.WriteString(f, hidden) }
