package gqlhttp

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"latchkey/internal/account"
)

// codeOK is the code of a response without errors.
const codeOK = "OK"

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

// statusCode follows the section "Status Codes" of the draft that the audits of the reference implementation check: 4xx
// for what could not be read; 200 for what ran; for the rest 200 with application/json and 400 with
// application/graphql-response+json. It is 500 only if an internal error left no data. The first edition, of September
// 2026, recommends for the latter media type 422 instead of 400 if the document parses but is not valid, and 294
// instead of 200 if there are both data and errors; the audits expect 400 and 200.
func (req *request) statusCode() int {
	switch {
	case req.status != 0:
		return req.status
	case req.response.Data != nil:
		return http.StatusOK
	case req.code() == string(account.Internal):
		return http.StatusInternalServerError
	case req.media == graphqlType:
		return http.StatusBadRequest
	default:
		return http.StatusOK
	}
}

// code returns INTERNAL_SERVER_ERROR after an internal error, else the code of the first error, or OK.
func (req *request) code() string {
	switch {
	case req.internalErr:
		return string(account.Internal)
	case len(req.response.Errors) == 0:
		return codeOK
	default:
		return fmt.Sprint(req.response.Errors[0].Extensions["code"])
	}
}

// retryAfter returns the seconds after which a client that was RATE_LIMITED should retry, or 0.
func (req *request) retryAfter() (seconds int) {
	for _, err := range req.response.Errors {
		if wait, ok := err.Extensions["retryAfter"].(int); ok {
			seconds = max(seconds, wait)
		}
	}
	return seconds
}

// setErrors sorts the errors of an operation that ran, whose fields may have failed at the same time, and keeps at most
// MaxErrors of them.
func (req *request) setErrors(response *graphql.Response) {
	req.internalErr = slices.ContainsFunc(response.Errors, isInternal)
	slices.SortFunc(response.Errors, byPosition)
	response.Errors = response.Errors[:min(len(response.Errors), MaxErrors)]
}

func isInternal(err *gqlerror.Error) bool { return err.Extensions["code"] == account.Internal }

// byPosition compares errors by their positions in the document, then in the response.
func byPosition(a, b *gqlerror.Error) int {
	return cmp.Or(slices.CompareFunc(a.Locations, b.Locations, func(a, b gqlerror.Location) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	}), slices.CompareFunc(a.Path, b.Path, func(a, b ast.PathElement) int {
		i, _ := a.(ast.PathIndex)
		j, _ := b.(ast.PathIndex)
		return cmp.Compare(i, j)
	}))
}

// encode returns a response map as JSON, with the errors first and without a data entry if nothing ran (GraphQL
// specification, section 7.1).
func encode(response *graphql.Response) []byte {
	var body bytes.Buffer
	if len(response.Errors) == 0 && response.Data != nil {
		body.Grow(len(response.Data) + len("{}\n") + len(`"data":`))
		body.WriteString(`{"data":`)
		body.Write(response.Data)
		body.WriteString("}\n")
		return body.Bytes()
	}
	e := json.NewEncoder(&body)
	e.SetEscapeHTML(false)
	if err := e.Encode(struct {
		Errors gqlerror.List   `json:"errors,omitempty"`
		Data   json.RawMessage `json:"data,omitempty"`
	}{response.Errors, response.Data}); err != nil {
		panic(err)
	}
	return body.Bytes()
}
