// Package ratelimit limits attempts at the password of an account ([Limiter.Attempt]) and requests from one network
// ([NetworkLimit]). The counters are in the database: they are the same on every node and after a restart. The package
// knows nothing of GraphQL, HTTP or how a password is verified.
package ratelimit

import (
	"context"
	"log/slog"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/audit"
	"latchkey/internal/store"
)

// Limits are the limits of a [Limiter].
type Limits struct {
	Passwords PasswordAttempts // the password of one account
	SignIn    account.Limit    // wrong passwords from one network
	Register  account.Limit    // new accounts from one network
	Refresh   account.Limit    // refused refresh tokens from one network
	Mail      account.Limit    // requests for emails from one network
}

// Options configure a [Limiter].
type Options struct {
	Limits Limits
	Key    []byte           // keys the counters of names without an account
	Now    func() time.Time // UTC, in microseconds
	Audit  audit.Sinks      // receive an event for each limit that is reached
}

// Limiter counts attempts and requests. It is safe for concurrent use.
type Limiter struct {
	Registrations NetworkLimit // new accounts
	Refreshes     NetworkLimit // refused refresh tokens
	EmailRequests NetworkLimit // requests for emails

	signIns   NetworkLimit // wrong passwords
	passwords PasswordAttempts
	store     *store.Store
	key       []byte
	now       func() time.Time
	audit     audit.Sinks
}

// New returns a limiter on the counters of a database.
func New(st *store.Store, o Options) *Limiter {
	l := &Limiter{passwords: o.Limits.Passwords, store: st, key: o.Key, now: o.Now, audit: o.Audit}
	l.signIns = NetworkLimit{l, store.NetworkPrefix + "sign-in", o.Limits.SignIn}
	l.Registrations = NetworkLimit{l, store.NetworkPrefix + "register", o.Limits.Register}
	l.Refreshes = NetworkLimit{l, store.NetworkPrefix + "refresh", o.Limits.Refresh}
	l.EmailRequests = NetworkLimit{l, store.NetworkPrefix + "mail", o.Limits.Mail}
	return l
}

// exceeded returns RATE_LIMITED. Clients are told to wait for at least a second.
func exceeded(message string, wait time.Duration) error {
	return &account.Error{Code: account.RateLimited, Message: message, RetryAfter: max(wait, time.Second)}
}

// MaxWindow is the longest window of a [NetworkLimit]. Counters whose window began before that can be deleted.
const MaxWindow = 24 * time.Hour

// NetworkLimit limits the events of one kind from one network. A window begins with the first event in it.
type NetworkLimit struct {
	limiter *Limiter
	kind    string
	limit   account.Limit
}

// counters are the counters of the database, in a transaction or outside of one.
type counters interface {
	Counter(ctx context.Context, subject, source string) (store.Counter, error)
	IncrementEvents(
		ctx context.Context, subject, source string, allowed int, window time.Duration, now time.Time,
	) (counted bool, err error)
	ResetFailures(ctx context.Context, subject, source string, now time.Time) error
}

// Check counts nothing. It returns nil while another event from the network of an IP address is allowed.
//
// Errors: RATE_LIMITED.
func (n NetworkLimit) Check(ctx context.Context, ipAddress string) error {
	return n.check(ctx, account.Network(ipAddress))
}

func (n NetworkLimit) check(ctx context.Context, network string) error {
	counter, err := n.limiter.store.Counter(ctx, n.kind, network)
	if err != nil {
		return err
	}
	now, end := n.limiter.now(), counter.Since.Add(n.limit.Window)
	if counter.Count >= n.limit.Max && now.Before(end) {
		return n.exceeded(ctx, network, end.Sub(now))
	}
	return nil
}

// Count counts an event from the network of an IP address. The caller passes the transaction of the event, or the
// store. An event over the limit is not counted.
//
// Errors: RATE_LIMITED.
func (n NetworkLimit) Count(ctx context.Context, c counters, ipAddress string) error {
	network, now := account.Network(ipAddress), n.limiter.now()
	counted, err := n.increment(ctx, c, network, now)
	if err != nil || counted {
		return err
	}
	counter, err := c.Counter(ctx, n.kind, network)
	if err != nil {
		return err
	}
	return n.exceeded(ctx, network, counter.Since.Add(n.limit.Window).Sub(now))
}

// increment counts an event and reports whether it was within the limit.
func (n NetworkLimit) increment(
	ctx context.Context, c counters, network string, now time.Time,
) (counted bool, err error) {
	return c.IncrementEvents(ctx, n.kind, network, n.limit.Max, n.limit.Window, now)
}

func (n NetworkLimit) exceeded(ctx context.Context, network string, wait time.Duration) error {
	n.limiter.audit.Emit(ctx, audit.Event{
		Kind: audit.RateLimitExceeded, Actor: account.Anonymous, Reason: n.kind,
		Details: []slog.Attr{slog.String("network", network)},
	})
	return exceeded("Too many requests from your network. Try again later.", wait)
}
