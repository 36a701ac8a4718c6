package graph

import (
	"maps"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"latchkey/graph/generated"
	"latchkey/internal/auth"
)

//go:generate go run github.com/99designs/gqlgen generate

// Resolver answers the fields of the schema by calling one verb each.
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

// schemaWithoutDefer returns the schema as it is written: without @defer, which gqlgen adds, for an answer here comes in one
// piece.
func schemaWithoutDefer() *ast.Schema {
	schema := *generated.NewExecutableSchema(generated.Config{}).Schema()
	schema.Directives = maps.Clone(schema.Directives)
	delete(schema.Directives, "defer")
	return &schema
}
