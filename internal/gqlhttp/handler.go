// Package gqlhttp serves a GraphQL schema over HTTP: POST with a JSON body, and GET for queries (GraphQL over HTTP,
// https://graphql.github.io/graphql-over-http/draft/). Call [New] with the schema and the [Options] that describe it.
//
// # Limits
//
// A request has at most [MaxBody] bytes and [MaxTokens] tokens, takes at most 10 seconds, and is rejected before it
// runs if it costs too much: to validate ([DocumentCost]), to run or to return ([Costs]). Few queries run at the same
// time, and few bytes of long responses are written at the same time.
//
// # Messages
//
// No response and no log line repeats any part of a request but the names that the client chose for the data.
//
// This package knows no field of any schema, no account and no token.
package gqlhttp

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"latchkey/internal/account"
)

const (
	requestTimeout = 10 * time.Second

	cachedDocuments    = 1_000
	cachedDocumentSize = 2 << 10 // bytes of a document

	allMethods = "GET, POST, OPTIONS"
)

// Options describe a schema and its clients. The functions must be set, except Observe.
type Options struct {
	Development bool // allows introspection, and names parts of the schema in messages
	Log         *slog.Logger

	Costs      Costs
	Credential string                     // the directive of fields that check a credential: a request may have one
	Extensions []graphql.HandlerExtension // of the executor

	Present graphql.ErrorPresenterFunc
	Recover graphql.RecoverFunc // returns the error for a panic

	CheckPost     func(*http.Request) error          // returns why the body of a POST is not read: status 403
	UserID        func(context.Context) string       // returns the user's ID for the log, or ""
	ClientIP      func(context.Context) string       // returns the IP address of the client, or ""
	UserErrorCode func(context.Context) account.Code // returns the code of the first user error in the response, or ""

	Observe func(context.Context, Operation) // called for each request before its response is written; may be nil
}

// handler is the endpoint of one schema.
type handler struct {
	Options
	admission
	exec     *executor.Executor
	schema   *ast.Schema
	messages sanitizer
	accepts  *lru.LRU[string] // media types of responses, or "", by Accept header
}

// New returns the endpoint of a schema.
func New(schema graphql.ExecutableSchema, o Options) http.Handler {
	exec := executor.New(schema)
	exec.SetErrorPresenter(o.Present)
	exec.SetRecoverFunc(o.Recover)
	exec.SetParserTokenLimit(MaxTokens)
	validated := documents{lru.New[*ast.QueryDocument](cachedDocuments)}
	exec.SetQueryCache(validated)
	exec.SetDisableSuggestion(!o.Development)
	exec.SetDefaultRulesFn(func() *rules.Rules { return ruleset(o.Development) })
	exec.Use(newLimits(o, validated))
	for _, extension := range o.Extensions {
		exec.Use(extension)
	}
	return &handler{
		Options:   o,
		admission: newAdmission(),
		exec:      exec,
		schema:    schema.Schema(),
		messages:  newSanitizer(schema.Schema(), o.Development),
		accepts:   lru.New[string](cachedAccepts),
	}
}

// ServeHTTP answers a request and logs one line about it. It does not panic.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Add("Vary", "Accept")
	if r.Method == http.MethodOptions {
		header.Set("Allow", allMethods)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	ctx, cancel := context.WithTimeout(graphql.StartOperationTrace(r.Context()), requestTimeout)
	defer cancel()

	req := &request{media: jsonType}
	defer func() {
		if req.release != nil {
			req.release()
		}
	}()
	body := h.answer(ctx, req, w, r)
	if req.allow != "" {
		header.Set("Allow", req.allow)
	}
	if seconds := req.retryAfter(); seconds > 0 {
		header.Set("Retry-After", strconv.Itoa(seconds))
	}
	header.Set("Content-Type", req.media+"; charset=utf-8")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	h.record(ctx, req)
	w.WriteHeader(req.statusCode())
	req.response = nil // frees it, because the client may read slowly
	w.Write(body)
}

// answer returns the body of the response, also after a panic.
func (h *handler) answer(ctx context.Context, req *request, w http.ResponseWriter, r *http.Request) (body []byte) {
	defer func() {
		if value := recover(); value != nil {
			req.status = 0
			req.response = h.errorResponse(ctx, h.Recover(ctx, value))
			body = encode(req.response)
		}
	}()
	req.response = h.run(ctx, req, w, r)
	return encode(req.response)
}

func (h *handler) run(ctx context.Context, req *request, w http.ResponseWriter, r *http.Request) *graphql.Response {
	params, err := h.read(req, w, r)
	if err != nil {
		return h.errorResponse(ctx, err)
	}
	operation, errs := h.exec.CreateOperationContext(ctx, params)
	if errs == nil {
		errs = checkVariables(h.schema, operation, params.Variables)
	}
	if errs != nil {
		return h.exec.DispatchError(ctx, h.messages.sanitize(errs))
	}
	if r.Method == http.MethodGet && operation.Operation.Operation != ast.Query {
		req.status, req.allow = http.StatusMethodNotAllowed, http.MethodPost
		return h.errorResponse(ctx, badInput("GET supports queries only. Send mutations with POST."))
	}
	req.operation = operation.Operation
	release, err := h.admit(ctx, req, operation)
	if err != nil {
		return h.errorResponse(ctx, err)
	}
	defer release()
	respond, ctx := h.exec.DispatchOperation(ctx, operation)
	response := respond(ctx)
	if response == nil {
		return h.errorResponse(ctx, ctx.Err())
	}
	if req.operation.Operation == ast.Query {
		if err := h.admitResponse(ctx, req, len(response.Data)); err != nil {
			return h.errorResponse(ctx, err)
		}
	}
	req.setErrors(response)
	return response
}

func (h *handler) errorResponse(ctx context.Context, err error) *graphql.Response {
	return h.exec.DispatchError(ctx, gqlerror.List{gqlerror.Wrap(err)})
}

// documents is an LRU of valid documents. It skips long ones, to limit its memory, and those with string literals,
// which may be passwords and are rarely sent again.
type documents struct {
	*lru.LRU[*ast.QueryDocument]
}

// Add adds a document to the cache.
func (d documents) Add(ctx context.Context, text string, document *ast.QueryDocument) {
	if len(text) <= cachedDocumentSize && !strings.Contains(text, `"`) {
		d.LRU.Add(ctx, text, document)
	}
}

// ruleset returns the rules of validation. Without suggestions it skips the search for similar names, which costs more
// than all other validation; the executor replaces two more rules itself.
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
