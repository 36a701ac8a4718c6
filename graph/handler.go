package graph

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/rs/cors"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

const (
	cachedDocuments = 1_000
	cachedSize      = 2 << 10 // bytes of a document
)

// Options are what an installation decides about its endpoint.
type Options struct {
	Development    bool     // tells the schema to whoever asks, and proposes names for misspelt ones
	AllowedOrigins []string // web origins whose scripts may call with credentials, such as https://app.example.com
	Log            *slog.Logger
	Observe        func(context.Context, Operation) // told of each request before it is answered; nil for nobody
}

// NewHandler returns the endpoint for a schema; it belongs at /graphql, inside WithRequestID. A request is at most
// 256 KiB and 1,000 tokens, nests 12 fields, tries one credential and is over after 10 seconds.
func NewHandler(es graphql.ExecutableSchema, o Options) http.Handler {
	log := slog.New(LogRequest(o.Log.Handler()))
	presenter := presenter{log: log}
	exec := executor.New(es)
	exec.SetErrorPresenter(presenter.present)
	exec.SetRecoverFunc(presenter.recovered)
	exec.SetParserTokenLimit(maxTokens)
	known := documents{lru.New[*ast.QueryDocument](cachedDocuments)}
	exec.SetQueryCache(known)
	exec.SetDisableSuggestion(!o.Development)
	exec.SetDefaultRulesFn(func() *rules.Rules { return ruleset(o.Development) })
	exec.Use(newLimits(o.Development, known))
	exec.Use(fastMarshal{})
	guard := http.NewCrossOriginProtection()
	for _, origin := range o.AllowedOrigins {
		guard.AddTrustedOrigin(origin) // what is no origin is refused here, and trusted nowhere
	}
	endpoint := &transport{
		guard:     guard,
		exec:      exec,
		schema:    es.Schema(),
		presenter: presenter,
		messages:   newSanitizer(es.Schema(), o.Development),
		log:       log,
		observe:   o.Observe,
		accepted:  lru.New[string](acceptedHeaders),
		queries:    make(semaphore, maxQueries),
		scans:  make(semaphore, maxScanQueries),
		queryBudget:   newByteBudget(),
		mutationBudget:   newByteBudget(),
	}
	return cors.New(cors.Options{
		// A function, because the package takes an empty list for every origin and an asterisk for a pattern. Every
		// sandboxed document calls itself null.
		AllowOriginFunc: func(origin string) bool {
			return origin != "null" && slices.Contains(o.AllowedOrigins, origin)
		},
		AllowedMethods:   []string{http.MethodGet, http.MethodPost},
		AllowedHeaders:   []string{"Authorization", "Content-Type", requestIDHeader},
		ExposedHeaders:   []string{requestIDHeader, "Retry-After"},
		AllowCredentials: true,
		MaxAge:           600, // seconds for which a browser need not ask again
	}).Handler(endpoint)
}

// documents remembers the latest 1,000 valid documents. Long ones it does not keep, so that nobody can fill the memory;
// nor those with strings in them, which may be passwords and will hardly come again.
type documents struct {
	*lru.LRU[*ast.QueryDocument]
}

// Add remembers a document.
func (d documents) Add(ctx context.Context, text string, document *ast.QueryDocument) {
	if len(text) <= cachedSize && !strings.Contains(text, `"`) {
		d.LRU.Add(ctx, text, document)
	}
}

// ruleset returns the rules of validation. Where nobody is told similar names it spares the search for them, which
// costs more than all other validation; the executor replaces two more rules itself.
func ruleset(suggest bool) *rules.Rules {
	list := rules.NewDefaultRules()
	list.AddRule(intsOf32Bits.Name, intsOf32Bits.RuleFunc)
	list.AddRule(objectsOfInputTypes.Name, objectsOfInputTypes.RuleFunc)
	if !suggest {
		list.ReplaceRule(rules.KnownArgumentNamesRule.Name, rules.KnownArgumentNamesRuleWithoutSuggestions.RuleFunc)
		list.ReplaceRule(rules.KnownTypeNamesRule.Name, rules.KnownTypeNamesRuleWithoutSuggestions.RuleFunc)
		list.ReplaceRule(rules.ValuesOfCorrectTypeRule.Name, rules.ValuesOfCorrectTypeRuleWithoutSuggestions.RuleFunc)
	}
	return list
}
