// Package graph is the GraphQL API: the resolvers of schema.graphqls, each of which calls one method of [auth.Service],
// the authentication of requests, and what errors look like. [NewHandler] serves it over HTTP by package gqlhttp. It
// knows neither the database nor how tokens and passwords are verified.
package graph

import (
	"maps"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"latchkey/graph/generated"
	"latchkey/internal/auth"
)

//go:generate go run github.com/99designs/gqlgen generate

// Resolver resolves the fields of the schema; each calls one method of the service.
type Resolver struct {
	Auth *auth.Service
}

// NewSchema returns the schema with its resolvers and directives.
func NewSchema(svc *auth.Service) graphql.ExecutableSchema {
	return generated.NewExecutableSchema(generated.Config{
		Schema:     schemaWithoutDefer(),
		Resolvers:  &Resolver{svc},
		Directives: directives(svc),
	})
}

// schemaWithoutDefer returns the schema as it is written: without @defer, which gqlgen adds, because a response is
// never sent in parts.
func schemaWithoutDefer() *ast.Schema {
	schema := *generated.NewExecutableSchema(generated.Config{}).Schema()
	schema.Directives = maps.Clone(schema.Directives)
	delete(schema.Directives, "defer")
	return &schema
}
