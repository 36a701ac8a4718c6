package auth

import (
	"context"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/ratelimit"
)

// How long rows are kept that are no longer used.
const (
	mailRetention    = 48 * time.Hour      // the emails of a day are counted
	oneTimeRetention = 30 * 24 * time.Hour // after expiry, to distinguish TOKEN_EXPIRED from TOKEN_INVALID
	pendingRetention = 7 * 24 * time.Hour  // accounts whose address is not verified
	counterRetention = 30 * 24 * time.Hour // counters of attempts, after the block has ended
)

// purgeBatch is how many rows one statement deletes.
const purgeBatch = 200

// PurgeExpired deletes expired rows in batches and returns how many: sessions that are idle for too long, also those
// that have ended otherwise; accounts that stayed pending for too long; old emails, one-time tokens, devices and
// counters. Any number of nodes may purge at once. Errors: FORBIDDEN for every caller of the API.
func (s *Service) PurgeExpired(ctx context.Context, actor account.Actor) (purged int64, err error) {
	if err := actor.RequireOperator(); err != nil {
		return 0, err
	}
	now := s.Now()
	for _, task := range []struct {
		purge  func(ctx context.Context, before time.Time, limit int) (int64, error)
		before time.Time
	}{
		{s.store.DeleteIdleSessions, now.Add(-s.IdleTTL)},
		{s.store.DeletePendingUsers, now.Add(-pendingRetention)},
		{s.store.DeleteOldMails, now.Add(-mailRetention)},
		{s.store.DeleteExpiredTokens, now.Add(-oneTimeRetention)},
		{s.store.DeleteOldDevices, now.Add(-ratelimit.KnownNetworkAge)},
		{s.store.DeleteOldWindows, now.Add(-ratelimit.MaxWindow)},
		{s.store.DeleteOldThrottles, now.Add(-counterRetention)},
	} {
		for n := int64(1); n > 0; purged += n { // until a batch is empty: other nodes may delete the rest of a batch
			if n, err = task.purge(ctx, task.before, purgeBatch); err != nil {
				return purged, err
			}
		}
	}
	return purged, nil
}
