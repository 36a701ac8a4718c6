package cli

import (
	"context"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/auth"
)

type restoreCut struct{}

// Run revokes every session created before now.
func (restoreCut) Run(ctx context.Context, p *Program) error {
	return p.withService(ctx, func(svc *auth.Service) error {
		cut, err := svc.RevokeAllSessions(ctx, account.Operator)
		if err != nil {
			return err
		}
		return p.printf("Every session created before %s is revoked.\n", cut.UTC().Format(time.RFC3339Nano))
	})
}
