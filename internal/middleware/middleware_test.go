package middleware

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestRequestID(t *testing.T) {
	for id, valid := range map[string]bool{
		"a":                      true,
		"Az09._-":                true,
		strings.Repeat("x", 128): true,
		strings.Repeat("x", 129): false,
		"":                       false,
		"a b":                    false,
		"<script>":               false,
		"ä":                      false,
	} {
		seen := ""
		handler := RequestID(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			seen = RequestIDFrom(r.Context())
		}))
		w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)
		r.Header.Set(RequestIDHeader, id)
		handler.ServeHTTP(w, r)
		if got := w.Header().Get(RequestIDHeader); got != seen || got == "" || valid != (got == id) {
			t.Errorf("%q: the response has %q, the context has %q", id, got, seen)
		}
	}
	if id := RequestIDFrom(t.Context()); id != "" {
		t.Errorf("outside of a request: %q", id)
	}
}

// TestLogAttrs also passes through With and WithGroup, where a wrapped handler is easily lost.
func TestLogAttrs(t *testing.T) {
	for _, c := range []struct {
		name string
		wrap func(http.Handler) http.Handler
		want string
	}{
		{"outside of a request", func(next http.Handler) http.Handler { return next }, ""},
		{"ID only", RequestID, `"request":"r-1"`},
		{"both", func(next http.Handler) http.Handler { return RequestID(ClientIP(proxies)(next)) },
			`"request":"r-1","from":"198.51.100.7"`},
		{"a peer without an address", func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.RemoteAddr = "@"
				ClientIP(proxies)(next).ServeHTTP(w, r)
			})
		}, `"from":""`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			log := LogAttrs(slog.New(slog.NewJSONHandler(&out, nil)), RequestAttrs)
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = "10.0.0.1:5000"
			r.Header.Set("X-Forwarded-For", "198.51.100.7")
			r.Header.Set(RequestIDHeader, "r-1")
			c.wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				log.InfoContext(r.Context(), "plain")
				log.With("a", 1).InfoContext(r.Context(), "with")
				log.WithGroup("g").InfoContext(r.Context(), "group", "b", 2)
			})).ServeHTTP(httptest.NewRecorder(), r)
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			for i, before := range []string{`"msg":"plain"`, `"msg":"with","a":1`, `"msg":"group","g":{"b":2`} {
				want, end := before, strings.Repeat("}", 1+i/2)
				if c.want != "" {
					want += "," + c.want
				}
				if !strings.HasSuffix(lines[i], want+end) {
					t.Errorf("%s\nwant %s", lines[i], want+end)
				}
			}
		})
	}
}

// TestLogAttrsOfTwo nests two handlers: both add what they know.
func TestLogAttrsOfTwo(t *testing.T) {
	var out bytes.Buffer
	attr := func(key string) func(context.Context) []slog.Attr {
		return func(context.Context) []slog.Attr { return []slog.Attr{slog.Int(key, 1)} }
	}
	LogAttrs(LogAttrs(slog.New(slog.NewJSONHandler(&out, nil)), attr("inner")), attr("outer")).Info("x")
	if want := `"msg":"x","outer":1,"inner":1}` + "\n"; !strings.HasSuffix(out.String(), want) {
		t.Errorf("%s, want %s", &out, want)
	}
}
