package server

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/gqlhttp"
	"latchkey/internal/metrics"
	"latchkey/internal/middleware"
	"latchkey/internal/outbox"
)

// startOps serves metrics, health and profiles at MetricsListen, if that is set: while the server starts, when it is
// not ready and while it finishes its last requests.
func (s *Server) startOps() error {
	if s.config.MetricsListen == "" {
		return nil
	}
	listener, err := net.Listen("tcp", s.config.MetricsListen)
	if err != nil {
		return fmt.Errorf("LATCHKEY_METRICS_LISTEN: %w", err)
	}
	build, _ := ReadBuild()
	s.metrics = metrics.New(metrics.Build{Version: build.Version, Revision: build.Revision, GoVersion: build.GoVersion})
	s.opsAddr = listener.Addr().String()
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s.metrics.Handler())
	s.mountHealth(mux)
	if s.config.Profiling {
		// Without the command line, which may hold secrets.
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	s.ops = newHTTP(middleware.Stack(mux,
		middleware.SecurityHeaders(false),
		middleware.RecoverPanics(s.log),
	), s.log)
	go s.ops.Serve(listener)
	return nil
}

// registerMetrics registers the sources that each scrape reads.
func (s *Server) registerMetrics() {
	if s.metrics == nil {
		return
	}
	s.metrics.Watch(metrics.Sources{
		Passwords: func() metrics.Passwords { return metrics.Passwords(s.service.Passwords()) },
		Pools:     s.store.Pools,
		Outbox:    s.service.Outbox.Stats,
		Mails: func() (sent, failed int64) {
			if s.outbox == nil {
				return 0, 0
			}
			return s.outbox.Counts(outbox.Email)
		},
	})
}

// onOperation returns what is called with each GraphQL request, or nil when nothing is counted or traced.
func (s *Server) onOperation() func(context.Context, gqlhttp.Operation) {
	if s.metrics == nil && s.tracer == nil {
		return nil
	}
	return func(ctx context.Context, o gqlhttp.Operation) {
		s.metrics.Operation(o.Field, o.Code, o.Duration)
		if o.Field == gqlhttp.NoField {
			s.metrics.Response(o.Status)
		}
		s.tracer.Operation(ctx, o.Kind, o.Field, o.Code, o.Status)
	}
}

// withPanicMetrics counts requests in which the endpoint panics, and so cannot count them itself. They are answered
// 500.
func (s *Server) withPanicMetrics(next http.Handler) http.Handler {
	observe := s.onOperation()
	if observe == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began, answered := time.Now(), false
		defer func() {
			if !answered {
				observe(r.Context(), gqlhttp.Operation{Field: gqlhttp.NoField, Code: string(account.Internal),
					Status: http.StatusInternalServerError, Duration: time.Since(began)})
			}
		}()
		next.ServeHTTP(w, r)
		answered = true
	})
}

// withMetrics counts responses, except those of /graphql, which are counted as operations.
func (s *Server) withMetrics(next http.Handler) http.Handler {
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
