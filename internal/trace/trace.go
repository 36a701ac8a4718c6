// Package trace sends spans to the collector that the standard variables of OpenTelemetry name: one for each request,
// and one for each statement to the database inside of it. They hold no words but the schema's and ours: what a client
// writes is in no span, but for the ids by which a traceparent joins a request to the caller's trace (W3C Trace
// Context).
package trace

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// Tracer makes spans. A nil one makes none. It is safe for use by many.
type Tracer struct {
	exporter *otlptrace.Exporter
	provider *sdk.TracerProvider
	tracer   trace.Tracer
}

// Start returns what sends spans, a batch at a time, beside the requests: a collector that is slow or away costs spans,
// never time. It tells the log that batches are lost, once a minute at most.
func Start(ctx context.Context, log *slog.Logger) (*Tracer, error) {
	otel.SetLogger(logr.Discard()) // what it says of bad values quotes them
	otel.SetErrorHandler(&losses{log: log})
	about, err := resource.New(ctx,
		resource.WithTelemetrySDK(),
		resource.WithAttributes(semconv.ServiceName("latchkey"), semconv.ServiceVersion(version())),
		resource.WithFromEnv())
	if err != nil {
		return nil, errors.New("OTEL_RESOURCE_ATTRIBUTES: must be name=value, separated by commas")
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	provider := sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(about))
	return &Tracer{exporter, provider, provider.Tracer("latchkey")}, nil
}

// losses tells the log why batches were lost.
type losses struct {
	log *slog.Logger

	mu   sync.Mutex
	told time.Time
}

// Handle tells the log why a batch was lost, unless it did within the last minute.
func (l *losses) Handle(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); now.Sub(l.told) >= time.Minute {
		l.told = now
		l.log.Warn("traces not sent", "error", reason(err))
	}
}

// refusal finds the status in an error of the exporter.
var refusal = regexp.MustCompile(`failed to send to \S+: (\d{3}) `)

// reason says why a batch was lost, in no word of the collector, which may repeat the headers it was sent.
func reason(err error) string {
	if found := refusal.FindStringSubmatch(err.Error()); found != nil {
		return "the collector answers " + found[1]
	}
	if slow, ok := errors.AsType[net.Error](err); ok && slow.Timeout() {
		return "the collector takes too long"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "the collector's certificate is not trusted"
	}
	if failed, ok := errors.AsType[*net.OpError](err); ok {
		return failed.Op + ": " + failed.Err.Error()
	}
	return "the collector does not take them"
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version
	}
	return ""
}

// Stop sends what is left, and gives up after a time.
func (t *Tracer) Stop(patience time.Duration) {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if t.provider.Shutdown(ctx) != nil {
		t.exporter.Shutdown(ctx) // which ends what hangs
	}
}

// Handler makes a span for each request that next answers, preflights aside.
func (t *Tracer) Handler(next http.Handler) http.Handler {
	if t == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodOptions {
			next.ServeHTTP(w, r)
			return
		}
		ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		// Its tracestate is free text.
		caller := trace.SpanContextFromContext(ctx).WithTraceState(trace.TraceState{})
		method := semconv.HTTPRequestMethodOther
		switch r.Method {
		case http.MethodPost:
			method = semconv.HTTPRequestMethodPost
		case http.MethodGet:
			method = semconv.HTTPRequestMethodGet
		}
		ctx, span := t.tracer.Start(trace.ContextWithRemoteSpanContext(r.Context(), caller), "graphql",
			trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(method, semconv.HTTPRoute("/graphql")))
		answered := false
		defer func() { // for End, were it deferred itself, would put the text of a panic into the span
			if !answered {
				t.Operation(ctx, "", "none", internal, http.StatusInternalServerError)
			}
			span.End()
		}()
		next.ServeHTTP(w, r.WithContext(ctx))
		answered = true
	})
}

// internal is the code of what is our own fault.
const internal = "INTERNAL_SERVER_ERROR"

// Operation says in the span of ctx what a request was: query or mutation, or neither when nothing ran, of which root
// field, and with which code and status it is answered.
func (t *Tracer) Operation(ctx context.Context, kind, field, code string, status int) {
	if t == nil {
		return
	}
	span := trace.SpanFromContext(ctx)
	span.SetAttributes(semconv.HTTPResponseStatusCode(status), attribute.String("latchkey.field", field),
		attribute.String("latchkey.code", code))
	if kind != "" {
		span.SetName(kind + " " + field)
		span.SetAttributes(semconv.GraphQLOperationTypeKey.String(kind))
	}
	if code == internal {
		span.SetStatus(codes.Error, "")
		span.SetAttributes(semconv.ErrorTypeKey.String(code))
	}
}

// Statement begins a span for a statement to an engine, sqlite or postgres, inside of a request's; elsewhere it does
// nothing. The text of the statement must hold no value. Call done when it has run.
func (t *Tracer) Statement(ctx context.Context, engine, text string) (_ context.Context, done func(failed bool)) {
	if !trace.SpanFromContext(ctx).IsRecording() {
		return ctx, func(bool) {}
	}
	system := semconv.DBSystemNameSQLite
	if engine == "postgres" {
		system = semconv.DBSystemNamePostgreSQL
	}
	words := strings.Fields(text)
	ctx, span := t.tracer.Start(ctx, words[0], trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(system, semconv.DBOperationName(words[0]), semconv.DBQueryText(strings.Join(words, " "))))
	return ctx, func(failed bool) {
		if failed {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}

// LogAttrs returns the ID of the trace for what is logged in the context of a request; elsewhere nothing.
func (*Tracer) LogAttrs(ctx context.Context) []slog.Attr {
	if span := trace.SpanContextFromContext(ctx); span.HasTraceID() {
		return []slog.Attr{slog.String("trace", span.TraceID().String())}
	}
	return nil
}
