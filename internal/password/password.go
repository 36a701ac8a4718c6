// Package password turns passwords into hashes and back into yes or no, in equal time for known and unknown users. It
// also judges which passwords may be chosen. It does not know whose password it handles, where the hash is kept or how
// often somebody has tried.
package password

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"latchkey/internal/account"
)

// Limits of a password in Normalization Form C. A longer one is refused, never cut.
const (
	MaxLength = 256                     // code points
	MaxBytes  = MaxLength * utf8.UTFMax // what these take at most in UTF-8: 1,024
)

// queueTimeout is how long a caller waits for a place in the queue, so that a refusal comes within two seconds.
const queueTimeout = 1500 * time.Millisecond

// memoryReleaseDelay is how long nobody has come when the memory of hashes is given back to the operating system.
const memoryReleaseDelay = time.Second

// schedDelay is how long the word is away where other work waits.
const schedDelay = time.Millisecond

// Hasher is the one queue through which all hashing goes, so that a flood of passwords can exhaust neither memory nor
// the processors. It is safe for concurrent use.
type Hasher struct {
	slots          chan struct{}
	contendedSlots chan struct{} // a place less, for those that come while other work waits
	idleTimer      *time.Timer
	cpuContended   func() bool

	waiting, running, entered, refused, waited atomic.Int64
}

// Queue is how the queue of a Hasher does.
type Queue struct {
	Waiting, Running int           // at this moment
	Entered, Refused int64         // so far
	Waited           time.Duration // so far, by all together
}

// Queue returns how the queue does.
func (h *Hasher) Queue() Queue {
	return Queue{
		Waiting: int(h.waiting.Load()),
		Running: int(h.running.Load()),
		Entered: h.entered.Load(),
		Refused: h.refused.Load(),
		Waited:  time.Duration(h.waited.Load()),
	}
}

// NewHasher returns a Hasher that computes so many hashes at once, and of those that come while other work waits for
// the processors one less; but at least one. Each takes 19 MiB while it runs.
func NewHasher(workers int) *Hasher {
	h := &Hasher{
		slots:          make(chan struct{}, max(workers, 1)),
		contendedSlots: make(chan struct{}, max(workers-1, 1)),
		idleTimer:      time.AfterFunc(memoryReleaseDelay, debug.FreeOSMemory),
		cpuContended:   cpuContended,
	}
	h.idleTimer.Stop()
	return h
}

// Hash returns the argon2id hash of a password with a fresh salt, as a PHC string. The password is brought into
// Normalization Form C (NIST SP 800-63B-4, section 3.1.1.2) and changed in no other way: case and spaces count.
//
// It fails with REQUIRED, INVALID or TOO_LONG for what Verify would never accept, with RATE_LIMITED when no place in
// the queue is free within 1.5 seconds, and with the error of ctx when that ends first. A hash once begun is finished.
func (h *Hasher) Hash(ctx context.Context, password string) (encoded string, err error) {
	text, userErr := normal(password)
	if userErr != nil {
		return "", userErr
	}
	release, err := h.acquire(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	salt := make([]byte, saltSize)
	rand.Read(salt)
	return argon2idHash{argon2idParams: currentParams, salt: salt, key: currentParams.derive(text, salt, keySize)}.String(), nil
}

// Verify reports whether encoded is the hash of the password. An empty encoded stands for an unknown user: the answer is
// no, at the price of a real one. A password that no policy would accept gets its no at that price too.
//
// It fails with RATE_LIMITED when no place in the queue is free within 1.5 seconds, with the error of ctx when that
// ends first, and with a plain error, which is for the log, when encoded is no hash or asks for more than is allowed.
func (h *Hasher) Verify(ctx context.Context, encoded, password string) (ok bool, err error) {
	stored := dummy
	if encoded != "" {
		if stored, err = parseArgon2id(encoded); err != nil {
			return false, fmt.Errorf("stored password hash: %w", err)
		}
	}
	text, userErr := normal(password)
	release, err := h.acquire(ctx)
	if err != nil {
		return false, err
	}
	defer release()
	ok = stored.matches(text)
	if rest, some := currentParams.beyond(stored.argon2idParams); some {
		// A quick no, which an old hash allows, would tell that the user exists.
		rest.derive(text, dummy.salt, keySize)
	}
	return ok && encoded != "" && userErr == nil, nil
}

// Readable reports whether encoded is what Hash returns, now or in former times.
func Readable(encoded string) bool {
	_, err := parseArgon2id(encoded)
	return err == nil
}

// NeedsRehash reports whether a hash differs from what Hash would make today and should be replaced as soon as its
// password is known. Stronger ones count too: their slower answer tells that the user exists.
func NeedsRehash(encoded string) bool {
	r, err := parseArgon2id(encoded)
	return err != nil || r.argon2idParams != currentParams || len(r.salt) != saltSize || len(r.key) != keySize
}

// acquire waits for a place, which leave gives back.
func (h *Hasher) acquire(ctx context.Context) (release func(), err error) {
	start := time.Now() // of the machine's own clock: how long something takes is nobody's to set
	h.waiting.Add(1)
	defer func() {
		h.waiting.Add(-1)
		h.waited.Add(int64(time.Since(start)))
	}()
	ctx, cancel := context.WithTimeoutCause(ctx, queueTimeout, errFull)
	defer cancel()
	if err := h.acquireSlot(ctx, h.slots); err != nil {
		return nil, err
	}
	calm := h.cpuContended()
	if calm {
		if err := h.acquireSlot(ctx, h.contendedSlots); err != nil {
			<-h.slots
			return nil, err
		}
	}
	h.entered.Add(1)
	h.running.Add(1)
	return func() {
		h.running.Add(-1)
		if calm {
			<-h.contendedSlots
		}
		<-h.slots
		h.idleTimer.Reset(memoryReleaseDelay)
	}, nil
}

// cpuContended reports whether other work waits for the processors: then it takes a while until the word comes back to who
// gives it away. A hash runs for ten milliseconds before others have their turn.
func cpuContended() bool {
	start := time.Now()
	runtime.Gosched()
	return time.Since(start) > schedDelay
}

func (h *Hasher) acquireSlot(ctx context.Context, places chan struct{}) error {
	if ctx.Err() == nil {
		select {
		case places <- struct{}{}:
			return nil
		case <-ctx.Done():
		}
	}
	if context.Cause(ctx) == errFull {
		h.refused.Add(1)
		return &account.Error{
			Code:       account.RateLimited,
			Message:    "Too many people are signing in at this moment; try again shortly.",
			RetryAfter: 2 * time.Second,
		}
	}
	return fmt.Errorf("waiting to hash a password: %w", ctx.Err())
}

var errFull = errors.New("no place was free in time")

// normal returns the form of a password that is measured and hashed, or REQUIRED, TOO_LONG or INVALID. U+FFFD is
// refused because every lone surrogate in JSON or GraphQL becomes one: different passwords would be the same.
func normal(password string) (string, *account.Error) {
	switch {
	case password == "":
		return "", account.UserError(account.Required, "Choose a password.")
	case len(password) > 4*MaxBytes: // Form C shortens no text to a quarter
		return "", account.UserError(account.TooLong, "A password has at most %d characters.", MaxLength)
	case !utf8.ValidString(password) || strings.ContainsAny(password, "\x00\uFFFD"):
		return "", account.UserError(account.Invalid, "This is not valid Unicode text.")
	}
	text := account.Composed(password)
	if utf8.RuneCountInString(text) > MaxLength {
		return "", account.UserError(account.TooLong, "A password has at most %d characters.", MaxLength)
	}
	return text, nil
}
