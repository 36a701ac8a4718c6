package cli

import (
	"context"
	"strconv"

	"latchkey/internal/store"
)

type migrateStatus struct {
	JSON bool `help:"Print JSON."`
}

// Run prints the migrations and when each was applied.
func (m migrateStatus) Run(ctx context.Context, p *Program) error {
	return p.withStore(ctx, false, func(st *store.Store) error {
		steps, err := st.Steps(ctx)
		if err != nil {
			return err
		}
		if m.JSON {
			return p.json(steps)
		}
		rows := [][]string{{"VERSION", "MIGRATION", "APPLIED"}}
		for _, step := range steps {
			taken := "not yet"
			if step.AppliedAt != nil {
				taken = formatTime(*step.AppliedAt)
			}
			rows = append(rows, []string{strconv.Itoa(step.Version), step.Name, taken})
		}
		return p.table(rows)
	})
}
