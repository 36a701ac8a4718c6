package gqlhttp

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"latchkey/internal/account"
)

const (
	maxQueries       = 64 // at the same time; each holds all that it has read until it is complete
	maxScanQueries   = 4  // of these, searches and counts, to leave the database time for others
	admissionTimeout = 5 * time.Second

	maxResponse  = 4 << 20  // bytes of data
	longResponse = 64 << 10 // bytes of data; a shorter response needs little more memory than its connection

	maxPendingBytes     = 64 << 20 // of long responses together
	maxPendingPerClient = 8 << 20  // bytes of those for one user or address
)

const msgTooManyPending = "Too many large responses are being sent. Select less, or try again in a moment."

// admission limits how many queries run and how many bytes of long responses are being written at the same time.
type admission struct {
	queries        semaphore
	scans          semaphore   // for queries that read a whole list, which take both
	queryBudget    *byteBudget // by user
	mutationBudget *byteBudget // by client IP
}

func newAdmission() admission {
	return admission{
		queries:        make(semaphore, maxQueries),
		scans:          make(semaphore, maxScanQueries),
		queryBudget:    newByteBudget(),
		mutationBudget: newByteBudget(),
	}
}

// admit returns the function to call when an operation has run, or RATE_LIMITED. A mutation does not wait; because its
// result must be reported, it reserves the bytes of a long response before it runs.
func (h *handler) admit(
	ctx context.Context, req *request, operation *graphql.OperationContext,
) (release func(), err error) {
	cost, deadline := costOf(operation), time.Now().Add(admissionTimeout)
	switch {
	case operation.Operation.Operation != ast.Query:
		if cost.text > longResponse && !req.reserve(h.mutationBudget, h.ClientIP(ctx), cost.text) {
			return nil, errBusy(msgTooManyPending)
		}
		return func() {}, nil
	case cost.scans == 0:
		return h.queries.release, h.queries.acquire(ctx, deadline)
	}
	if err := h.scans.acquire(ctx, deadline); err != nil {
		return nil, err
	}
	if err := h.queries.acquire(ctx, deadline); err != nil {
		h.scans.release()
		return nil, err
	}
	return func() { h.queries.release(); h.scans.release() }, nil
}

// admitResponse returns REQUEST_TOO_COSTLY or RATE_LIMITED if the response to a query is too long.
func (h *handler) admitResponse(ctx context.Context, req *request, size int) error {
	switch {
	case size > maxResponse:
		return newError(account.RequestTooCostly, "The response would be too large. Select less.")
	case size > longResponse && !req.reserve(h.queryBudget, h.UserID(ctx), size):
		return errBusy(msgTooManyPending)
	}
	return nil
}

// reserve reserves bytes for the response until the request ends, and reports whether the budget allows them.
func (req *request) reserve(budget *byteBudget, client string, size int) bool {
	if !budget.reserve(client, size) {
		return false
	}
	req.release = func() { budget.release(client, size) }
	return true
}

// semaphore limits how many queries run at the same time; the others wait.
type semaphore chan struct{}

// acquire waits until another query may run, which calls release when it has. It fails with RATE_LIMITED at the
// deadline.
func (s semaphore) acquire(ctx context.Context, deadline time.Time) error {
	select {
	case s <- struct{}{}:
		return nil
	default:
	}
	select {
	case s <- struct{}{}:
		return nil
	case <-time.After(time.Until(deadline)):
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.Canceled) {
			return ctx.Err()
		}
	}
	return errBusy("The server is busy. Try again in a moment.")
}

func (s semaphore) release() { <-s }

// errBusy returns RATE_LIMITED for what several clients together have used up.
func errBusy(message string) error {
	return &account.Error{Code: account.RateLimited, Message: message, RetryAfter: time.Second}
}

// byteBudget limits the bytes of long responses that are being written, in total and per client. A response counts
// until the kernel has taken it, which is when the client has read most of it.
type byteBudget struct {
	mu        sync.Mutex
	used      int
	perClient map[string]int // bytes
}

func newByteBudget() *byteBudget { return &byteBudget{perClient: map[string]int{}} }

// reserve reserves bytes for a client, and reports whether the budget allows them.
func (b *byteBudget) reserve(client string, size int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.used+size > maxPendingBytes || b.perClient[client]+size > maxPendingPerClient {
		return false
	}
	b.used += size
	b.perClient[client] += size
	return true
}

func (b *byteBudget) release(client string, size int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used -= size
	if b.perClient[client] -= size; b.perClient[client] == 0 {
		delete(b.perClient, client)
	}
}
