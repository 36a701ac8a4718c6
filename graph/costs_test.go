package graph

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"

	"latchkey/internal/account"
	"latchkey/internal/gqlhttp"
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

		{"ten descriptions", "mutation{" + signFor(10) + "}", ok, ok},
		{"eleven descriptions", "mutation{" + signFor(11) + "}", costly, costly},
		{"twelve by fragments", "mutation{" + strings.Replace(signFor(0), "username", "a:profile{...A} b:profile{...A}", 1) +
			"} fragment A on Profile{" + aliases(6, "description") + "}", costly, costly},
		{"texts of sessions", "mutation{" + signForSessions("userAgent deviceName") + "}", ok, ok},
		{"long texts of sessions", "mutation{" + signForSessions(aliases(8, "userAgent")) + "}", costly, costly},
		{"eleven read", "{" + "me{profile{" + aliases(11, "description") + "}}}", ok, ok},

		{"introspection", "{__schema{types{name}}}", ok, secluded},
		{"one type", `{me{id} __type(name:"User"){name}}`, ok, secluded},
		{"in a mutation", `mutation{__schema{types{name}}}`, invalid, secluded},
		{"in a mutation's fragment", `mutation{...A} fragment A on Query{__type(name:"User"){name}}`, invalid, secluded},
		{"by another name", `{serverInfo:__schema{types{name}}}`, ok, secluded},
		{"not valid either", `{__schema{you}}`, invalid, secluded},
		{"introspection not chosen", `{me{id}} query A{__schema{types{name}}}`, invalid, secluded},
		{"behind a fragment", "{...A} fragment A on Query{...{a:__schema{types{name}}}}", ok, secluded},
		{"skipped introspection", "{me{id} __schema@skip(if:true){types{name}}}", ok, secluded},
		{"typename", "{__typename me{__typename}}", ok, ok},
		{"deep introspection", `{__type(name:"User"){` + strings.Repeat("ofType{", 20) + "name" + strings.Repeat("}", 22), ok, secluded},

		{"much introspection", "{" + aliases(20, "__schema{types{fields{args{type{name}}}}}") + "}", costly, secluded},
		{"all of the schema", introspection, ok, secluded},

		{"tokens", "{me{" + strings.Repeat("...on User{id}", 400) + "}}", costly, costly},
		{"levels", "{" + strings.Repeat("...{", 997) + "me{id}" + strings.Repeat("}", 998), costly, costly},
		{"one name", "{me{" + strings.Repeat("id ", 201) + "}}", costly, costly},
		{"long name", "{" + strings.Repeat("x", 129) + "}", costly, costly},
		{"longest name", "{" + strings.Repeat("x", 128) + "}", invalid, invalid},

		{"20 aliases", "{" + aliases(20, "me{id}") + "}", ok, ok},
		{"19 aliases and the name", "{me{id} " + aliases(19, "me{id}") + "}", ok, ok},
		{"20 aliases and the name", "{me{id} " + aliases(20, "me{id}") + "}", costly, costly},
		{"21 aliases", "{" + aliases(21, "me{id}") + "}", costly, costly},
		{"one alias often", "{" + strings.Repeat("a:me{id} ", 21) + "}", ok, ok},
		{"aliases by fragments", "{me{...A ...B}} fragment A on User{" + aliases(11, "id") + "} fragment B on User{" +
			"b0:id b1:id b2:id b3:id b4:id b5:id b6:id b7:id b8:id b9:id}", costly, costly},
		{"aliases of two types", "{node(id:1){...on User{" + aliases(15, "id") + "} ...on Profile{b:id " + aliases(15, "id") + "}}}", ok, ok},
		{"aliases of the type's name", "{" + aliases(21, "__typename") + "}", costly, costly},
		{"aliases of the schema", "{__schema{" + aliases(21, "queryType{name}") + "}}", costly, secluded},
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

// signFor signs in and selects n descriptions.
func signFor(n int) string {
	return `obtainToken(input:{identifier:"a",password:"b"}){user{username profile{id ` + aliases(n, "description") + `}}}`
}

// signForSessions signs in, and selects something of all the user's sessions.
func signForSessions(selection string) string {
	return `obtainToken(input:{identifier:"a",password:"b"}){user{sessions{` + selection + `}}}`
}

// aliases selects a field under n names.
func aliases(n int, field string) string { return each(n, "aN:"+field+" ") }

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

// TestTokens sends documents with the maximum number of tokens, and with one more.
func TestTokens(t *testing.T) {
	for _, document := range []func(n int) string{
		func(n int) string { return "{node(id:[" + strings.Repeat("1 ", n-12) + "]){id}}" },
		func(n int) string { return strings.Repeat("#\n", n-6) + "{me{id}}" },
		func(n int) string { return "{me{id}}" + strings.Repeat("#\n", n-6) },
		func(n int) string {
			return "{me{" + strings.Repeat("...on User{id}", (n-5)/6) + strings.Repeat("#\n", (n-5)%6) + "}}"
		},
	} {
		if r := post(t, signedIn, production, document(gqlhttp.MaxTokens)); strings.Contains(r.body, "tokens") {
			t.Errorf("%.60s: %s", document(gqlhttp.MaxTokens), r.body)
		}
		if r := post(t, signedIn, production, document(gqlhttp.MaxTokens+1)); !strings.Contains(r.body, "at most 1000 tokens") {
			t.Errorf("%.60s: %s", document(gqlhttp.MaxTokens+1), r.body)
		}
	}
}

// TestCredentialsInOperationsApart counts the credentials of the operation that runs.
func TestCredentialsInOperationsApart(t *testing.T) {
	const sign = `obtainToken(input:{identifier:"a",password:"b"}){userErrors{message}}`
	for query, want := range map[string]string{
		"mutation A{" + sign + "} mutation B{" + sign + "}":                      "OK",
		"query A{me{id}} mutation B{a:" + sign + " b:" + sign + "}":              "OK",
		"mutation A{a:" + sign + " b:" + sign + "} query B{me{id}}":              "REQUEST_TOO_COSTLY",
		"mutation A{...F} mutation B{...F} fragment F on Mutation{" + sign + "}": "OK",
	} {
		body, err := json.Marshal(map[string]string{"query": query, "operationName": "A"})
		if err != nil {
			t.Fatal(err)
		}
		if r := send(t, signedIn, production, http.MethodPost, "", string(body)); r.code(t) != want {
			t.Errorf("%s: %s", query, r.body)
		}
	}
}

// TestDocumentCost holds what applications ask for to three quarters of the limit.
func TestDocumentCost(t *testing.T) {
	const inside = "id username description location isOrganizer dateJoined updatedOn viewerCanUpdate "
	for name, document := range map[string]string{
		"introspection": introspection,
		"a page":        "{profiles(first:100){totalCount edges{cursor node{" + inside + "}} nodes{" + inside + "} pageInfo{hasNextPage}}}",
		"fragments":     "{me{profile{" + each(20, "...FN ") + "}}}" + each(20, "fragment FN on Profile{"+inside+"}"),
		"a chain":       chain(20, "me{profile{"+inside+"}}"),
		"operations":    each(20, "query QN{me{...F}}") + "fragment F on User{id name profile{" + inside + "}}",
		"a description": `mutation{createProfile(input:{description:"` + strings.Repeat("é", account.MaxDescription) + `"}){profile{id}}}`,
	} {
		parsed, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: document}, gqlhttp.MaxTokens)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if cost := gqlhttp.DocumentCost(parsed); cost > gqlhttp.MaxDocumentCost*3/4 {
			t.Errorf("%s: %d of %d steps", name, cost, gqlhttp.MaxDocumentCost)
		}
	}
}

// TestCost allows all fields of a whole page at once, but not of many pages.
func TestCost(t *testing.T) {
	const profile = "{id username description location isOrganizer dateJoined updatedOn viewerCanUpdate}"
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

// TestEachListHasASize fails for a list of objects without a size. A list of user errors is as short as an input.
func TestEachListHasASize(t *testing.T) {
	schema := schemaWithoutDefer()
	for name, definition := range schema.Types {
		if definition.Kind != ast.Object || strings.HasPrefix(name, "__") {
			continue
		}
		for _, field := range definition.Fields {
			elem := field.Type.Elem
			if elem == nil || schema.Types[elem.Name()].IsLeafType() || elem.Name() == "UserError" {
				continue
			}
			if cost := costs[name+"."+field.Name]; cost.Size == 0 && !cost.Entries {
				t.Errorf("%s.%s is a list without a size", name, field.Name)
			}
		}
	}
}

// TestCostsNameFields fails for a cost whose field is not, or no longer, in the schema.
func TestCostsNameFields(t *testing.T) {
	schema := schemaWithoutDefer()
	for name := range costs {
		typeName, fieldName, _ := strings.Cut(name, ".")
		if definition := schema.Types[typeName]; definition == nil || definition.Fields.ForName(fieldName) == nil {
			t.Errorf("%s is not a field of the schema", name)
		}
	}
}
