package graph

import (
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

const (
	maxDocCost  = 20_000 // steps
	textStep = 128    // bytes of text that are a step
	nameStep = 8      // bytes of the name of a field or an argument that are a step
)

// docCost is what the validator would have to do with a document, in steps. It goes through every operation and every
// fragment, each time through all the fragments that are spread there. It compares fields of one name with each other,
// again for every inline fragment around them, and names that it does not know with those that it knows. A text that
// does not fit it copies for every list around it.
type docCost struct {
	budget        int // steps until there are too many, when counting stops
	introspects bool

	fragments map[string]*ast.FragmentDefinition
	// Of the operation or fragment at hand:
	visited  map[string]bool // fragments
	spreadCount int             // of fragments
	aliasUses    map[string]int  // of a name in the answer
}

// measure returns the work that a document makes.
func measure(document *ast.QueryDocument) *docCost {
	w := &docCost{budget: maxDocCost, fragments: map[string]*ast.FragmentDefinition{}}
	for _, fragment := range slices.Backward(document.Fragments) {
		w.fragments[fragment.Name] = fragment // the first of a name counts, as for the validator
	}
	for _, operation := range document.Operations {
		for _, variable := range operation.VariableDefinitions {
			w.budget--
			w.value(variable.DefaultValue, 1)
			w.directives(variable.Directives)
		}
		w.definition(operation.Directives, operation.SelectionSet)
	}
	for _, fragment := range document.Fragments {
		w.definition(fragment.Directives, fragment.SelectionSet)
	}
	return w
}

func (w *docCost) definition(directives ast.DirectiveList, set ast.SelectionSet) {
	w.visited, w.spreadCount, w.aliasUses = map[string]bool{}, 0, map[string]int{}
	w.directives(directives)
	w.selections(set, 1)
}

// selections counts a selection set that is compared as often as times says.
func (w *docCost) selections(set ast.SelectionSet, times int) {
	for _, selection := range set {
		if w.budget < 0 {
			return
		}
		w.budget--
		switch selection := selection.(type) {
		case *ast.Field:
			w.budget -= len(selection.Name)/nameStep + times*(2*w.aliasUses[selection.Alias]+1)
			w.aliasUses[selection.Alias]++
			w.introspects = w.introspects || strings.HasPrefix(selection.Name, "__") && selection.Name != "__typename"
			w.arguments(selection.Arguments)
			w.directives(selection.Directives)
			w.selections(selection.SelectionSet, times)
		case *ast.InlineFragment:
			w.directives(selection.Directives)
			w.selections(selection.SelectionSet, times+1)
		case *ast.FragmentSpread:
			w.budget -= times * w.spreadCount // each spread with each other
			w.spreadCount++
			w.directives(selection.Directives)
			if fragment := w.fragments[selection.Name]; fragment != nil && !w.visited[selection.Name] {
				w.visited[selection.Name] = true
				w.directives(fragment.Directives)
				w.selections(fragment.SelectionSet, times)
			}
		}
	}
}

func (w *docCost) directives(list ast.DirectiveList) {
	for _, directive := range list {
		w.budget--
		w.arguments(directive.Arguments)
	}
}

func (w *docCost) arguments(list ast.ArgumentList) {
	for _, argument := range list {
		w.budget -= 1 + len(argument.Name)/nameStep
		w.value(argument.Value, 1)
	}
}

// value counts a value inside of level lists and objects, itself included.
func (w *docCost) value(value *ast.Value, level int) {
	if value == nil {
		return
	}
	w.budget -= level * (1 + len(value.Raw)/textStep)
	for _, child := range value.Children {
		w.budget -= len(child.Name) / nameStep
		w.value(child.Value, level+1)
	}
}
