package gqlhttp

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"latchkey/internal/account"
)

// TestReadAll declares a long body that does not arrive: it must allocate little.
func TestReadAll(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/graphql", nil)
	r.ContentLength = MaxBody
	if body, err := readAll(httptest.NewRecorder(), r); err != nil || cap(body) > 2*usualBody {
		t.Errorf("%v, and %d bytes are allocated for a body that does not arrive", err, cap(body))
	}
	r.ContentLength = MaxBody + 1
	if _, err := readAll(httptest.NewRecorder(), r); err == nil {
		t.Error("a body that is declared too long is read")
	}
}

// FuzzBody holds parseBody to encoding/json: it rejects a body, or reads the same.
func FuzzBody(f *testing.F) {
	for _, seed := range []string{
		`{"query":"{me{id}}","operationName":"A","variables":{"a":[1,2.5e3,true,null,"\ud800"]},"extensions":{}}`,
		`{"query":"","query":""}`, `{"Query":""}`, `[]`, `{"query":1}`, "{\"query\":\"\xff\"}", `{"query":""} {}`, `{`, "",
		`{"query":"","x":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		params, err := parseBody(body)
		if err != nil {
			if e, ok := errors.AsType[*account.Error](err); !ok || e.Code != account.BadUserInput {
				t.Fatalf("%v is not BAD_USER_INPUT", err)
			}
			return
		}
		var members map[string]json.RawMessage
		var request struct {
			Query         *string        `json:"query"`
			OperationName *string        `json:"operationName"`
			Variables     map[string]any `json:"variables"`
			Extensions    map[string]any `json:"extensions"`
		}
		d := json.NewDecoder(bytes.NewReader(body))
		d.UseNumber()
		err = errors.Join(json.Unmarshal(body, &members), d.Decode(&request))
		if err != nil || !utf8.Valid(body) {
			t.Fatalf("accepted, but encoding/json says %v", err)
		}
		name := ""
		if request.OperationName != nil {
			name = *request.OperationName
		}
		if request.Query == nil || *request.Query != params.Query || name != params.OperationName ||
			!reflect.DeepEqual(request.Variables, params.Variables) ||
			!reflect.DeepEqual(request.Extensions, params.Extensions) {
			t.Fatalf("read as %+v", params)
		}
	})
}

// FuzzURL holds parseURL to net/url: it rejects a query string, or reads the same.
func FuzzURL(f *testing.F) {
	for _, seed := range []string{
		"query={me{id}}&operationName=A&variables={\"a\":[1,null]}&extensions={}", "query=a&query=b", "query=%zz", "query=%ff",
		"variables={}", "Query=a", "query=a&variables=[]", "query=a&variables={\"a\":1,\"a\":2}", "query=a;b", "", "query=&x=1",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		params, err := parseURL(query)
		if err != nil {
			if e, ok := errors.AsType[*account.Error](err); !ok || e.Code != account.BadUserInput {
				t.Fatalf("%v is not BAD_USER_INPUT", err)
			}
			return
		}
		values, err := url.ParseQuery(query)
		if err != nil || values.Get("query") != params.Query || values.Get("operationName") != params.OperationName ||
			!values.Has("query") || !utf8.ValidString(params.Query) {
			t.Fatalf("%v, read as %+v", err, params)
		}
		var variables map[string]any
		if text := values.Get("variables"); text != "" {
			err = json.Unmarshal([]byte(text), &variables)
		}
		if err != nil || len(variables) != len(params.Variables) {
			t.Fatalf("%v, variables read as %v", err, params.Variables)
		}
	})
}
