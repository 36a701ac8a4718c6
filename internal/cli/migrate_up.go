package cli

import (
	"context"

	"latchkey/internal/store"
)

type migrateUp struct {
	DryRun bool `help:"Print what would be done, without doing it."`
}

// Run applies the pending migrations, or prints them.
func (m migrateUp) Run(ctx context.Context, p *Program) error {
	return p.withStore(ctx, !m.DryRun, func(st *store.Store) error {
		if m.DryRun {
			steps, err := st.Steps(ctx)
			if err != nil {
				return err
			}
			var left []string
			for _, step := range steps {
				if step.AppliedAt == nil {
					left = append(left, step.Name)
				}
			}
			return p.printSteps("%s would be applied.\n", left)
		}
		taken, err := st.Migrate(ctx, p.Now)
		if err != nil {
			return err
		}
		return p.printSteps("%s is applied.\n", taken)
	})
}

// printSteps prints a sentence for each migration.
func (p *Program) printSteps(sentence string, steps []string) error {
	if len(steps) == 0 {
		return p.printf("The schema is up to date.\n")
	}
	for _, step := range steps {
		if err := p.printf(sentence, step); err != nil {
			return err
		}
	}
	return nil
}
