package gqlhttp

import (
	"bytes"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"latchkey/internal/account"
)

// MaxBody is the maximum size of a request's body in bytes.
const MaxBody = 256 << 10

// usualBody is the size in bytes that most bodies do not exceed.
const usualBody = 4 << 10

// request is the state of one HTTP request.
type request struct {
	media       string                   // of the response
	status      int                      // of a request that could not be read, otherwise 0
	allow       string                   // with status 405
	operation   *ast.OperationDefinition // nil if the request is not an operation
	internalErr bool                     // whether the operation had an internal error, also one that was cut off
	release     func()                   // releases the bytes of a long response; nil for a short one
	response    *graphql.Response
}

// read returns the parameters of a request. If it fails, it sets the status of the response: the error has the code
// BAD_USER_INPUT, or is that of Options.CheckPost.
func (h *handler) read(req *request, w http.ResponseWriter, r *http.Request) (*graphql.RawParams, error) {
	media, ok := h.negotiate(r.Context(), strings.Join(r.Header.Values("Accept"), ","))
	if !ok {
		req.status = http.StatusNotAcceptable
		return nil, badInput("Responses are available as %s or %s.", graphqlType, jsonType)
	}
	req.media = media
	req.status = http.StatusBadRequest
	var params *graphql.RawParams
	var err error
	switch r.Method {
	case http.MethodGet:
		params, err = parseURL(r.URL.RawQuery)
	case http.MethodPost:
		if err := h.CheckPost(r); err != nil {
			req.status = http.StatusForbidden
			return nil, err
		}
		params, err = req.readBody(w, r)
	default:
		req.status, req.allow = http.StatusMethodNotAllowed, allMethods
		err = badInput("Use GET or POST.")
	}
	if err == nil {
		req.status = 0
	}
	return params, err
}

func (req *request) readBody(w http.ResponseWriter, r *http.Request) (*graphql.RawParams, error) {
	for _, encoding := range r.Header.Values("Content-Encoding") {
		if !strings.EqualFold(encoding, "identity") {
			req.status = http.StatusUnsupportedMediaType
			return nil, badInput("Send the body without compression.")
		}
	}
	if !isJSON(r.Header.Values("Content-Type")) {
		req.status = http.StatusUnsupportedMediaType
		return nil, badInput("Send %s in UTF-8.", jsonType)
	}
	body, err := readAll(w, r)
	if _, tooLong := errors.AsType[*http.MaxBytesError](err); tooLong {
		req.status = http.StatusRequestEntityTooLarge
		return nil, badInput("A request can have at most %d KiB.", MaxBody>>10)
	}
	if err != nil {
		return nil, badInput("The request body is incomplete.")
	}
	return parseBody(body)
}

// readAll reads a body, or fails with a MaxBytesError: without reading if its declared length is too large. It
// allocates memory for a usual body first and for more only as it arrives, because declaring a length costs a client
// nothing.
func readAll(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.ContentLength > MaxBody {
		return nil, &http.MaxBytesError{Limit: MaxBody}
	}
	var b bytes.Buffer
	if r.ContentLength > 0 {
		b.Grow(int(min(r.ContentLength, usualBody)) + bytes.MinRead) // so that reading to the end allocates nothing else
	}
	_, err := b.ReadFrom(http.MaxBytesReader(w, r.Body, MaxBody))
	return b.Bytes(), err
}

// parseBody reads the body of a POST request: one JSON object with the fields query, operationName, variables and
// extensions (GraphQL over HTTP, "Request Parameters"). Other fields are ignored. It fails with BAD_USER_INPUT.
func parseBody(body []byte) (*graphql.RawParams, error) {
	decoded, err := decode(body)
	if err != nil {
		return nil, err
	}
	fields, ok := decoded.(map[string]any)
	if !ok {
		return nil, badInput("A request must be one JSON object. Batches are not supported.")
	}
	return parseFields(fields)
}

// parseURL reads the query string of a GET request, whose variables and extensions are JSON. It fails with
// BAD_USER_INPUT.
func parseURL(query string) (*graphql.RawParams, error) {
	parameters, err := url.ParseQuery(query)
	if err != nil {
		return nil, badInput("The query string is not well formed.")
	}
	fields := map[string]any{}
	for name, values := range parameters {
		if len(values) > 1 {
			return nil, badInput("A parameter appears twice.")
		}
		fields[name] = values[0]
	}
	for _, name := range []string{"variables", "extensions"} {
		text, ok := fields[name].(string)
		if !ok {
			continue
		}
		if fields[name], err = decode([]byte(text)); err != nil {
			return nil, err
		}
	}
	return parseFields(fields)
}

func parseFields(fields map[string]any) (*graphql.RawParams, error) {
	if err := checkCase(fields); err != nil {
		return nil, err
	}
	query, err := field[string](fields, "query", "a string")
	if err != nil {
		return nil, err
	}
	if fields["query"] == nil {
		return nil, badInput("The request has no query.")
	}
	name, err := field[string](fields, "operationName", "a string")
	if err != nil {
		return nil, err
	}
	variables, err := field[map[string]any](fields, "variables", "an object")
	if err != nil {
		return nil, err
	}
	extensions, err := field[map[string]any](fields, "extensions", "an object")
	if err != nil {
		return nil, err
	}
	if !utf8.ValidString(query) || !utf8.ValidString(name) {
		return nil, badInput("The request is not valid UTF-8.")
	}
	return &graphql.RawParams{Query: query, OperationName: name, Variables: variables, Extensions: extensions}, nil
}

// checkCase returns BAD_USER_INPUT if a field differs from a known one in upper and lower case only.
func checkCase(fields map[string]any) error {
	for name := range fields {
		for _, known := range []string{"query", "operationName", "variables", "extensions"} {
			if name != known && strings.EqualFold(name, known) {
				return badInput("The names query, operationName, variables and extensions are case-sensitive.")
			}
		}
	}
	return nil
}

// field returns a field as a T, or the zero T if it is missing or null.
func field[T any](fields map[string]any, name, want string) (value T, err error) {
	if fields[name] == nil {
		return value, nil
	}
	value, ok := fields[name].(T)
	if !ok {
		return value, badInput("%s must be %s.", name, want)
	}
	return value, nil
}

func badInput(format string, args ...any) *account.Error {
	return newError(account.BadUserInput, format, args...)
}
