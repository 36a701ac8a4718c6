package graph

import (
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

const (
	maxWork  = 20_000 // steps
	textStep = 128    // bytes of text that are a step
	nameStep = 8      // bytes of the name of a field or an argument that are a step
)

// work is what the validator would have to do with a document, in steps. It goes through every operation and every
// fragment, each time through all the fragments that are spread there. It compares fields of one name with each other,
// again for every inline fragment around them, and names that it does not know with those that it knows. A text that
// does not fit it copies for every list around it.
type work struct {
	left        int // steps until there are too many, when counting stops
	introspects bool

	fragments map[string]*ast.FragmentDefinition
	// Of the operation or fragment at hand:
	spread  map[string]bool // fragments
	spreads int             // of fragments
	uses    map[string]int  // of a name in the answer
}

// workOn returns the work that a document makes.
func workOn(document *ast.QueryDocument) *work {
	w := &work{left: maxWork, fragments: map[string]*ast.FragmentDefinition{}}
	for _, fragment := range slices.Backward(document.Fragments) {
		w.fragments[fragment.Name] = fragment // the first of a name counts, as for the validator
	}
	for _, operation := range document.Operations {
		for _, variable := range operation.VariableDefinitions {
			w.left--
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

func (w *work) definition(directives ast.DirectiveList, set ast.SelectionSet) {
	w.spread, w.spreads, w.uses = map[string]bool{}, 0, map[string]int{}
	w.directives(directives)
	w.selections(set, 1)
}

// selections counts a selection set that is compared as often as times says.
func (w *work) selections(set ast.SelectionSet, times int) {
	for _, selection := range set {
		if w.left < 0 {
			return
		}
		w.left--
		switch selection := selection.(type) {
		case *ast.Field:
			w.left -= len(selection.Name)/nameStep + times*(2*w.uses[selection.Alias]+1)
			w.uses[selection.Alias]++
			w.introspects = w.introspects || strings.HasPrefix(selection.Name, "__") && selection.Name != "__typename"
			w.arguments(selection.Arguments)
			w.directives(selection.Directives)
			w.selections(selection.SelectionSet, times)
		case *ast.InlineFragment:
			w.directives(selection.Directives)
			w.selections(selection.SelectionSet, times+1)
		case *ast.FragmentSpread:
			w.left -= times * w.spreads // each spread with each other
			w.spreads++
			w.directives(selection.Directives)
			if fragment := w.fragments[selection.Name]; fragment != nil && !w.spread[selection.Name] {
				w.spread[selection.Name] = true
				w.directives(fragment.Directives)
				w.selections(fragment.SelectionSet, times)
			}
		}
	}
}

func (w *work) directives(list ast.DirectiveList) {
	for _, directive := range list {
		w.left--
		w.arguments(directive.Arguments)
	}
}

func (w *work) arguments(list ast.ArgumentList) {
	for _, argument := range list {
		w.left -= 1 + len(argument.Name)/nameStep
		w.value(argument.Value, 1)
	}
}

// value counts a value inside of level lists and objects, itself included.
func (w *work) value(value *ast.Value, level int) {
	if value == nil {
		return
	}
	w.left -= level * (1 + len(value.Raw)/textStep)
	for _, child := range value.Children {
		w.left -= len(child.Name) / nameStep
		w.value(child.Value, level+1)
	}
}
