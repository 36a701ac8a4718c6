package gqlhttp

import (
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
)

// TestListsAndFloats tests what no input of the API has.
func TestListsAndFloats(t *testing.T) {
	schema := gqlparser.MustLoadSchema(&ast.Source{Input: "type Query { a: Int } input In { tags: [String!], rate: Float }"})
	for text, fits := range map[string]bool{
		`{"tags":null}`:            true,
		`{"tags":[]}`:              true,
		`{"tags":["a","b"]}`:       true,
		`{"tags":"a"}`:             true,
		`{"tags":[null]}`:          false,
		`{"tags":["a",1]}`:         false,
		`{"tags":1}`:               false,
		`{"rate":1.5}`:             true,
		`{"rate":1}`:               true,
		`{"rate":"1.5"}`:           false,
		`{"rate":[1]}`:             false,
		`{"tags":["a"],"rate":{}}`: false,
		`[]`:                       false,
	} {
		value, err := decode([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := checkValue(schema, ast.NamedType("In", nil), value, ast.Path{}); (err == nil) != fits {
			t.Errorf("%s: %v", text, err)
		}
	}
}
