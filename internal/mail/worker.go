package mail

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"latchkey/internal/auth"
)

// Worker sends what is in the outbox. Any number of nodes may have one: each mail is claimed before it is sent. A mail
// that was taken is sent again only when its node died, lost the database or was told nothing between sending it and
// noting so; it has the same Message-ID then.
type Worker struct {
	Service   *auth.Service
	Templates *Templates
	Sender    Sender
	Log       *slog.Logger
	Every     time.Duration // the longest pause between two looks at the outbox

	sent, failed atomic.Int64
}

// finishWithin is how long mails that are being sent may take when the worker is to end.
const finishWithin = 2 * time.Second

// Run sends mails until ctx ends.
func (w *Worker) Run(ctx context.Context) {
	for {
		n, err := w.sendDue(ctx)
		if err != nil && ctx.Err() == nil {
			w.Log.WarnContext(ctx, "outbox not read", "error", err)
		}
		if n > 0 && ctx.Err() == nil {
			continue // there may be more
		}
		select {
		case <-ctx.Done():
			return
		case <-w.Service.OutboxSignal():
		case <-time.After(w.Every):
		}
	}
}

// sendDue sends a batch of mails at once, and returns how many.
func (w *Worker) sendDue(ctx context.Context) (int, error) {
	due, err := w.Service.DueMails(ctx)
	if len(due) == 0 {
		return 0, err
	}
	sending, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(finishWithin, stop) })()
	var all sync.WaitGroup
	for _, d := range due {
		all.Go(func() { w.send(sending, d) })
	}
	all.Wait()
	return len(due), err
}

func (w *Worker) send(ctx context.Context, d auth.Delivery) {
	err := w.deliver(ctx, d)
	noting := context.WithoutCancel(ctx) // what was sent must be noted
	if err == nil {
		w.sent.Add(1)
		err = w.Service.MailSent(noting, d)
	} else {
		var gaveUp bool
		if gaveUp, err = w.Service.MailFailed(noting, d, d.Problem != nil || errors.Is(err, ErrRefused), err); gaveUp {
			w.failed.Add(1)
		}
	}
	if err != nil {
		w.Log.ErrorContext(ctx, "what became of a mail was not noted", "mail", d.ID, "error", err)
	}
}

// deliver puts a mail into words and sends it. A panic on the way is an error.
func (w *Worker) deliver(ctx context.Context, d auth.Delivery) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = fmt.Errorf("panic: %v\n%s", value, debug.Stack())
		}
	}()
	if d.Problem != nil {
		return d.Problem
	}
	message, err := w.Templates.Render(d.Mail)
	if err != nil {
		return err
	}
	return w.Sender.Send(ctx, message)
}

// Sent returns how many mails this worker has sent so far, and how many it gave up.
func (w *Worker) Sent() (sent, failed int64) { return w.sent.Load(), w.failed.Load() }
