// Package metrics defines the metrics of a running server and serves them to Prometheus. It knows nothing of requests,
// accounts or the database: their packages call [Metrics.Operation], [Metrics.Response] and [Metrics.Event], with label
// values from bounded sets, or are read as [Sources] at each scrape.
package metrics

import (
	"cmp"
	"context"
	"database/sql"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics holds the metrics of one server. A nil *Metrics counts nothing. It is safe for concurrent use.
type Metrics struct {
	registry   *prometheus.Registry
	operations *prometheus.CounterVec
	durations  *prometheus.HistogramVec
	responses  *prometheus.CounterVec
	events     *prometheus.CounterVec
}

// New returns metrics at zero, including those of the process and the Go runtime.
func New(build Build) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		operations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "latchkey_operations_total",
			Help: "GraphQL requests, by root field and response code.",
		}, []string{"field", "code"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "latchkey_operation_duration_seconds",
			Help:    "Duration of GraphQL requests, by root field.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"field"}),
		responses: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "latchkey_http_responses_total",
			Help: "HTTP responses without a GraphQL operation, except preflights, by status.",
		}, []string{"status"}),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "latchkey_security_events_total",
			Help: "Security events, by name in the OWASP Logging Vocabulary and by reason or kind.",
		}, []string{"event", "why"}),
	}
	info := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name:        "latchkey_build_info",
		Help:        "Always 1; version of the program, its revision and the Go version.",
		ConstLabels: build.labels(),
	}, func() float64 { return 1 })
	m.registry.MustRegister(m.operations, m.durations, m.responses, m.events, info,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Build describes the program. An empty field is reported as unknown.
type Build struct{ Version, Revision, GoVersion string }

func (b Build) labels() prometheus.Labels {
	return prometheus.Labels{
		"version":  cmp.Or(b.Version, "unknown"),
		"revision": cmp.Or(b.Revision, "unknown"),
		"go":       cmp.Or(b.GoVersion, "unknown"),
	}
}

// Operation counts a GraphQL request by its root field and the code of its response.
func (m *Metrics) Operation(field, code string, took time.Duration) {
	if m != nil {
		m.operations.WithLabelValues(field, code).Inc()
		m.durations.WithLabelValues(field).Observe(took.Seconds())
	}
}

// Response counts an HTTP response for which no operation ran.
func (m *Metrics) Response(status int) {
	if m != nil {
		m.responses.WithLabelValues(strconv.Itoa(status)).Inc()
	}
}

// Event counts a security event by its name and its reason or kind.
func (m *Metrics) Event(name, why string) {
	if m != nil {
		m.events.WithLabelValues(name, why).Inc()
	}
}

// Responses counts the responses of next.
func (m *Metrics) Responses(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		recorder := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(recorder, r)
		m.Response(recorder.status)
	})
}

// statusWriter records the status of a response.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Sources are read at each scrape.
type Sources struct {
	Passwords func() Passwords
	Pools     func() map[string]sql.DBStats // database connections, by purpose
	Mails     func() (sent, failed int64)   // by this server since the start

	// Outbox returns the number of emails that all servers together have to send, and the age of the oldest.
	Outbox func(context.Context) (count int, age time.Duration, err error)
}

// Passwords is the state of the password hashing queue.
type Passwords struct {
	Waiting, Running int           // at this moment
	Entered, Refused int64         // since the start
	Waited           time.Duration // since the start, summed over all callers
}

// Handler returns the handler for scrapes. It responds within three seconds even if the database hangs.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes})
}

// maxScrapes limits concurrent scrapes; further ones get status 503.
const maxScrapes = 4
