package graph

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"latchkey/internal/account"
)

func TestErrors(t *testing.T) {
	cause := errors.New("dial tcp 10.0.0.7: refused")
	const ours = "An internal error occurred."
	for _, c := range []struct {
		name    string
		err     error
		message string
		rest    string // of extensions
		log     string // level and event or cause, or "" when there is nothing to say
	}{
		{"refusal", &account.Error{Code: account.Forbidden, Message: "No."},
			"No.", `"code":"FORBIDDEN"`, "WARN authz_fail"},
		{"refusal inside", fmt.Errorf("reading: %w", &account.Error{Code: account.NotFound, Message: "Gone."}),
			"Gone.", `"code":"NOT_FOUND"`, ""},
		{"reason", &account.Error{Code: account.Unauthenticated, Reason: account.ReasonExpired, Message: "Again."},
			"Again.", `"code":"UNAUTHENTICATED","reason":"EXPIRED"`, ""},
		{"retry", &account.Error{Code: account.RateLimited, RetryAfter: 1200 * time.Millisecond, Message: "Wait."},
			"Wait.", `"code":"RATE_LIMITED","retryAfter":2`, ""},
		{"refusal with a cause", &account.Error{Code: account.RateLimited, RetryAfter: time.Second, Message: "Wait.", Err: cause},
			"Wait.", `"code":"RATE_LIMITED","retryAfter":1`, "WARN " + cause.Error()},
		{"internal", &account.Error{Code: account.Internal, Message: "The disk at /var is full.", Err: cause},
			ours, `"code":"INTERNAL_SERVER_ERROR","requestId":"r-1"`, "ERROR INTERNAL_SERVER_ERROR: The disk at /var is full.: " + cause.Error()},
		{"anything else", cause,
			ours, `"code":"INTERNAL_SERVER_ERROR","requestId":"r-1"`, "ERROR " + cause.Error()},
		{"a GraphQL error of unknown origin", gqlerror.Errorf("table users"),
			ours, `"code":"INTERNAL_SERVER_ERROR","requestId":"r-1"`, "ERROR table users"},
		{"user errors of a field", account.UserError(account.Taken, "Taken.").At(),
			ours, `"code":"INTERNAL_SERVER_ERROR","requestId":"r-1"`, "ERROR TAKEN: Taken."},
		{"time", fmt.Errorf("select: %w", context.DeadlineExceeded),
			"The request took too long and was canceled.", `"code":"INTERNAL_SERVER_ERROR","requestId":"r-1"`, "ERROR select: context deadline exceeded"},
		{"cancelled by ourselves", context.Canceled,
			ours, `"code":"INTERNAL_SERVER_ERROR","requestId":"r-1"`, "ERROR context canceled"},
		{"panic", nil,
			ours, `"code":"INTERNAL_SERVER_ERROR","requestId":"r-1"`, "ERROR panic: the sky fell"},
	} {
		t.Run(c.name, func(t *testing.T) {
			failing := answers{me: func(context.Context) (*account.User, error) {
				if c.err == nil {
					panic("the sky fell")
				}
				return nil, c.err
			}}
			r := post(t, failing, production, "{mine:me{id}}", "X-Request-Id", "r-1")
			var answer struct {
				Errors []struct {
					Message    string
					Path       []string
					Extensions json.RawMessage
				}
				Data json.RawMessage
			}
			if err := json.Unmarshal([]byte(r.body), &answer); err != nil || len(answer.Errors) != 1 {
				t.Fatalf("%v: %s", err, r.body)
			}
			got := answer.Errors[0]
			if got.Message != c.message || string(got.Extensions) != "{"+c.rest+"}" {
				t.Errorf("%s", r.body)
			}
			if r.status != 200 || strings.Join(got.Path, " ") != "mine" || string(answer.Data) != `{"mine":null}` {
				t.Errorf("%d: %s", r.status, r.body)
			}
			lines := strings.Split(strings.TrimSpace(r.log), "\n")
			if c.log == "" {
				if len(lines) != 1 {
					t.Errorf("the log: %s", r.log)
				}
				return
			}
			var line struct{ Level, Request, Event, Cause, Stack string }
			if err := json.Unmarshal([]byte(lines[0]), &line); err != nil || len(lines) != 2 {
				t.Fatalf("%v: %s", err, r.log)
			}
			if line.Level+" "+line.Event+line.Cause != c.log || line.Request != "r-1" {
				t.Errorf("%+v", line)
			}
			if hasStack := strings.Contains(line.Stack, "errors_test.go"); hasStack != (c.err == nil) {
				t.Errorf("stack: %s", line.Stack)
			}
			if strings.Contains(r.log, "mine") {
				t.Errorf("the log repeats the request: %s", r.log)
			}
		})
	}
}

// TestPanicOutsideOfFields panics where only the transport recovers.
func TestPanicOutsideOfFields(t *testing.T) {
	handler := NewHandler(panicking{signedIn.schema()}, Options{Log: slog.New(slog.DiscardHandler)})
	r := serve(t.Context(), handler, "{me{id}}")
	const want = `{"errors":[{"message":"An internal error occurred.",` +
		`"extensions":{"code":"INTERNAL_SERVER_ERROR","requestId":""}}]}` + "\n"
	if r.Code != http.StatusInternalServerError || r.Body.String() != want ||
		r.Header().Get("Content-Type") != "application/json; charset=utf-8" {
		t.Errorf("%d %s %v", r.Code, r.Body, r.Header())
	}
}

type panicking struct{ graphql.ExecutableSchema }

func (panicking) Exec(context.Context) graphql.ResponseHandler { panic("the sky fell") }

// TestArgumentsThatCannotBeRead checks that the message of gqlgen, which quotes the argument, is replaced.
func TestArgumentsThatCannotBeRead(t *testing.T) {
	var log bytes.Buffer
	ctx := graphql.WithFieldContext(t.Context(), &graphql.FieldContext{Field: graphql.CollectedField{Field: &ast.Field{
		Alias: "node", Arguments: ast.ArgumentList{{Name: "id"}},
	}}})
	_, err := strconv.Atoi("secret")
	err = gqlerror.WrapPath(ast.Path{ast.PathName("node"), ast.PathName("id")}, err)
	got := presenter{log: slog.New(slog.NewJSONHandler(&log, nil))}.present(ctx, err)
	if got.Message != "An argument has a value that does not match its type." ||
		got.Extensions["code"] != account.BadUserInput || got.Path.String() != "node" || log.Len() > 0 {
		t.Errorf("%v %v %v", got, got.Extensions, &log)
	}
}

func TestNullWhereNoneIsAllowed(t *testing.T) {
	nothing := answers{serverInfo: func(context.Context) (*account.ServerInfo, error) { return nil, nil }}
	r := post(t, nothing, production, "{serverInfo{emailVerification}}")
	if r.status != 200 || r.code(t) != "INTERNAL_SERVER_ERROR" || !strings.Contains(r.body, `"data":null`) {
		t.Errorf("%d: %s", r.status, r.body)
	}
}

func TestUserErrors(t *testing.T) {
	failure := errors.New("failure")
	userErrs := account.UserErrors{{Code: account.Taken}, {Code: account.TooLong}}
	for _, c := range []struct {
		name     string
		err      error
		userErrs []*account.Error
		rest     error
	}{
		{"nothing", nil, []*account.Error{}, nil},
		{"user errors", userErrs, userErrs, nil},
		{"wrapped user errors", fmt.Errorf("registering: %w", userErrs), userErrs, nil},
		{"failure", failure, []*account.Error{}, failure},
		{"refusal", &account.Error{Code: account.Forbidden}, []*account.Error{}, &account.Error{Code: account.Forbidden}},
	} {
		got, rest := userErrors(t.Context(), c.err)
		if !reflect.DeepEqual(got, c.userErrs) || !reflect.DeepEqual(rest, c.rest) {
			t.Errorf("%s: %v, %v", c.name, got, rest)
		}
	}
}
