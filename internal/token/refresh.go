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

// SaltSize is the minimum size of a session's salt, in bytes.
const SaltSize = 16

// Refresh is a parsed refresh token. It is not authenticated until VerifyMAC returns true. It is formatted as [secret],
// because the token can be computed from its parts.
type Refresh struct {
	Session    [16]byte
	Generation uint64
	KeyID      byte // of the secret it was computed with
	mac        [sha256.Size]byte
}

// NewSalt returns a random salt of SaltSize bytes for the refresh tokens of a session.
func NewSalt() []byte { return random(SaltSize) }

// KeyID returns the byte by which a refresh token names the secret that it was computed with. It reveals nothing about
// the secret.
func (s Secret) KeyID() byte { return s.Key("refresh-key-id/v1")[0] }

// RefreshToken returns the refresh token of a session for a generation; salt is the session's, of at least 16 bytes. It
// is 71 to 83 characters long: rt_ and, in base64url without padding (RFC 4648, section 5), a version, the key id, the
// session, the generation as the shortest varint, and the HMAC-SHA256 of all these (RFC 2104) under HKDF-SHA256(secret,
// salt, "refresh/v1"). Neither the secret nor the database alone is enough to compute it.
func (s Secret) RefreshToken(session [16]byte, salt []byte, generation uint64) string {
	r := Refresh{Session: session, Generation: generation, KeyID: s.KeyID()}
	r.mac = s.computeMAC(r, salt)
	return r.text()
}

// ParseRefresh parses a refresh token; ok is false when text does not have the form of one. Each token has exactly one
// text.
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
	if r.text() != text { // line breaks, which Go's decoder skips, or a varint that is not the shortest
		return Refresh{}, false
	}
	return r, true
}

// VerifyMAC reports whether r was computed with this secret and the session's salt. For a session that does not exist
// pass a nil salt: the result is false, after the same time.
func (s Secret) VerifyMAC(r Refresh, salt []byte) bool {
	hasSalt := len(salt) >= SaltSize
	if !hasSalt {
		salt = noSalt[:]
	}
	mac, id := s.computeMAC(r, salt), s.KeyID() // both computed first, so that every result takes the same time
	return hmac.Equal(mac[:], r.mac[:]) && hasSalt && r.KeyID == id
}

var noSalt [SaltSize]byte

func (s Secret) computeMAC(r Refresh, salt []byte) (mac [sha256.Size]byte) {
	h := hmac.New(sha256.New, s.derive(salt, "refresh/v1"))
	h.Write(r.head())
	h.Sum(mac[:0])
	return mac
}

// head returns the bytes of the token that the MAC covers.
func (r Refresh) head() []byte {
	return binary.AppendUvarint(append([]byte{refreshVersion, r.KeyID}, r.Session[:]...), r.Generation)
}

func (r Refresh) text() string {
	return refreshPrefix + base64.RawURLEncoding.EncodeToString(append(r.head(), r.mac[:]...))
}

// Format writes [secret], so that no output contains the token.
func (Refresh) Format(f fmt.State, _ rune) { io.WriteString(f, hidden) }
