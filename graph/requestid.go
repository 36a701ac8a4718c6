package graph

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"regexp"
)

const requestIDHeader = "X-Request-Id"

var acceptableRequestID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)

type requestIDKey struct{}

// WithRequestID names each request, so that what a client saw can be found in the log. It takes the X-Request-Id of the
// request when that is 1 to 128 of A-Z, a-z, 0-9, dot, underscore and hyphen; otherwise it makes one of at least 128
// random bits. Every answer carries it in the same header.
func WithRequestID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(requestIDHeader)
		if !acceptableRequestID.MatchString(id) {
			id = rand.Text()
		}
		w.Header().Set(requestIDHeader, id)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id)))
	})
}

// LogRequest returns a handler that adds the id of the request, if there is one, and the address that it came from, to
// what is logged in its context.
func LogRequest(h slog.Handler) slog.Handler { return requestLog{h} }

type requestLog struct{ slog.Handler }

func (l requestLog) WithAttrs(attributes []slog.Attr) slog.Handler {
	return requestLog{l.Handler.WithAttrs(attributes)}
}
func (l requestLog) WithGroup(name string) slog.Handler { return requestLog{l.Handler.WithGroup(name)} }

func (l requestLog) Handle(ctx context.Context, r slog.Record) error {
	if id := requestID(ctx); id != "" {
		r.AddAttrs(slog.String("request", id))
	}
	if who, ok := ctx.Value(callerKey{}).(*requestAuth); ok {
		r.AddAttrs(slog.String("from", who.client.IPAddress))
	}
	return l.Handler.Handle(ctx, r)
}

// requestID returns the id of the request, or "" outside of WithRequestID.
func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}
