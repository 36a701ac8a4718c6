// Package metrics says what is counted about a running server, and shows it to Prometheus. It knows neither requests
// nor accounts nor the database: those who do tell it, in words from bounded sets, or are asked when somebody looks.
package metrics

import (
	"context"
	"database/sql"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics are the figures of one server. A nil one counts nothing. It is safe for use by many.
type Metrics struct {
	registry   *prometheus.Registry
	operations *prometheus.CounterVec
	durations  *prometheus.HistogramVec
	responses  *prometheus.CounterVec
	events     *prometheus.CounterVec
}

// New returns figures that begin at zero, with those of the program and of Go.
func New() *Metrics {
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
	build := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name:        "latchkey_build_info",
		Help:        "Always 1; version of the program, its revision and the Go version.",
		ConstLabels: built(),
	}, func() float64 { return 1 })
	m.registry.MustRegister(m.operations, m.durations, m.responses, m.events, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func built() prometheus.Labels {
	labels := prometheus.Labels{"version": "unknown", "revision": "unknown", "go": "unknown"}
	if info, ok := debug.ReadBuildInfo(); ok {
		labels["version"], labels["go"] = info.Main.Version, info.GoVersion
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				labels["revision"] = setting.Value
			}
		}
	}
	return labels
}

// Operation counts a GraphQL request by its root field and the code of its answer.
func (m *Metrics) Operation(field, code string, took time.Duration) {
	if m != nil {
		m.operations.WithLabelValues(field, code).Inc()
		m.durations.WithLabelValues(field).Observe(took.Seconds())
	}
}

// Response counts an HTTP answer for which no operation ran.
func (m *Metrics) Response(status int) {
	if m != nil {
		m.responses.WithLabelValues(strconv.Itoa(status)).Inc()
	}
}

// Event counts a security event.
func (m *Metrics) Event(name, why string) {
	if m != nil {
		m.events.WithLabelValues(name, why).Inc()
	}
}

// Responses counts what next answers.
func (m *Metrics) Responses(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		noting := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(noting, r)
		m.Response(noting.status)
	})
}

// statusWriter notes the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Sources are asked each time somebody looks.
type Sources struct {
	Passwords func() Passwords
	Pools     func() map[string]sql.DBStats // of connections to the database, by what they are for
	Mails     func() (sent, failed int64)   // by this server so far

	// Outbox tells how many mails wait on all servers together, and for how long the oldest has.
	Outbox func(context.Context) (count int, age time.Duration, err error)
}

// Passwords is how the queue for hashing does.
type Passwords struct {
	Waiting, Running int           // at this moment
	Entered, Refused int64         // so far
	Waited           time.Duration // so far, by all together
}

// Handler returns what answers a scrape. It answers whatever the database does, and within three seconds of asking it.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: scrapes})
}

// scrapes are how many may look at once; the others are answered 503.
const scrapes = 4
