package gqlhttp

import (
	"cmp"
	"context"
	"encoding/json"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/lexer"
	"github.com/vektah/gqlparser/v2/parser"

	"latchkey/internal/account"
)

// MaxTokens is the maximum number of tokens of a document.
const MaxTokens = 1_000

// Limits of an operation.
const (
	maxName                = 128 // bytes of a name
	maxDepth               = 12  // levels of fields
	maxAliases             = 20  // names in the response for one field of one type
	maxCredentials         = 1   // fields with the directive Options.Credential
	maxCost                = 2_000
	maxScans               = 4       // lists that are searched or counted, which reads all of them
	maxText                = 400_000 // bytes of long texts in the response to a mutation
	maxIntrospectionFields = 40_000  // estimated
)

// Costs are the costs of the fields of a schema, such as "Query.people". A field without an entry costs 1 and is not a
// list.
type Costs map[string]FieldCost

// FieldCost is the cost of a field. The zero value is that of a field that costs 1.
type FieldCost struct {
	Weight  int     // its own cost; 0 means 1
	Text    int     // maximum bytes of a long text
	Size    int     // assumed number of entries of a list; 0 for a field that is not a list
	Page    *Page   // of a field that returns a page of a list
	Entries bool    // whether the field is a list of the entries of the page that contains it
	Scan    bool    // whether it reads a whole list
	Search  *Search // of a field that reads a whole list for certain arguments
}

// Page is how many entries a page has.
type Page struct {
	Arguments    []string // integers; the first that is given is the number of entries
	Default, Max int
}

// Search is an additional cost of a field that reads a whole list if a field of an argument is given.
type Search struct {
	Argument, Field string
	Weight          int
}

// introspectionSizes are the assumed numbers of entries of the lists of introspection.
var introspectionSizes = map[string]int{
	"__Schema.types":        100,
	"__Schema.directives":   10,
	"__Type.fields":         6,
	"__Type.inputFields":    2,
	"__Type.enumValues":     2,
	"__Type.interfaces":     1,
	"__Type.possibleTypes":  1,
	"__Field.args":          2,
	"__Directive.args":      1,
	"__Directive.locations": 1,
}

// limits is an extension of the executor that rejects an operation that exceeds a limit with REQUEST_TOO_COSTLY, before
// anything runs. It counts what is written in the operation that will run, through aliases and fragments, regardless of
// @skip and @include. Before validation it rejects documents that are costly to validate and, outside of development,
// introspection: INTROSPECTION_DISABLED.
type limits struct {
	development bool
	costs       Costs
	credential  string
	validated   documents
	approved    *lru.LRU[struct{}] // documents whose only operation is within the limits for all values of its variables
}

func newLimits(o Options, validated documents) limits {
	return limits{o.Development, o.Costs, o.Credential, validated, lru.New[struct{}](cachedDocuments)}
}

// ExtensionName makes limits an extension of the executor.
func (limits) ExtensionName() string { return "Limits" }

// Validate makes limits an extension of the executor.
func (limits) Validate(graphql.ExecutableSchema) error { return nil }

// MutateOperationParameters returns why a document is not validated, or nil.
func (l limits) MutateOperationParameters(ctx context.Context, params *graphql.RawParams) *gqlerror.Error {
	if _, valid := l.validated.Get(ctx, params.Query); valid {
		return nil
	}
	if hasLongName(params.Query) {
		return reject(account.RequestTooCostly, "The document contains a name of more than %d bytes.", maxName)
	}
	document, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: params.Query}, MaxTokens)
	if err != nil {
		return nil // the executor finds the same error and its location
	}
	cost := measure(document)
	switch {
	case cost.introspects && !l.development:
		return reject(introspectionDisabled, "Introspection is disabled on this server.")
	case cost.budget < 0:
		return reject(account.RequestTooCostly,
			"The document is too complex to validate. Use fewer operations and fragments, and select each field once.")
	}
	return nil
}

// hasLongName reports whether a document has a name of more than 128 bytes. The validator compares each unknown name
// with all known names.
func hasLongName(text string) bool {
	document := lexer.New(&ast.Source{Input: text})
	for range MaxTokens {
		token, err := document.ReadToken()
		if err != nil || token.Kind == lexer.EOF {
			break // the parser reports the error
		}
		if token.Kind == lexer.Name && len(token.Value) > maxName {
			return true
		}
	}
	return false
}

// MutateOperationContext returns why an operation is not run, or nil.
func (l limits) MutateOperationContext(ctx context.Context, operation *graphql.OperationContext) *gqlerror.Error {
	operation.DisableIntrospection = !l.development
	if _, ok := l.approved.Get(ctx, operation.RawQuery); ok {
		return nil
	}
	c := newComplexity(l.costs, l.credential, operation.Variables)
	total := c.selections(operation.Operation.SelectionSet)
	mutates := operation.Operation.Operation == ast.Mutation
	if err := total.check(mutates); err != nil {
		return err
	}
	if c.mostAliases() > maxAliases {
		return reject(account.RequestTooCostly, "A field can have at most %d aliases.", maxAliases)
	}
	if total.scans > 0 || mutates && total.text > longResponse {
		operation.Stats.SetExtension(l.ExtensionName(), total)
		return nil
	}
	if _, valid := l.validated.Get(ctx, operation.RawQuery); valid && !c.varies && len(operation.Doc.Operations) == 1 {
		l.approved.Add(ctx, operation.RawQuery, struct{}{})
	}
	return nil
}

// costOf returns the cost of an operation that limits has admitted if it scans, or is a mutation with a long response;
// otherwise the zero cost.
func costOf(operation *graphql.OperationContext) cost {
	total, _ := operation.Stats.GetExtension(limits{}.ExtensionName()).(cost)
	return total
}

// saturated is where introspectionFields stops growing.
const saturated = 1 << 40

// cost is the cost of a part of a document. Its numbers stop growing at one more than their limit, because nested
// fragments can multiply them beyond any integer.
type cost struct {
	depth               int
	fixed               int // the cost that occurs once
	perEntry            int // the cost that occurs once for each entry of the page that contains the part
	credentials         int
	scans               int
	text                int // bytes
	introspectionFields int
}

// check returns REQUEST_TOO_COSTLY if the cost of an operation exceeds a limit.
func (c cost) check(mutates bool) *gqlerror.Error {
	switch {
	case c.depth > maxDepth:
		return reject(account.RequestTooCostly, "The operation is nested more than %d levels deep.", maxDepth)
	case c.fixed > maxCost:
		return reject(account.RequestTooCostly,
			"The operation costs too much. Select fewer fields or smaller pages.")
	case c.introspectionFields > maxIntrospectionFields:
		return reject(account.RequestTooCostly, "The operation selects too much of the schema.")
	case c.scans > maxScans:
		return reject(account.RequestTooCostly, "A request can search or count at most %d times.", maxScans)
	case mutates && c.text > maxText:
		return reject(account.RequestTooCostly, "The mutation selects too many long texts. Select fewer.")
	case c.credentials > maxCredentials:
		return reject(account.RequestTooCostly, "A request can contain only one credential.")
	}
	return nil
}

func (c cost) plus(other cost) cost {
	return cost{
		depth:               max(c.depth, other.depth),
		fixed:               min(c.fixed+other.fixed, maxCost+1),
		perEntry:            min(c.perEntry+other.perEntry, maxCost+1),
		credentials:         min(c.credentials+other.credentials, maxCredentials+1),
		scans:               min(c.scans+other.scans, maxScans+1),
		text:                min(c.text+other.text, maxText+1),
		introspectionFields: min(c.introspectionFields+other.introspectionFields, saturated),
	}
}

// times returns the cost of a list with n entries of cost c.
func (c cost) times(n int) cost {
	c.fixed = min(c.fixed*n, maxCost+1)
	c.text = min(c.text*n, maxText+1)
	c.introspectionFields = min(c.introspectionFields*n, saturated)
	return c
}

// complexity computes the cost of a validated operation. It computes each fragment once, so that its time is linear in
// the length of the document, however often fragments are spread.
type complexity struct {
	costs      Costs
	credential string
	variables  map[string]any
	fragments  map[string]cost
	names      map[[2]string]bool // fields and their names in the response
	aliasCount map[string]int     // by field
	varies     bool               // whether the cost depends on the variables
}

func newComplexity(costs Costs, credential string, variables map[string]any) *complexity {
	return &complexity{
		costs: costs, credential: credential, variables: variables,
		fragments: map[string]cost{}, names: map[[2]string]bool{}, aliasCount: map[string]int{},
	}
}

// mostAliases returns the number of names of the field that has most.
func (c *complexity) mostAliases() (most int) {
	for _, n := range c.aliasCount {
		most = max(most, n)
	}
	return most
}

func (c *complexity) selections(set ast.SelectionSet) (total cost) {
	for _, selection := range set {
		switch selection := selection.(type) {
		case *ast.Field:
			total = total.plus(c.field(selection))
		case *ast.InlineFragment:
			total = total.plus(c.selections(selection.SelectionSet))
		case *ast.FragmentSpread:
			total = total.plus(c.fragment(selection.Definition))
		}
	}
	return total
}

func (c *complexity) field(field *ast.Field) cost {
	name := field.ObjectDefinition.Name + "." + field.Name
	if named := [2]string{name, field.Alias}; !c.names[named] {
		c.names[named] = true
		c.aliasCount[name]++
	}
	total := c.selections(field.SelectionSet)
	switch {
	case strings.HasPrefix(field.ObjectDefinition.Name, "__"):
		total = total.plus(cost{introspectionFields: 1}).times(cmp.Or(introspectionSizes[name], 1))
		if field.Name == "ofType" {
			total.introspectionFields /= 2 // half of the types wrap no other
		}
		return total
	case field.Name == "__schema" || field.Name == "__type":
		// The validator limits the depth of introspection by a separate rule.
		return total.plus(cost{depth: 1, introspectionFields: 1})
	}
	own := c.costs[name]
	switch {
	case own.Page != nil:
		total = c.page(own, field, total)
	case own.Entries:
		total.fixed, total.perEntry = 0, total.fixed
	case own.Size > 0:
		total = total.times(own.Size)
	}
	total = total.plus(cost{fixed: cmp.Or(own.Weight, 1), text: own.Text})
	if own.Scan {
		total = total.plus(cost{scans: 1})
	}
	if field.Definition.Directives.ForName(c.credential) != nil {
		total = total.plus(cost{credentials: 1})
	}
	total.depth++
	return total
}

// page returns the cost of a field with a page whose content costs total.
func (c *complexity) page(own FieldCost, field *ast.Field, total cost) cost {
	c.varies = true
	arguments := field.ArgumentMap(c.variables)
	total = total.plus(cost{fixed: total.perEntry}.times(own.Page.size(arguments)))
	total.perEntry = 0
	if s := own.Search; s != nil {
		if argument, _ := arguments[s.Argument].(map[string]any); argument[s.Field] != nil {
			total = total.plus(cost{fixed: s.Weight, scans: 1})
		}
	}
	return total
}

func (c *complexity) fragment(fragment *ast.FragmentDefinition) cost {
	total, done := c.fragments[fragment.Name]
	if !done {
		c.fragments[fragment.Name] = cost{} // ends a cycle, should one ever pass validation
		total = c.selections(fragment.SelectionSet)
		c.fragments[fragment.Name] = total
	}
	return total
}

// size returns the number of entries that the arguments of a field ask for, within the limits of a page.
func (p *Page) size(arguments map[string]any) int {
	for _, name := range p.Arguments {
		switch n := arguments[name].(type) {
		case int64:
			return int(min(max(n, 0), int64(p.Max)))
		case json.Number:
			number, _ := n.Int64()
			return int(min(max(number, 0), int64(p.Max)))
		}
	}
	return p.Default
}
