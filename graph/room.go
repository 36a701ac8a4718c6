package graph

import (
	"context"
	"sync"
	"time"

	"latchkey/internal/account"
)

const (
	maxAtWork   = 64 // queries, which hold what they have read until they have all
	maxScanning = 4  // of them that read all of a list, so that the database has time for others
	entryTime   = 5 * time.Second

	longAnswer = 64 << 10 // bytes of data; what is shorter weighs little more than its connection
	maxUnread  = 64 << 20 // bytes of long answers to queries together
	maxOfOne   = 8 << 20  // bytes of those of one user, and of those to mutations from one address
)

// entrance lets as many queries work at once as it has places; the others wait.
type entrance chan struct{}

// enter waits for a place, to be given back by leave. It fails with RATE_LIMITED after five seconds.
func (e entrance) enter(ctx context.Context) error {
	select {
	case e <- struct{}{}:
		return nil
	default:
	}
	select {
	case e <- struct{}{}:
		return nil
	case <-time.After(entryTime):
		return crowded("Too many are reading at once: ask again in a moment.")
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (e entrance) leave() { <-e }

// crowded returns RATE_LIMITED where too many ask for something together.
func crowded(message string) error {
	return &account.Error{Code: account.RateLimited, Message: message, RetryAfter: time.Second}
}

// room is the memory of long answers from when they are made until the kernel has taken them, which is when clients have
// read most of them.
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
	r.add(who, size)
	return true
}

// takeAnyway takes room that there may not be.
func (r *room) takeAnyway(who string, size int) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.add(who, size)
}

// full tells whether somebody has taken all that they may.
func (r *room) full(who string) bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.by[who] >= maxOfOne
}

func (r *room) giveBack(who string, size int) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.add(who, -size)
	if r.by[who] == 0 {
		delete(r.by, who)
	}
}

func (r *room) add(who string, size int) {
	r.taken += size
	r.by[who] += size
}
