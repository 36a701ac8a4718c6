package graph

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"

	"latchkey/internal/account"
)

// What the JSON of a request may hold.
const (
	maxNesting = 32     // objects and lists inside each other
	maxValues  = 10_000 // values, those inside of others too
)

// parseBody reads the body of a POST request: one JSON object with the members query, operationName, variables and
// extensions (GraphQL over HTTP, "Request Parameters"). Other members are ignored. It fails with BAD_USER_INPUT.
func parseBody(body []byte) (*graphql.RawParams, error) {
	decoded, err := decode(body)
	if err != nil {
		return nil, err
	}
	members, ok := decoded.(map[string]any)
	if !ok {
		return nil, malformed("A request is one JSON object; lists of requests are not taken.")
	}
	return parseMembers(members)
}

// parseURL reads the query string of a GET request, whose variables and extensions are JSON. It fails with
// BAD_USER_INPUT.
func parseURL(query string) (*graphql.RawParams, error) {
	parameters, err := url.ParseQuery(query)
	if err != nil {
		return nil, malformed("The query string is not well formed.")
	}
	members := map[string]any{}
	for name, texts := range parameters {
		if len(texts) > 1 {
			return nil, malformed("A parameter is given twice.")
		}
		members[name] = texts[0]
	}
	for _, name := range []string{"variables", "extensions"} {
		text, given := members[name].(string)
		if !given {
			continue
		}
		if members[name], err = decode([]byte(text)); err != nil {
			return nil, err
		}
	}
	return parseMembers(members)
}

func parseMembers(members map[string]any) (*graphql.RawParams, error) {
	for name := range members {
		for _, known := range []string{"query", "operationName", "variables", "extensions"} {
			if name != known && strings.EqualFold(name, known) {
				return nil, malformed("Write query, operationName, variables and extensions with just these capital letters.")
			}
		}
	}
	query, err := requestField[string](members, "query", "a string")
	if err != nil {
		return nil, err
	}
	if members["query"] == nil {
		return nil, malformed("The request has no query.")
	}
	name, err := requestField[string](members, "operationName", "a string")
	if err != nil {
		return nil, err
	}
	variables, err := requestField[map[string]any](members, "variables", "an object")
	if err != nil {
		return nil, err
	}
	extensions, err := requestField[map[string]any](members, "extensions", "an object")
	if err != nil {
		return nil, err
	}
	if !utf8.ValidString(query) || !utf8.ValidString(name) {
		return nil, malformed("The request is not valid UTF-8.")
	}
	return &graphql.RawParams{Query: query, OperationName: name, Variables: variables, Extensions: extensions}, nil
}

// requestField returns a member as a T, or the zero T when it is left out or null.
func requestField[T any](members map[string]any, name, want string) (value T, err error) {
	if members[name] == nil {
		return value, nil
	}
	value, ok := members[name].(T)
	if !ok {
		return value, malformed("In a request, %s is %s.", name, want)
	}
	return value, nil
}

// decode reads one JSON text (RFC 8259) as maps, lists, strings, json.Numbers, booleans and nil. Unlike encoding/json
// it refuses a name that occurs twice in an object, which two readers may understand in two ways, and invalid UTF-8.
func decode(text []byte) (any, error) {
	if !utf8.Valid(text) {
		return nil, malformed("The request is not valid UTF-8.")
	}
	if !json.Valid(text) {
		return nil, malformed("The request is not valid JSON.")
	}
	r := &reader{text, maxValues}
	return r.value(maxNesting)
}

// reader reads JSON that is known to be valid.
type reader struct {
	text []byte // what is left
	left int    // values that may still come
}

func (r *reader) value(levels int) (any, error) {
	if r.left--; r.left < 0 {
		return nil, malformed("The request has more than %d JSON values.", maxValues)
	}
	switch c := r.next(); {
	case c == '[' && levels > 0:
		return r.list(levels - 1)
	case c == '{' && levels > 0:
		return r.object(levels - 1)
	case c == '[' || c == '{':
		return nil, malformed("The request nests JSON more than %d deep.", maxNesting)
	case c == '"':
		return r.string()
	case c == 't' || c == 'f':
		return r.literal() == "true", nil
	case c == 'n':
		r.literal()
		return nil, nil
	default:
		return json.Number(r.literal()), nil
	}
}

func (r *reader) list(levels int) ([]any, error) {
	list := []any{}
	for r.hasNext(']') {
		value, err := r.value(levels)
		if err != nil {
			return nil, err
		}
		list = append(list, value)
	}
	return list, nil
}

func (r *reader) object(levels int) (map[string]any, error) {
	object := map[string]any{}
	for r.hasNext('}') {
		r.next()
		name, err := r.string()
		if err != nil {
			return nil, err
		}
		if _, twice := object[name]; twice {
			return nil, malformed("A JSON object in the request has a name twice.")
		}
		if object[name], err = r.value(levels); err != nil {
			return nil, err
		}
	}
	return object, nil
}

// next returns the first character of what comes next, past white space and colons.
func (r *reader) next() byte {
	r.text = bytes.TrimLeft(r.text, " \t\r\n:")
	return r.text[0]
}

// hasNext passes the bracket or comma before an entry, or the bracket at the end, and tells which it was.
func (r *reader) hasNext(end byte) bool {
	if r.next() != end {
		r.text = r.text[1:]
	}
	if r.next() != end {
		return true
	}
	r.text = r.text[1:]
	return false
}

func (r *reader) string() (text string, err error) {
	end, plain := 1, true
	for ; r.text[end] != '"'; end++ {
		if r.text[end] == '\\' {
			end, plain = end+1, false
		}
	}
	quoted := r.text[:end+1]
	r.text = r.text[end+1:]
	if plain {
		return string(quoted[1:end]), nil
	}
	err = json.Unmarshal(quoted, &text)
	return text, err
}

// literal returns a number, true, false or null.
func (r *reader) literal() string {
	end := bytes.IndexAny(r.text, ",]} \t\r\n")
	if end < 0 {
		end = len(r.text)
	}
	word := string(r.text[:end])
	r.text = r.text[end:]
	return word
}

func malformed(format string, args ...any) error {
	return &account.Error{Code: account.BadUserInput, Message: fmt.Sprintf(format, args...)}
}
