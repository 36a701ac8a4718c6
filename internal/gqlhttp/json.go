package gqlhttp

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// Limits of the JSON in a request.
const (
	maxNesting = 32     // levels of objects and lists
	maxValues  = 10_000 // values at all levels
)

// decode reads one JSON text (RFC 8259) as maps, lists, strings, json.Numbers, booleans and nil. Unlike encoding/json
// it rejects an object with a name that occurs twice, which two parsers may understand in two ways, and invalid UTF-8.
// It fails with BAD_USER_INPUT.
func decode(text []byte) (any, error) {
	if !utf8.Valid(text) {
		return nil, badInput("The request is not valid UTF-8.")
	}
	if !json.Valid(text) {
		return nil, badInput("The request is not valid JSON.")
	}
	r := &reader{text, maxValues}
	return r.value(maxNesting)
}

// reader reads JSON that is known to be valid.
type reader struct {
	text []byte // the rest of the text
	left int    // number of values that may follow
}

func (r *reader) value(levels int) (any, error) {
	if r.left--; r.left < 0 {
		return nil, badInput("The request contains more than %d JSON values.", maxValues)
	}
	switch c := r.next(); {
	case c == '[' && levels > 0:
		return r.list(levels - 1)
	case c == '{' && levels > 0:
		return r.object(levels - 1)
	case c == '[' || c == '{':
		return nil, badInput("The JSON of the request is nested more than %d levels deep.", maxNesting)
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
			return nil, badInput("A JSON object in the request contains a name twice.")
		}
		if object[name], err = r.value(levels); err != nil {
			return nil, err
		}
	}
	return object, nil
}

// next returns the first character of the next token, after white space and colons.
func (r *reader) next() byte {
	r.text = bytes.TrimLeft(r.text, " \t\r\n:")
	return r.text[0]
}

// hasNext reads the bracket or comma before an entry, or the bracket at the end, and reports whether an entry follows.
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
	literal := string(r.text[:end])
	r.text = r.text[end:]
	return literal
}
