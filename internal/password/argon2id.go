package password

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

const argon2idPrefix = "$argon2id$"

// argon2idParams are the cost parameters of argon2id (RFC 9106, section 3.1).
type argon2idParams struct {
	memory uint32 // KiB
	passes uint32
	lanes  uint8
}

// currentParams are the parameters of new hashes: the second of the equivalent choices in the OWASP Password Storage
// Cheat Sheet.
var currentParams = argon2idParams{memory: 19456, passes: 2, lanes: 1}

const (
	saltSize = 16 // bytes
	keySize  = 32 // bytes
)

func (p argon2idParams) derive(text string, salt []byte, size int) []byte {
	return argon2.IDKey([]byte(text), salt, p.passes, p.memory, p.lanes, uint32(size))
}

// cost grows with the memory for each pass and, for the allocation of the memory, for another half pass (measured).
// Lanes make no difference, because one processor computes them all.
func (p argon2idParams) cost() cost { return cost(p.memory) * cost(2*p.passes+1) }

// spend takes the time of c. Costs below the smallest argon2id hash are ignored.
func (c cost) spend(text string) {
	p := argon2idParams{passes: 2, lanes: 1}
	p.memory = uint32(c / cost(2*p.passes+1))
	if p.memory >= 8 {
		p.derive(text, dummy.salt, keySize)
	}
}

// allowed bounds the resources that a stored hash may take. RFC 9106 requires at least 8 KiB for each lane.
func (p argon2idParams) allowed() bool {
	return p.lanes >= 1 && p.lanes <= 4 &&
		p.passes >= 1 && p.passes <= 10 &&
		p.memory >= 8*uint32(p.lanes) && p.memory <= 256<<10
}

// argon2idHash is one stored hash.
type argon2idHash struct {
	argon2idParams
	salt []byte
	key  []byte
}

// dummy is verified instead of the hash of an unknown user.
var dummy = argon2idHash{argon2idParams: currentParams, salt: make([]byte, saltSize), key: make([]byte, keySize)}

func newArgon2id(text string) argon2idHash {
	salt := make([]byte, saltSize)
	rand.Read(salt)
	return argon2idHash{currentParams, salt, currentParams.derive(text, salt, keySize)}
}

// parseArgon2id returns the hash that String encodes as encoded; every other spelling is an error. So are costs that
// are not allowed, salts outside of 8 to 64 bytes and keys outside of 16 to 64. No error contains encoded.
func parseArgon2id(encoded string) (hash, error) {
	var h argon2idHash
	var tail string
	const form = argon2idPrefix + "v=19$m=%d,t=%d,p=%d$%s"
	if _, err := fmt.Sscanf(encoded, form, &h.memory, &h.passes, &h.lanes, &tail); err != nil {
		return nil, errors.New("not an argon2id PHC string")
	}
	salt, key, _ := strings.Cut(tail, "$")
	var saltErr, keyErr error
	h.salt, saltErr = base64.RawStdEncoding.DecodeString(salt)
	h.key, keyErr = base64.RawStdEncoding.DecodeString(key)
	switch {
	case saltErr != nil || keyErr != nil || h.String() != encoded:
		return nil, errors.New("not a canonical argon2id PHC string")
	case !h.allowed():
		return nil, errors.New("argon2id parameters out of bounds")
	case len(h.salt) < 8 || len(h.salt) > 64 || len(h.key) < 16 || len(h.key) > 64:
		return nil, errors.New("argon2id salt or key out of bounds")
	}
	return h, nil
}

// String returns the hash in the PHC string format, with the version of RFC 9106, which is 19.
func (h argon2idHash) String() string {
	return fmt.Sprintf(argon2idPrefix+"v=19$m=%d,t=%d,p=%d$%s$%s", h.memory, h.passes, h.lanes,
		base64.RawStdEncoding.EncodeToString(h.salt), base64.RawStdEncoding.EncodeToString(h.key))
}

func (h argon2idHash) matches(text string) bool {
	return subtle.ConstantTimeCompare(h.derive(text, h.salt, len(h.key)), h.key) == 1
}

func (h argon2idHash) current() bool {
	return h.argon2idParams == currentParams && len(h.salt) == saltSize && len(h.key) == keySize
}
