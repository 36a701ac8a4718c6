package graph

import (
	"context"
	"sync"
	"time"

	"latchkey/internal/account"
)

const (
	maxAtWork = 64 // queries, which hold what they have read until they have all
	entryTime = 5 * time.Second

	longAnswer = 64 << 10 // bytes of data; what is shorter weighs little more than its connection
	maxUnread  = 64 << 20 // bytes of long answers together
	maxOfUser  = 8 << 20  // bytes of those of one user
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
	mutex  sync.Mutex
	taken  int
	ofUser map[string]int
}

// take returns whether there is room for so many bytes for a user, and takes it if so.
func (r *room) take(user string, size int) bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.taken+size > maxUnread || r.ofUser[user]+size > maxOfUser {
		return false
	}
	r.add(user, size)
	return true
}

// takeAnyway takes room that there may not be.
func (r *room) takeAnyway(user string, size int) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.add(user, size)
}

func (r *room) giveBack(user string, size int) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.add(user, -size)
	if r.ofUser[user] == 0 {
		delete(r.ofUser, user)
	}
}

func (r *room) add(user string, size int) {
	r.taken += size
	r.ofUser[user] += size
}
