package graph

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
)

func TestLimits(t *testing.T) {
	const (
		sign     = `obtainToken(input:{identifier:"a",password:"b"}){userErrors{message}}`
		ok       = "OK"
		costly   = "REQUEST_TOO_COSTLY"
		secluded = "INTROSPECTION_DISABLED"
		invalid  = "GRAPHQL_VALIDATION_FAILED"
	)
	for _, c := range []struct {
		name, query             string
		development, production string
	}{
		{"one", "mutation{" + sign + "}", ok, ok},
		{"two", "mutation{a:" + sign + " b:" + sign + "}", costly, costly},
		{"two kinds", `mutation{` + sign + ` refreshToken(input:{}){userErrors{message}}}`, costly, costly},
		{"skipped", "mutation{a:" + sign + " ...@skip(if:true){b:" + sign + "}}", costly, costly},
		{"not included", "mutation{a:" + sign + " ...on Mutation@include(if:false){b:" + sign + "}}", costly, costly},
		{"inline", "mutation{...{a:" + sign + "} ...on Mutation{...{b:" + sign + "}}}", costly, costly},
		{"merged", "mutation{" + sign + " " + sign + "}", costly, costly},
		{"spread", "mutation{...A b:" + sign + "} fragment A on Mutation{a:" + sign + "}", costly, costly},
		{"spread twice", "mutation{...A ...A} fragment A on Mutation{a:" + sign + "}", costly, costly},
		{"spread once", "mutation{...A} fragment A on Mutation{a:" + sign + "}", ok, ok},
		{"in operations apart", "mutation A{" + sign + "} mutation B{" + sign + "}", invalid, invalid},
		{"multiplied", "mutation{" + doubling("Mutation", 70, sign), costly, costly},

		{"introspection", "{__schema{types{name}}}", ok, secluded},
		{"one type", `{me{id} __type(name:"User"){name}}`, ok, secluded},
		{"in a mutation", `mutation{__schema{types{name}}}`, invalid, invalid},
		{"behind a fragment", "{...A} fragment A on Query{...{a:__schema{types{name}}}}", ok, secluded},
		{"skipped introspection", "{me{id} __schema@skip(if:true){types{name}}}", ok, secluded},
		{"typename", "{__typename me{__typename}}", ok, ok},
		{"deep introspection", `{__type(name:"User"){` + strings.Repeat("ofType{", 20) + "name" + strings.Repeat("}", 22), ok, secluded},

		{"tokens", "{me{" + strings.Repeat("...on User{id}", 400) + "}}", costly, costly},
		{"levels", "{" + strings.Repeat("...{", 997) + "me{id}" + strings.Repeat("}", 998), costly, costly},
		{"one name", "{me{" + strings.Repeat("id ", 201) + "}}", costly, costly},
		{"long name", "{" + strings.Repeat("x", 129) + "}", costly, costly},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := post(t, signedIn, development, c.query); got.code(t) != c.development {
				t.Errorf("development: %s", got.body)
			}
			if got := post(t, signedIn, production, c.query); got.code(t) != c.production {
				t.Errorf("production: %s", got.body)
			}
		})
	}
}

// doubling spreads each of n fragments twice: 2ⁿ fields in few words.
func doubling(on string, n int, field string) string {
	var b strings.Builder
	b.WriteString("...F0}")
	for i := range n {
		fmt.Fprintf(&b, " fragment F%d on %s{...F%d ...F%d}", i, on, i+1, i+1)
	}
	fmt.Fprintf(&b, " fragment F%d on %s{%s}", n, on, field)
	return b.String()
}

// The schema proper does not nest this deep, but the limit is there for the day when it does.
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
		if got := (meter{fragments: map[string]cost{}}).selections(operation.Operation.SelectionSet).depth; got != depth {
			t.Errorf("%s: %d, want %d", query, got, depth)
		}
		if err := (limits{development: true}).MutateOperationContext(t.Context(), operation); (err != nil) != (depth > 12) {
			t.Errorf("%s: %v", query, err)
		}
	}
}

// TestCost is about what a request may ask for at once: all fields of a whole page, but not of many.
func TestCost(t *testing.T) {
	const profile = "{id username description location isOrganizer dateJoined updatedOn viewerCanUpdate}"
	aliases := func(n int, field string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "a%d:%s ", i, field)
		}
		return b.String()
	}
	for query, allowed := range map[string]bool{
		"{me{id profile" + profile + " sessions{id deviceName userAgent ipAddress createdAt lastUsedAt expiresAt isCurrent}}}":                                    true,
		"{profiles(first:100){totalCount edges{cursor node" + profile + "} pageInfo{hasNextPage endCursor}}}":                                                     true,
		"query($n:Int){profiles(first:$n){nodes{id}}}":                                                                                                            true, // 20 without a value
		"{profiles(first:-1){nodes{id}}}":                                                                                                                         true, // refused, but not for its cost
		"{profiles(first:2147483647){nodes{id}}}":                                                                                                                 true,
		`{profiles(filter:{search:"x"}){totalCount nodes{id}}}`:                                                                                                   true,
		"{profiles(first:100){nodes" + profile + "} p2:profiles(first:100){nodes" + profile + "}}":                                                                false,
		"{profiles(first:100){nodes{" + aliases(100, "description") + "}}}":                                                                                       false,
		"{profiles{nodes{" + aliases(100, "description") + "}}}":                                                                                                  false,
		"{profiles{...F}} fragment F on ProfileConnection{nodes{...G ...G ...G ...G} edges{node{...G}}} fragment G on Profile{" + aliases(2, "description") + "}": true,
		"{profiles(last:100){...F}} fragment F on ProfileConnection{nodes{...G} edges{node{...G}}} fragment G on Profile{" + aliases(5, "description") + "}":      false,
		"{" + aliases(30, "me{profile{...F}}") + "} fragment F on Profile{" + aliases(100, "description") + "}":                                                   false,
		"{" + aliases(11, `profiles(filter:{search:"x"}){nodes{id}}`) + "}":                                                                                       false,
		"{" + aliases(10, "profiles{totalCount}") + "}":                                                                                                           false,
		"{me{" + aliases(20, "sessions{id userAgent}") + "}}":                                                                                                     false,
		"{" + doubling("Query", 40, "serverInfo{registration}"):                                                                                                   false,
	} {
		r := post(t, signedIn, development, query)
		if refused := strings.Contains(r.body, "REQUEST_TOO_COSTLY"); refused == allowed {
			t.Errorf("%.120s: %.200s", query, r.body)
		}
	}
}

// Documents made to keep the server busy are answered at once.
func TestHostileDocuments(t *testing.T) {
	var distinct, aliases strings.Builder
	for i := range 1900 {
		fmt.Fprintf(&distinct, "%s%d ", strings.Repeat("x", 120), i)
	}
	for i := range 180 {
		fmt.Fprintf(&aliases, "a%d:me{id} ", i)
	}
	for name, query := range map[string]string{
		"same field":       "{me{" + strings.Repeat("id ", 1900) + "}}",
		"same fields":      "{me{" + strings.Repeat("id name username email role status createdAt ", 190) + "}}",
		"conflicts":        "{me{" + strings.Repeat("a:id a:name a:username ", 60) + "}}",
		"doubled":          "{" + doubling("Query", 120, "me{id}"),
		"unknown names":    "{" + distinct.String() + "}",
		"unknown type":     "{...A} fragment A on " + strings.Repeat("x", 250_000) + "{id}",
		"aliases":          "{" + aliases.String() + "}",
		"inline fragments": strings.Repeat("{...", 600) + "{id}" + strings.Repeat("}", 600),
		"braces":           strings.Repeat("{", 100_000),
		"lists":            "{node(id:" + strings.Repeat("[", 100_000) + "){id}}",
		"comment":          "#" + strings.Repeat("x", 250_000) + "\n{me{id}}",
		"spaces":           strings.Repeat(" ", 250_000) + "{me{id}}",
		"cycle":            "{...A} fragment A on Query{...B} fragment B on Query{...A}",
	} {
		for _, o := range []Options{development, production} {
			start := time.Now()
			r := post(t, signedIn, o, query)
			if took := time.Since(start); took > time.Second {
				t.Errorf("%s: %v", name, took)
			}
			var answer struct{ Errors []any }
			if err := json.Unmarshal([]byte(r.body), &answer); err != nil || len(answer.Errors) > 10 {
				t.Errorf("%s: %d errors, %v", name, len(answer.Errors), err)
			}
		}
	}
}

func TestDocumentsKept(t *testing.T) {
	for text, kept := range map[string]bool{
		"{me{id}}":                             true,
		`{node(id:"user_1"){id}}`:              false,
		"{me{id}}" + strings.Repeat(" ", 2041): false,
	} {
		cache := documents{lru.New[*ast.QueryDocument](1)}
		cache.Add(t.Context(), text, &ast.QueryDocument{})
		if _, got := cache.Get(t.Context(), text); got != kept {
			t.Errorf("%.40s: %t", text, got)
		}
	}
}
