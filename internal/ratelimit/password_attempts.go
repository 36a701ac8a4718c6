package ratelimit

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/audit"
	"latchkey/internal/store"
)

// PasswordAttempts are how often a password may be tried in a row without success (NIST SP 800-63B-4, section 3.2.2).
type PasswordAttempts struct {
	Free int // failures without a delay
	Max  int // failures after which the account is blocked until its password is reset
}

// Delays between attempts.
const (
	firstDelay = time.Second // after the first failure that is not free; doubled with each more
	lastDelay  = 15 * time.Minute
)

// delay returns how long to wait after so many failures in a row. After Max failures it is effectively forever.
func (p PasswordAttempts) delay(failures int) time.Duration {
	switch excess := failures - p.Free; {
	case failures >= p.Max:
		return math.MaxInt64
	case excess <= 0:
		return 0
	default:
		return min(firstDelay<<min(excess-1, 20), lastDelay)
	}
}

// maxRetryAfter is the longest time that a client is told to wait. A user who is blocked for longer is told to reset
// the password instead.
const maxRetryAfter = 24 * time.Hour

// KnownNetworkAge is how long a network counts as known to a user after the last sign-in from it.
const KnownNetworkAge = 180 * 24 * time.Hour

// Attempt is one attempt at the password of an account. Attempts from a network that the user has signed in from within
// KnownNetworkAge are counted separately, so that an attacker elsewhere cannot block the user there.
type Attempt struct {
	limiter  *Limiter
	user     account.ID // empty for a name without an account
	subject  string
	source   string // the network if the user has signed in from it, else empty
	network  string
	failures int // in a row, as last read
}

// Attempt returns an attempt at a user's password from an IP address. With an empty user it is one at a name without an
// account, which is counted in the same way and takes as long.
func (l *Limiter) Attempt(ctx context.Context, user account.ID, name, ipAddress string) (*Attempt, error) {
	a := &Attempt{limiter: l, user: user, subject: string(user), network: account.Network(ipAddress)}
	if user == "" {
		a.subject = bucket(l.key, name)
	}
	known, err := l.store.KnowsNetwork(ctx, user, a.network, l.now().Add(-KnownNetworkAge))
	if known {
		a.source = a.network
	}
	return a, err
}

// InSession counts the attempt for the session of a signed-in user unless the network is known, so that an attacker
// elsewhere cannot block the user.
func (a *Attempt) InSession(session account.ID) {
	if a.source == "" {
		a.source = string(session)
	}
}

// Verify calls verify and returns its result. A wrong password is counted for the account and for the network. When the
// password is right and the sign-in succeeds, the caller calls Succeeded.
//
// Errors: RATE_LIMITED, before verify is called, or afterwards, whatever its result, when attempts that were counted
// meanwhile have reached a limit.
func (a *Attempt) Verify(ctx context.Context, verify func() (right bool, err error)) (right bool, err error) {
	if err := a.checkNotBlocked(ctx); err != nil {
		return false, err
	}
	if err := a.limiter.signIns.check(ctx, a.network); err != nil {
		return false, err
	}
	right, err = verify()
	switch {
	case err != nil:
		return false, err
	case right:
		return true, a.checkNotBlocked(ctx)
	}
	return false, a.fail(ctx)
}

// Succeeded resets the failures in a row. The caller passes the transaction of the sign-in, or the store.
func (a *Attempt) Succeeded(ctx context.Context, c counters) error {
	if a.failures == 0 {
		return nil
	}
	return c.ResetFailures(ctx, a.subject, a.source, a.limiter.now())
}

// checkNotBlocked returns RATE_LIMITED while no attempt is allowed.
func (a *Attempt) checkNotBlocked(ctx context.Context) error {
	now := a.limiter.now()
	counter, err := a.limiter.store.Counter(ctx, a.subject, a.source)
	a.failures = counter.Count
	if err == nil && now.Before(counter.Until) {
		err = a.blocked(ctx, counter.Until.Sub(now))
	}
	return err
}

// failure is what counting a wrong password has resulted in.
type failure struct {
	counted       bool          // false when the account is blocked, by other attempts
	blockedFor    time.Duration // then, for how long
	failures      int           // else, how many in a row
	delay         time.Duration // and how long the account is blocked from now on
	withinNetwork bool          // and whether the network's limit allowed this one
}

// fail counts a wrong password. It returns RATE_LIMITED when attempts that were counted meanwhile have reached a limit.
func (a *Attempt) fail(ctx context.Context) error {
	l, now := a.limiter, a.limiter.now()
	var f failure
	err := l.store.InTx(ctx, func(tx *store.Tx) (err error) {
		f, err = a.count(ctx, tx, now)
		return err
	})
	switch {
	case err != nil:
		return err
	case !f.counted:
		return a.blocked(ctx, f.blockedFor)
	case f.delay > maxRetryAfter:
		l.audit.Emit(ctx, audit.Event{
			Kind: audit.LoginBlocked, Actor: account.Anonymous, Subject: a.user,
			Details: []slog.Attr{slog.Int("failures", f.failures)},
		})
	case f.delay > 0:
		l.audit.Emit(ctx, audit.Event{
			Kind: audit.LoginDelayed, Actor: account.Anonymous, Subject: a.user,
			Details: []slog.Attr{slog.Int("failures", f.failures), slog.Int64("for_ms", f.delay.Milliseconds())},
		})
	}
	if !f.withinNetwork {
		return l.signIns.exceeded(ctx, a.network, l.signIns.limit.Window)
	}
	return nil
}

// count counts a wrong password for the account and, unless the account is blocked, for the network.
func (a *Attempt) count(ctx context.Context, tx *store.Tx, now time.Time) (f failure, err error) {
	f.failures, f.counted, err = tx.IncrementFailures(ctx, a.subject, a.source, now)
	if err != nil {
		return f, err
	}
	if !f.counted {
		counter, err := tx.Counter(ctx, a.subject, a.source)
		f.blockedFor = counter.Until.Sub(now)
		return f, err
	}
	if f.delay = a.limiter.passwords.delay(f.failures); f.delay > 0 {
		if err := tx.BlockUntil(ctx, a.subject, a.source, now.Add(f.delay)); err != nil {
			return f, err
		}
	}
	f.withinNetwork, err = a.limiter.signIns.increment(ctx, tx, a.network, now)
	return f, err
}

// blocked records the event and returns RATE_LIMITED.
func (a *Attempt) blocked(ctx context.Context, wait time.Duration) error {
	a.limiter.audit.Emit(ctx, audit.Event{
		Kind: audit.RateLimitExceeded, Actor: account.Anonymous, Subject: a.user, Reason: "guesses",
	})
	if wait > maxRetryAfter {
		return exceeded("Too many incorrect passwords. Set a new password with requestPasswordReset.", maxRetryAfter)
	}
	return exceeded("Too many incorrect passwords. Try again later.", wait)
}

// buckets is the number of counters for names without an account.
const buckets = 1 << 20

// bucket returns the subject that counts attempts at a name without an account: one of 1,048,576, so that attempts at
// any number of names do not fill the database. Without the key nothing shows which names share one.
func bucket(key []byte, name string) string {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(name))
	return fmt.Sprintf("nobody_%05x", binary.BigEndian.Uint32(h.Sum(nil))%buckets)
}
