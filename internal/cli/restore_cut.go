package cli

import (
	"context"
	"time"

	"latchkey/internal/auth"
)

type restoreCut struct{}

// Run ends every session begun before now.
func (restoreCut) Run(ctx context.Context, p *Program) error {
	return p.withService(ctx, func(svc *auth.Service) error {
		cut, err := svc.RevokeAllSessions(ctx)
		if err != nil {
			return err
		}
		return p.printf("Every session begun before %s is over.\n", cut.UTC().Format(time.RFC3339Nano))
	})
}
