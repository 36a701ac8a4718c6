package e2e

import (
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
)

// schema is the text of schema.graphqls, which Main reads.
var schema string

// Schema returns the text of the schema.
func Schema() string { return schema }

// LoadSchema returns the parsed schema.
func LoadSchema(t *testing.T) *ast.Schema {
	t.Helper()
	s, err := gqlparser.LoadSchema(&ast.Source{Name: "schema.graphqls", Input: schema})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// RootFields returns the fields of Query and Mutation, without those of introspection.
func RootFields(s *ast.Schema) (fields ast.FieldList) {
	for _, f := range slices.Concat(s.Query.Fields, s.Mutation.Fields) {
		if !strings.HasPrefix(f.Name, "__") {
			fields = append(fields, f)
		}
	}
	return fields
}
