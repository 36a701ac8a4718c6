package gqlhttp

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

// checkVariables returns an error for variables that do not fit their types strictly (GraphQL specification, sections
// 3.5 to 3.12, "Input Coercion"). The executor has already checked them, but loosely: it accepts a number for a string,
// a string for a number, an enum value in any case, a field named __typename in any object, and null for anything with
// a default value. given is what the client sent.
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
		return gqlerror.List{reject(account.BadUserInput, "A variable is null where null is not allowed.")}
	}
	return nil
}

func checkValue(schema *ast.Schema, want *ast.Type, value any, path ast.Path) *gqlerror.Error {
	if value == nil {
		return coercionError(!want.NonNull, path)
	}
	if want.Elem != nil {
		return checkList(schema, want.Elem, value, path)
	}
	definition := schema.Types[want.NamedType]
	switch definition.Kind {
	case ast.InputObject:
		return checkObject(schema, definition, value, path)
	case ast.Enum:
		name, ok := value.(string)
		return coercionError(ok && definition.EnumValues.ForName(name) != nil, path)
	default:
		return coercionError(scalarMatches(want.NamedType, value), path)
	}
}

// checkList checks a list; any other value stands for a list of one entry.
func checkList(schema *ast.Schema, want *ast.Type, value any, path ast.Path) *gqlerror.Error {
	list := reflect.ValueOf(value)
	if list.Kind() != reflect.Slice {
		return checkValue(schema, want, value, path)
	}
	for i := range list.Len() {
		if err := checkValue(schema, want, list.Index(i).Interface(), append(path, ast.PathIndex(i))); err != nil {
			return err
		}
	}
	return nil
}

func checkObject(schema *ast.Schema, want *ast.Definition, value any, path ast.Path) *gqlerror.Error {
	object, ok := value.(map[string]any)
	if !ok {
		return coercionError(false, path)
	}
	for name := range object {
		if want.Fields.ForName(name) == nil {
			return gqlerror.ErrorPathf(append(path, ast.PathName(name)), unknownField)
		}
	}
	for _, field := range want.Fields {
		value, given := object[field.Name]
		if !given {
			continue
		}
		if err := checkValue(schema, field.Type, value, append(path, ast.PathName(field.Name))); err != nil {
			return err
		}
	}
	return nil
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

// unknownField is the executor's message for a field of an input object that its type does not have.
const unknownField = "unknown field"

// coercionError returns nil if the value matches, else an error like the executor's.
func coercionError(matches bool, path ast.Path) *gqlerror.Error {
	if matches {
		return nil
	}
	return gqlerror.ErrorPathf(path, "the value does not match its type")
}

// hasIllegalNull reports whether a null variable is used where null is not allowed. Validation cannot find it if the
// variable or the position has a default value (GraphQL specification, section 5.8.5). visited are fragments.
func hasIllegalNull(set ast.SelectionSet, variables map[string]any, visited map[string]bool) bool {
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
			if !visited[selection.Name] {
				visited[selection.Name] = true
				inside = selection.Definition.SelectionSet
			}
		}
		if illegalNullIn(arguments, variables) || illegalNullInDirectives(directives, variables) ||
			hasIllegalNull(inside, variables, visited) {
			return true
		}
	}
	return false
}

func illegalNullInDirectives(directives ast.DirectiveList, variables map[string]any) bool {
	for _, directive := range directives {
		if illegalNullIn(directive.Arguments, variables) {
			return true
		}
	}
	return false
}

func illegalNullIn(arguments ast.ArgumentList, variables map[string]any) bool {
	for _, argument := range arguments {
		if containsIllegalNull(argument.Value, variables) {
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

// objectsOfInputTypes is a rule of validation (GraphQL specification, section 5.6.1): only an input object type accepts
// an object, also one without fields.
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

// intsOf32Bits is a rule of validation (GraphQL specification, section 3.5.1): a larger Int in the document is rejected
// as it is in variables. The validator itself rejects what exceeds 64 bits.
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
