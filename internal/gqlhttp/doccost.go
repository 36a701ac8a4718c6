package gqlhttp

import (
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// MaxDocumentCost is the maximum cost of a document that is validated, in steps.
const MaxDocumentCost = 20_000

const (
	textStep = 128 // bytes of text that cost a step
	nameStep = 8   // bytes of the name of a field or an argument that cost a step
)

// DocumentCost returns the estimated steps that the validation of a document takes, at least MaxDocumentCost+1 for one
// that is rejected.
func DocumentCost(document *ast.QueryDocument) int { return MaxDocumentCost - measure(document).budget }

// docCost estimates the steps that the validator takes for a document. It visits every operation and every fragment,
// each time with all the fragments that are spread there. It compares fields of one name with each other, again for
// each inline fragment around them, and unknown names with the known ones. A text that does not fit its type it copies
// for each list around it.
type docCost struct {
	budget      int // the remaining steps; the count stops below 0
	introspects bool

	fragments map[string]*ast.FragmentDefinition
	// Of the current operation or fragment:
	visited     map[string]bool // fragments
	spreadCount int             // of fragments
	aliasUses   map[string]int  // by name in the response
}

// measure returns the cost of a document.
func measure(document *ast.QueryDocument) *docCost {
	c := &docCost{budget: MaxDocumentCost, fragments: map[string]*ast.FragmentDefinition{}}
	for _, fragment := range slices.Backward(document.Fragments) {
		c.fragments[fragment.Name] = fragment // the first of a name counts, as for the validator
	}
	for _, operation := range document.Operations {
		for _, variable := range operation.VariableDefinitions {
			c.budget--
			c.value(variable.DefaultValue, 1)
			c.directives(variable.Directives)
		}
		c.definition(operation.Directives, operation.SelectionSet)
	}
	for _, fragment := range document.Fragments {
		c.definition(fragment.Directives, fragment.SelectionSet)
	}
	return c
}

func (c *docCost) definition(directives ast.DirectiveList, set ast.SelectionSet) {
	c.visited, c.spreadCount, c.aliasUses = map[string]bool{}, 0, map[string]int{}
	c.directives(directives)
	c.selections(set, 1)
}

// selections counts a selection set that the validator compares so many times.
func (c *docCost) selections(set ast.SelectionSet, times int) {
	for _, selection := range set {
		if c.budget < 0 {
			return
		}
		c.budget--
		switch selection := selection.(type) {
		case *ast.Field:
			c.budget -= len(selection.Name)/nameStep + times*(2*c.aliasUses[selection.Alias]+1)
			c.aliasUses[selection.Alias]++
			c.introspects = c.introspects || strings.HasPrefix(selection.Name, "__") && selection.Name != "__typename"
			c.arguments(selection.Arguments)
			c.directives(selection.Directives)
			c.selections(selection.SelectionSet, times)
		case *ast.InlineFragment:
			c.directives(selection.Directives)
			c.selections(selection.SelectionSet, times+1)
		case *ast.FragmentSpread:
			c.budget -= times * c.spreadCount // each spread is compared with each other
			c.spreadCount++
			c.directives(selection.Directives)
			if fragment := c.fragments[selection.Name]; fragment != nil && !c.visited[selection.Name] {
				c.visited[selection.Name] = true
				c.directives(fragment.Directives)
				c.selections(fragment.SelectionSet, times)
			}
		}
	}
}

func (c *docCost) directives(list ast.DirectiveList) {
	for _, directive := range list {
		c.budget--
		c.arguments(directive.Arguments)
	}
}

func (c *docCost) arguments(list ast.ArgumentList) {
	for _, argument := range list {
		c.budget -= 1 + len(argument.Name)/nameStep
		c.value(argument.Value, 1)
	}
}

// value counts a value at a level of lists and objects, starting at 1.
func (c *docCost) value(value *ast.Value, level int) {
	if value == nil {
		return
	}
	c.budget -= level * (1 + len(value.Raw)/textStep)
	for _, child := range value.Children {
		c.budget -= len(child.Name) / nameStep
		c.value(child.Value, level+1)
	}
}
