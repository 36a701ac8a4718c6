package graph

import (
	"context"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
)

// What Operation.Field is when the operation has not exactly one root field.
const (
	NoField       = "none" // nothing ran
	SeveralFields = "several"
)

// Operation is a request and what became of it, for those who count. Every word in it is the schema's or ours: what a
// client writes, such as an operation's name, is not in it.
type Operation struct {
	Kind     string        // query or mutation; empty when nothing ran
	Field    string        // the root field, SeveralFields or NoField
	Code     string        // INTERNAL_SERVER_ERROR, else of the first error, else of the first mistake, else OK
	Status   int           // of HTTP
	Duration time.Duration // until the answer is ready
}

func (req *request) result(ctx context.Context) Operation {
	o := Operation{Field: NoField, Code: req.code(), Status: req.statusCode(), Duration: time.Since(graphql.GetStartTime(ctx))}
	if req.operation != nil {
		o.Kind, o.Field = string(req.operation.Operation), rootField(req.operation)
	}
	if mistake := firstUserError(ctx); mistake != "" && o.Code == codeOK {
		o.Code = string(mistake)
	}
	return o
}

// rootField returns the name of the one field that a valid operation selects, or SeveralFields. Two that the answer
// calls by different names are several.
func rootField(operation *ast.OperationDefinition) string {
	var only *ast.Field
	seen := map[string]bool{} // fragments
	var alone func(ast.SelectionSet) bool
	alone = func(set ast.SelectionSet) bool {
		for _, selection := range set {
			single := true
			switch selection := selection.(type) {
			case *ast.Field:
				single = only == nil || only.Alias == selection.Alias
				only = selection
			case *ast.InlineFragment:
				single = alone(selection.SelectionSet)
			case *ast.FragmentSpread:
				if !seen[selection.Name] {
					seen[selection.Name] = true
					single = alone(selection.Definition.SelectionSet)
				}
			}
			if !single {
				return false
			}
		}
		return true
	}
	if !alone(operation.SelectionSet) || only == nil {
		return SeveralFields
	}
	return only.Name
}
