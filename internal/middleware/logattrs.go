package middleware

import (
	"context"
	"log/slog"
)

// LogAttrs returns a log that adds to each record what attrs returns for its context.
func LogAttrs(log *slog.Logger, attrs func(context.Context) []slog.Attr) *slog.Logger {
	return slog.New(logAttrs{log.Handler(), attrs})
}

// RequestAttrs returns the ID of the request and the IP address of its client, for [LogAttrs]; outside of [RequestID]
// and [ClientIP] nothing.
func RequestAttrs(ctx context.Context) []slog.Attr {
	i := infoFrom(ctx)
	attrs := make([]slog.Attr, 0, 2)
	if i.id != "" {
		attrs = append(attrs, slog.String("request", i.id))
	}
	if i.hasClientIP {
		attrs = append(attrs, slog.String("from", i.clientIP))
	}
	return attrs
}

type logAttrs struct {
	slog.Handler
	attrs func(context.Context) []slog.Attr
}

func (l logAttrs) WithAttrs(attrs []slog.Attr) slog.Handler {
	return logAttrs{l.Handler.WithAttrs(attrs), l.attrs}
}

func (l logAttrs) WithGroup(name string) slog.Handler {
	return logAttrs{l.Handler.WithGroup(name), l.attrs}
}

func (l logAttrs) Handle(ctx context.Context, r slog.Record) error {
	r.AddAttrs(l.attrs(ctx)...)
	return l.Handler.Handle(ctx, r)
}
