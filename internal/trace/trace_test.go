package trace

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// recorded returns a tracer and what keeps its spans.
func recorded() (*Tracer, *tracetest.SpanRecorder) {
	spans := tracetest.NewSpanRecorder()
	provider := sdk.NewTracerProvider(sdk.WithSpanProcessor(spans))
	return &Tracer{provider: provider, tracer: provider.Tracer("latchkey")}, spans
}

// TestAPanicIsNotInItsSpan which says no more than that something went wrong.
func TestAPanicIsNotInItsSpan(t *testing.T) {
	tracer, spans := recorded()
	handler := tracer.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("a secret") }))
	func() {
		defer func() {
			if value := recover(); value != "a secret" {
				t.Errorf("have %v", value)
			}
		}()
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/graphql", nil))
	}()
	if len(spans.Ended()) != 1 {
		t.Fatalf("%d spans", len(spans.Ended()))
	}
	span := spans.Ended()[0]
	if len(span.Events()) > 0 || span.Status().Code != codes.Error || span.Status().Description != "" {
		t.Errorf("%v %v", span.Events(), span.Status())
	}
	said := fmt.Sprint(span.Attributes())
	if !strings.Contains(said, "INTERNAL_SERVER_ERROR") || !strings.Contains(said, "500") ||
		strings.Contains(said, "a secret") {
		t.Errorf("%s", said)
	}
}

// TestAPreflightIsNoSpan but is answered.
func TestAPreflightIsNoSpan(t *testing.T) {
	tracer, spans := recorded()
	handler := tracer.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	}))
	for _, method := range []string{"OPTIONS", "PUT"} {
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, httptest.NewRequest(method, "/graphql", nil))
		if answer.Code != http.StatusNoContent {
			t.Errorf("%s: %d", method, answer.Code)
		}
	}
	if n := len(spans.Ended()); n != 1 {
		t.Errorf("%d spans", n)
	}
}

// TestTheLogRepeatsNoCollector which repeats what it was sent, at length.
func TestTheLogRepeatsNoCollector(t *testing.T) {
	const key = "a-key-of-the-collector"
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key="+key)
	for _, c := range []struct {
		status int
		want   string
	}{
		{http.StatusBadRequest, "the collector answers 400"},
		{http.StatusNotFound, "the collector answers 404"},
		{http.StatusOK, "the collector does not take them"}, // for it answers no Protobuf
	} {
		collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/x-protobuf")
			w.WriteHeader(c.status)
			for range 10_000 {
				fmt.Fprintln(w, r.Header.Get("X-Key"))
			}
		}))
		t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL+"/a/private/path")
		var log bytes.Buffer
		tracer, err := Start(t.Context(), "1.0", slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		tracer.Handler(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/graphql", nil))
		tracer.Stop(time.Minute)
		collector.Close()
		if have := log.String(); !strings.HasSuffix(have, `msg="traces not sent" error="`+c.want+"\"\n") ||
			strings.Count(have, "\n") != 1 {
			t.Errorf("want %s, have %.300s", c.want, have)
		}
	}
}

// TestLossesAreToldOnceAMinute however many there are.

// TestLossesAreToldOnceAMinute however many there are.
func TestLossesAreToldOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		l := &lossLogger{log: slog.New(slog.NewTextHandler(&log, nil))}
		for range 100 {
			l.Handle(fmt.Errorf("traces export: %w", context.DeadlineExceeded))
			time.Sleep(time.Second)
		}
		l.Handle(errors.New("odd"))
		if n := strings.Count(log.String(), `error="the collector takes too long"`+"\n"); n != 2 ||
			strings.Contains(log.String(), "odd") {
			t.Errorf("%s", &log)
		}
	})
}
