package middleware

import (
	"context"
	"crypto/rand"
	"net/http"
	"regexp"
)

// RequestIDHeader is the header that carries the ID of a request, in the request and in its response.
const RequestIDHeader = "X-Request-Id"

var validRequestID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)

type infoKey struct{}

// info is what this package knows of a request. One context value holds all of it, so that the request is copied only
// once.
type info struct {
	id          string
	clientIP    string
	hasClientIP bool // false outside of ClientIP
}

func infoFrom(ctx context.Context) *info {
	if i, ok := ctx.Value(infoKey{}).(*info); ok {
		return i
	}
	return &info{}
}

// RequestID is middleware that gives each request an ID, sets it in the response's X-Request-Id and keeps it for
// [RequestIDFrom]. It uses the X-Request-Id of the request if that has 1 to 128 characters, all of them A-Z, a-z, 0-9,
// dot, underscore or hyphen; otherwise it creates an ID of at least 128 random bits.
func RequestID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(RequestIDHeader)
		if !validRequestID.MatchString(id) {
			id = rand.Text()
		}
		w.Header().Set(RequestIDHeader, id)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), infoKey{}, &info{id: id})))
	})
}

// RequestIDFrom returns the ID of the request, or "" outside of [RequestID].
func RequestIDFrom(ctx context.Context) string { return infoFrom(ctx).id }
