package account

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
	"time"
)

// ID names an object: its kind, an underscore and a UUID of version 7 (RFC 9562, section 5.7), such as
// profile_0198c5a2-7f1e-7cc3-98c4-dc0c0c07398f. IDs are globally unique and never reused. They reveal only their time.
type ID string

// The kinds of object that have an ID.
const (
	UserKind    = "user"
	ProfileKind = "profile"
	SessionKind = "session"
	MailKind    = "mail" // in Message-IDs only
)

// NewID returns a new ID of a kind. IDs sort by their time of creation, to the millisecond.
func NewID(kind string, now time.Time) ID {
	var u [16]byte
	rand.Read(u[6:])
	ms := now.UnixMilli()
	for i := range 6 {
		u[i] = byte(ms >> (40 - 8*i))
	}
	u[6] = u[6]&0x0f | 0x70
	u[8] = u[8]&0x3f | 0x80
	return IDOf(kind, u)
}

// IDOf returns the ID of a kind for a UUID.
func IDOf(kind string, u [16]byte) ID {
	digits := hex.EncodeToString(u[:])
	return ID(kind + "_" + digits[:8] + "-" + digits[8:12] + "-" + digits[12:16] + "-" + digits[16:20] + "-" + digits[20:])
}

// ParseID returns text as an ID, or BAD_USER_INPUT when it does not have the form of one.
func ParseID(text string) (ID, error) {
	kind, _, _ := strings.Cut(text, "_")
	switch kind {
	case UserKind, ProfileKind, SessionKind:
		if u, ok := ID(text).UUID(); ok && IDOf(kind, u) == ID(text) {
			return ID(text), nil
		}
	}
	return "", &Error{Code: BadUserInput, Message: "This is not a valid ID."}
}

// Kind returns the kind of object that the ID names.
func (id ID) Kind() string {
	kind, _, _ := strings.Cut(string(id), "_")
	return kind
}

// UUID returns the 16 bytes of the ID; ok is false when it does not have the form of one.
func (id ID) UUID() (u [16]byte, ok bool) {
	_, text, _ := strings.Cut(string(id), "_")
	digits := strings.ReplaceAll(text, "-", "")
	if len(digits) != 2*len(u) {
		return u, false
	}
	_, err := hex.Decode(u[:], []byte(digits))
	return u, err == nil
}
