package graph

import (
	"context"
	"errors"
	"sync"
	"time"

	"latchkey/internal/account"
)

const (
	maxQueries   = 64 // queries at once; each holds what it has read until it has all
	maxScanQueries = 4  // of these, searches and counts, so that the database has time for others
	admissionTimeout   = 5 * time.Second

	longResponse = 64 << 10 // bytes of data; what is shorter weighs little more than its connection
	maxPendingBytes  = 64 << 20 // bytes of long answers together
	maxPendingPerClient   = 8 << 20  // bytes of those for somebody
)

// semaphore lets as many queries work at once as it has places; the others wait.
type semaphore chan struct{}

// acquire waits for a place, to be given back by leave. It fails with RATE_LIMITED when there is none in time.
func (e semaphore) acquire(ctx context.Context, until time.Time) error {
	select {
	case e <- struct{}{}:
		return nil
	default:
	}
	select {
	case e <- struct{}{}:
		return nil
	case <-time.After(time.Until(until)):
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.Canceled) {
			return ctx.Err()
		}
	}
	return errBusy("Too many are reading at once: ask again in a moment.")
}

func (e semaphore) release() { <-e }

// errBusy returns RATE_LIMITED where too many ask for something together.
func errBusy(message string) error {
	return &account.Error{Code: account.RateLimited, Message: message, RetryAfter: time.Second}
}

// byteBudget is the memory of long answers until the kernel has taken them, which is when clients have read most of them.
type byteBudget struct {
	mu sync.Mutex
	used int
	perClient    map[string]int // bytes
}

func newByteBudget() *byteBudget { return &byteBudget{perClient: map[string]int{}} }

// reserve returns whether there is room for so many bytes for somebody, and takes it if so.
func (r *byteBudget) reserve(who string, size int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.used+size > maxPendingBytes || r.perClient[who]+size > maxPendingPerClient {
		return false
	}
	r.used += size
	r.perClient[who] += size
	return true
}

func (r *byteBudget) release(who string, size int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.used -= size
	if r.perClient[who] -= size; r.perClient[who] == 0 {
		delete(r.perClient, who)
	}
}
