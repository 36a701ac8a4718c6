// Package middleware holds the layers that every HTTP request passes through. [Stack] puts them around a handler in
// reading order: the first one sees a request first and its response last.
//
// It knows nothing of GraphQL, accounts or the database.
package middleware

import (
	"net/http"
	"slices"
)

// Stack returns next inside the layers, the first of which is outermost.
func Stack(next http.Handler, layers ...func(http.Handler) http.Handler) http.Handler {
	for _, layer := range slices.Backward(layers) {
		next = layer(next)
	}
	return next
}
