package graph

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/lexer"
	"github.com/vektah/gqlparser/v2/parser"

	"latchkey/internal/account"
)

// What a document may cost.
const (
	maxTokens      = 1_000
	maxName        = 128 // bytes of a name
	maxDepth       = 12  // fields inside fields
	maxAliases     = 20  // names in the answer for one field of one type
	maxCredentials = 1   // fields marked @credential
	maxCost        = 2_000
	maxScans       = 4       // lists that are searched or counted, which reads all of them
	maxText        = 400_000 // bytes of long texts in the answer to a mutation, which is given however long it is
	maxIntrospectionFields        = 40_000  // fields in an answer about the schema, estimated
)

// What a field costs, where it is not 1: what makes long answers or much work for the database.
var weights = map[string]int{
	"Profile.description":          8, // up to 40 KB
	"Query.profiles":               10,
	"ProfileConnection.totalCount": 200, // counts all that match
	"User.sessions":                10,
}

// textSizes are the fields with long ones, with the most bytes that they have.
var textSizes = map[string]int{
	"Profile.description": 4 * account.MaxDescription,
	"Session.deviceName":  4 * account.MaxDeviceName,
	"Session.userAgent":   4 * account.MaxUserAgent,
}

// searchCost is added for a search, which reads all that does not match.
const searchCost = 200

// sessionsOfUser is how many entries a list of sessions counts for.
const sessionsOfUser = 50

// listSizes is how many entries the lists of the schema have, on average. What is not here is no list.
var listSizes = map[string]int{
	"__Schema.types":       100,
	"__Schema.directives":  10,
	"__Type.fields":        6,
	"__Type.inputFields":   2,
	"__Type.enumValues":    2,
	"__Type.interfaces":    1,
	"__Type.possibleTypes": 1,
	"__Field.args":         2,
	"__Directive.args":     1,
}

// limits refuses, before anything runs, an operation that is deeper than 12 fields, costs more than 2,000, wants one
// field by more than 20 names or holds more than one field marked @credential, and a mutation that asks for more than
// ten descriptions or as much of other texts: REQUEST_TOO_COSTLY. It counts what is written in the operation that is to
// run, through aliases and fragments, whatever @skip and @include say. Before that, it refuses documents that would be
// costly to validate, and outside of development those that ask for the schema: INTROSPECTION_DISABLED.
type limits struct {
	development bool
	known       documents
	approved      *lru.LRU[struct{}] // documents whose one operation is, whatever its variables are
}

func newLimits(development bool, known documents) limits {
	return limits{development, known, lru.New[struct{}](cachedDocuments)}
}

// ExtensionName makes limits an extension of the executor.
func (limits) ExtensionName() string { return "Limits" }

// Validate makes limits an extension of the executor.
func (limits) Validate(graphql.ExecutableSchema) error { return nil }

// MutateOperationParameters returns the refusal of a document that has not been validated before, or nil.
func (l limits) MutateOperationParameters(ctx context.Context, params *graphql.RawParams) *gqlerror.Error {
	if _, valid := l.known.Get(ctx, params.Query); valid {
		return nil
	}
	if longName(params.Query) {
		return refuse(account.RequestTooCostly, fmt.Sprintf("The document has a name of more than %d bytes.", maxName))
	}
	document, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: params.Query}, maxTokens)
	if err != nil {
		return nil // the executor meets it again, and tells where
	}
	work := measure(document)
	switch {
	case work.introspects && !l.development:
		return refuse(introspectionDisabled, "This server does not tell its schema.")
	case work.budget < 0:
		return refuse(account.RequestTooCostly,
			"The document takes too long to check: write fewer operations and fragments, and each field once.")
	}
	return nil
}

// longName reports whether a document has a name of more than 128 bytes. The validator compares every name it does not
// know with all that it knows.
func longName(text string) bool {
	document := lexer.New(&ast.Source{Input: text})
	for range maxTokens {
		token, err := document.ReadToken()
		if err != nil || token.Kind == lexer.EOF {
			break // the parser will tell where
		}
		if token.Kind == lexer.Name && len(token.Value) > maxName {
			return true
		}
	}
	return false
}

// MutateOperationContext returns the refusal of an operation, or nil.
func (l limits) MutateOperationContext(ctx context.Context, operation *graphql.OperationContext) *gqlerror.Error {
	operation.DisableIntrospection = !l.development
	if _, within := l.approved.Get(ctx, operation.RawQuery); within {
		return nil
	}
	meter := newComplexity(operation.Variables)
	total := meter.selections(operation.Operation.SelectionSet)
	mutates := operation.Operation.Operation == ast.Mutation
	switch {
	case total.depth > maxDepth:
		return refuse(account.RequestTooCostly, fmt.Sprintf("The operation nests more than %d fields.", maxDepth))
	case total.fixed > maxCost:
		return refuse(account.RequestTooCostly,
			"The operation asks for too much at once: select fewer fields or smaller pages.")
	case total.introspectionFields > maxIntrospectionFields:
		return refuse(account.RequestTooCostly, "The operation asks for too much of the schema at once.")
	case total.scans > maxScans:
		return refuse(account.RequestTooCostly, fmt.Sprintf("One request may search or count at most %d times.", maxScans))
	case mutates && total.text > maxText:
		return refuse(account.RequestTooCostly, "The mutation asks for too many long texts: select fewer.")
	case total.credentials > maxCredentials:
		return refuse(account.RequestTooCostly, "One request may try one credential.")
	case meter.mostAliases() > maxAliases:
		return refuse(account.RequestTooCostly, fmt.Sprintf("One field may have at most %d aliases.", maxAliases))
	}
	if total.scans > 0 || mutates && total.text > longResponse {
		operation.Stats.SetExtension(l.ExtensionName(), total)
		return nil
	}
	if _, known := l.known.Get(ctx, operation.RawQuery); known && !meter.varies && len(operation.Doc.Operations) == 1 {
		l.approved.Add(ctx, operation.RawQuery, struct{}{})
	}
	return nil
}

// costOf returns the cost of an operation that limits has let pass, if it searches or counts or is a mutation with texts
// that make a long answer; otherwise none.
func costOf(operation *graphql.OperationContext) cost {
	total, _ := operation.Stats.GetExtension(limits{}.ExtensionName()).(cost)
	return total
}

// saturated is where told stops growing.
const saturated = 1 << 40

// cost is what a part of a document asks for. Its numbers stop growing at one too many, for fragments inside fragments
// can multiply beyond any integer.
type cost struct {
	depth       int
	fixed       int // the cost of what comes once
	perEntry    int // the cost of what comes once for each entry of the page that encloses the part
	credentials int
	scans       int
	text        int // bytes
	introspectionFields        int // fields in an answer about the schema
}

func (c cost) plus(other cost) cost {
	return cost{
		depth:       max(c.depth, other.depth),
		fixed:       min(c.fixed+other.fixed, maxCost+1),
		perEntry:    min(c.perEntry+other.perEntry, maxCost+1),
		credentials: min(c.credentials+other.credentials, maxCredentials+1),
		scans:       min(c.scans+other.scans, maxScans+1),
		text:        min(c.text+other.text, maxText+1),
		introspectionFields:        min(c.introspectionFields+other.introspectionFields, saturated),
	}
}

// times returns the cost of a list with n entries of cost c.
func (c cost) times(n int) cost {
	c.fixed = min(c.fixed*n, maxCost+1)
	c.text = min(c.text*n, maxText+1)
	c.introspectionFields = min(c.introspectionFields*n, saturated)
	return c
}

// complexity measures a validated operation. It remembers the cost of each fragment, so that its time is linear in the
// document however often fragments are spread.
type complexity struct {
	variables map[string]any
	fragments map[string]cost
	names     map[[2]string]bool // a field, and what it is called in the answer
	aliasCount   map[string]int     // names of a field
	varies    bool               // with the variables
}

func newComplexity(variables map[string]any) *complexity {
	return &complexity{variables, map[string]cost{}, map[[2]string]bool{}, map[string]int{}, false}
}

// mostAliases returns how many names that field has which has most.
func (m *complexity) mostAliases() (most int) {
	for _, n := range m.aliasCount {
		most = max(most, n)
	}
	return most
}

func (m *complexity) selections(set ast.SelectionSet) (total cost) {
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

func (m *complexity) field(field *ast.Field) cost {
	name := field.ObjectDefinition.Name + "." + field.Name
	if called := [2]string{name, field.Alias}; !m.names[called] {
		m.names[called] = true
		m.aliasCount[name]++
	}
	switch {
	case strings.HasPrefix(field.ObjectDefinition.Name, "__"):
		total := m.selections(field.SelectionSet).plus(cost{introspectionFields: 1}).times(cmp.Or(listSizes[name], 1))
		if field.Name == "ofType" {
			total.introspectionFields /= 2 // every other type is not made of another
		}
		return total
	case field.Name == "__schema" || field.Name == "__type":
		// The validator bounds the depth of introspection by a rule of its own.
		return m.selections(field.SelectionSet).plus(cost{depth: 1, introspectionFields: 1})
	}
	total := m.selections(field.SelectionSet)
	switch name {
	case "Query.profiles":
		m.varies = true
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
	own := cost{fixed: cmp.Or(weights[name], 1), text: textSizes[name]}
	if field.Definition.Directives.ForName("credential") != nil {
		own.credentials = 1
	}
	total = total.plus(own)
	total.depth++
	return total
}

func (m *complexity) fragment(fragment *ast.FragmentDefinition) cost {
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
