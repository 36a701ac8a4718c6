package graph

import (
	"encoding/json"
	"reflect"
	"strconv"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/validator/core"

	"latchkey/internal/account"
)

// checkVariables refuses variables that do not fit their types by the letter of the GraphQL specification, sections 3.5
// to 3.12, "Input Coercion". The executor has already checked them, but loosely: it lets a number pass for a string, a
// string for a number, an enum value in any case, a field named __typename in any object, and null wherever a default
// value stands. given is what the client sent.
func checkVariables(schema *ast.Schema, operation *graphql.OperationContext, given map[string]any) gqlerror.List {
	for _, variable := range operation.Operation.VariableDefinitions {
		value, ok := given[variable.Variable]
		if !ok {
			continue
		}
		path := ast.Path{ast.PathName("variable"), ast.PathName(variable.Variable)}
		if err := checkValue(schema, variable.Type, value, path); err != nil {
			return gqlerror.List{err}
		}
	}
	if hasIllegalNull(operation.Operation.SelectionSet, operation.Variables, map[string]bool{}) {
		return gqlerror.List{refuse(account.BadUserInput, "A variable is null where null is not allowed.")}
	}
	return nil
}

func checkValue(schema *ast.Schema, want *ast.Type, value any, path ast.Path) *gqlerror.Error {
	if value == nil {
		return coercionError(!want.NonNull, path)
	}
	if want.Elem != nil {
		list := reflect.ValueOf(value)
		if list.Kind() != reflect.Slice {
			return checkValue(schema, want.Elem, value, path)
		}
		for i := range list.Len() {
			if err := checkValue(schema, want.Elem, list.Index(i).Interface(), append(path, ast.PathIndex(i))); err != nil {
				return err
			}
		}
		return nil
	}
	definition := schema.Types[want.NamedType]
	switch definition.Kind {
	case ast.InputObject:
		object, ok := value.(map[string]any)
		if !ok {
			return coercionError(false, path)
		}
		for name := range object {
			if definition.Fields.ForName(name) == nil {
				return gqlerror.ErrorPathf(append(path, ast.PathName(name)), "unknown field")
			}
		}
		for _, field := range definition.Fields {
			if value, given := object[field.Name]; given {
				if err := checkValue(schema, field.Type, value, append(path, ast.PathName(field.Name))); err != nil {
					return err
				}
			}
		}
		return nil
	case ast.Enum:
		name, ok := value.(string)
		return coercionError(ok && definition.EnumValues.ForName(name) != nil, path)
	default:
		return coercionError(scalarMatches(want.NamedType, value), path)
	}
}

func scalarMatches(name string, value any) bool {
	_, isString := value.(string)
	number, isNumber := value.(json.Number)
	_, isBoolean := value.(bool)
	switch name {
	case "Int":
		_, err := strconv.ParseInt(string(number), 10, 32)
		return err == nil
	case "Float":
		return isNumber
	case "ID":
		_, err := number.Int64()
		return isString || err == nil
	case "Boolean":
		return isBoolean
	default:
		return isString
	}
}

// coercionError returns nil when the value fits, else the error that the executor would have returned.
func coercionError(fits bool, path ast.Path) *gqlerror.Error {
	if fits {
		return nil
	}
	return gqlerror.ErrorPathf(path, "misfit")
}

// hasIllegalNull reports whether a null variable stands where null is not allowed. Validation cannot see it when the
// variable or the position has a default value (GraphQL specification, section 5.8.5).
func hasIllegalNull(set ast.SelectionSet, variables map[string]any, spread map[string]bool) bool {
	for _, selection := range set {
		var arguments ast.ArgumentList
		var directives ast.DirectiveList
		var inside ast.SelectionSet
		switch selection := selection.(type) {
		case *ast.Field:
			arguments, directives, inside = selection.Arguments, selection.Directives, selection.SelectionSet
		case *ast.InlineFragment:
			directives, inside = selection.Directives, selection.SelectionSet
		case *ast.FragmentSpread:
			directives = selection.Directives
			if !spread[selection.Name] {
				spread[selection.Name] = true
				inside = selection.Definition.SelectionSet
			}
		}
		for _, directive := range directives {
			arguments = append(arguments[:len(arguments):len(arguments)], directive.Arguments...)
		}
		for _, argument := range arguments {
			if containsIllegalNull(argument.Value, variables) {
				return true
			}
		}
		if hasIllegalNull(inside, variables, spread) {
			return true
		}
	}
	return false
}

func containsIllegalNull(value *ast.Value, variables map[string]any) bool {
	if value.Kind == ast.Variable {
		given, ok := variables[value.Raw]
		return ok && given == nil && value.ExpectedType != nil && value.ExpectedType.NonNull
	}
	for _, child := range value.Children {
		if containsIllegalNull(child.Value, variables) {
			return true
		}
	}
	return false
}

// objectsOfInputTypes is a rule of validation (GraphQL specification, section 5.6.1): nothing but an input object type
// takes an object, not even one without fields.
var objectsOfInputTypes = core.Rule{
	Name: "ObjectsOfInputTypes",
	RuleFunc: func(observers *core.Events, report core.AddErrFunc) {
		observers.OnValue(func(_ *core.Walker, value *ast.Value) {
			if value.Kind == ast.ObjectValue && value.Definition != nil && value.Definition.Kind != ast.InputObject {
				report(core.At(value.Position))
			}
		})
	},
}

// intsOf32Bits is a rule of validation (GraphQL specification, section 3.5.1): a larger Int in the document is refused
// as it is in variables. What does not even fit into 64 bits the validator refuses by itself.
var intsOf32Bits = core.Rule{Name: "IntsOf32Bits", RuleFunc: func(observers *core.Events, report core.AddErrFunc) {
	observers.OnValue(func(_ *core.Walker, value *ast.Value) {
		if value.Kind != ast.IntValue || value.Definition == nil || value.Definition.Name != "Int" {
			return
		}
		if n, err := strconv.ParseInt(value.Raw, 10, 64); err == nil && n != int64(int32(n)) {
			report(core.At(value.Position))
		}
	})
}}
