package graph

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"latchkey/internal/account"
)

// Refusals that only a GraphQL request can meet.
const (
	parseFailed           account.Code = "GRAPHQL_PARSE_FAILED"
	validationFailed      account.Code = "GRAPHQL_VALIDATION_FAILED"
	introspectionDisabled account.Code = "INTROSPECTION_DISABLED"
)

// refuse returns an error that presents as the code and the message.
func refuse(code account.Code, message string) *gqlerror.Error {
	return gqlerror.Wrap(&account.Error{Code: code, Message: message})
}

// userErrors splits what a verb returns: mistakes are data and go into the payload, everything else is an error of the
// field. The list is never nil.
func userErrors(ctx context.Context, err error) ([]*account.Error, error) {
	if userErrs, ok := errors.AsType[account.UserErrors](err); ok {
		recordUserError(ctx, userErrs[0].Code)
		return userErrs, nil
	}
	return []*account.Error{}, err
}

// presenter turns errors into answers: the message and the code go to the client, the cause to the log. Nothing else
// writes extensions.code.
type presenter struct {
	log *slog.Logger
}

// present is an executor's error presenter. The answer keeps the path and the locations of err; its text comes from the
// account.Error inside err, and is INTERNAL_SERVER_ERROR with nothing but the request's id when there is none.
func (p presenter) present(ctx context.Context, err error) *gqlerror.Error {
	answer := &gqlerror.Error{Path: graphql.GetPath(ctx)}
	cause := err
	if at, ok := errors.AsType[*gqlerror.Error](err); ok {
		answer.Path, answer.Locations = at.Path, at.Locations
		// Its own text begins with the path, and a path holds aliases that the client chose.
		if cause = at.Err; cause == nil {
			cause = errors.New(at.Message)
		}
	}
	failure, known := errors.AsType[*account.Error](cause)
	_, panicked := errors.AsType[*panicError](cause)
	switch {
	case known && failure.Code != account.Internal:
		p.note(ctx, slog.LevelWarn, failure.Err)
		if failure.Code == account.Forbidden {
			p.log.LogAttrs(ctx, slog.LevelWarn, "security", slog.String("event", "authz_fail"),
				slog.String("user", userID(ctx)), slog.String("what", fieldName(ctx)))
		}
	case !panicked && inArgumentCoercion(ctx):
		// The cause quotes the value, so it is not for the log either.
		answer.Path = graphql.GetFieldContext(ctx).Path()
		failure = &account.Error{Code: account.BadUserInput, Message: "An argument has a value that does not fit its type."}
	default:
		p.note(ctx, slog.LevelError, cause)
		failure = &account.Error{Code: account.Internal, Message: "Something went wrong on our side."}
		if errors.Is(cause, context.DeadlineExceeded) {
			failure.Message = "This took too long, so we stopped."
		}
	}
	answer.Message = failure.Message
	answer.Extensions = extensions(ctx, failure)
	return answer
}

// fieldName returns the schema's name of the field at hand, or "" outside of fields.
func fieldName(ctx context.Context) string {
	if field := graphql.GetFieldContext(ctx); field != nil && field.Field.Field != nil {
		return field.Object + "." + field.Field.Name
	}
	return ""
}

// recovered is an executor's recover function: it keeps the stack of a panic for the log.
func (p presenter) recovered(_ context.Context, value any) error {
	return &panicError{value: value, stack: debug.Stack()}
}

// note logs the cause of a failure. A client that went away is no failure.
func (p presenter) note(ctx context.Context, level slog.Level, cause error) {
	if cause == nil || errors.Is(cause, context.Canceled) && errors.Is(ctx.Err(), context.Canceled) {
		return
	}
	attributes := []slog.Attr{slog.String("cause", cause.Error())}
	if panicked, ok := errors.AsType[*panicError](cause); ok {
		attributes = append(attributes, slog.String("stack", string(panicked.stack)))
	}
	p.log.LogAttrs(ctx, level, "failure", attributes...)
}

// inArgumentCoercion reports whether the error at hand comes from reading the arguments of the current field: until they are read,
// the field has none.
func inArgumentCoercion(ctx context.Context) bool {
	field := graphql.GetFieldContext(ctx)
	return field != nil && field.Args == nil && field.Field.Field != nil && len(field.Field.Arguments) > 0
}

func extensions(ctx context.Context, failure *account.Error) map[string]any {
	extensions := map[string]any{"code": failure.Code}
	switch failure.Code {
	case account.Unauthenticated:
		extensions["reason"] = failure.Reason
	case account.RateLimited:
		extensions["retryAfter"] = int((failure.RetryAfter + time.Second - 1) / time.Second)
	case account.Internal:
		extensions["requestId"] = requestID(ctx)
	}
	return extensions
}

// panicError is a panic on its way to the log.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }
