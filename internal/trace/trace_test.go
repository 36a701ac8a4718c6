package trace

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

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
