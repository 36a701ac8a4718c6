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
		return newError(account.RequestTooCostly, "The document is too long: it may have %d tokens.", MaxTokens)
	case err.Extensions["code"] == errcode.ParseFailed:
		return newError(parseFailed, "The document is not GraphQL: here is something that the grammar does not allow.")
	case err.Path != nil && err.Message == unknownField:
		return newError(validationFailed, "A variable has a field that its type does not have%s.", s.inputPath(err.Path))
	case err.Path != nil:
		return newError(account.BadUserInput,
			"A variable has no value, or one that does not fit its type%s.", s.inputPath(err.Path))
	default:
		return newError(validationFailed,
			"Which operation? The document holds none of this name, or several and no name was given.")
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
	return "The document does not fit the schema."
}

var ruleMessages = map[string]string{
	"FieldsOnCorrectType":          "There is no such field here.",
	"FragmentsOnCompositeTypes":    "A fragment needs a type that has fields.",
	"IntsOf32Bits":                 "An Int has 32 bits.",
	"KnownArgumentNames":           "There is no such argument here.",
	"KnownDirectives":              "There is no such directive, or not in this place.",
	"KnownFragmentNames":           "The document does not define this fragment.",
	"KnownRootType":                "The server does not offer this kind of operation.",
	"KnownTypeNames":               "There is no such type.",
	"LoneAnonymousOperation":       "An operation without a name must be the only one in the document.",
	"MaxIntrospectionDepth":        "The introspection nests too deep.",
	"NoFragmentCycles":             "A fragment must not spread itself.",
	"NoUndefinedVariables":         "The operation does not declare this variable.",
	"NoUnusedFragments":            "This fragment is never used.",
	"NoUnusedVariables":            "This variable is never used.",
	"ObjectsOfInputTypes":          "An object is no value of this type.",
	"OverlappingFieldsCanBeMerged": "These fields go by one name in the answer but differ; give one an alias.",
	"PossibleFragmentSpreads":      "This fragment can never apply here.",
	"ProvidedRequiredArguments":    "A required argument is missing.",
	"ScalarLeafs":                  "Select fields of an object by { … }, and none of anything else.",
	"SingleFieldSubscriptions":     "A subscription selects one field.",
	"UniqueArgumentNames":          "This argument is given twice.",
	"UniqueDirectivesPerLocation":  "This directive can be used only once in a place.",
	"UniqueFragmentNames":          "Two fragments have this name.",
	"UniqueInputFieldNames":        "This input field is given twice.",
	"UniqueOperationNames":         "Two operations have this name.",
	"UniqueVariableNames":          "This variable is declared twice.",
	"ValuesOfCorrectType":          "This value does not fit the type that is wanted here.",
	"VariablesAreInputTypes":       "A variable needs the type of an input.",
	"VariablesInAllowedPosition":   "The type of this variable does not fit here.",
}
