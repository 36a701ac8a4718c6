package graph

import (
	"context"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"latchkey/internal/account"
)

// What a document may cost.
const (
	maxTokens      = 2_000
	maxDepth       = 12 // fields inside fields
	maxCredentials = 1  // fields marked @credential
)

// limits refuses, before anything runs, an operation that is deeper than 12 fields or holds more than one field marked
// @credential: REQUEST_TOO_COSTLY; and outside of development one that asks for the schema: INTROSPECTION_DISABLED. It
// counts what is written, through aliases and fragments, whatever @skip and @include say.
type limits struct {
	development bool
}

// ExtensionName makes limits an extension of the executor.
func (limits) ExtensionName() string { return "Limits" }

// Validate makes limits an extension of the executor.
func (limits) Validate(graphql.ExecutableSchema) error { return nil }

// MutateOperationContext returns the refusal of an operation, or nil.
func (l limits) MutateOperationContext(_ context.Context, operation *graphql.OperationContext) *gqlerror.Error {
	operation.DisableIntrospection = !l.development
	total := meter{}.selections(operation.Operation.SelectionSet)
	switch {
	case total.introspects && !l.development:
		return refusal(introspectionDisabled, "This server does not tell its schema.")
	case total.depth > maxDepth:
		return refusal(account.RequestTooCostly, "The operation nests more than 12 fields.")
	case total.credentials > maxCredentials:
		return refusal(account.RequestTooCostly, "One request may try one credential.")
	}
	return nil
}

// cost is what a part of a document asks for.
type cost struct {
	depth       int
	credentials int // no more than one too many: fragments inside fragments can multiply beyond any integer
	introspects bool
}

func (c cost) plus(other cost) cost {
	return cost{
		depth:       max(c.depth, other.depth),
		credentials: min(c.credentials+other.credentials, maxCredentials+1),
		introspects: c.introspects || other.introspects,
	}
}

// meter measures a validated document. It remembers the cost of each fragment, so that its time is linear in the
// document however often fragments are spread.
type meter map[string]cost

func (m meter) selections(set ast.SelectionSet) (total cost) {
	for _, selection := range set {
		switch selection := selection.(type) {
		case *ast.Field:
			total = total.plus(m.field(selection))
		case *ast.InlineFragment:
			total = total.plus(m.selections(selection.SelectionSet))
		case *ast.FragmentSpread:
			total = total.plus(m.fragment(selection.Definition))
		}
	}
	return total
}

func (m meter) field(field *ast.Field) cost {
	if strings.HasPrefix(field.Name, "__") {
		// The validator bounds the depth of introspection by a rule of its own.
		return cost{depth: 1, introspects: field.Name != "__typename"}
	}
	total := m.selections(field.SelectionSet)
	total.depth++
	if field.Definition.Directives.ForName("credential") != nil {
		total = total.plus(cost{credentials: 1})
	}
	return total
}

func (m meter) fragment(fragment *ast.FragmentDefinition) cost {
	total, measured := m[fragment.Name]
	if !measured {
		m[fragment.Name] = cost{} // ends a cycle, should one ever get past validation
		total = m.selections(fragment.SelectionSet)
		m[fragment.Name] = total
	}
	return total
}
