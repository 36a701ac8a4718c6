package graph

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/lexer"

	"latchkey/internal/account"
)

// What a document may cost.
const (
	maxTokens      = 2_000
	maxName        = 128 // bytes of a name
	maxRepeats     = 200 // uses of a name
	maxDepth       = 12  // fields inside fields
	maxCredentials = 1   // fields marked @credential
	maxCost        = 2_000
	maxScans       = 4 // lists that are searched or counted, which reads all of them
)

// What a field costs, where it is not 1: what makes long answers or much work for the database.
var weights = map[string]int{
	"Profile.description":          5, // up to 40 KB
	"Query.profiles":               10,
	"ProfileConnection.totalCount": 200, // counts all that match
	"User.sessions":                10,
}

// searchCost is added for a search, which reads all that does not match.
const searchCost = 200

// sessionsOfUser is how many entries a list of sessions counts for.
const sessionsOfUser = 50

// limits refuses, before anything runs, an operation that is deeper than 12 fields, costs more than 2,000 or holds more
// than one field marked @credential: REQUEST_TOO_COSTLY; and outside of development one that asks for the schema:
// INTROSPECTION_DISABLED. It counts what is written, through aliases and fragments, whatever @skip and @include say.
// Before that, it refuses documents that would be costly to validate.
type limits struct {
	development bool
}

// ExtensionName makes limits an extension of the executor.
func (limits) ExtensionName() string { return "Limits" }

// Validate makes limits an extension of the executor.
func (limits) Validate(graphql.ExecutableSchema) error { return nil }

// MutateOperationParameters returns the refusal of a document that holds a name over and over, or very long ones, or
// nil. The validator compares all fields of one name with each other, and every name it does not know with every one
// it knows: without this, 6 KB keep a core busy for a third of a second.
func (limits) MutateOperationParameters(_ context.Context, params *graphql.RawParams) *gqlerror.Error {
	repeats := map[string]int{}
	document := lexer.New(&ast.Source{Input: params.Query})
	for range maxTokens {
		token, err := document.ReadToken()
		if err != nil || token.Kind == lexer.EOF {
			break // the parser will tell where
		}
		if token.Kind != lexer.Name {
			continue
		}
		repeats[token.Value]++
		if len(token.Value) > maxName || repeats[token.Value] > maxRepeats {
			return refusal(account.RequestTooCostly,
				fmt.Sprintf("The document has a name of more than %d bytes, or one more than %d times.", maxName, maxRepeats))
		}
	}
	return nil
}

// MutateOperationContext returns the refusal of an operation, or nil.
func (l limits) MutateOperationContext(_ context.Context, operation *graphql.OperationContext) *gqlerror.Error {
	operation.DisableIntrospection = !l.development
	meter := meter{variables: operation.Variables, fragments: map[string]cost{}}
	total := meter.selections(operation.Operation.SelectionSet)
	switch {
	case total.introspects && !l.development:
		return refusal(introspectionDisabled, "This server does not tell its schema.")
	case total.depth > maxDepth:
		return refusal(account.RequestTooCostly, fmt.Sprintf("The operation nests more than %d fields.", maxDepth))
	case total.fixed > maxCost:
		return refusal(account.RequestTooCostly,
			"The operation asks for too much at once: select fewer fields or smaller pages.")
	case total.scans > maxScans:
		return refusal(account.RequestTooCostly, fmt.Sprintf("One request may search or count at most %d times.", maxScans))
	case total.credentials > maxCredentials:
		return refusal(account.RequestTooCostly, "One request may try one credential.")
	}
	return nil
}

// cost is what a part of a document asks for. Its numbers stop growing at one too many, for fragments inside fragments
// can multiply beyond any integer.
type cost struct {
	depth       int
	fixed       int // the cost of what comes once
	perEntry    int // the cost of what comes once for each entry of the page that encloses the part
	credentials int
	scans       int
	introspects bool
}

func (c cost) plus(other cost) cost {
	return cost{
		depth:       max(c.depth, other.depth),
		fixed:       min(c.fixed+other.fixed, maxCost+1),
		perEntry:    min(c.perEntry+other.perEntry, maxCost+1),
		credentials: min(c.credentials+other.credentials, maxCredentials+1),
		scans:       min(c.scans+other.scans, maxScans+1),
		introspects: c.introspects || other.introspects,
	}
}

// times returns the cost of a list with n entries of cost c.
func (c cost) times(n int) cost {
	c.fixed = min(c.fixed*n, maxCost+1)
	return c
}

// meter measures a validated document. It remembers the cost of each fragment, so that its time is linear in the
// document however often fragments are spread.
type meter struct {
	variables map[string]any
	fragments map[string]cost
}

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
	name := field.ObjectDefinition.Name + "." + field.Name
	total := m.selections(field.SelectionSet)
	switch name {
	case "Query.profiles":
		arguments := field.ArgumentMap(m.variables)
		total = total.plus(cost{fixed: total.perEntry}.times(pageSize(arguments)))
		total.perEntry = 0
		if filter, _ := arguments["filter"].(map[string]any); filter["search"] != nil {
			total = total.plus(cost{fixed: searchCost, scans: 1})
		}
	case "ProfileConnection.totalCount":
		total.scans = 1
	case "ProfileConnection.edges", "ProfileConnection.nodes":
		total.fixed, total.perEntry = 0, total.fixed
	case "User.sessions":
		total = total.times(sessionsOfUser)
	}
	own := cost{fixed: cmp.Or(weights[name], 1)}
	if field.Definition.Directives.ForName("credential") != nil {
		own.credentials = 1
	}
	total = total.plus(own)
	total.depth++
	return total
}

func (m meter) fragment(fragment *ast.FragmentDefinition) cost {
	total, measured := m.fragments[fragment.Name]
	if !measured {
		m.fragments[fragment.Name] = cost{} // ends a cycle, should one ever get past validation
		total = m.selections(fragment.SelectionSet)
		m.fragments[fragment.Name] = total
	}
	return total
}

// pageSize returns how many entries the arguments of a list ask for, within what a page can have.
func pageSize(arguments map[string]any) int {
	for _, name := range []string{"first", "last"} {
		switch n := arguments[name].(type) {
		case int64:
			return int(min(max(n, 0), account.MaxPage))
		case json.Number:
			number, _ := n.Int64()
			return int(min(max(number, 0), account.MaxPage))
		}
	}
	return account.DefaultPage
}
