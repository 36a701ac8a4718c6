package auth

import (
	"context"
	"log/slog"

	"latchkey/internal/account"
)

// event logs something that bears on security, under its name in the OWASP Logging Vocabulary, with whom it is about.
// From where and in which request it happened the log itself knows from ctx. No event holds a password, a token or an
// address.
func (s *Service) event(ctx context.Context, level slog.Level, name string, user account.ID, more ...any) {
	s.Log.Log(ctx, level, "security", append([]any{"event", name, "user", user}, more...)...)
}
