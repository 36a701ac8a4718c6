package main

import (
	"context"
	"fmt"
	"strconv"

	"latchkey/internal/store"
)

// onSchema calls do with the database that the settings name, as it is; a file that is not there is made only if it may
// be.
func (p *program) onSchema(ctx context.Context, mayMake bool, do func(st *store.Store) error) error {
	c, err := p.config()
	if err != nil {
		return err
	}
	if err := mustExist(c); err != nil && !mayMake {
		return err
	}
	st, err := openStore(ctx, c, true)
	if err != nil {
		return err
	}
	defer st.Close()
	return do(st)
}

// upToDate returns an error unless the database has taken all steps of the schema.
func upToDate(ctx context.Context, st *store.Store) error {
	steps, err := st.Steps(ctx)
	if err != nil {
		return err
	}
	for _, step := range steps {
		if step.AppliedAt == nil {
			return fmt.Errorf("the schema has not taken %s: run latchkey migrate up first", step.Name)
		}
	}
	return nil
}

// inUse returns an error unless a server may start on the database, and would find nothing to do to its schema.
func inUse(ctx context.Context, st *store.Store) error {
	if err := upToDate(ctx, st); err != nil {
		return err
	}
	return st.CheckNotMoved(ctx)
}

type migrateStatus struct {
	JSON bool `help:"Print JSON."`
}

// Run prints the steps of the schema and when each was taken.
func (m migrateStatus) Run(ctx context.Context, p *program) error {
	return p.onSchema(ctx, false, func(st *store.Store) error {
		steps, err := st.Steps(ctx)
		if err != nil {
			return err
		}
		if m.JSON {
			return p.json(steps)
		}
		rows := [][]string{{"VERSION", "STEP", "TAKEN"}}
		for _, step := range steps {
			taken := "not yet"
			if step.AppliedAt != nil {
				taken = stamp(*step.AppliedAt)
			}
			rows = append(rows, []string{strconv.Itoa(step.Version), step.Name, taken})
		}
		return p.table(rows)
	})
}

type migrateUp struct {
	DryRun bool `help:"Print what would be done, and do nothing."`
}

// Run takes the steps of the schema that have not been taken, or tells which these are.
func (m migrateUp) Run(ctx context.Context, p *program) error {
	return p.onSchema(ctx, !m.DryRun, func(st *store.Store) error {
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
			return p.tellSteps("%s would be taken.\n", left)
		}
		taken, err := st.Migrate(ctx, p.now)
		if err != nil {
			return err
		}
		return p.tellSteps("%s is taken.\n", taken)
	})
}

// tellSteps prints a sentence for each step.
func (p *program) tellSteps(sentence string, steps []string) error {
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
