package middleware

import (
	"net/http"
	"path"
)

// RejectUncleanPaths answers 404 where a ServeMux would redirect the client to a path derived from its own.
func RejectUncleanPaths(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path.Clean("/"+r.URL.Path) != r.URL.Path {
			http.NotFound(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}
