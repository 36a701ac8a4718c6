package gqlhttp

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
)

func TestMessages(t *testing.T) {
	const signIn = "mutation($input:ObtainTokenInput!){obtainToken(input:$input){userErrors{code}}}"
	for _, c := range []struct{ query, variables, development, production string }{
		{"{mee{id}}", "{}", `This field does not exist here. Did you mean "me"?`, "This field does not exist here."},
		{"{me{usrname nam}}", "{}", `This field does not exist here. Did you mean "username" or "name"?`, "This field does not exist here."},
		{"{node(idd:1){id}}", "{}", `This argument does not exist here. Did you mean "id"?`, "This argument does not exist here."},
		{"{me}", "{}", "Select subfields of an object with { … }; other types have none.", ""},
		{"{...A} fragment A on Qery{me{id}}", "{}", `This type does not exist. Did you mean "Query"?`, "This type does not exist."},
		{`{profiles(orderBy:{field:USRNAME}){nodes{id}}}`, "{}",
			`This value does not match the expected type. Did you mean "USERNAME"?`,
			"This value does not match the expected type."},
		{`{node(id:1){username}}`, "{}", `This field does not exist here. Did you mean "Profile" or "User"?`, "This field does not exist here."},
		{`{me(a:"Did you mean \"me\" \"you\"")}`, "{}", "This argument does not exist here.", ""},
		{"{me{id}", "{}", "The document has a syntax error here.", ""},
		{"#", "{}", "The operation is unknown: the document has none with this name, or has several and no operationName was sent.", ""},
		{signIn, `{"input":{"identifier":"a"}}`,
			"A variable has no value, or a value that does not match its type: input.password.", "A variable has no value, or a value that does not match its type."},
		{signIn, `{"input":{"identifier":"a","password":"b","delivery":"mail"}}`,
			"A variable has no value, or a value that does not match its type: input.delivery.", "A variable has no value, or a value that does not match its type."},
		{signIn, `{"input":{"identifier":"a","password":"b","whatever":"mail"}}`,
			"A variable contains a field that its type does not have: input.", "A variable contains a field that its type does not have."},
	} {
		if c.production == "" {
			c.production = c.development
		}
		for i, want := range []string{c.development, c.production} {
			r := post(t, i == 0, c.query, c.variables)
			var response struct{ Errors []struct{ Message string } }
			if err := json.Unmarshal(r.Body.Bytes(), &response); err != nil || len(response.Errors) == 0 {
				t.Fatalf("%s: %v: %s", c.query, err, r.Body.String())
			}
			if got := response.Errors[0].Message; got != want {
				t.Errorf("%s: %s\nwant %s", c.query, got, want)
			}
		}
	}
}

// TestMisspellings demands one of a few messages, none of which depends on the schema, outside of development.
func TestMisspellings(t *testing.T) {
	const (
		signInBy = "mutation($i:ObtainTokenInput!){obtainToken(input:$i){userErrors{code}}}"
		pageOf   = "query($n:Int){profiles(first:$n){nodes{id}}}"
	)
	messages := slices.Collect(maps.Values(ruleMessages))
	messages = append(messages, "A variable has no value, or a value that does not match its type.",
		"A variable contains a field that its type does not have.")
	signIn := func(input string) string { return "mutation{obtainToken(input:" + input + "){userErrors{code}}}" }
	for _, c := range []struct{ query, variables string }{
		{"{mee{id}}", "{}"},
		{"{me{usrname}}", "{}"},
		{"{me{profile{locatoin}}}", "{}"},
		{"{profile(id:1)}", "{}"},
		{"{me}", "{}"},
		{"{me{id{a}}}", "{}"},
		{"{node(id:1){username}}", "{}"},
		{"{node(id:1){...on Usr{id}}}", "{}"},
		{"{node(idd:1){id}}", "{}"},
		{"{node{id}}", "{}"},
		{"{profiles(frist:1){nodes{id}}}", "{}"},
		{`{profiles(filter:{serach:"a"}){nodes{id}}}`, "{}"},
		{"{profiles(orderBy:{field:USRNAME}){nodes{id}}}", "{}"},
		{"{profiles(orderBy:{field:username}){nodes{id}}}", "{}"},
		{`{profiles(orderBy:{field:"USERNAME"}){nodes{id}}}`, "{}"},
		{"{profiles(orderBy:USERNAM){nodes{id}}}", "{}"},
		{"{me@skp(if:true){id}}", "{}"},
		{"{me@skip(iff:true){id}}", "{}"},
		{"{me@skip{id}}", "{}"},
		{"{me@auth{id}}", "{}"},
		{"{...A} fragment A on Qury{me{id}}", "{}"},
		{"{...on Muttion{me{id}}}", "{}"},
		{"query($a:Strin){profiles(after:$a){nodes{id}}}", "{}"},
		{"query($a:User){node(id:$a){id}}", "{}"},
		{"query($a:Int){node(id:$a){id}}", "{}"},
		{"mutation{obtainTokn{userErrors{code}}}", "{}"},
		{"mutation{obtainToken{userErrors{code}}}", "{}"},
		{"mutation{register(input:{}){userErrors{code}}}", "{}"},
		{"subscription{me{id}}", "{}"},
		{signIn(`{identifer:"a",password:"b"}`), "{}"},
		{signIn(`{identifier:"a"}`), "{}"},
		{signIn(`{identifier:"a",password:"b",delivery:COOKI}`), "{}"},
		{signIn(`"identifier"`), "{}"},
		{signInBy, `{}`},
		{signInBy, `{"i":{}}`},
		{signInBy, `{"i":{"identifer":"a","password":"b"}}`},
		{signInBy, `{"i":{"identifier":"a"}}`},
		{signInBy, `{"i":{"identifier":"a","password":null}}`},
		{signInBy, `{"i":{"identifier":"a","password":"b","delivery":"COOKI"}}`},
		{signInBy, `{"i":{"identifier":"a","password":"b","delivery":"cookie"}}`},
		{signInBy, `{"i":"identifier"}`},
		{pageOf, `{"n":"5"}`},
	} {
		for _, development := range []bool{true, false} {
			r := post(t, development, c.query, c.variables)
			var response struct{ Errors []struct{ Message string } }
			if err := json.Unmarshal(r.Body.Bytes(), &response); err != nil || len(response.Errors) == 0 {
				t.Fatalf("%s with %s: %v: %s", c.query, c.variables, err, r.Body.String())
			}
			for _, e := range response.Errors {
				if !development && !slices.Contains(messages, e.Message) {
					t.Errorf("%s with %s: %s", c.query, c.variables, e.Message)
				}
			}
		}
	}
}

// TestEachRuleHasAMessage fails for a new rule of the validator.
func TestEachRuleHasAMessage(t *testing.T) {
	for rule := range ruleset(true).GetInner() {
		if ruleMessages[rule] == "" {
			t.Errorf("%s has no message", rule)
		}
	}
}
