package server

import (
	"context"
	"math/rand/v2"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/outbox"
)

// purge deletes expired rows at random intervals until ctx is done, so that nodes do not all do it at the same time.
func (s *Server) purge(ctx context.Context) {
	interval := func() time.Duration { return rand.N(s.options.PurgeInterval) }
	runEvery(ctx, interval, func() {
		if n, err := s.service.PurgeExpired(ctx, account.System); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "purging expired rows failed", "error", err)
		} else if n > 0 {
			s.log.InfoContext(ctx, "expired rows purged", "count", n)
		}
		s.checkOutbox(ctx)
	})
}

// lateEmail is how long an email may wait before operators should know.
const lateEmail = 5 * time.Minute

// checkOutbox logs that emails are late.
func (s *Server) checkOutbox(ctx context.Context) {
	if s.outbox == nil {
		return
	}
	if queued, oldest, err := s.service.Outbox.Stats(ctx); err == nil && oldest > lateEmail {
		sent, failed := s.outbox.Counts(outbox.Email)
		s.log.WarnContext(ctx, "emails are late",
			"queued", queued, "oldest_ms", oldest.Milliseconds(), "sent", sent, "failed", failed)
	}
}

// syncKeys keeps the signing keys up to date with those of other nodes, until ctx is done.
func (s *Server) syncKeys(ctx context.Context) {
	runEvery(ctx, func() time.Duration { return s.options.KeyRefreshInterval }, func() {
		if err := s.service.Keys.Sync(ctx); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "syncing signing keys failed", "error", err)
		}
	})
}

// runEvery calls f after each interval until ctx is done.
func runEvery(ctx context.Context, interval func() time.Duration, f func()) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(interval()):
		}
		f()
	}
}
