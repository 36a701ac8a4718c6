package graph

import (
	"github.com/99designs/gqlgen/graphql"

	"latchkey/graph/generated"
	"latchkey/internal/auth"
)

//go:generate go run github.com/99designs/gqlgen generate

// Resolver answers the fields of the schema by calling one verb each.
type Resolver struct {
	Auth *auth.Service
}

// NewSchema returns the schema with its resolvers and directives.
func NewSchema(verbs *auth.Service) graphql.ExecutableSchema {
	return generated.NewExecutableSchema(generated.Config{
		Resolvers:  &Resolver{verbs},
		Directives: directives(verbs),
	})
}
