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
	"latchkey/internal/middleware"
)

// userErrors splits the error of a service method: user errors are data of the payload, any other is an error of the
// field. The list is never nil.
func userErrors(ctx context.Context, err error) ([]*account.Error, error) {
	if userErrs, ok := errors.AsType[account.UserErrors](err); ok {
		recordUserError(ctx, userErrs[0].Code)
		return userErrs, nil
	}
	return []*account.Error{}, err
}

// presenter formats errors: the client gets the message and the code, the log gets the cause. Nothing else writes
// extensions.code.
type presenter struct {
	log *slog.Logger
}

// present is an executor's error presenter. The result keeps the path and the locations of err; code and message are
// those of the account.Error inside err, or INTERNAL_SERVER_ERROR with only the request's ID if there is none.
func (p presenter) present(ctx context.Context, err error) *gqlerror.Error {
	result := &gqlerror.Error{Path: graphql.GetPath(ctx)}
	cause := err
	if at, ok := errors.AsType[*gqlerror.Error](err); ok {
		result.Path, result.Locations = at.Path, at.Locations
		// Its own text starts with the path, which contains aliases that the client chose.
		if cause = at.Err; cause == nil {
			cause = errors.New(at.Message)
		}
	}
	failure, known := errors.AsType[*account.Error](cause)
	_, panicked := errors.AsType[*panicError](cause)
	switch {
	case known && failure.Code != account.Internal:
		p.logCause(ctx, slog.LevelWarn, failure.Err)
		if failure.Code == account.Forbidden {
			p.log.LogAttrs(ctx, slog.LevelWarn, "security", slog.String("event", "authz_fail"),
				slog.String("user", userID(ctx)), slog.String("what", fieldName(ctx)))
		}
	case !panicked && inArgumentCoercion(ctx):
		// Not logged either, because the cause quotes the value.
		result.Path = graphql.GetFieldContext(ctx).Path()
		failure = &account.Error{Code: account.BadUserInput, Message: "An argument has a value that does not match its type."}
	default:
		p.logCause(ctx, slog.LevelError, cause)
		failure = &account.Error{Code: account.Internal, Message: "An internal error occurred."}
		if errors.Is(cause, context.DeadlineExceeded) {
			failure.Message = "The request took too long and was canceled."
		}
	}
	result.Message = failure.Message
	result.Extensions = extensions(ctx, failure)
	return result
}

// fieldName returns the schema's name of the current field, or "" outside of fields.
func fieldName(ctx context.Context) string {
	if field := graphql.GetFieldContext(ctx); field != nil && field.Field.Field != nil {
		return field.Object + "." + field.Field.Name
	}
	return ""
}

// recovered is an executor's recover function: it returns a panic with its stack, for the log.
func (p presenter) recovered(_ context.Context, value any) error {
	return &panicError{value: value, stack: debug.Stack()}
}

// logCause logs the cause of an error. A client that has closed the connection is no error.
func (p presenter) logCause(ctx context.Context, level slog.Level, cause error) {
	if cause == nil || errors.Is(cause, context.Canceled) && errors.Is(ctx.Err(), context.Canceled) {
		return
	}
	attributes := []slog.Attr{slog.String("cause", cause.Error())}
	if panicked, ok := errors.AsType[*panicError](cause); ok {
		attributes = append(attributes, slog.String("stack", string(panicked.stack)))
	}
	p.log.LogAttrs(ctx, level, "failure", attributes...)
}

// inArgumentCoercion reports whether the current error comes from reading the arguments of the current field, which has
// none until they are read.
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
		extensions["requestId"] = middleware.RequestIDFrom(ctx)
	}
	return extensions
}

// panicError is a panic.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }
