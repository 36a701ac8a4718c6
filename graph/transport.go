package graph

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"latchkey/internal/account"
)

const (
	maxBody     = 256 << 10 // bytes
	maxResponse   = 4 << 20   // bytes of data: a page of 100 profiles with the longest descriptions
	requestTimeout = 10 * time.Second

	acceptedHeaders = 100
	acceptedSize    = 256 // bytes of an Accept header that is remembered

	allMethods = "GET, POST, OPTIONS"

	jsonType    = "application/json"
	graphqlType = "application/graphql-response+json"
)

// transport speaks GraphQL over HTTP (https://graphql.github.io/graphql-over-http/draft/): POST with a JSON body, and
// GET for queries. No answer repeats anything of its request but the names that the client chose for the data.
type transport struct {
	exec      *executor.Executor
	schema    *ast.Schema
	presenter presenter
	messages   sanitizer
	guard     *http.CrossOriginProtection
	log       *slog.Logger
	observe   func(context.Context, Operation) // may be nil
	accepted  *lru.LRU[string]                 // Accept headers, with the media type that they are answered with, or ""
	queries    semaphore                         // for queries
	scans  semaphore                         // for those that read all of a list, which need both
	queryBudget   *byteBudget                            // for answers to queries, by users
	mutationBudget   *byteBudget                            // for those to mutations, by addresses
}

// request is one request and what became of it.
type request struct {
	media     string
	status int                      // the status of a request that could not be read, otherwise 0
	allow     string                   // with status 405
	operation *ast.OperationDefinition // nil when the request could not be an operation
	internalErr    bool                     // by an error of our own, perhaps one that is too many for the answer
	release  func()                   // the room that the answer takes; nil for a short one
	response  *graphql.Response
}

// ServeHTTP answers a request and writes one line about it to the log. It does not panic.
func (t *transport) ServeHTTP(w http.ResponseWriter, r *http.Request) {
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
	body := t.answer(ctx, req, w, r)
	if req.allow != "" {
		header.Set("Allow", req.allow)
	}
	if seconds := req.retryAfter(); seconds > 0 {
		header.Set("Retry-After", strconv.Itoa(seconds))
	}
	header.Set("Content-Type", req.media+"; charset=utf-8")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	became := req.result(ctx)
	t.record(ctx, req.operation, became)
	if t.observe != nil {
		t.observe(ctx, became)
	}
	w.WriteHeader(req.statusCode())
	req.response = nil // the client may take its time to read
	w.Write(body)
}

// answer returns the body of the answer, also when something panics.
func (t *transport) answer(ctx context.Context, req *request, w http.ResponseWriter, r *http.Request) (body []byte) {
	defer func() {
		if value := recover(); value != nil {
			req.status = 0
			req.response = t.errorResponse(ctx, t.presenter.recovered(ctx, value))
			body = encode(req.response)
		}
	}()
	req.response = t.run(ctx, req, w, r)
	return encode(req.response)
}

func (t *transport) run(ctx context.Context, req *request, w http.ResponseWriter, r *http.Request) *graphql.Response {
	params, err := t.read(req, w, r)
	if err != nil {
		return t.errorResponse(ctx, err)
	}
	operation, errs := t.exec.CreateOperationContext(ctx, params)
	if errs == nil {
		errs = checkVariables(t.schema, operation, params.Variables)
	}
	if errs != nil {
		return t.exec.DispatchError(ctx, t.messages.sanitize(errs))
	}
	if r.Method == http.MethodGet && operation.Operation.Operation != ast.Query {
		req.status, req.allow = http.StatusMethodNotAllowed, http.MethodPost
		return t.errorResponse(ctx, malformed("GET can only read: send a mutation by POST."))
	}
	req.operation = operation.Operation
	leave, err := t.admit(ctx, req, operation)
	if err != nil {
		return t.errorResponse(ctx, err)
	}
	defer leave()
	respond, ctx := t.exec.DispatchOperation(ctx, operation)
	if response := respond(ctx); response != nil {
		if req.operation.Operation == ast.Query {
			if err := t.bound(ctx, req, len(response.Data)); err != nil {
				return t.errorResponse(ctx, err)
			}
		}
		req.internalErr = slices.ContainsFunc(response.Errors, isInternal)
		slices.SortFunc(response.Errors, byPlace) // fields beside one another fail at once
		response.Errors = response.Errors[:min(len(response.Errors), maxErrors)]
		return response
	}
	return t.errorResponse(ctx, ctx.Err())
}

// admit returns how to leave once an operation may begin, or why it may not. A mutation waits for nobody; since what it
// has done must be told, it needs room beforehand if its answer may be long.
func (t *transport) admit(
	ctx context.Context, req *request, operation *graphql.OperationContext,
) (leave func(), err error) {
	cost, until := costOf(operation), time.Now().Add(admissionTimeout)
	switch {
	case operation.Operation.Operation != ast.Query:
		if cost.text > longResponse && !req.reserve(t.mutationBudget, clientIP(ctx), cost.text) {
			return nil, errBusy(msgTooManyPending)
		}
		return func() {}, nil
	case cost.scans == 0:
		return t.queries.release, t.queries.acquire(ctx, until)
	}
	if err := t.scans.acquire(ctx, until); err != nil {
		return nil, err
	}
	if err := t.queries.acquire(ctx, until); err != nil {
		t.scans.release()
		return nil, err
	}
	return func() { t.queries.release(); t.scans.release() }, nil
}

const msgTooManyPending = "Too many long answers are being read: ask for less at once, or again in a moment."

// reserve takes room for the answer until the client has it, and returns whether there is so much.
func (req *request) reserve(room *byteBudget, who string, size int) bool {
	if !room.reserve(who, size) {
		return false
	}
	req.release = func() { room.release(who, size) }
	return true
}

// bound returns why the answer to a query may not be so long, if so.
func (t *transport) bound(ctx context.Context, req *request, size int) error {
	switch {
	case size > maxResponse:
		return refuse(account.RequestTooCostly, "The answer would be too long: ask for less at once.")
	case size > longResponse && !req.reserve(t.queryBudget, userID(ctx), size):
		return errBusy(msgTooManyPending)
	}
	return nil
}

// byPlace compares errors by their places in the document, and there by those in the answer.
func byPlace(a, b *gqlerror.Error) int {
	return cmp.Or(slices.CompareFunc(a.Locations, b.Locations, func(a, b gqlerror.Location) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	}), slices.CompareFunc(a.Path, b.Path, func(a, b ast.PathElement) int {
		i, _ := a.(ast.PathIndex)
		j, _ := b.(ast.PathIndex)
		return cmp.Compare(i, j)
	}))
}

func (t *transport) errorResponse(ctx context.Context, err error) *graphql.Response {
	return t.exec.DispatchError(ctx, gqlerror.List{gqlerror.Wrap(err)})
}

// read returns what the client asks for; otherwise it settles the status and returns why not.
func (t *transport) read(req *request, w http.ResponseWriter, r *http.Request) (*graphql.RawParams, error) {
	media, ok := t.negotiate(r.Context(), strings.Join(r.Header.Values("Accept"), ","))
	if !ok {
		req.status = http.StatusNotAcceptable
		return nil, malformed("Answers come as %s or %s.", graphqlType, jsonType)
	}
	req.media = media
	req.status = http.StatusBadRequest
	var params *graphql.RawParams
	var err error
	switch r.Method {
	case http.MethodGet:
		params, err = parseURL(r.URL.RawQuery)
	case http.MethodPost:
		if cookieFrom(r.Context()) != nil && t.guard.Check(r) != nil {
			req.status = http.StatusForbidden
			return nil, &account.Error{
				Code: account.Forbidden, Message: "Requests with a cookie come from allowed origins only.",
			}
		}
		params, err = req.readBody(w, r)
	default:
		req.status, req.allow = http.StatusMethodNotAllowed, allMethods
		err = malformed("Send GET or POST.")
	}
	if err == nil {
		req.status = 0
	}
	return params, err
}

func (req *request) readBody(w http.ResponseWriter, r *http.Request) (*graphql.RawParams, error) {
	for _, encoding := range r.Header.Values("Content-Encoding") {
		if !strings.EqualFold(encoding, "identity") {
			req.status = http.StatusUnsupportedMediaType
			return nil, malformed("Send the body as it is, without compression.")
		}
	}
	if !isJSON(r.Header.Values("Content-Type")) {
		req.status = http.StatusUnsupportedMediaType
		return nil, malformed("Send %s, in UTF-8.", jsonType)
	}
	body, err := readAll(w, r)
	if _, tooLong := errors.AsType[*http.MaxBytesError](err); tooLong {
		req.status = http.StatusRequestEntityTooLarge
		return nil, malformed("A request has at most %d KiB.", maxBody>>10)
	}
	if err != nil {
		return nil, malformed("The request ended too early.")
	}
	return parseBody(body)
}

// usualBody is what most bodies have at most, in bytes.
const usualBody = 4 << 10

// readAll reads a body, or fails with a MaxBytesError: at once if its length is announced. Room is made for what is
// usual, and for more only as it comes, since announcing costs nothing.
func readAll(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.ContentLength > maxBody {
		return nil, &http.MaxBytesError{Limit: maxBody}
	}
	var b bytes.Buffer
	if r.ContentLength > 0 {
		b.Grow(int(min(r.ContentLength, usualBody)) + bytes.MinRead) // so that it need not grow to find the end
	}
	_, err := b.ReadFrom(http.MaxBytesReader(w, r.Body, maxBody))
	return b.Bytes(), err
}

// statusCode follows the section "Status Codes" of the draft that the audits of the reference implementation hold servers
// to: what could not be read is 4xx; what ran is 200; of the rest, application/json says 200 and
// application/graphql-response+json 400. Only when nothing came of a request through our own fault is it 500. The first
// edition, of September 2026, recommends for the latter media type 422 instead of 400 where the document parses but is
// not valid, and 294 instead of 200 where there are both data and errors; the audits want 400 and 200.
func (req *request) statusCode() int {
	switch {
	case req.status != 0:
		return req.status
	case req.response.Data != nil:
		return http.StatusOK
	case req.code() == string(account.Internal):
		return http.StatusInternalServerError
	case req.media == graphqlType:
		return http.StatusBadRequest
	default:
		return http.StatusOK
	}
}

// codeOK is the code of an answer without errors.
const codeOK = "OK"

// code returns INTERNAL_SERVER_ERROR if anything is broken, else the code of the first error, or OK.
func (req *request) code() string {
	switch {
	case req.internalErr:
		return string(account.Internal)
	case len(req.response.Errors) == 0:
		return codeOK
	default:
		return fmt.Sprint(req.response.Errors[0].Extensions["code"])
	}
}

func isInternal(err *gqlerror.Error) bool { return err.Extensions["code"] == account.Internal }

// retryAfter returns for how many seconds the client should wait, if it was RATE_LIMITED.
func (req *request) retryAfter() (seconds int) {
	for _, err := range req.response.Errors {
		if wait, ok := err.Extensions["retryAfter"].(int); ok {
			seconds = max(seconds, wait)
		}
	}
	return seconds
}

// OperationLine is the message of the line that the log has for each operation.
const OperationLine = "operation"

// loggedName is the longest name of an operation that goes to the log, in bytes.
const loggedName = 64

// record logs who asked for what kind of thing and how it went. Neither the document nor the variables are for the log.
func (t *transport) record(ctx context.Context, asked *ast.OperationDefinition, became Operation) {
	name := ""
	if asked != nil && len(asked.Name) <= loggedName {
		name = asked.Name
	}
	t.log.LogAttrs(ctx, slog.LevelInfo, OperationLine,
		slog.String("kind", cmp.Or(became.Kind, "refused")),
		slog.String("name", name),
		slog.String("code", became.Code),
		slog.Duration("duration", became.Duration),
		slog.String("user", userID(ctx)))
}

// encode writes a response map as JSON, the errors first and no data entry when nothing ran (GraphQL specification,
// section 7.1).
func encode(response *graphql.Response) []byte {
	var body bytes.Buffer
	if len(response.Errors) == 0 && response.Data != nil {
		body.Grow(len(response.Data) + len("{}\n") + len(`"data":`))
		body.WriteString(`{"data":`)
		body.Write(response.Data)
		body.WriteString("}\n")
		return body.Bytes()
	}
	e := json.NewEncoder(&body)
	e.SetEscapeHTML(false)
	if err := e.Encode(struct {
		Errors gqlerror.List   `json:"errors,omitempty"`
		Data   json.RawMessage `json:"data,omitempty"`
	}{response.Errors, response.Data}); err != nil {
		panic(err)
	}
	return body.Bytes()
}

// isJSON reports whether the Content-Type of a request says JSON in UTF-8, which is also what no charset means.
func isJSON(contentType []string) bool {
	if len(contentType) != 1 {
		return false
	}
	if contentType[0] == jsonType {
		return true
	}
	media, parameters, err := mime.ParseMediaType(contentType[0])
	return err == nil && media == jsonType && isUTF8(parameters)
}

func isUTF8(parameters map[string]string) bool {
	charset, named := parameters["charset"]
	return !named || strings.EqualFold(charset, "utf-8")
}

// negotiate is the function of that name, which remembers what most clients send.
func (t *transport) negotiate(ctx context.Context, accept string) (media string, ok bool) {
	media, known := t.accepted.Get(ctx, accept)
	if !known {
		if media, _ = negotiate(accept); len(accept) <= acceptedSize {
			t.accepted.Add(ctx, accept, media)
		}
	}
	return media, media != ""
}

// negotiate returns which media type of an answer the client likes best (RFC 9110, section 12.5.1): by quality, then
// the one it names more precisely, then the one it names first, and application/json when it does not say.
func negotiate(accept string) (media string, ok bool) {
	if strings.Trim(accept, " \t,") == "" {
		return jsonType, true
	}
	var most liking
	for _, offer := range []string{jsonType, graphqlType} {
		if l := likes(accept, offer); l.quality > 0 && l.compare(most) > 0 {
			media, most = offer, l
		}
	}
	return media, media != ""
}

// liking is how much a client wants a media type.
type liking struct {
	quality   float64
	precision int // 1 for */*, 2 for application/*, 3 for the media type itself
	place     int // in the header
}

func (l liking) compare(other liking) int {
	return cmp.Or(
		cmp.Compare(l.quality, other.quality),
		cmp.Compare(l.precision, other.precision),
		cmp.Compare(other.place, l.place))
}

// likes returns the liking that the most precise range of an Accept header has for a media type.
func likes(accept, offer string) (most liking) {
	precisions := map[string]int{"*/*": 1, "application/*": 2, offer: 3}
	for place, text := range strings.Split(accept, ",") {
		media, parameters, err := mime.ParseMediaType(text)
		precision := precisions[media]
		if err != nil || precision <= most.precision || !isUTF8(parameters) {
			continue
		}
		quality := 1.0
		if q, weighed := parameters["q"]; weighed {
			if quality, err = strconv.ParseFloat(q, 64); err != nil {
				continue
			}
		}
		most = liking{quality: quality, precision: precision, place: place}
	}
	return most
}
