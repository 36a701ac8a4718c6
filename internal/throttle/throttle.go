// Package throttle says how long somebody has to wait who has failed too often, and how often is too often. What has
// happened it does not remember: the counters are in the database, the same for every node.
package throttle

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

// Limit is how many events are allowed in a window of time.
type Limit struct {
	Max    int
	Window time.Duration
}

// PasswordAttempts are how often a password may be tried in a row without success (NIST SP 800-63B-4, section 3.2.2).
type PasswordAttempts struct {
	Free int // failures without a delay
	Max  int // failures after which the password is not asked for any more, until it is reset
}

// Delays between guesses.
const (
	firstDelay = time.Second // after the first failure that is not free; doubled with each more
	lastDelay  = 15 * time.Minute
)

// Delay returns how long to wait after so many failures in a row. After the most there may be it is as good as for
// ever.
func (g PasswordAttempts) Delay(failures int) time.Duration {
	switch excess := failures - g.Free; {
	case failures >= g.Max:
		return math.MaxInt64
	case excess <= 0:
		return 0
	default:
		return min(firstDelay<<min(excess-1, 20), lastDelay)
	}
}

// buckets is how many counters there are for names that nobody has.
const buckets = 1 << 20

// Bucket returns the subject under which guesses at a name are counted that nobody has: one of 1,048,576, so that no
// number of names fills the database. Which names share one only the key tells.
func Bucket(key []byte, name string) string {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(name))
	return fmt.Sprintf("nobody_%05x", binary.BigEndian.Uint32(h.Sum(nil))%buckets)
}
