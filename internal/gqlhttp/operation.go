package gqlhttp

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
)

// Values of Operation.Field for an operation that does not have exactly one root field.
const (
	NoField       = "none" // nothing ran
	SeveralFields = "several"
)

// OperationLine is the message of the line that is logged for each request.
const OperationLine = "operation"

// maxLoggedName is the length in bytes of the longest name of an operation that is logged.
const maxLoggedName = 64

// Operation is a request and its result, for metrics and traces. It holds no text of the client, such as the name of an
// operation.
type Operation struct {
	Kind     string        // query or mutation; empty if nothing ran
	Field    string        // the root field, SeveralFields or NoField
	Code     string        // INTERNAL_SERVER_ERROR, else of the first error, else of the first user error, else OK
	Status   int           // of HTTP
	Duration time.Duration // until the response is ready
}

// record logs and observes a request. It logs neither the document nor the variables.
func (h *handler) record(ctx context.Context, req *request) {
	name := ""
	if req.operation != nil && len(req.operation.Name) <= maxLoggedName {
		name = req.operation.Name
	}
	result := h.result(ctx, req)
	h.Log.LogAttrs(ctx, slog.LevelInfo, OperationLine,
		slog.String("kind", cmp.Or(result.Kind, "refused")),
		slog.String("name", name),
		slog.String("code", result.Code),
		slog.Int64("duration_us", result.Duration.Microseconds()),
		slog.String("user", h.UserID(ctx)))
	if h.Observe != nil {
		h.Observe(ctx, result)
	}
}

func (h *handler) result(ctx context.Context, req *request) Operation {
	o := Operation{
		Field: NoField, Code: req.code(), Status: req.statusCode(), Duration: time.Since(graphql.GetStartTime(ctx)),
	}
	if req.operation != nil {
		o.Kind, o.Field = string(req.operation.Operation), rootField(req.operation)
	}
	if code := h.UserErrorCode(ctx); code != "" && o.Code == codeOK {
		o.Code = string(code)
	}
	return o
}

// rootField returns the name of the only field that a valid operation selects, or SeveralFields. One field under two
// aliases counts as several.
func rootField(operation *ast.OperationDefinition) string {
	root := singleField{visited: map[string]bool{}}
	if !root.add(operation.SelectionSet) || root.field == nil {
		return SeveralFields
	}
	return root.field.Name
}

// singleField finds the only field of a selection set.
type singleField struct {
	field   *ast.Field
	visited map[string]bool // fragments
}

// add reports whether the selection set adds no second field.
func (s *singleField) add(set ast.SelectionSet) bool {
	for _, selection := range set {
		single := true
		switch selection := selection.(type) {
		case *ast.Field:
			single = s.field == nil || s.field.Alias == selection.Alias
			s.field = selection
		case *ast.InlineFragment:
			single = s.add(selection.SelectionSet)
		case *ast.FragmentSpread:
			if !s.visited[selection.Name] {
				s.visited[selection.Name] = true
				single = s.add(selection.Definition.SelectionSet)
			}
		}
		if !single {
			return false
		}
	}
	return true
}
