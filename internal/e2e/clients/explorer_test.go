package clients

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"latchkey/internal/e2e"
	"latchkey/internal/store/storetest"
)

type example struct{ Group, Title, Note, Query, Variables string }

// loadExamples are what the explorer offers to begin with.
func loadExamples(s *e2e.Env) (list []example) {
	s.T.Helper()
	response, err := http.Get(s.URL + "/explorer/operations.json")
	if err != nil {
		s.T.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&list); err != nil {
		s.T.Fatal(err)
	}
	return list
}

// TestExplorerExamplesComplete checks that the explorer's examples are valid and use each root field.
func TestExplorerExamplesComplete(t *testing.T) {
	s := e2e.LoadSchema(t)
	asked, titles := map[string]bool{}, map[string]bool{}
	for _, example := range loadExamples(e2e.Start(t, storetest.SQLite(t))) {
		if titles[example.Title] || example.Title == "" || example.Group == "" || example.Note == "" {
			t.Errorf("not well described: %q", example)
		}
		titles[example.Title] = true
		document, errs := gqlparser.LoadQueryWithRules(s, example.Query, rules.NewDefaultRules())
		if errs != nil {
			t.Errorf("%s: %v", example.Title, errs)
			continue
		}
		if len(document.Operations) != 1 || document.Operations[0].Name == "" {
			t.Errorf("%s is not one operation with a name", example.Title)
		}
		for _, field := range document.Operations[0].SelectionSet {
			asked[field.(*ast.Field).Name] = true
		}
	}
	for _, field := range e2e.RootFields(s) {
		if !asked[field.Name] {
			t.Errorf("no example asks for %s", field.Name)
		}
	}
}

// TestExplorerExamplesRun checks that each example of the explorer succeeds for a signed-in user, except those that
// need a token from an email or a response.
func TestExplorerExamplesRun(t *testing.T) {
	want := map[string]string{
		"Refresh": "TOKEN_INVALID", "Refresh with a cookie": "TOKEN_INVALID", "Activate an account": "TOKEN_INVALID",
		"Set a new password": "TOKEN_INVALID", "Confirm the new email address": "TOKEN_INVALID",
		"Cancel the email change": "TOKEN_INVALID",
	}
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		caller := s.Register("peach")
		for i, example := range loadExamples(s) {
			if !caller.SignedIn() {
				caller = s.Register(fmt.Sprint("peach", i))
			}
			const zeros = "_00000000-0000-7000-8000-000000000000"
			text := strings.NewReplacer("user"+zeros, caller.UserID, "profile"+zeros, caller.ProfileID,
				"session"+zeros, caller.SessionID()).Replace(example.Variables)
			var variables e2e.Vars
			if text != "" {
				if err := json.Unmarshal([]byte(text), &variables); err != nil {
					t.Errorf("%s: %v", example.Title, err)
				}
			}
			a := caller.Ask(example.Query, variables)
			if len(a.Errors) > 0 {
				t.Errorf("%s: %s", example.Title, a.Body)
				continue
			}
			for field, value := range a.Data.(map[string]any) {
				code, _ := a.Get(field + ".userErrors.0.code").(string)
				if value == nil || code != want[example.Title] {
					t.Errorf("%s: want %q, have %s", example.Title, want[example.Title], a.Body)
				}
			}
		}
	})
}

// TestExplorerOnlyInDevelopment checks that the explorer's page and files exist in development and not in production.
func TestExplorerOnlyInDevelopment(t *testing.T) {
	types := map[string]string{
		"/":                         "text/html; charset=utf-8",
		"/explorer/style.css":       "text/css; charset=utf-8",
		"/explorer/session.js":      "text/javascript; charset=utf-8",
		"/explorer/client.js":       "text/javascript; charset=utf-8",
		"/explorer/explorer.js":     "text/javascript; charset=utf-8",
		"/explorer/key.svg":         "image/svg+xml",
		"/explorer/operations.json": "application/json",
	}
	for mode, settings := range e2e.Modes() {
		s := e2e.Start(t, storetest.SQLite(t), settings...)
		for _, path := range append(slices.Collect(maps.Keys(types)), "/explorer/", "/explorer/page.html") {
			response := s.SendRaw("GET", path, "")
			h := response.Header
			switch {
			case mode == "development" && types[path] != "":
				if response.StatusCode != http.StatusOK || h.Get("Content-Type") != types[path] {
					t.Errorf("%s: %s, %s", path, response.Status, h.Get("Content-Type"))
				}
			case response.StatusCode != http.StatusNotFound:
				t.Errorf("%s: %s in %s", path, response.Status, mode)
			}
			if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cross-Origin-Resource-Policy") != "same-origin" ||
				!strings.HasPrefix(h.Get("Content-Security-Policy"), "default-src 'none'; ") {
				t.Errorf("%s lacks a header in %s: %v", path, mode, h)
			}
		}
	}
}
