package server

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"latchkey/internal/config"
	"latchkey/internal/gqlhttp"
)

const (
	batchDelay = 100 * time.Millisecond // short enough for people who watch the log
	batchSize  = 32 << 10               // bytes
)

// NewLog returns a log that writes to w: text for people on a terminal and JSON for machines elsewhere, unless the
// settings say otherwise. Lines of operations are batched; flush writes those that are buffered.
func NewLog(c config.Config, w io.Writer, terminal bool) (_ *slog.Logger, flush func()) {
	batch := &batchWriter{to: w}
	options := &slog.HandlerOptions{Level: c.LogLevel}
	var handler slog.Handler = slog.NewJSONHandler(batch, options)
	if c.LogFormat == "text" || c.LogFormat == "" && terminal {
		handler = slog.NewTextHandler(batch, options)
	}
	return slog.New(batchHandler{handler, batch}), batch.flush
}

// batchHandler buffers the lines of operations. Any other line is written at once, after those that are buffered, so
// that the log of a killed process holds every warning and every security event.
type batchHandler struct {
	slog.Handler
	batch *batchWriter
}

func (h batchHandler) WithAttrs(attributes []slog.Attr) slog.Handler {
	return batchHandler{h.Handler.WithAttrs(attributes), h.batch}
}

func (h batchHandler) WithGroup(name string) slog.Handler {
	return batchHandler{h.Handler.WithGroup(name), h.batch}
}

func (h batchHandler) Handle(ctx context.Context, r slog.Record) error {
	err := h.Handler.Handle(ctx, r)
	if r.Message != gqlhttp.OperationLine {
		h.batch.flush()
	}
	return err
}

// batchWriter writes many lines with one system call: the first one at once, and those of the next batchDelay at its
// end.
type batchWriter struct {
	to io.Writer

	mu      sync.Mutex
	buf     []byte
	delayed bool // until a timer fires
	midLine bool // the log ends within a line
}

func (w *batchWriter) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf = append(w.buf, line...)
	switch {
	case !w.delayed:
		w.tick()
	case len(w.buf) >= batchSize:
		w.write()
	}
	return len(line), nil
}

// tick writes what is buffered, and delays what follows unless that was nothing.
func (w *batchWriter) tick() {
	w.delayed = len(w.buf) > 0
	if w.delayed {
		w.write()
		time.AfterFunc(batchDelay, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.tick()
		})
	}
}

func (w *batchWriter) flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.write()
}

// write drops what cannot be written: a full disk is no reason to stop. After a partial write it starts a new line.
func (w *batchWriter) write() {
	if len(w.buf) == 0 {
		return
	}
	if w.midLine {
		w.buf = slices.Insert(w.buf, 0, '\n')
	}
	n, _ := w.to.Write(w.buf)
	if n > 0 {
		w.midLine = w.buf[n-1] != '\n'
	}
	w.buf = w.buf[:0]
}
