package graph

//go:generate go run github.com/99designs/gqlgen generate --config ../gqlgen.yml

// Resolver answers the fields of the schema by calling one verb each.
type Resolver struct {
}
