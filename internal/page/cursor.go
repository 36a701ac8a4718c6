package page

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
)

// Key authenticates cursors, so that clients can neither invent them nor use them in another list.
type Key []byte

// List is a list with its filter and order, whose cursors a key authenticates.
type List struct {
	key  Key
	name []byte
}

// List returns the list with a name, which must not be the beginning of another list's name.
func (k Key) List(name []byte) List { return List{k, name} }

const (
	macSize   = 16   // bytes
	maxCursor = 1024 // characters
)

// Seal returns the cursor of a place in the list: mac ‖ place in base64url without padding (RFC 4648, section 5). The
// MAC is the first 16 bytes of HMAC-SHA256 over the list's name and the place.
func (l List) Seal(place []byte) string {
	return base64.RawURLEncoding.EncodeToString(append(l.mac(place), place...))
}

// Open returns the place that Seal sealed for the same list. ok is false for every other text.
func (l List) Open(cursor string) (place []byte, ok bool) {
	if len(cursor) > maxCursor {
		return nil, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(raw) <= macSize || base64.RawURLEncoding.EncodeToString(raw) != cursor {
		return nil, false // the decoder skips line breaks, so the text is compared
	}
	mac, place := raw[:macSize], raw[macSize:]
	return place, hmac.Equal(mac, l.mac(place))
}

func (l List) mac(place []byte) []byte {
	h := hmac.New(sha256.New, l.key)
	h.Write(l.name)
	h.Write(place)
	return h.Sum(nil)[:macSize]
}
