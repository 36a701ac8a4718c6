package cli

import (
	"context"

	"latchkey/internal/account"
	"latchkey/internal/auth"
)

type keysRotate struct{}

// Run creates the next signing key.
func (keysRotate) Run(ctx context.Context, p *Program) error {
	return p.withService(ctx, func(svc *auth.Service) error {
		key, err := svc.Keys.Rotate(ctx, account.Operator)
		if err != nil {
			return err
		}
		return p.printf("%s signs from %s.\n", key.ID, formatTime(key.SignsFrom))
	})
}
