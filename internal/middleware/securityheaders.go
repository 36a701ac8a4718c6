package middleware

import (
	"maps"
	"net/http"
)

// SecurityHeaders returns a layer that sets the headers of every response (OWASP REST Security Cheat Sheet, "Security
// Headers"). A page replaces the Content-Security-Policy by its own. With https it also sets Strict-Transport-Security
// for a year.
func SecurityHeaders(https bool) func(http.Handler) http.Handler {
	headers := http.Header{
		"Cache-Control":                {"no-store"},
		"Content-Security-Policy":      {"default-src 'none'; frame-ancestors 'none'"},
		"X-Content-Type-Options":       {"nosniff"},
		"Referrer-Policy":              {"no-referrer"},
		"Cross-Origin-Resource-Policy": {"same-origin"},
	}
	if https {
		headers.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			maps.Copy(w.Header(), headers)
			next.ServeHTTP(w, r)
		})
	}
}
