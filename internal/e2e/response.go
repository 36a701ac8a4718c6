package e2e

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// Code returns OK, or the first mistake's or error's code.
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

// Response is what came back.
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

// Ok demands that nothing went wrong, in errors or userErrors.
func (a *Response) Ok() *Response {
	a.T.Helper()
	if len(a.Errors) > 0 {
		a.T.Fatalf("errors: %s", a.Body)
	}
	fields, _ := a.Data.(map[string]any)
	for name, field := range fields {
		if payload, isObject := field.(map[string]any); isObject {
			if mistakes, _ := payload["userErrors"].([]any); len(mistakes) > 0 {
				a.T.Fatalf("%s: %s", name, a.Body)
			}
		}
	}
	return a
}

// FailsWith demands that the first error has the code, and an UNAUTHENTICATED one the reason.
func (a *Response) FailsWith(code string, reason ...string) {
	a.T.Helper()
	if len(a.Errors) == 0 || a.Errors[0].Extensions.Code != code {
		a.T.Fatalf("want %s, have %s", code, a.Body)
	}
	if len(reason) > 0 && a.Errors[0].Extensions.Reason != reason[0] {
		a.T.Fatalf("want reason %s, have %s", reason[0], a.Body)
	}
}

// HasUserErrors demands that a field's userErrors are exactly these, each as CODE or CODE@path.inside.input, in any order,
// and that the field answered nothing else.
func (a *Response) HasUserErrors(field string, want ...string) {
	a.T.Helper()
	payload, _ := a.Get(field).(map[string]any)
	left := map[string]int{}
	for _, w := range want {
		left[w]++
	}
	mistakes, _ := payload["userErrors"].([]any)
	for _, m := range mistakes {
		mistake := m.(map[string]any)
		have := mistake["code"].(string)
		if path, ok := mistake["field"].([]any); ok {
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
			a.T.Fatalf("%s: want mistakes %v, have %s", w, want, a.Body)
		}
	}
	for name, value := range payload {
		if name != "userErrors" && value != nil {
			a.T.Fatalf("%s is not null beside mistakes: %s", name, a.Body)
		}
	}
}

// Get returns what stands at a path such as "profiles.nodes.0.id" in data; nil for null and for nothing.
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

// Text returns the string at a path, which must be one.
func (a *Response) Text(path string) string {
	a.T.Helper()
	text, ok := a.Get(path).(string)
	if !ok {
		a.T.Fatalf("no text at %s: %s", path, a.Body)
	}
	return text
}

// Equals demands a value at a path; numbers are float64.
func (a *Response) Equals(path string, want any) *Response {
	a.T.Helper()
	if have := a.Get(path); fmt.Sprint(have) != fmt.Sprint(want) {
		a.T.Fatalf("%s: want %v, have %v in %s", path, want, have, a.Body)
	}
	return a
}
