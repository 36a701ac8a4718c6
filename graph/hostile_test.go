package graph

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/lexer"
	"github.com/vektah/gqlparser/v2/parser"

	"latchkey/internal/gqlhttp"
)

const (
	signInBy = "mutation($i:ObtainTokenInput!){obtainToken(input:$i){userErrors{code}}}"
	pageOf   = "query($n:Int){profiles(first:$n){nodes{id}}}"
)

var again = strings.Repeat

// each repeats a text with every number from 0 for N, and the next one for M.
func each(n int, text string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.NewReplacer("N", strconv.Itoa(i), "M", strconv.Itoa(i+1)).Replace(text))
	}
	return b.String()
}

// swelling documents are designed to keep a server busy. They are sent as large as the limits allow, and larger.
var swelling = map[string]func(n int) string{
	"one field": func(n int) string { return "{me{" + again("id ", n) + "}}" },
	"few fields": func(n int) string {
		return "{me{" + again("id name username email role status ", n) + "}}"
	},
	"equal pairs":            func(n int) string { return "{" + again("me{id name} ", n) + "}" },
	"equal trees":            func(n int) string { return "{" + again("me{profile{id}} ", n) + "}" },
	"nested pairs":           func(n int) string { return "{me{" + nest(n, "profile{id}") + "}}" },
	"conflicts":              func(n int) string { return "{me{" + again("a:id a:name ", n) + "}}" },
	"conflicts below":        func(n int) string { return "{" + again("me{a:id a:name} ", n) + "}" },
	"conflicts of arguments": func(n int) string { return "{" + each(n, "node(id:N){id}") + "}" },
	"conflicts of long texts": func(n int) string {
		return "{" + each(n, `node(id:"`+again("x", 1000)+`N"){id}`) + "}"
	},
	"conflicts of types": func(n int) string {
		return "{node(id:1){" + again("...on User{a:id} ...on Profile{a:isOrganizer} ", n) + "}}"
	},
	"pairs in inline fragments": func(n int) string {
		return "{me{" + again("...{", n) + again("id ", n) + again("}", n) + "}}"
	},
	"few pairs in inline fragments": func(n int) string {
		return "{me{" + again("...{", n) + again("id ", 20) + again("}", n) + "}}"
	},
	"conflicts in inline fragments": func(n int) string {
		return "{me{" + again("...{", 2*n) + again("a:id a:name ", n) + again("}", 2*n) + "}}"
	},
	"pairs in operations": func(n int) string {
		return each(n, "query QN{...F}") + "fragment F on Query{me{" + again("id ", n) + "}}"
	},
	"conflicts in operations": func(n int) string {
		return each(n, "query QN{...F}") + "fragment F on Query{me{" + again("a:id a:name ", n) + "}}"
	},
	"conflicts in fragments": func(n int) string {
		return "{me{" + each(n, "...FN ") + "}}" + each(n, "fragment FN on User{a:id a:name}")
	},
	"fields in operations": func(n int) string {
		return each(n, "query QN{...F}") + "fragment F on Query{" + each(n, "aN:me{id}") + "}"
	},
	"doubled":       func(n int) string { return "{" + doubling("Query", n, "me{id}") },
	"doubled below": func(n int) string { return "{me{" + doubling("User", n, "profile{id}") + "}" },
	"doubled apart": func(n int) string {
		return "{...F0}" + each(n, "fragment FN on Query{a:me{id} b:me{id} ...FM ...FM}") + last(n, "Query{me{id}}")
	},
	"a chain": func(n int) string {
		return "{...F0}" + each(n, "fragment FN on Query{...FM}") + last(n, "Query{me{id}}")
	},
	"a chain and all": func(n int) string { return chain(n, each(n, "aN:me{id}")) },
	"every fragment": func(n int) string {
		return "{" + each(n, "...FN ") + "}" + each(n, "fragment FN on Query{"+each(n, "...FN ")+"}")
	},
	"unused fragments":  func(n int) string { return "{me{id}}" + each(n, "fragment FN on Query{me{id}}") },
	"unknown fragments": func(n int) string { return "{" + each(n, "...FN ") + "}" },
	"equal fragments":   func(n int) string { return "{...F}" + again("fragment F on Query{me{id}}", n) },
	"equal fragments in operations": func(n int) string {
		return each(n, "query QN{...F}") +
			"fragment F on Query{me{" + again("a:id a:name ", n) + "}} fragment F on Query{me{id}}"
	},
	"a deep type in uses": func(n int) string {
		return "query($v:" + again("[", 250) + "ID" + again("]", 250) + "){" + each(n, "aN:node(id:$v){id}") + "}"
	},
	"a cycle":         func(n int) string { return chain(n, "...F0") },
	"unknown fields":  func(n int) string { return "{" + each(n, again("x", 120)+"N ") + "}" },
	"misspelt fields": func(n int) string { return "{me{" + each(n, "usernamN ") + "}}" },
	"misspelt in a chain": func(n int) string {
		return chain(n, "me{"+each(n, "usernamN ")+"}")
	},
	"unknown arguments":      func(n int) string { return "{" + each(n, "aN:node(iN:1){id}") + "}" },
	"arguments":              func(n int) string { return "{node(" + each(n, "iN:1 ") + "){id}}" },
	"unknown types":          func(n int) string { return "{" + each(n, "...on ProfilN{id}") + "}" },
	"long unknown types":     func(n int) string { return "{" + each(n, "...on "+again("P", 120)+"N{id}") + "}" },
	"unknown types in chain": func(n int) string { return chain(n, each(n, "...on "+again("P", 120)+"N{id}")) },
	"fragments on unknown types": func(n int) string {
		return "{" + each(n, "...FN ") + "}" + each(n, "fragment FN on "+again("P", 120)+"N{id}")
	},
	"unknown fields in a chain": func(n int) string {
		return strings.ReplaceAll("mutation"+chain(n, each(n, again("x", 120)+"N ")), "Query", "Mutation")
	},
	"unknown fields in operations": func(n int) string {
		return each(n, "mutation QN{...F}") + "fragment F on Mutation{" + each(n, again("x", 120)+"N ") + "}"
	},
	"few unknown fields in a chain": func(n int) string {
		return strings.ReplaceAll("mutation"+chain(n, each(2*n, again("x", 120)+"N ")), "Query", "Mutation")
	},
	"unknown arguments in operations": func(n int) string {
		return each(n, "query QN{...F}") +
			"fragment F on Query{profiles(" + each(n, again("x", 120)+"N:1 ") + "){totalCount}}"
	},
	"unknown inputs in operations": func(n int) string {
		return each(n, "mutation QN{...F}") + "fragment F on Mutation{register(input:{" + each(n, again("x", 120)+"N:1 ") +
			"}){user{id}}}"
	},
	"unknown directives": func(n int) string { return "{me" + each(n, "@aN") + "{id}}" },
	"one directive":      func(n int) string { return "{me" + again("@skip(if:true)", n) + "{id}}" },
	"directives": func(n int) string {
		return "{" + again("me@skip(if:true)@include(if:true){id} ", n) + "}"
	},
	"directives of a query": func(n int) string { return "query Q" + again("@skip(if:true)", n) + "{me{id}}" },
	"aliases":               func(n int) string { return "{" + each(n, "aN:me{id}") + "}" },
	"inline fragments":      func(n int) string { return again("{...", n) + "{id}" + again("}", n) },
	"typed inline fragments": func(n int) string {
		return "{" + again("...on Query{", n) + "me{id}" + again("}", n+1)
	},
	"list of lists": func(n int) string { return "{node(id:" + again("[", n) + again("]", n) + "){id}}" },
	"text in lists": func(n int) string {
		return "{node(id:" + again("[", n) + `"` + again("x", 100_000) + `"` + again("]", n) + "){id}}"
	},
	"text in objects": func(n int) string {
		return "mutation{register(input:" + again("{profile:", n) + `"` + again("x", 100_000) + `"` + again("}", n) +
			"){user{id}}}"
	},
	"list": func(n int) string { return "{node(id:[" + again("1 ", n) + "]){id}}" },
	"texts": func(n int) string {
		return "{" + each(n, `aN:node(id:["`+again("x", 1500)+`"]){id}`) + "}"
	},
	"text in operations": func(n int) string {
		return each(n, "query QN{...F}") + `fragment F on Query{profiles(first:"` + again("x", 200_000) + `"){totalCount}}`
	},
	"text in a chain": func(n int) string {
		return chain(n, `profiles(first:"`+again("x", 200_000)+`"){totalCount}`)
	},
	"lists in operations": func(n int) string {
		return each(n, "query QN{...F}") + "fragment F on Query{profiles(first:" +
			again("[", n) + `"` + again("x", 10_000) + `"` + again("]", n) + "){totalCount}}"
	},
	"numbers": func(n int) string {
		return "{" + each(n, "aN:profiles(first:1e999999999){totalCount}") + "}"
	},
	"variables": func(n int) string {
		return "query(" + each(n, "$vN:ID ") + "){" + each(n, "aN:node(id:$vN){id}") + "}"
	},
	"unused variables":    func(n int) string { return "query(" + each(n, "$vN:ID ") + "){me{id}}" },
	"one variable":        func(n int) string { return "query(" + again("$v:ID ", n) + "){me{id}}" },
	"undefined variables": func(n int) string { return "{" + each(n, "aN:node(id:$vN){id}") + "}" },
	"variables in operations": func(n int) string {
		return each(n, "query QN("+each(n, "$vN:ID ")+"){...F}") +
			"fragment F on Query{" + each(n, "aN:node(id:$vN){id}") + "}"
	},
	"a deep type": func(n int) string {
		return "query($v:" + again("[", n) + "ID" + again("]", n) + "){me{id}}"
	},
	"a deep default": func(n int) string {
		return "query($v:ID=" + again("[", n) + again("]", n) + "){me{id}}"
	},
	"operations":          func(n int) string { return each(n, "query QN{me{id}}") },
	"equal operations":    func(n int) string { return again("query Q{me{id}}", n) },
	"nameless operations": func(n int) string { return again("{me{id}}", n) },
	"unknown operations":  func(n int) string { return each(n, "subscription SN{a}") },
	"comments":            func(n int) string { return again("#\n", n) + "{me{id}}" },
	"comments inside":     func(n int) string { return "{me" + again("#x\n", n) + "{id}}" },
	"empty blocks":        func(n int) string { return "{node(id:[" + again(`"""x"""`, n) + "]){id}}" },
	"introspection":       func(int) string { return introspection },
	"as many schemas":     func(int) string { return "{" + each(15, "aN:__schema{types{fields{name type{name}}}}") + "}" },
	"whole schemas": func(n int) string {
		return "{" + each(n, "aN:__schema{types{fields{name type{name}}}}") + "}"
	},
	"wide types": func(n int) string {
		return "{__schema{types{" + each(n, "aN:fields{type{fields{name}}}") + "}}}"
	},
	"names of the schema": func(n int) string {
		return "{__schema{types{" + each(n, "aN:name bN:description cN:kind ") + "}}}"
	},
	"names of fields": func(n int) string { return "{__schema{types{fields{" + each(n, "aN:name ") + "}}}}" },
	"possible types": func(n int) string {
		return "{__schema{types{" + each(n, "aN:possibleTypes{fields{name}} ") + "}}}"
	},
	"descriptions": func(n int) string { return "{__schema{types{" + each(n, "aN:description ") + "}}}" },
	"doubled schema": func(n int) string {
		return "{__schema{types{" + doubling("__Type", n, "name") + "}}"
	},
	"deep schema": func(n int) string {
		return `{__type(name:"User"){` + again("ofType{", n) + "name" + again("}", n+2)
	},
	"types asked for": func(n int) string {
		return "{" + each(n, `aN:__type(name:"`+again("x", 500)+`"){name}`) + "}"
	},
	"all of many profiles": func(n int) string {
		return "{profiles(first:100){" + again("nodes{id description} ", n) + "}}"
	},
	"typenames in a page": func(n int) string {
		return "{profiles(first:100){nodes{" + each(n, "aN:__typename ") + "}}}"
	},

	"a name":           func(n int) string { return "{" + again("x", n) + "}" },
	"an alias":         func(n int) string { return "{" + again("x", n) + ":me{id}}" },
	"a type":           func(n int) string { return "{...A} fragment A on " + again("x", n) + "{id}" },
	"a comment":        func(n int) string { return "#" + again("x", n) + "\n{me{id}}" },
	"spaces":           func(n int) string { return again(" ", n) + "{me{id}}" },
	"lines":            func(n int) string { return again("\r\n", n) + "{me{id}}" },
	"byte order marks": func(n int) string { return again("\ufeff", n) + "{me{id}}" },
	"commas":           func(n int) string { return "{me{id" + again(",", n) + "}}" },
	"a text":           func(n int) string { return `{node(id:"` + again("x", n) + `"){id}}` },
	"a wrong text":     func(n int) string { return `{profiles(first:"` + again("x", n) + `"){totalCount}}` },
	"escapes":          func(n int) string { return `{node(id:"` + again(`\u00e9`, n) + `"){id}}` },
	"long escapes":     func(n int) string { return `{node(id:"` + again(`\u{1F600}`, n) + `"){id}}` },
	"a long escape":    func(n int) string { return `{node(id:"\u{` + again("0", n) + `}"){id}}` },
	"a block":          func(n int) string { return `{node(id:"""` + again("\n x", n) + `"""){id}}` },
	"an indented block": func(n int) string {
		return `{node(id:"""` + again("\n"+again(" ", 200)+"x", n) + `"""){id}}`
	},
	"a number":   func(n int) string { return "{node(id:" + again("9", n) + "){id}}" },
	"a fraction": func(n int) string { return "{profiles(first:0." + again("9", n) + "){totalCount}}" },
}

// broken documents are not GraphQL, or longer than the limits allow.
var broken = map[string]string{
	"braces":        again("{", 250_000),
	"brackets":      "{node(id:" + again("[", 250_000) + "){id}}",
	"objects":       "mutation{register(input:" + again("{a:", 80_000),
	"quotes":        "{node(id:" + again(`"`, 100_000) + "){id}}",
	"texts":         "{node(id:" + again(`"",`, 50_000) + "){id}}",
	"fields":        "{me{" + again("id ", 80_000) + "}}",
	"spreads":       "{" + again("...A", 60_000) + "}",
	"directives":    "{me" + again("@a", 120_000) + "{id}}",
	"a name":        "{" + again("x", 250_000) + "}",
	"a variable":    "query($" + again("v", 120_000) + ":ID!){node(id:$" + again("v", 120_000) + "){id}}",
	"an operation":  "query " + again("q", 250_000) + "{you}",
	"a fragment":    "{..." + again("f", 250_000) + "}",
	"a directive":   "{me@" + again("d", 250_000) + "{id}}",
	"a type":        "{...A} fragment A on " + again("t", 250_000) + "{id}",
	"comments":      again("#\n", 80_000) + "{me{id}}",
	"control codes": again("\x01", 40_000),
}

// variables are designed to keep a server busy.
var variables = map[string]string{
	"brackets":       `{"n":` + again("[", 250_000),
	"closed":         `{"n":` + again("[", 120_000) + again("]", 120_000) + "}",
	"deep objects":   `{"n":` + again(`{"a":`, 40_000) + "1" + again("}", 40_000) + "}",
	"numbers":        `{"n":[` + again("1,", 125_000) + "1]}",
	"texts":          `{"n":[` + again(`"",`, 80_000) + "1]}",
	"empty objects":  `{"n":[` + again("{},", 80_000) + "1]}",
	"empty lists":    `{"n":[` + again("[],", 80_000) + "1]}",
	"small objects":  `{"n":[` + again(`{"a":1},`, 30_000) + "1]}",
	"as many":        `{"n":[` + again(`{"a":1},`, 4_990) + "1]}",
	"many":           "{" + each(15_000, `"vN":M,`) + `"n":1}`,
	"unknown fields": `{"n":{` + each(9_900, `"vN":M,`) + `"n":1}}`,
	"one name":       "{" + again(`"n":1,`, 40_000) + `"n":1}`,
	"long names":     "{" + each(9_000, `"`+again("x", 15)+`N":1,`) + `"n":1}`,
	"a long name":    `{"` + again("x", 250_000) + `":1}`,
	"a long number":  `{"n":` + again("9", 250_000) + "}",
	"a huge number":  `{"n":1e999999999}`,
	"a tiny number":  `{"n":1e-` + again("9", 200_000) + `}`,
	"a fraction":     `{"n":0.` + again("3", 250_000) + `}`,
	"a long text":    `{"n":"` + again("x", 250_000) + `"}`,
	"escapes":        `{"n":"` + again(`\u0000`, 40_000) + `"}`,
	"surrogates":     `{"n":"` + again(`\ud800`, 40_000) + `"}`,
	"spaces":         `{"n":` + again(" ", 250_000) + `1}`,
	"not UTF-8":      `{"n":"` + again("\xff", 250_000) + `"}`,
}

// hostile returns the bodies of requests that are designed to keep a server busy, by name.
func hostile() map[string]string {
	bodies := map[string]string{
		"nothing":            "",
		"spaces":             again(" ", gqlhttp.MaxBody),
		"a list of requests": "[" + again(`{"query":"{me{id}}"},`, 12_000) + "1]",
		"many members":       "{" + each(20_000, `"vN":1,`) + `"query":"{me{id}}"}`,
		"a fitting password": envelope(signInBy, `{"i":{"identifier":"a","password":"`+again("x", 250_000)+`"}}`),
		"unknown fields":     envelope(signInBy, `{"i":{`+each(9_900, `"vN":1,`)+`"password":"x"}}`),
	}
	for name, document := range swelling {
		bodies["document: "+name] = envelope(largest(document, true), "{}")
		bodies["larger: "+name] = envelope(largest(document, false), "{}")
	}
	for name, document := range broken {
		bodies["broken: "+name] = envelope(document, "{}")
	}
	for name, value := range variables {
		bodies["variables: "+name] = envelope(pageOf, value)
	}
	return bodies
}

// largest returns the longest document of a kind that can be sent; with passes, the longest that is validated.
func largest(document func(n int) string, passes bool) string {
	tooLarge := func(n int) bool {
		text := document(n)
		if len(envelope(text, "{}")) > gqlhttp.MaxBody || hasLongName(text) {
			return true
		}
		parsed, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: text}, gqlhttp.MaxTokens)
		return err != nil && strings.Contains(err.Error(), "exceeded") || err == nil && passes && gqlhttp.DocumentCost(parsed) > gqlhttp.MaxDocumentCost
	}
	limit := 1
	for limit < gqlhttp.MaxBody && !tooLarge(limit) {
		limit *= 2
	}
	return document(max(1, sort.Search(limit, tooLarge)-1))
}

// hasLongName reports whether a document has a name of more than 128 bytes, which is not even parsed.
func hasLongName(text string) bool {
	for document := lexer.New(&ast.Source{Input: text}); ; {
		token, err := document.ReadToken()
		if err != nil || token.Kind == lexer.EOF {
			return false
		}
		if token.Kind == lexer.Name && len(token.Value) > 128 {
			return true
		}
	}
}

// chain returns a document of n fragments, each spread by the one before, the last with the selection.
func chain(n int, selection string) string {
	return "{...F0}" + each(n, "fragment FN on Query{...FM}") + last(n, "Query{"+selection+"}")
}

func last(n int, rest string) string { return "fragment F" + strconv.Itoa(n) + " on " + rest }

// nest returns a selection twice inside of itself, n times over.
func nest(n int, selection string) string {
	for range min(n, 12) {
		selection = "...on User{" + selection + "} ...on User{" + selection + "} "
	}
	return selection
}

// envelope returns the body of a request.
func envelope(document, variables string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(document); err != nil {
		panic(err)
	}
	return `{"query":` + strings.TrimSpace(b.String()) + `,"variables":` + variables + `}`
}

// mayAllocate is how much memory a request may allocate.
const mayAllocate = 16 << 20 // bytes

// TestHostileRequests measures the processor time and memory of each request. A request that exceeds a limit is tried
// three times, because the machine may be busy.
func TestHostileRequests(t *testing.T) {
	bodies := hostile()
	for _, mode := range []Options{development, production} {
		mode.Log = slog.New(slog.DiscardHandler)
		handler := NewHandler(signedIn.schema(), mode)
		for _, name := range slices.Sorted(maps.Keys(bodies)) {
			var answer *httptest.ResponseRecorder
			least, bytes := time.Hour, uint64(1<<62)
			for range 3 {
				r := httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader(bodies[name]))
				r.Header.Set("Content-Type", "application/json")
				answer = httptest.NewRecorder()
				before, start := allocated(), computed(t)
				handler.ServeHTTP(answer, r)
				least, bytes = min(least, computed(t)-start), min(bytes, allocated()-before)
				if least <= mayCompute && bytes <= mayAllocate {
					break
				}
			}
			t.Logf("%-5t %-40s %6.1f ms %6.2f MiB", mode.Development, name, least.Seconds()*1000, float64(bytes)/(1<<20))
			if least > mayCompute || bytes > mayAllocate {
				t.Errorf("%s, in development %t: %v and %d bytes", name, mode.Development, least, bytes)
			}
			checkAnswer(t, name, answer.Body.Bytes())
		}
	}
}

// FuzzRequest checks that the response to any request is well formed and the memory limited. The seeds are small, for
// speed.
func FuzzRequest(f *testing.F) {
	for _, document := range swelling {
		text := document(2)
		f.Add(text[:min(len(text), 500)], "{}")
	}
	for _, text := range broken {
		f.Add(text[:100], "{}")
	}
	for _, text := range variables {
		f.Add(pageOf, text[:min(len(text), 100)])
	}
	f.Add(signInBy, `{"i":{"identifier":"a","password":"b","delivery":"BODY"}}`)
	var handlers []http.Handler
	for _, o := range []Options{development, production} {
		o.Log = slog.New(slog.DiscardHandler)
		handlers = append(handlers, NewHandler(signedIn.schema(), o))
	}
	f.Fuzz(func(t *testing.T, document, variables string) {
		for _, handler := range handlers {
			r := httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader(envelope(document, variables)))
			r.Header.Set("Content-Type", "application/json")
			answer := httptest.NewRecorder()
			before := allocated()
			handler.ServeHTTP(answer, r)
			if bytes := allocated() - before; bytes > mayAllocate {
				t.Errorf("%d bytes", bytes)
			}
			checkAnswer(t, "answer", answer.Body.Bytes())
		}
	})
}

// checkAnswer demands JSON with data or at most 20 errors.
func checkAnswer(t *testing.T, name string, body []byte) {
	t.Helper()
	var answer struct {
		Data   map[string]any
		Errors []struct {
			Message    string
			Extensions struct{ Code string }
		}
	}
	err := json.Unmarshal(body, &answer)
	if err != nil || answer.Data == nil && len(answer.Errors) == 0 || len(answer.Errors) > gqlhttp.MaxErrors {
		t.Errorf("%s: %v, %d errors: %.200s", name, err, len(answer.Errors), body)
	}
	for _, e := range answer.Errors {
		if e.Message == "" || e.Extensions.Code == "" {
			t.Errorf("%s: an error without a code or a message: %.200s", name, body)
		}
	}
}

// computed returns the processor time of this process.
func computed(t *testing.T) time.Duration {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// allocated returns how many bytes this process has allocated since it started.
func allocated() uint64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.TotalAlloc
}
