package graph

import (
	"context"
	"log/slog"
	"net/http"
	"slices"

	"github.com/99designs/gqlgen/graphql"
	"github.com/rs/cors"

	"latchkey/internal/account"
	"latchkey/internal/gqlhttp"
	"latchkey/internal/middleware"
)

// Options are the settings of an endpoint.
type Options struct {
	Development    bool     // allows introspection, and names parts of the schema in messages
	AllowedOrigins []string // web origins whose scripts may call with credentials, such as https://app.example.com
	Log            *slog.Logger

	// Observe, if set, is called for each request before its response is written.
	Observe func(context.Context, gqlhttp.Operation)
}

// NewHandler returns the endpoint of a schema, for /graphql, inside [WithCaller], [middleware.ClientIP] and
// [middleware.RequestID].
func NewHandler(schema graphql.ExecutableSchema, o Options) http.Handler {
	log := middleware.LogAttrs(o.Log, middleware.RequestAttrs)
	presenter := presenter{log: log}
	endpoint := gqlhttp.New(schema, gqlhttp.Options{
		Development:   o.Development,
		Log:           log,
		Costs:         costs,
		Credential:    "credential",
		Extensions:    []graphql.HandlerExtension{fastMarshal{}},
		Present:       presenter.present,
		Recover:       presenter.recovered,
		CheckPost:     checkCookieOrigin(o.AllowedOrigins),
		UserID:        userID,
		ClientIP:      middleware.ClientIPFrom,
		UserErrorCode: firstUserError,
		Observe:       o.Observe,
	})
	return cors.New(cors.Options{
		// A function, because the package takes an empty list for every origin and an asterisk for a pattern. Every
		// sandboxed document calls itself null.
		AllowOriginFunc: func(origin string) bool {
			return origin != "null" && slices.Contains(o.AllowedOrigins, origin)
		},
		AllowedMethods:   []string{http.MethodGet, http.MethodPost},
		AllowedHeaders:   []string{"Authorization", "Content-Type", middleware.RequestIDHeader},
		ExposedHeaders:   []string{middleware.RequestIDHeader, "Retry-After"},
		AllowCredentials: true,
		MaxAge:           600, // seconds for which a browser caches the answer to a preflight request
	}).Handler(endpoint)
}

// checkCookieOrigin returns a function that returns FORBIDDEN for a request with a cookie from another origin than
// those allowed.
func checkCookieOrigin(allowed []string) func(*http.Request) error {
	protection := http.NewCrossOriginProtection()
	for _, origin := range allowed {
		protection.AddTrustedOrigin(origin) // an error means that it is no origin, and no request has it
	}
	return func(r *http.Request) error {
		if cookieFrom(r.Context()) == nil || protection.Check(r) == nil {
			return nil
		}
		const message = "Requests with a cookie are accepted from allowed origins only."
		return &account.Error{Code: account.Forbidden, Message: message}
	}
}
