package gqlhttp

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"latchkey/graph/generated"
	"latchkey/internal/account"
)

// stub is a schema whose operations all have one response.
type stub struct {
	graphql.ExecutableSchema
	run func(context.Context) *graphql.Response
}

func (s stub) Exec(context.Context) graphql.ResponseHandler { return s.run }

// newStub returns the API's schema, which stands for any.
func newStub(run func(context.Context) *graphql.Response) stub {
	return stub{generated.NewExecutableSchema(generated.Config{}), run}
}

// testOptions describe clients without names and without cookies.
func testOptions(development bool) Options {
	return Options{
		Development: development,
		Log:         slog.New(slog.DiscardHandler),
		Present: func(_ context.Context, err error) *gqlerror.Error {
			result := &gqlerror.Error{Message: err.Error(), Extensions: map[string]any{"code": account.Internal}}
			if e, ok := errors.AsType[*account.Error](err); ok {
				result.Message, result.Extensions["code"] = e.Message, e.Code
			}
			return result
		},
		Recover:       func(context.Context, any) error { return errors.New("panic") },
		CheckPost:     func(*http.Request) error { return nil },
		UserID:        func(context.Context) string { return "" },
		ClientIP:      func(context.Context) string { return "" },
		UserErrorCode: func(context.Context) account.Code { return "" },
	}
}

// post sends a document and variables to a handler that runs nothing.
func post(t *testing.T, development bool, query, variables string) *httptest.ResponseRecorder {
	t.Helper()
	handler := New(newStub(nil), testOptions(development))
	body, err := json.Marshal(map[string]any{"query": query, "variables": json.RawMessage(variables)})
	if err != nil {
		t.Fatal(err)
	}
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", strings.NewReader(string(body)))
	r.Header.Set("Content-Type", "application/json")
	handler.ServeHTTP(w, r)
	return w
}

// TestHandler observes requests and their results.
func TestHandler(t *testing.T) {
	ok := func(context.Context) *graphql.Response { return &graphql.Response{Data: []byte("{}")} }
	for _, c := range []struct {
		name   string
		query  string
		run    func(context.Context) *graphql.Response
		change func(*Options)
		want   Operation
	}{
		{"one field", "{me{id}}", ok, nil, Operation{Kind: "query", Field: "me", Code: "OK", Status: 200}},
		{"two fields", "{me{id} serverInfo{registration}}", ok, nil,
			Operation{Kind: "query", Field: SeveralFields, Code: "OK", Status: 200}},
		{"one field under two aliases", "{me{id} a:me{id}}", ok, nil,
			Operation{Kind: "query", Field: SeveralFields, Code: "OK", Status: 200}},
		{"one field twice", "{me{id} ...{me{id}} ...F} fragment F on Query{me{id}}", ok, nil,
			Operation{Kind: "query", Field: "me", Code: "OK", Status: 200}},
		{"mutation", `mutation{verifyToken(input:{token:"a"}){valid}}`, ok, nil,
			Operation{Kind: "mutation", Field: "verifyToken", Code: "OK", Status: 200}},
		{"user error", "{me{id}}", ok, func(o *Options) {
			o.UserErrorCode = func(context.Context) account.Code { return account.Taken }
		}, Operation{Kind: "query", Field: "me", Code: "TAKEN", Status: 200}},
		{"invalid", "{you}", ok, nil, Operation{Field: NoField, Code: "GRAPHQL_VALIDATION_FAILED", Status: 200}},
		{"forbidden", "{me{id}}", ok, func(o *Options) {
			o.CheckPost = func(*http.Request) error { return &account.Error{Code: account.Forbidden} }
		}, Operation{Field: NoField, Code: "FORBIDDEN", Status: 403}},
		{"panic", "{me{id}}", func(context.Context) *graphql.Response { panic("x") }, nil,
			Operation{Kind: "query", Field: "me", Code: "INTERNAL_SERVER_ERROR", Status: 500}},
		{"long response", "{me{id}}", func(context.Context) *graphql.Response {
			return &graphql.Response{Data: make([]byte, maxResponse+1)}
		}, nil, Operation{Kind: "query", Field: "me", Code: "REQUEST_TOO_COSTLY", Status: 200}},
		{"many errors", "{me{id}}", func(context.Context) *graphql.Response {
			errs := make(gqlerror.List, MaxErrors+1)
			for i := range errs {
				errs[i] = &gqlerror.Error{Extensions: map[string]any{"code": account.NotFound}}
			}
			errs[MaxErrors].Extensions["code"] = account.Internal
			return &graphql.Response{Data: []byte("{}"), Errors: errs}
		}, nil, Operation{Kind: "query", Field: "me", Code: "INTERNAL_SERVER_ERROR", Status: 200}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got Operation
			options := testOptions(false)
			options.Observe = func(_ context.Context, o Operation) { got = o }
			if c.change != nil {
				c.change(&options)
			}
			body, err := json.Marshal(map[string]string{"query": c.query})
			if err != nil {
				t.Fatal(err)
			}
			w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", strings.NewReader(string(body)))
			r.Header.Set("Content-Type", "application/json")
			New(newStub(c.run), options).ServeHTTP(w, r)
			if got.Duration <= 0 {
				t.Error("no duration")
			}
			if got.Duration = 0; got != c.want || w.Code != c.want.Status {
				t.Errorf("%+v, want %+v: %d %s", got, c.want, w.Code, w.Body)
			}
		})
	}
}

func TestDocuments(t *testing.T) {
	for text, cached := range map[string]bool{
		"{me{id}}":                             true,
		`{node(id:"user_1"){id}}`:              false,
		"{me{id}}" + strings.Repeat(" ", 2041): false,
	} {
		cache := documents{lru.New[*ast.QueryDocument](1)}
		cache.Add(t.Context(), text, &ast.QueryDocument{})
		if _, got := cache.Get(t.Context(), text); got != cached {
			t.Errorf("%.40s: %t", text, got)
		}
	}
}
