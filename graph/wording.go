package graph

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

const maxErrors = 20 // in an answer

// sanitizer replaces what the parser and the validator say, which quotes the request, by sentences of our own. Only names
// of the schema are ever put into them.
type sanitizer struct {
	names   map[string]bool // every name of the schema
	suggest bool            // names of the schema are no secret
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

// sanitize returns at most 20 of the errors of a request that is not going to run, each as an account.Error with the
// locations of the original.
func (w sanitizer) sanitize(errs gqlerror.List) gqlerror.List {
	list := make(gqlerror.List, min(len(errs), maxErrors))
	for i := range list {
		list[i] = errs[i]
		if _, ours := errors.AsType[*account.Error](errs[i]); !ours {
			list[i] = refuse(w.rewrite(errs[i]))
			list[i].Locations = errs[i].Locations
		}
	}
	return list
}

func (w sanitizer) rewrite(err *gqlerror.Error) (account.Code, string) {
	switch {
	case err.Rule != "":
		return validationFailed, ruleMessage(err.Rule) + w.suggestion(err.Message)
	case strings.HasPrefix(err.Message, "exceeded "):
		return account.RequestTooCostly, fmt.Sprintf("The document is too long: it may have %d tokens.", maxTokens)
	case err.Extensions["code"] == errcode.ParseFailed:
		return parseFailed, "The document is not GraphQL: here is something that the grammar does not allow."
	case err.Path != nil && err.Message == "unknown field":
		return validationFailed, "A variable has a field that its type does not have" + w.inputPath(err.Path) + "."
	case err.Path != nil:
		return account.BadUserInput, "A variable has no value, or one that does not fit its type" + w.inputPath(err.Path) + "."
	default:
		return validationFailed, "Which operation? The document holds none of this name, or several and no name was given."
	}
}

var quotedName = regexp.MustCompile(`"([_A-Za-z][_0-9A-Za-z]*)"`)

// suggestion returns the names of the schema that the validator proposes instead of what the client wrote.
func (w sanitizer) suggestion(message string) string {
	start := strings.LastIndex(message, "Did you mean ")
	if start < 0 || !w.suggest {
		return ""
	}
	var names []string
	for _, match := range quotedName.FindAllStringSubmatch(message[start:], -1) {
		if w.names[match[1]] {
			names = append(names, match[1])
		}
	}
	if len(names) == 0 {
		return ""
	}
	return " Did you mean " + validator.QuotedOrList(names...) + "?"
}

// inputPath returns where in the variables something is wrong, as far as the schema has names for it. Where nobody is told
// the schema it returns "", for the field at fault may be one that the client left out.
func (w sanitizer) inputPath(path ast.Path) string {
	if !w.suggest {
		return ""
	}
	var steps []string
	for _, step := range path[1:] { // the first says that this is a path into the variables
		switch step := step.(type) {
		case ast.PathIndex:
			steps = append(steps, strconv.Itoa(int(step)))
		case ast.PathName:
			if w.names[string(step)] {
				steps = append(steps, string(step))
			}
		}
	}
	if len(steps) == 0 {
		return ""
	}
	return ": " + strings.Join(steps, ".")
}

// ruleMessage returns a sentence about the violation of a validation rule (GraphQL specification, section 5).
func ruleMessage(rule string) string {
	if sentence, ok := ruleMessages[strings.TrimSuffix(rule, "WithoutSuggestions")]; ok {
		return sentence
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
