package cli

import (
	"context"

	"latchkey/internal/auth"
)

type keysList struct{}

// Run prints a table of the signing keys.
func (keysList) Run(ctx context.Context, p *Program) error {
	return p.withService(ctx, func(svc *auth.Service) error {
		keys, err := svc.Keys.List(ctx)
		if err != nil {
			return err
		}
		rows := [][]string{{"KID", "ALGORITHM", "CREATED", "SIGNS FROM", "STATE"}}
		for _, k := range keys {
			rows = append(rows, []string{k.ID, k.Alg, formatTime(k.CreatedAt), formatTime(k.SignsFrom), string(k.State)})
		}
		return p.table(rows)
	})
}
