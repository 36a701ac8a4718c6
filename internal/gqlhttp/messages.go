package gqlhttp

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/validator"

	"latchkey/internal/account"
)

// Codes of errors that only a GraphQL request can have.
const (
	parseFailed           account.Code = "GRAPHQL_PARSE_FAILED"
	validationFailed      account.Code = "GRAPHQL_VALIDATION_FAILED"
	introspectionDisabled account.Code = "INTROSPECTION_DISABLED"
)

// MaxErrors is the maximum number of errors in a response.
const MaxErrors = 20

// sanitizer replaces the messages of the parser and the validator, which quote the request, by messages that contain
// only names of the schema.
type sanitizer struct {
	names   map[string]bool // all names of the schema
	suggest bool            // whether clients may see names of the schema
}

func newSanitizer(schema *ast.Schema, suggest bool) sanitizer {
	names := map[string]bool{}
	arguments := func(list ast.ArgumentDefinitionList) {
		for _, argument := range list {
			names[argument.Name] = true
		}
	}
	for _, definition := range schema.Types {
		names[definition.Name] = true
		for _, field := range definition.Fields {
			names[field.Name] = true
			arguments(field.Arguments)
		}
		for _, value := range definition.EnumValues {
			names[value.Name] = true
		}
	}
	for _, directive := range schema.Directives {
		names[directive.Name] = true
		arguments(directive.Arguments)
	}
	return sanitizer{names: names, suggest: suggest}
}

// sanitize returns at most MaxErrors of the errors of a request that does not run, each as an account.Error with the
// locations of the original.
func (s sanitizer) sanitize(errs gqlerror.List) gqlerror.List {
	list := make(gqlerror.List, min(len(errs), MaxErrors))
	for i := range list {
		list[i] = errs[i]
		if _, ok := errors.AsType[*account.Error](errs[i]); !ok {
			list[i] = gqlerror.Wrap(s.rewrite(errs[i]))
			list[i].Locations = errs[i].Locations
		}
	}
	return list
}

func (s sanitizer) rewrite(err *gqlerror.Error) *account.Error {
	switch {
	case err.Rule != "":
		return newError(validationFailed, "%s", ruleMessage(err.Rule)+s.suggestion(err.Message))
	case strings.HasPrefix(err.Message, "exceeded "):
		return newError(account.RequestTooCostly, "The document is too long. It can have at most %d tokens.", MaxTokens)
	case err.Extensions["code"] == errcode.ParseFailed:
		return newError(parseFailed, "The document has a syntax error here.")
	case err.Path != nil && err.Message == unknownField:
		return newError(validationFailed, "A variable contains a field that its type does not have%s.", s.inputPath(err.Path))
	case err.Path != nil:
		return newError(account.BadUserInput,
			"A variable has no value, or a value that does not match its type%s.", s.inputPath(err.Path))
	default:
		return newError(validationFailed,
			"The operation is unknown: the document has none with this name, or has several and no operationName was sent.")
	}
}

// reject returns an error for a request that does not run.
func reject(code account.Code, format string, args ...any) *gqlerror.Error {
	return gqlerror.Wrap(newError(code, format, args...))
}

func newError(code account.Code, format string, args ...any) *account.Error {
	return &account.Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

var quotedName = regexp.MustCompile(`"([_A-Za-z][_0-9A-Za-z]*)"`)

// suggestion returns the names of the schema that the validator suggests instead of what the client wrote.
func (s sanitizer) suggestion(message string) string {
	start := strings.LastIndex(message, "Did you mean ")
	if start < 0 || !s.suggest {
		return ""
	}
	var names []string
	for _, match := range quotedName.FindAllStringSubmatch(message[start:], -1) {
		if s.names[match[1]] {
			names = append(names, match[1])
		}
	}
	if len(names) == 0 {
		return ""
	}
	return " Did you mean " + validator.QuotedOrList(names...) + "?"
}

// inputPath returns where in the variables an error is, as far as the schema has names for it. If clients may not see
// the schema it returns "", because the client may have left out the field with the error.
func (s sanitizer) inputPath(path ast.Path) string {
	if !s.suggest {
		return ""
	}
	var steps []string
	for _, step := range path[1:] { // the first is that of all variables
		switch step := step.(type) {
		case ast.PathIndex:
			steps = append(steps, strconv.Itoa(int(step)))
		case ast.PathName:
			if s.names[string(step)] {
				steps = append(steps, string(step))
			}
		}
	}
	if len(steps) == 0 {
		return ""
	}
	return ": " + strings.Join(steps, ".")
}

// ruleMessage returns the message for the violation of a validation rule (GraphQL specification, section 5).
func ruleMessage(rule string) string {
	if message, ok := ruleMessages[strings.TrimSuffix(rule, "WithoutSuggestions")]; ok {
		return message
	}
	return "The document does not match the schema."
}

var ruleMessages = map[string]string{
	"FieldsOnCorrectType":          "This field does not exist here.",
	"FragmentsOnCompositeTypes":    "A fragment must be on a type with fields.",
	"IntsOf32Bits":                 "An Int must fit into 32 bits.",
	"KnownArgumentNames":           "This argument does not exist here.",
	"KnownDirectives":              "This directive does not exist, or is not allowed here.",
	"KnownFragmentNames":           "This fragment is not defined.",
	"KnownRootType":                "The schema does not support this kind of operation.",
	"KnownTypeNames":               "This type does not exist.",
	"LoneAnonymousOperation":       "An anonymous operation must be the only operation of the document.",
	"MaxIntrospectionDepth":        "The introspection is nested too deep.",
	"NoFragmentCycles":             "A fragment must not contain itself.",
	"NoUndefinedVariables":         "This variable is not declared.",
	"NoUnusedFragments":            "This fragment is never used.",
	"NoUnusedVariables":            "This variable is never used.",
	"ObjectsOfInputTypes":          "An object is not a value of this type.",
	"OverlappingFieldsCanBeMerged": "These fields have the same name in the response but differ. Use an alias for one of them.",
	"PossibleFragmentSpreads":      "This fragment can never apply here.",
	"ProvidedRequiredArguments":    "A required argument is missing.",
	"ScalarLeafs":                  "Select subfields of an object with { … }; other types have none.",
	"SingleFieldSubscriptions":     "A subscription must select one field.",
	"UniqueArgumentNames":          "This argument is given twice.",
	"UniqueDirectivesPerLocation":  "This directive can be used only once here.",
	"UniqueFragmentNames":          "Another fragment has this name.",
	"UniqueInputFieldNames":        "This input field is given twice.",
	"UniqueOperationNames":         "Another operation has this name.",
	"UniqueVariableNames":          "This variable is declared twice.",
	"ValuesOfCorrectType":          "This value does not match the expected type.",
	"VariablesAreInputTypes":       "A variable must have an input type.",
	"VariablesInAllowedPosition":   "The type of this variable does not match.",
}
