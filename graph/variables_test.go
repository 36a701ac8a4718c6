package graph

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
)

func TestVariables(t *testing.T) {
	const (
		signIn = "mutation($i:ObtainTokenInput!){obtainToken(input:$i){userErrors{code}}}"
		page   = "query($n:Int){profiles(first:$n){nodes{id}}}"
		node   = "query($i:ID!){node(id:$i){id}}"
		list   = "query($w:Boolean!){me{id@include(if:$w)}}"
		parts  = "mutation($p:String=\"x\",$d:TokenDelivery=BODY){obtainToken(input:{identifier:\"a\",password:$p,delivery:$d})" +
			"{userErrors{code}}}"
		inside = "query($w:Boolean=true){...A} fragment A on Query{me{id@include(if:$w)}}"
	)
	for _, c := range []struct{ query, variables, code string }{
		{signIn, `{"i":{"identifier":"a","password":"b"}}`, "OK"},
		{signIn, `{"i":{"identifier":"a","password":"b","delivery":"BODY","deviceName":null}}`, "OK"},
		{signIn, `{"i":{"identifier":"a","password":1234567890}}`, "BAD_USER_INPUT"},
		{signIn, `{"i":{"identifier":true,"password":"b"}}`, "BAD_USER_INPUT"},
		{signIn, `{"i":{"identifier":"a","password":null}}`, "BAD_USER_INPUT"},
		{signIn, `{"i":{"identifier":"a"}}`, "BAD_USER_INPUT"},
		{signIn, `{"i":{"identifier":"a","password":"b","delivery":"body"}}`, "BAD_USER_INPUT"},
		{signIn, `{"i":{"identifier":"a","password":"b","delivery":null}}`, "BAD_USER_INPUT"},
		{signIn, `{"i":{"identifier":"a","password":"b","passport":"c"}}`, "GRAPHQL_VALIDATION_FAILED"},
		{signIn, `{"i":[{"identifier":"a","password":"b"}]}`, "BAD_USER_INPUT"},
		{signIn, `{"i":null}`, "BAD_USER_INPUT"},
		{signIn, `{}`, "BAD_USER_INPUT"},
		{page, `{}`, "OK"},
		{page, `{"n":null,"unknown":1}`, "OK"},
		{page, `{"n":20}`, "OK"},
		{page, `{"n":-2147483648}`, "OK"},
		{page, `{"n":2147483648}`, "BAD_USER_INPUT"},
		{page, `{"n":1e400}`, "BAD_USER_INPUT"},
		{page, `{"n":1.5}`, "BAD_USER_INPUT"},
		{page, `{"n":"20"}`, "BAD_USER_INPUT"},
		{page, `{"n":true}`, "BAD_USER_INPUT"},
		{page, `{"n":[20]}`, "BAD_USER_INPUT"},
		{node, `{"i":"user_1"}`, "OK"},
		{node, `{"i":1}`, "OK"},
		{node, `{"i":1.5}`, "BAD_USER_INPUT"},
		{node, `{"i":{}}`, "BAD_USER_INPUT"},
		{list, `{"w":true}`, "OK"},
		{list, `{"w":"true"}`, "BAD_USER_INPUT"},
		{list, `{"w":1}`, "BAD_USER_INPUT"},
		{parts, `{}`, "OK"},
		{parts, `{"p":null}`, "BAD_USER_INPUT"},
		{parts, `{"d":null}`, "BAD_USER_INPUT"},
		{inside, `{}`, "OK"},
		{inside, `{"w":null}`, "BAD_USER_INPUT"},
	} {
		body, err := json.Marshal(map[string]any{"query": c.query, "variables": json.RawMessage(c.variables)})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range []Options{development, production} {
			if r := send(t, signedIn, o, http.MethodPost, "", string(body)); r.code(t) != c.code {
				t.Errorf("%s with %s: %s", c.query, c.variables, r.body)
			}
		}
	}
}

// No input of the schema holds a list or a Float; the rules for them are the specification's all the same.
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
		if err := checkInput(schema, ast.NamedType("In", nil), value, ast.Path{}); (err == nil) != fits {
			t.Errorf("%s: %v", text, err)
		}
	}
}
