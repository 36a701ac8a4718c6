package password

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"latchkey/internal/account"
)

// queueTimeout is how long a caller waits for a slot, so that a rejection comes within two seconds.
const queueTimeout = 1500 * time.Millisecond

// memoryReleaseDelay is the idle time after which the memory of hashes is returned to the operating system.
const memoryReleaseDelay = time.Second

// schedDelay is how long a yielding goroutine waits for a contended processor.
const schedDelay = time.Millisecond

// Hasher is the queue of all password hashing. It bounds the memory and the processors that a flood of passwords takes.
// It is safe for concurrent use.
type Hasher struct {
	slots          chan struct{}
	contendedSlots chan struct{} // one slot less, for checks that start while the processors are contended
	idleTimer      *time.Timer
	cpuContended   func() bool

	waiting, running, entered, refused, waited atomic.Int64
}

// Queue is the state of the queue of a Hasher.
type Queue struct {
	Waiting, Running int           // at this moment
	Entered, Refused int64         // since the start
	Waited           time.Duration // since the start, summed over all callers
}

// Queue returns the state of the queue.
func (h *Hasher) Queue() Queue {
	return Queue{
		Waiting: int(h.waiting.Load()),
		Running: int(h.running.Load()),
		Entered: h.entered.Load(),
		Refused: h.refused.Load(),
		Waited:  time.Duration(h.waited.Load()),
	}
}

// NewHasher returns a Hasher that computes at most workers hashes at once, and one less while other work waits for the
// processors; but at least one. Each takes 19 MiB while it runs.
func NewHasher(workers int) *Hasher {
	h := &Hasher{
		slots:          make(chan struct{}, max(workers, 1)),
		contendedSlots: make(chan struct{}, max(workers-1, 1)),
		idleTimer:      time.AfterFunc(memoryReleaseDelay, debug.FreeOSMemory),
		cpuContended:   cpuContended,
	}
	h.idleTimer.Stop()
	return h
}

// acquire waits for a slot, which release returns. Errors: RATE_LIMITED after queueTimeout; the error of ctx.
func (h *Hasher) acquire(ctx context.Context) (release func(), err error) {
	start := time.Now() // the machine's clock, not an injected one: this measures a duration
	h.waiting.Add(1)
	defer func() {
		h.waiting.Add(-1)
		h.waited.Add(int64(time.Since(start)))
	}()
	ctx, cancel := context.WithTimeoutCause(ctx, queueTimeout, errFull)
	defer cancel()
	if err := h.acquireSlot(ctx, h.slots); err != nil {
		return nil, err
	}
	contended := h.cpuContended()
	if contended {
		if err := h.acquireSlot(ctx, h.contendedSlots); err != nil {
			<-h.slots
			return nil, err
		}
	}
	h.entered.Add(1)
	h.running.Add(1)
	return func() {
		h.running.Add(-1)
		if contended {
			<-h.contendedSlots
		}
		<-h.slots
		h.idleTimer.Reset(memoryReleaseDelay)
	}, nil
}

// cpuContended reports whether the scheduler takes more than schedDelay to resume a yielding goroutine. A hash runs for
// ten milliseconds before it is preempted.
func cpuContended() bool {
	start := time.Now()
	runtime.Gosched()
	return time.Since(start) > schedDelay
}

func (h *Hasher) acquireSlot(ctx context.Context, slots chan struct{}) error {
	if ctx.Err() == nil {
		select {
		case slots <- struct{}{}:
			return nil
		case <-ctx.Done():
		}
	}
	if context.Cause(ctx) == errFull {
		h.refused.Add(1)
		return &account.Error{
			Code:       account.RateLimited,
			Message:    "The server is busy. Try again in a moment.",
			RetryAfter: 2 * time.Second,
		}
	}
	return fmt.Errorf("waiting to hash a password: %w", ctx.Err())
}

var errFull = errors.New("no slot was free in time")
