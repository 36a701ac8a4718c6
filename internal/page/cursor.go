package page

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
)

// Key authenticates cursors, so that clients can neither invent them nor use them in another list.
type Key []byte

const (
	macSize   = 16   // bytes
	maxCursor = 1024 // characters
)

// Seal returns the cursor of a place in a list: mac ‖ place in base64url without padding (RFC 4648, section 5). The MAC
// is the first 16 bytes of HMAC-SHA256 over list and place; list names the list with its filter and order, and must not be
// the beginning of another one's name.
func (k Key) Seal(list string, place []byte) string {
	return base64.RawURLEncoding.EncodeToString(append(k.mac(list, place), place...))
}

// Open returns the place that Seal sealed for the same list. ok is false for every other text.
func (k Key) Open(list, cursor string) (place []byte, ok bool) {
	if len(cursor) > maxCursor {
		return nil, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(raw) <= macSize || base64.RawURLEncoding.EncodeToString(raw) != cursor {
		return nil, false // the decoder skips line breaks, so the text is compared
	}
	mac, place := raw[:macSize], raw[macSize:]
	return place, hmac.Equal(mac, k.mac(list, place))
}

func (k Key) mac(list string, place []byte) []byte {
	h := hmac.New(sha256.New, k)
	h.Write([]byte(list))
	h.Write(place)
	return h.Sum(nil)[:macSize]
}
