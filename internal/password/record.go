package password

import (
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// argon2idParams is what one argon2id hash takes (RFC 9106, section 3.1).
type argon2idParams struct {
	memory uint32 // KiB
	passes uint32
	lanes  uint8
}

// What a hash made currentParams looks like: the second of the equal choices in the OWASP Password Storage Cheat Sheet.
var currentParams = argon2idParams{memory: 19456, passes: 2, lanes: 1}

const (
	saltSize = 16 // bytes
	keySize  = 32 // bytes
)

// dummy is verified in the place of a hash that does not exist.
var dummy = argon2idHash{argon2idParams: currentParams, salt: make([]byte, saltSize), key: make([]byte, keySize)}

func (c argon2idParams) derive(text string, salt []byte, size int) []byte {
	return argon2.IDKey([]byte(text), salt, c.passes, c.memory, c.lanes, uint32(size))
}

// beyond returns what c takes more than other: some is false when that is nothing. The time of argon2id grows with the
// memory for each pass and, for getting hold of the memory, by another half pass (measured); lanes make no difference
// where one processor computes them all.
func (c argon2idParams) beyond(other argon2idParams) (rest argon2idParams, some bool) {
	const passes = 2
	halves := func(passes uint32) uint32 { return 2*passes + 1 }
	total, done := c.memory*halves(c.passes), other.memory*halves(other.passes)
	if total < done {
		return argon2idParams{}, false
	}
	memory := (total - done) / halves(passes)
	return argon2idParams{memory: memory, passes: passes, lanes: 1}, memory >= 8
}

// allowed bounds what a stored hash may make this server spend. RFC 9106 asks for 8 KiB or more for each lane.
func (c argon2idParams) allowed() bool {
	return c.lanes >= 1 && c.lanes <= 4 &&
		c.passes >= 1 && c.passes <= 10 &&
		c.memory >= 8*uint32(c.lanes) && c.memory <= 256<<10
}

// argon2idHash is one stored hash.
type argon2idHash struct {
	argon2idParams
	salt []byte
	key  []byte
}

// String returns the record in the PHC string format, with the version of RFC 9106, which is 19.
func (r argon2idHash) String() string {
	return fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s", r.memory, r.passes, r.lanes,
		base64.RawStdEncoding.EncodeToString(r.salt), base64.RawStdEncoding.EncodeToString(r.key))
}

// parseArgon2id returns the record that String would write as encoded, to the byte; every other spelling is an error. So are
// costs that are not allowed, salts outside of 8 to 64 bytes and keys outside of 16 to 64. No error quotes encoded.
func parseArgon2id(encoded string) (argon2idHash, error) {
	var r argon2idHash
	var tail string
	const form = "$argon2id$v=19$m=%d,t=%d,p=%d$%s"
	if _, err := fmt.Sscanf(encoded, form, &r.memory, &r.passes, &r.lanes, &tail); err != nil {
		return argon2idHash{}, errors.New("not an argon2id PHC string")
	}
	salt, key, _ := strings.Cut(tail, "$")
	var saltErr, keyErr error
	r.salt, saltErr = base64.RawStdEncoding.DecodeString(salt)
	r.key, keyErr = base64.RawStdEncoding.DecodeString(key)
	switch {
	case saltErr != nil || keyErr != nil || r.String() != encoded:
		return argon2idHash{}, errors.New("not a canonical argon2id PHC string")
	case !r.allowed():
		return argon2idHash{}, errors.New("argon2id parameters out of bounds")
	case len(r.salt) < 8 || len(r.salt) > 64 || len(r.key) < 16 || len(r.key) > 64:
		return argon2idHash{}, errors.New("argon2id salt or key out of bounds")
	}
	return r, nil
}

func (r argon2idHash) matches(text string) bool {
	return subtle.ConstantTimeCompare(r.derive(text, r.salt, len(r.key)), r.key) == 1
}
