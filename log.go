package main

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
	gatherFor  = 100 * time.Millisecond // what nobody notices who watches the log
	gatherSize = 32 << 10               // bytes
)

// newLog writes for people on a terminal and for machines elsewhere, unless the settings say otherwise. What waits is
// written by flush.
func newLog(c config.Config, stderr io.Writer) (_ *slog.Logger, flush func()) {
	gathered := &lines{to: stderr}
	options := &slog.HandlerOptions{Level: c.LogLevel}
	var handler slog.Handler = slog.NewJSONHandler(gathered, options)
	if c.LogFormat == "text" || c.LogFormat == "" && isTerminal(stderr) {
		handler = slog.NewTextHandler(gathered, options)
	}
	return slog.New(patient{handler, gathered}), gathered.flush
}

// patient lets lines about operations wait for others. Any other line is written as it comes, after those that wait:
// even a process that is killed has told of trouble and of what matters for security.
type patient struct {
	slog.Handler
	gathered *lines
}

func (p patient) WithAttrs(attributes []slog.Attr) slog.Handler {
	return patient{p.Handler.WithAttrs(attributes), p.gathered}
}
func (p patient) WithGroup(name string) slog.Handler {
	return patient{p.Handler.WithGroup(name), p.gathered}
}

func (p patient) Handle(ctx context.Context, r slog.Record) error {
	err := p.Handler.Handle(ctx, r)
	if r.Message != gqlhttp.OperationLine {
		p.gathered.flush()
	}
	return err
}

// lines writes many with one call to the system: the first one at once, and those that come within gatherFor at its end.
type lines struct {
	to io.Writer

	mutex     sync.Mutex
	waiting   []byte
	gathering bool // until a timer ends
	torn      bool // the log ends within a line
}

func (l *lines) Write(line []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.waiting = append(l.waiting, line...)
	switch {
	case !l.gathering:
		l.next()
	case len(l.waiting) >= gatherSize:
		l.write()
	}
	return len(line), nil
}

// next writes what waits, and gathers again unless that was nothing.
func (l *lines) next() {
	l.gathering = len(l.waiting) > 0
	if l.gathering {
		l.write()
		time.AfterFunc(gatherFor, func() {
			l.mutex.Lock()
			defer l.mutex.Unlock()
			l.next()
		})
	}
}

func (l *lines) flush() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.write()
}

// write drops what cannot be written, as loggers do: that is no reason to stop.
func (l *lines) write() {
	if len(l.waiting) == 0 {
		return
	}
	if l.torn {
		l.waiting = slices.Insert(l.waiting, 0, '\n')
	}
	n, _ := l.to.Write(l.waiting)
	if n > 0 {
		l.torn = l.waiting[n-1] != '\n'
	}
	l.waiting = l.waiting[:0]
}
