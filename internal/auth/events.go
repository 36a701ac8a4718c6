package auth

import (
	"context"
	"fmt"
	"log/slog"

	"latchkey/internal/account"
)

// event logs something that bears on security, under its name in the OWASP Logging Vocabulary, with whom it is about.
// From where and in which request it happened the log itself knows from ctx. No event holds a password, a token or an
// address.
//
// Why it happened, of what kind it was or what it did, if more says so, is one of few words.
func (s *Service) event(ctx context.Context, level slog.Level, name string, user account.ID, more ...any) {
	why := ""
	for i := 0; i+1 < len(more); i += 2 {
		if key := more[i]; key == "why" || key == "kind" || key == "what" {
			why = fmt.Sprint(more[i+1])
		}
	}
	s.note(name, why)
	s.Log.Log(ctx, level, "security", append([]any{"event", name, "user", user}, more...)...)
}

// note counts what bears on security, without whom it is about.
func (s *Service) note(event, why string) {
	if s.OnEvent != nil {
		s.OnEvent(event, why)
	}
}
