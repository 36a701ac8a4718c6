// Package audit defines the security events. A method of the service creates one [Event] for what it did and passes it
// to [Sinks.Emit] after the commit; each [Sink] decides what becomes of it. The package knows nothing of requests: what
// a log line says of them is added by the log's handler, from the context.
package audit

import (
	"context"
	"log/slog"

	"latchkey/internal/account"
)

// Kind is the kind of an event: its name in the OWASP Logging Vocabulary, where that has one.
type Kind string

// The kinds of event. docs/operations.md describes them.
const (
	LoginSucceeded      Kind = "authn_login_success"
	LoginFailed         Kind = "authn_login_fail"
	LoginDelayed        Kind = "authn_login_lock"
	LoginBlocked        Kind = "authn_login_fail_max"
	PasswordChanged     Kind = "authn_password_change"
	TokenReused         Kind = "authn_token_reuse"
	TokenRevoked        Kind = "authn_token_revoked"
	RateLimitExceeded   Kind = "excess_rate_limit_exceeded"
	RoleChanged         Kind = "privilege_permissions_changed"
	SessionCreated      Kind = "session_created"
	SessionRenewed      Kind = "session_renewed"
	RefreshTokenRefused Kind = "session_use_after_expire"
	UserDisabled        Kind = "user_archived"
	UserCreated         Kind = "user_created"
	UserDeleted         Kind = "user_deleted"
	UserUpdated         Kind = "user_updated"
)

// kinds says for each kind how it is logged. All kinds are counted.
var kinds = map[Kind]struct {
	logged    bool
	level     slog.Level
	reasonKey string // the attribute of the log line that has the reason; empty for kinds without one
}{
	LoginSucceeded:      {true, slog.LevelInfo, ""},
	LoginFailed:         {true, slog.LevelInfo, "why"},
	LoginDelayed:        {true, slog.LevelWarn, ""},
	LoginBlocked:        {true, slog.LevelWarn, ""},
	PasswordChanged:     {true, slog.LevelInfo, ""},
	TokenReused:         {true, slog.LevelWarn, "why"},
	TokenRevoked:        {true, slog.LevelInfo, "why"},
	RateLimitExceeded:   {true, slog.LevelWarn, "kind"},
	RoleChanged:         {true, slog.LevelInfo, ""},
	SessionCreated:      {false, 0, "why"},
	SessionRenewed:      {false, 0, "why"},
	RefreshTokenRefused: {true, slog.LevelInfo, "why"},
	UserDisabled:        {true, slog.LevelInfo, ""},
	UserCreated:         {true, slog.LevelInfo, ""},
	UserDeleted:         {true, slog.LevelInfo, ""},
	UserUpdated:         {true, slog.LevelInfo, "what"},
}

// Event is one security event. It never contains a password, a token or an email address.
type Event struct {
	Kind    Kind
	Actor   account.Actor
	Subject account.ID  // the user whom it is about; empty when there is none
	Session account.ID  // empty when there is none, or several
	Reason  string      // a constant, never text from a request; may be empty
	Warning bool        // raises the level of the log line to WARN
	Details []slog.Attr // further attributes of the log line
}

// Sink receives events. It must not block.
type Sink func(ctx context.Context, e Event)

// Sinks receive every event, in their order.
type Sinks []Sink

// Emit passes e to all sinks.
func (s Sinks) Emit(ctx context.Context, e Event) {
	for _, sink := range s {
		sink(ctx, e)
	}
}

// Log returns a sink that writes a line for each event that is logged. Events of operators have at least level WARN.
func Log(log *slog.Logger) Sink {
	return func(ctx context.Context, e Event) {
		kind := kinds[e.Kind]
		if !kind.logged {
			return
		}
		level := kind.level
		attrs := []slog.Attr{slog.String("event", string(e.Kind)), slog.String("user", string(e.Subject))}
		if e.Actor.Kind() == account.OperatorActor {
			level = slog.LevelWarn
			attrs = append(attrs, slog.String("by", "operator"))
		}
		if e.Warning {
			level = slog.LevelWarn
		}
		if e.Session != "" {
			attrs = append(attrs, slog.String("session", string(e.Session)))
		}
		if e.Reason != "" {
			attrs = append(attrs, slog.String(kind.reasonKey, e.Reason))
		}
		log.LogAttrs(ctx, level, "security", append(attrs, e.Details...)...)
	}
}

// Count returns a sink that calls count with the kind and the reason of each event.
func Count(count func(kind, reason string)) Sink {
	return func(_ context.Context, e Event) { count(string(e.Kind), e.Reason) }
}
