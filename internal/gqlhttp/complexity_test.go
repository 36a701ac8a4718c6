package gqlhttp

import (
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
)

// TestDepth also tests documents that nest deeper than the API's schema allows.
func TestDepth(t *testing.T) {
	schema := gqlparser.MustLoadSchema(&ast.Source{Input: "type Query { a: Query b: Int }"})
	for query, depth := range map[string]int{
		"{b}":                   1,
		"{a{a{b}}}":             3,
		"{a{b} a{a{a{b}}} b}":   4,
		"{...{...on Query{b}}}": 1,
		"{a{__typename}}":       2,
		"{a{...A} ...A} fragment A on Query{a{...B}} fragment B on Query{a{b}}": 4,
		`{__type(name:"A"){fields{type{ofType{name}}}}}`:                        1,
		"{" + strings.Repeat("a{", 11) + "b" + strings.Repeat("}", 12):          12,
		"{" + strings.Repeat("a{", 12) + "b" + strings.Repeat("}", 13):          13,
	} {
		document, err := gqlparser.LoadQueryWithRules(schema, query, nil)
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		operation := &graphql.OperationContext{Operation: document.Operations[0]}
		if got := newComplexity(nil, "", nil).selections(operation.Operation.SelectionSet).depth; got != depth {
			t.Errorf("%s: %d, want %d", query, got, depth)
		}
		if err := newLimits(Options{Development: true}, documents{lru.New[*ast.QueryDocument](1)}).MutateOperationContext(t.Context(), operation); (err != nil) != (depth > 12) {
			t.Errorf("%s: %v", query, err)
		}
	}
}

// TestCosts computes the costs of a small schema.
func TestCosts(t *testing.T) {
	schema := gqlparser.MustLoadSchema(&ast.Source{Input: `
		directive @secret on FIELD_DEFINITION
		type Query { people(first: Int, last: Int, where: Where): Page! me: Person check: Int @secret }
		input Where { text: String }
		type Page { entries: [Person!]! count: Int! }
		type Person { name: String! about: String! friends: [Person!]! }`})
	costs := Costs{
		"Query.people": {Weight: 10, Page: &Page{Arguments: []string{"first", "last"}, Default: 20, Max: 100},
			Search: &Search{Argument: "where", Field: "text", Weight: 200}},
		"Page.entries":   {Entries: true},
		"Page.count":     {Weight: 50, Scan: true},
		"Person.about":   {Weight: 8, Text: 1000},
		"Person.friends": {Weight: 3, Size: 5},
	}
	for _, c := range []struct {
		query string
		want  cost
	}{
		{"{me{name}}", cost{depth: 2, fixed: 2}},
		{"{me{name about}}", cost{depth: 2, fixed: 1 + 1 + 8, text: 1000}},
		{"{me{friends{name about}}}", cost{depth: 3, fixed: 1 + 3 + 5*9, text: 5 * 1000}},
		{"{people{entries{name}}}", cost{depth: 3, fixed: 10 + 1 + 20*1}},
		{"{people(first:3){entries{name}}}", cost{depth: 3, fixed: 10 + 1 + 3*1}},
		{"{people(last:4){entries{name about}}}", cost{depth: 3, fixed: 10 + 1 + 4*9, text: 1000}},
		{"{people(first:1000){entries{name}}}", cost{depth: 3, fixed: 10 + 1 + 100*1}},
		{"{people(first:-1){entries{name}}}", cost{depth: 3, fixed: 10 + 1}},
		{"query($n:Int){people(first:$n){entries{name}}}", cost{depth: 3, fixed: 10 + 1 + 7*1}},
		{"{people{count}}", cost{depth: 2, fixed: 10 + 50, scans: 1}},
		{`{people(where:{text:"a"}){count}}`, cost{depth: 2, fixed: 10 + 50 + 200, scans: 2}},
		{`{people(where:{}){count}}`, cost{depth: 2, fixed: 10 + 50, scans: 1}},
		{"{check}", cost{depth: 1, fixed: 1, credentials: 1}},
		{"{check c:check d:check}", cost{depth: 1, fixed: 3, credentials: maxCredentials + 1}},
		{"{__schema{types{name}}}", cost{depth: 1, introspectionFields: 1 + 100*2}},
	} {
		document, err := gqlparser.LoadQueryWithRules(schema, c.query, nil)
		if err != nil {
			t.Fatalf("%s: %v", c.query, err)
		}
		complexity := newComplexity(costs, "secret", map[string]any{"n": int64(7)})
		if got := complexity.selections(document.Operations[0].SelectionSet); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.query, got, c.want)
		}
		if pages := strings.Contains(c.query, "people"); complexity.varies != pages {
			t.Errorf("%s: varies with the variables: %t", c.query, complexity.varies)
		}
	}
}

// TestEachListOfIntrospectionHasASize fails for a list that a new edition of the specification adds.
func TestEachListOfIntrospectionHasASize(t *testing.T) {
	schema := gqlparser.MustLoadSchema(&ast.Source{Input: "type Query { a: Int }"})
	for name, definition := range schema.Types {
		if !strings.HasPrefix(name, "__") {
			continue
		}
		for _, field := range definition.Fields {
			if field.Type.Elem != nil && introspectionSizes[name+"."+field.Name] == 0 {
				t.Errorf("%s.%s is a list without a size", name, field.Name)
			}
		}
	}
}
