package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"latchkey/graph"
	"latchkey/internal/account"
	"latchkey/internal/config"
	"latchkey/internal/metrics"
	"latchkey/internal/outbox"
)

// watch begins to answer operators at the address that the settings name for them, if they do. It goes on until close:
// while the server starts, when it is not ready, and while it finishes its last requests.
func (s *server) watch(c config.Config) error {
	if c.MetricsListen == "" {
		return nil
	}
	listener, err := net.Listen("tcp", c.MetricsListen)
	if err != nil {
		return fmt.Errorf("LATCHKEY_METRICS_LISTEN: %w", err)
	}
	s.metrics, s.watched = metrics.New(), listener.Addr().String()
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s.metrics.Handler())
	s.health(mux)
	if c.Profiling {
		// Without the command line, which may hold secrets.
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	s.watchers = newHTTP(withSecurityHeaders(answerPanics(mux, s.log), false), s.log)
	go s.watchers.Serve(listener)
	return nil
}

// health adds the endpoints that tell whether the program runs, and whether it can serve: it cannot while it starts,
// once it has been told to stop, and when the database does not answer within two seconds.
func (s *server) health(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		if !s.serving.Load() || s.draining.Load() || s.service.Ready(ctx) != nil {
			http.Error(w, "not ready", http.StatusServiceUnavailable)
			return
		}
		io.WriteString(w, "ready\n")
	})
}

// count connects what is counted to those who know it.
func (s *server) count() {
	if s.metrics == nil {
		return
	}
	s.service.OnEvent = s.metrics.Event
	s.metrics.Watch(metrics.Sources{
		Passwords: func() metrics.Passwords { return metrics.Passwords(s.service.Passwords()) },
		Pools:     s.store.Pools,
		Outbox:    s.service.Outbox.Stats,
		Mails: func() (sent, failed int64) {
			if s.mail == nil {
				return 0, 0
			}
			return s.mail.Counts(outbox.Email)
		},
	})
}

// observer returns who is told of each GraphQL request, or nil for nobody.
func (s *server) observer() func(context.Context, graph.Operation) {
	if s.metrics == nil && s.traces == nil {
		return nil
	}
	return func(ctx context.Context, o graph.Operation) {
		s.metrics.Operation(o.Field, o.Code, o.Duration)
		if o.Field == graph.NoField {
			s.metrics.Response(o.Status)
		}
		s.traces.Operation(ctx, o.Kind, o.Field, o.Code, o.Status)
	}
}

// observed tells the observer of requests that the endpoint cannot tell of, since it panics. They are answered 500.
func (s *server) observed(next http.Handler) http.Handler {
	observe := s.observer()
	if observe == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began, answered := time.Now(), false
		defer func() {
			if !answered {
				observe(r.Context(), graph.Operation{Field: graph.NoField, Code: string(account.Internal),
					Status: http.StatusInternalServerError, Duration: time.Since(began)})
			}
		}()
		next.ServeHTTP(w, r)
		answered = true
	})
}

// counted counts what next answers but at /graphql, which tells of itself.
func (s *server) counted(next http.Handler) http.Handler {
	if s.metrics == nil {
		return next
	}
	counting := s.metrics.Responses(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/graphql" {
			next.ServeHTTP(w, r)
			return
		}
		counting.ServeHTTP(w, r)
	})
}
