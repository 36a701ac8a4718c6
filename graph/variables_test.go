package graph

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
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
		{signIn, `{"i":{"identifier":"a","password":"b","__typename":"c"}}`, "GRAPHQL_VALIDATION_FAILED"},
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

// TestLiterals holds values in the document and default values of variables to the same rules.
func TestLiterals(t *testing.T) {
	const invalid = "GRAPHQL_VALIDATION_FAILED"
	for kind, values := range map[string]map[string]string{
		"Int": {
			"20": "OK", "-1": "OK", "null": "OK", "2147483647": "OK", "-2147483648": "OK",
			"2147483648": invalid, "99999999999999999999": invalid, "1.0": invalid, "1e3": invalid, `"5"`: invalid,
			"true": invalid, "FIVE": invalid, "[1]": invalid, "{a:1}": invalid, "{}": invalid,
		},
		"ID": {
			`"user_1"`: "OK", `"""user_1"""`: "OK", "1": "OK",
			"1.5": invalid, "1e3": invalid, "true": invalid, "user": invalid, `["a"]`: invalid, "{id:1}": invalid, "{}": invalid,
		},
		"String": {
			`"a"`: "OK", `"""a"""`: "OK", "null": "OK",
			"1": invalid, "1.5": invalid, "true": invalid, "a": invalid, `["a"]`: invalid, `{a:"a"}`: invalid, "{}": invalid,
		},
		"Boolean": {
			"true": "OK", "false": "OK", "null": "OK",
			`"true"`: invalid, "1": invalid, "0": invalid, "TRUE": invalid, "[true]": invalid, "{}": invalid,
		},
		"OrderDirection": {
			"ASC": "OK", "asc": invalid, `"ASC"`: invalid, "1": invalid, "true": invalid, "UP": invalid, "[ASC]": invalid,
			"{}": invalid,
		},
		"ProfileFilter": {
			"{}": "OK", `{search:"a"}`: "OK", "null": "OK",
			`"a"`: invalid, "[{}]": invalid, "{search:1}": invalid, `{serch:"a"}`: invalid,
			`{isOrganizer:"true"}`: invalid, `{isOrganizer:1}`: invalid, `{search:"a",search:"b"}`: invalid,
			`{__typename:"ProfileFilter"}`: invalid,
		},
	} {
		field := map[string]string{
			"Int":            "profiles(first:V){nodes{id}}",
			"ID":             "node(id:V){id}",
			"String":         "profiles(after:V){nodes{id}}",
			"Boolean":        "profiles(filter:{isOrganizer:V}){nodes{id}}",
			"OrderDirection": "profiles(orderBy:{direction:V}){nodes{id}}",
			"ProfileFilter":  "profiles(filter:V){nodes{id}}",
		}[kind]
		for value, want := range values {
			for _, query := range []string{
				"{" + strings.Replace(field, "V", value, 1) + "}",
				"query($v:" + kind + "=" + value + "){" + strings.Replace(field, "V", "$v", 1) + "}",
			} {
				if r := post(t, signedIn, production, query); r.code(t) != want {
					t.Errorf("%s: %s", query, r.body)
				}
			}
		}
	}
}

// TestConditionsAreBooleans gives directives other values in every position.
func TestConditionsAreBooleans(t *testing.T) {
	for _, query := range []string{
		"{me @V{id}}", "{me{id @V}}", "{me{...@V{id}}}", "{me{...F@V}} fragment F on User{id}", "{profiles{nodes{id @V}}}",
	} {
		for _, directive := range []string{"skip", "include"} {
			for _, value := range []string{"{}", "{if:true}", "[true]", "null", "1", `"true"`, "TRUE"} {
				text := strings.Replace(query, "V", directive+"(if:"+value+")", 1)
				if r := post(t, signedIn, production, text); r.code(t) != "GRAPHQL_VALIDATION_FAILED" {
					t.Errorf("%s: %s", text, r.body)
				}
			}
		}
	}
}
