package outbox

import (
	"context"
	"time"

	"latchkey/internal/store"
)

// Timing: a failed message is due again after firstRetry (30s), which doubles with each attempt up to maxRetry (10m).
// The last attempt is finalRetry (1m) before the message expires.
const (
	firstRetry = 30 * time.Second
	maxRetry   = 10 * time.Minute
	finalRetry = time.Minute
)

// retryAfter returns the pause after a failed attempt at a message that expires in left.
func retryAfter(attempt int, left time.Duration) time.Duration {
	pause := min(firstRetry<<min(attempt-1, 10), maxRetry)
	if final := left - finalRetry; pause > final && final >= firstRetry {
		pause = final
	}
	return pause
}

// Permanent returns err as an error that no retry can help. Its text stays the same.
func Permanent(err error) error { return permanent{err} }

type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// Sent records that a message has been sent, and deletes its one-time token.
func (o *Outbox) Sent(ctx context.Context, d Delivery) error {
	o.options.Log.InfoContext(ctx, string(d.Kind)+" sent", string(d.Kind), d.ID, "topic", d.Topic, "attempt", d.Attempt)
	return o.store.FinishMail(ctx, d.ID, d.Attempt, store.MailSent)
}

// Failed records why a message could not be sent. It postpones the message; or gives it up, and reports so, when no
// retry can help or none is left before the message expires.
func (o *Outbox) Failed(ctx context.Context, d Delivery, retry bool, cause error) (gaveUp bool, err error) {
	now := o.options.Now()
	pause := retryAfter(d.Attempt, d.ExpiresAt.Sub(now))
	attrs := []any{string(d.Kind), d.ID, "topic", d.Topic, "attempt", d.Attempt, "error", cause}
	if due := now.Add(pause); retry && due.Before(d.ExpiresAt) {
		attrs = append(attrs, "pause_ms", float64(pause.Microseconds())/1000)
		o.options.Log.WarnContext(ctx, string(d.Kind)+" postponed", attrs...)
		return false, o.store.PostponeMail(ctx, d.ID, d.Attempt, due)
	}
	o.options.Log.ErrorContext(ctx, string(d.Kind)+" given up", attrs...)
	return true, o.store.FinishMail(ctx, d.ID, d.Attempt, store.MailFailed)
}
