package graph

import (
	"context"
	"errors"
	"sync"
	"time"

	"latchkey/internal/account"
)

const (
	maxAtWork   = 64 // queries at once; each holds what it has read until it has all
	maxScanning = 4  // of these, searches and counts, so that the database has time for others
	entryTime   = 5 * time.Second

	longAnswer = 64 << 10 // bytes of data; what is shorter weighs little more than its connection
	maxUnread  = 64 << 20 // bytes of long answers together
	maxOfOne   = 8 << 20  // bytes of those for somebody
)

// entrance lets as many queries work at once as it has places; the others wait.
type entrance chan struct{}

// enter waits for a place, to be given back by leave. It fails with RATE_LIMITED when there is none in time.
func (e entrance) enter(ctx context.Context, until time.Time) error {
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
	return crowded("Too many are reading at once: ask again in a moment.")
}

func (e entrance) leave() { <-e }

// crowded returns RATE_LIMITED where too many ask for something together.
func crowded(message string) error {
	return &account.Error{Code: account.RateLimited, Message: message, RetryAfter: time.Second}
}

// room is the memory of long answers until the kernel has taken them, which is when clients have read most of them.
type room struct {
	mutex sync.Mutex
	taken int
	by    map[string]int // bytes
}

func newRoom() *room { return &room{by: map[string]int{}} }

// take returns whether there is room for so many bytes for somebody, and takes it if so.
func (r *room) take(who string, size int) bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.taken+size > maxUnread || r.by[who]+size > maxOfOne {
		return false
	}
	r.taken += size
	r.by[who] += size
	return true
}

func (r *room) giveBack(who string, size int) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.taken -= size
	if r.by[who] -= size; r.by[who] == 0 {
		delete(r.by, who)
	}
}
