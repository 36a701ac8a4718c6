package ratelimit

import (
	"context"
	"log/slog"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/audit"
	"latchkey/internal/store"
)

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
