package server

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"latchkey/graph"
	"latchkey/graph/explorer"
	"latchkey/internal/config"
	"latchkey/internal/keyring"
	"latchkey/internal/middleware"
)

// routes returns the handler for users: the endpoints, inside the middleware that every request passes through, the
// outermost layer first.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	s.mountGraphQL(mux)
	s.mountKeys(mux)
	s.mountHealth(mux)
	if s.config.Mode == config.Development {
		mountExplorer(mux)
		s.mountSchema(mux)
	}
	return middleware.Stack(mux,
		middleware.RequestID,
		middleware.ClientIP(s.config.TrustedProxies),
		middleware.SecurityHeaders(strings.HasPrefix(s.config.PublicURL, "https:")),
		s.withMetrics,
		middleware.RecoverPanics(middleware.LogAttrs(s.log, middleware.RequestAttrs)),
		middleware.RejectUncleanPaths,
	)
}

// mountGraphQL adds the API.
func (s *Server) mountGraphQL(mux *http.ServeMux) {
	endpoint := graph.NewHandler(graph.NewSchema(s.service), graph.Options{
		Development:    s.config.Mode == config.Development,
		AllowedOrigins: s.config.AllowedOrigins,
		Log:            s.log,
		Observe:        s.onOperation(),
	})
	endpoint = graph.WithCaller(s.service, s.config.PublicURL, endpoint)
	mux.Handle("/graphql", s.withPanicMetrics(s.tracer.Handler(endpoint)))
}

// mountKeys adds the public keys by which other services verify access tokens (RFC 7517).
func (s *Server) mountKeys(mux *http.ServeMux) {
	cached := fmt.Sprintf("public, max-age=%.0f", keyring.JWKSMaxAge.Seconds())
	mux.HandleFunc("GET /.well-known/jwks.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/jwk-set+json")
		w.Header().Set("Cache-Control", cached)
		w.Write(s.service.Keys.JWKS())
	})
}

// mountHealth adds /healthz, which answers while the process runs, and /readyz, which fails while the server starts or
// stops, and when the database does not answer within two seconds.
func (s *Server) mountHealth(mux *http.ServeMux) {
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

// mountExplorer adds the page on which developers try the API out.
func mountExplorer(mux *http.ServeMux) {
	page := explorer.Handler()
	mux.Handle("GET /{$}", page)
	mux.Handle("GET /explorer/", page)
}

// mountSchema adds the schema, for the explorer and code generators.
func (s *Server) mountSchema(mux *http.ServeMux) {
	mux.HandleFunc("GET /schema.graphqls", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, s.options.Schema)
	})
}
