package outbox

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Handler sends the messages of one kind.
type Handler interface {
	// Deliver returns nil once another system has accepted the message. The worker retries after an error, unless it is
	// one that [Permanent] returned.
	Deliver(ctx context.Context, d Delivery) error
}

// Worker sends the messages of an outbox. Any number of nodes may have one, since each message is claimed before it is
// sent. A message that was accepted is sent again only if its node stopped, lost the database or got no response
// between sending it and recording that. It has the same ID then.
type Worker struct {
	interval time.Duration
	outbox   *Outbox
	handlers map[Kind]Handler
	counters map[Kind]*counter
}

type counter struct{ sent, failed atomic.Int64 }

// NewWorker returns a worker with a handler for each kind. interval is the longest pause between two claims.
func NewWorker(o *Outbox, interval time.Duration, handlers map[Kind]Handler) *Worker {
	counters := map[Kind]*counter{}
	for kind := range handlers {
		counters[kind] = new(counter)
	}
	return &Worker{interval: interval, outbox: o, handlers: handlers, counters: counters}
}

// stopTimeout is how long messages that are being sent may take when the worker stops.
const stopTimeout = 2 * time.Second

// Run sends messages until ctx is done.
func (w *Worker) Run(ctx context.Context) {
	for {
		n, err := w.sendDue(ctx)
		if err != nil && ctx.Err() == nil {
			w.outbox.options.Log.WarnContext(ctx, "reading the outbox failed", "error", err)
		}
		if n > 0 && ctx.Err() == nil {
			continue // there may be more
		}
		select {
		case <-ctx.Done():
			return
		case <-w.outbox.added:
		case <-time.After(w.interval):
		}
	}
}

// sendDue sends a batch of messages concurrently, and returns how many.
func (w *Worker) sendDue(ctx context.Context) (int, error) {
	due, err := w.outbox.Claim(ctx)
	if len(due) == 0 {
		return 0, err
	}
	sending, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(stopTimeout, stop) })()
	var batch sync.WaitGroup
	for _, d := range due {
		batch.Go(func() { w.send(sending, d) })
	}
	batch.Wait()
	return len(due), err
}

func (w *Worker) send(ctx context.Context, d Delivery) {
	err := w.deliver(ctx, d)
	recording := context.WithoutCancel(ctx) // a message that was sent must be recorded
	if err == nil {
		w.counters[d.Kind].sent.Add(1)
		err = w.outbox.Sent(recording, d)
	} else {
		_, final := errors.AsType[permanent](err)
		var gaveUp bool
		if gaveUp, err = w.outbox.Failed(recording, d, !final, err); gaveUp {
			w.counters[d.Kind].failed.Add(1)
		}
	}
	if err != nil {
		w.outbox.options.Log.ErrorContext(ctx, "recording a delivery failed", string(d.Kind), d.ID, "error", err)
	}
}

// deliver passes a message to its handler. A panic there is an error.
func (w *Worker) deliver(ctx context.Context, d Delivery) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = fmt.Errorf("panic: %v\n%s", value, debug.Stack())
		}
	}()
	if d.Err != nil {
		return Permanent(d.Err)
	}
	return w.handlers[d.Kind].Deliver(ctx, d)
}

// Counts returns how many messages of a kind this worker has sent so far, and how many it has given up.
func (w *Worker) Counts(kind Kind) (sent, failed int64) {
	c := w.counters[kind]
	return c.sent.Load(), c.failed.Load()
}
