// Package trace sends spans to the collector that the standard variables of OpenTelemetry configure: one for each
// request and one for each database statement in it. Spans contain names from the schema and constants only, and
// nothing that a client writes, except the ids of a traceparent header, which join the request to the client's trace
// (W3C Trace Context).
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

	"latchkey/internal/account"
)

// Tracer creates spans. A nil *Tracer creates none. It is safe for concurrent use.
type Tracer struct {
	exporter *otlptrace.Exporter
	provider *sdk.TracerProvider
	tracer   trace.Tracer
}

// Start returns a Tracer that sends spans in batches in the background: with a slow or missing collector spans are
// lost, but requests do not wait. Lost batches are logged, at most once a minute. Spans name version as the one of the
// service.
func Start(ctx context.Context, version string, log *slog.Logger) (*Tracer, error) {
	otel.SetLogger(logr.Discard()) // its messages quote bad values
	otel.SetErrorHandler(&lossLogger{log: log})
	res, err := resource.New(ctx,
		resource.WithTelemetrySDK(),
		resource.WithAttributes(semconv.ServiceName("latchkey"), semconv.ServiceVersion(version)),
		resource.WithFromEnv())
	if err != nil {
		return nil, errors.New("OTEL_RESOURCE_ATTRIBUTES: must be name=value, separated by commas")
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	provider := sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(res))
	return &Tracer{exporter, provider, provider.Tracer("latchkey")}, nil
}

// lossLogger logs why batches were lost.
type lossLogger struct {
	log *slog.Logger

	mu      sync.Mutex
	lastLog time.Time
}

// Handle logs why a batch was lost, unless it logged another within the last minute.
func (l *lossLogger) Handle(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); now.Sub(l.lastLog) >= time.Minute {
		l.lastLog = now
		l.log.Warn("traces not sent", "error", reason(err))
	}
}

// statusInError matches the HTTP status in an error of the exporter.
var statusInError = regexp.MustCompile(`failed to send to \S+: (\d{3}) `)

// reason returns why a batch was lost, without any text of the collector, which may repeat request headers.
func reason(err error) string {
	if found := statusInError.FindStringSubmatch(err.Error()); found != nil {
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

// Stop sends the remaining spans, for at most the timeout.
func (t *Tracer) Stop(timeout time.Duration) {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if t.provider.Shutdown(ctx) != nil {
		t.exporter.Shutdown(ctx) // ends connections that hang
	}
}

// Handler creates a span for each request to next, except preflights.
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
		// The tracestate is dropped: it is free text.
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
		defer func() { // a deferred End would add the text of a panic to the span
			if !answered {
				t.Operation(ctx, "", "none", internal, http.StatusInternalServerError)
			}
			span.End()
		}()
		next.ServeHTTP(w, r.WithContext(ctx))
		answered = true
	})
}

// internal is the code of an internal error.
const internal = string(account.Internal)

// Operation records in the span of ctx the kind of a request, query or mutation or empty when nothing ran, its root
// field, and the code and status of the response.
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

// Statement starts a span for a statement of an engine, sqlite or postgres, within a request's span; without one it
// does nothing. The text of the statement must contain no values. Call done when the statement has run.
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
