package e2e

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// Response is an HTTP response with the GraphQL result in its body.
type Response struct {
	T      testing.TB
	Status int         `json:"-"`
	Header http.Header `json:"-"`
	Body   []byte      `json:"-"`
	Data   any
	Errors []struct {
		Message    string
		Path       []any
		Extensions struct {
			Code       string
			Reason     string
			RetryAfter int
			RequestID  string
		}
	}
}

// Ok fails the test if the response has errors or user errors.
func (a *Response) Ok() *Response {
	a.T.Helper()
	if len(a.Errors) > 0 {
		a.T.Fatalf("errors: %s", a.Body)
	}
	fields, _ := a.Data.(map[string]any)
	for name, field := range fields {
		if payload, isObject := field.(map[string]any); isObject {
			if userErrors, _ := payload["userErrors"].([]any); len(userErrors) > 0 {
				a.T.Fatalf("%s: %s", name, a.Body)
			}
		}
	}
	return a
}

// FailsWith fails the test unless the first error has the code and, if given, the reason.
func (a *Response) FailsWith(code string, reason ...string) {
	a.T.Helper()
	if len(a.Errors) == 0 || a.Errors[0].Extensions.Code != code {
		a.T.Fatalf("want %s, have %s", code, a.Body)
	}
	if len(reason) > 0 && a.Errors[0].Extensions.Reason != reason[0] {
		a.T.Fatalf("want reason %s, have %s", reason[0], a.Body)
	}
}

// HasUserErrors fails the test unless the user errors of a field are exactly those given, each as CODE or
// CODE@path.inside.input, in any order, and the rest of its payload is null.
func (a *Response) HasUserErrors(field string, want ...string) {
	a.T.Helper()
	payload, _ := a.Get(field).(map[string]any)
	left := map[string]int{}
	for _, w := range want {
		left[w]++
	}
	userErrors, _ := payload["userErrors"].([]any)
	for _, m := range userErrors {
		userError := m.(map[string]any)
		have := userError["code"].(string)
		if path, ok := userError["field"].([]any); ok {
			parts := make([]string, len(path))
			for i, p := range path {
				parts[i] = p.(string)
			}
			have += "@" + strings.Join(parts, ".")
		}
		left[have]--
	}
	for w, n := range left {
		if n != 0 {
			a.T.Fatalf("%s: want user errors %v, have %s", w, want, a.Body)
		}
	}
	for name, value := range payload {
		if name != "userErrors" && value != nil {
			a.T.Fatalf("%s is not null beside user errors: %s", name, a.Body)
		}
	}
}

// Code returns the code of the first error or of the first user error of a field, or OK, and the seconds after which to
// retry.
func (a *Response) Code(field string) (code string, wait int) {
	a.T.Helper()
	if len(a.Errors) > 0 {
		return a.Errors[0].Extensions.Code, a.Errors[0].Extensions.RetryAfter
	}
	if code, ok := a.Get(field + ".userErrors.0.code").(string); ok {
		return code, 0
	}
	return "OK", 0
}

// Get returns the value at a path in data, such as "profiles.nodes.0.id", or nil if there is none.
func (a *Response) Get(path string) any {
	at := a.Data
	for _, step := range strings.Split(path, ".") {
		switch v := at.(type) {
		case map[string]any:
			at = v[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i >= len(v) {
				return nil
			}
			at = v[i]
		default:
			return nil
		}
	}
	return at
}

// Text returns the string at a path. It fails the test if there is none.
func (a *Response) Text(path string) string {
	a.T.Helper()
	text, ok := a.Get(path).(string)
	if !ok {
		a.T.Fatalf("no text at %s: %s", path, a.Body)
	}
	return text
}

// Equals fails the test unless the value at a path prints like want. It returns the response.
func (a *Response) Equals(path string, want any) *Response {
	a.T.Helper()
	if have := a.Get(path); fmt.Sprint(have) != fmt.Sprint(want) {
		a.T.Fatalf("%s: want %v, have %v in %s", path, want, have, a.Body)
	}
	return a
}
