package graph

import (
	"encoding/json"
	"net/http"
	"testing"
)

func TestWording(t *testing.T) {
	const signIn = "mutation($input:ObtainTokenInput!){obtainToken(input:$input){userErrors{code}}}"
	for _, c := range []struct{ query, variables, development, production string }{
		{"{mee{id}}", "{}", `There is no such field here. Did you mean "me"?`, "There is no such field here."},
		{"{me{usrname nam}}", "{}", `There is no such field here. Did you mean "username" or "name"?`, "There is no such field here."},
		{"{node(idd:1){id}}", "{}", `There is no such argument here. Did you mean "id"?`, "There is no such argument here."},
		{"{me}", "{}", "Select fields of an object by { … }, and none of anything else.", ""},
		{"{...A} fragment A on Qery{me{id}}", "{}", `There is no such type. Did you mean "Query"?`, "There is no such type."},
		{`{profiles(orderBy:{field:USRNAME}){nodes{id}}}`, "{}",
			`This value does not fit the type that is wanted here. Did you mean "USERNAME"?`,
			"This value does not fit the type that is wanted here."},
		{`{node(id:1){username}}`, "{}", `There is no such field here. Did you mean "Profile" or "User"?`, "There is no such field here."},
		{`{me(a:"Did you mean \"me\" \"you\"")}`, "{}", "There is no such argument here.", ""},
		{"{me{id}", "{}", "The document is not GraphQL: here is something that the grammar does not allow.", ""},
		{"#", "{}", "Which operation? The document holds none of this name, or several and no name was given.", ""},
		{signIn, `{"input":{"identifier":"a"}}`,
			"A variable has no value, or one that does not fit its type: input.password.", ""},
		{signIn, `{"input":{"identifier":"a","password":"b","delivery":"mail"}}`,
			"A variable has no value, or one that does not fit its type: input.delivery.", ""},
		{signIn, `{"input":{"identifier":"a","password":"b","whatever":"mail"}}`,
			"A variable has a field that its type does not have: input.", ""},
	} {
		body, err := json.Marshal(map[string]any{"query": c.query, "variables": json.RawMessage(c.variables)})
		if err != nil {
			t.Fatal(err)
		}
		if c.production == "" {
			c.production = c.development
		}
		for i, want := range []string{c.development, c.production} {
			r := send(t, signedIn, []Options{development, production}[i], http.MethodPost, "", string(body))
			var answer struct{ Errors []struct{ Message string } }
			if err := json.Unmarshal([]byte(r.body), &answer); err != nil || len(answer.Errors) == 0 {
				t.Fatalf("%s: %v: %s", c.query, err, r.body)
			}
			if got := answer.Errors[0].Message; got != want {
				t.Errorf("%s: %s\nwant %s", c.query, got, want)
			}
		}
	}
}

// Each rule of the validator has a sentence.
func TestRulesHaveSentences(t *testing.T) {
	for rule := range ruleset(true).GetInner() {
		if violations[rule] == "" {
			t.Errorf("%s has none", rule)
		}
	}
}
