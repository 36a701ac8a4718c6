package middleware_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"latchkey/internal/middleware"
)

// TestRecoverPanics holds a response to a panic to the usual headers. What the panic says is in the log alone.
func TestRecoverPanics(t *testing.T) {
	var log bytes.Buffer
	falling := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("the sky fell") })
	w := httptest.NewRecorder()
	middleware.Stack(falling,
		middleware.RequestID,
		middleware.SecurityHeaders(true),
		middleware.RecoverPanics(middleware.LogAttrs(slog.New(slog.NewJSONHandler(&log, nil)), middleware.RequestAttrs)),
	).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	h := w.Header()
	for _, name := range []string{
		"Cache-Control", "Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy", "X-Request-Id",
		"Cross-Origin-Resource-Policy", "Strict-Transport-Security",
	} {
		if h.Get(name) == "" {
			t.Errorf("no %s", name)
		}
	}
	if w.Code != http.StatusInternalServerError || w.Body.String() != "internal server error\n" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if said := log.String(); !strings.Contains(said, "the sky fell") || !strings.Contains(said, "recover_test.go") ||
		!strings.Contains(said, h.Get("X-Request-Id")) {
		t.Errorf("the log: %s", said)
	}
}
