package store

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

type migration struct {
	Version  int
	Name     string
	Checksum string
	script   string
}

// Migrate brings the schema to this program's version, one transaction a step, and returns the names of the steps it
// took. Several nodes may call it at once: each step is taken by one of them. It refuses a database that another
// program made, that a newer version has migrated, or whose steps are not those of this program; and one that has been
// moved away, or not yet wholly moved there.
func (s *Store) Migrate(ctx context.Context, now func() time.Time) (applied []string, err error) {
	if err := s.CheckNotMoved(ctx); err != nil {
		return nil, err
	}
	return s.applyMigrations(ctx, now)
}

func (s *Store) applyMigrations(ctx context.Context, now func() time.Time) (applied []string, err error) {
	steps, err := s.migrations()
	if err != nil {
		return nil, err
	}
	if done, err := s.upToDate(ctx, steps); err != nil || done {
		return nil, err
	}
	if err := s.InLongTx(ctx, func(tx *Tx) error { return tx.prepareMigrations(ctx) }); err != nil {
		return nil, err
	}
	for _, step := range steps {
		ran := false
		if err := s.InLongTx(ctx, func(tx *Tx) (err error) {
			ran, err = tx.applyMigration(ctx, step, now())
			return err
		}); err != nil {
			return applied, fmt.Errorf("migration %s: %w", step.Name, err)
		}
		if ran {
			applied = append(applied, step.Name)
		}
	}
	_, err = s.Steps(ctx) // which refuses what else stands there
	return applied, err
}

func tooNew(newest, known int) error {
	if newest > known {
		return fmt.Errorf("the database has schema version %d, this program knows %d: use a newer program", newest, known)
	}
	return nil
}

// Step is a step of the schema.
type Step struct {
	Version   int        `json:"version"`
	Name      string     `json:"name"`
	AppliedAt *time.Time `json:"appliedAt"` // nil as long as it has not been taken
}

// Steps returns the steps of the schema in order, and changes nothing. It refuses the same databases as Migrate.
func (s *Store) Steps(ctx context.Context) ([]Step, error) {
	known, err := s.migrations()
	if err != nil {
		return nil, err
	}
	tables, err := s.tables(ctx)
	if err != nil {
		return nil, err
	}
	steps := make([]Step, len(known))
	for i, step := range known {
		steps[i] = Step{Version: step.Version, Name: step.Name}
	}
	if len(tables) == 0 {
		return steps, nil
	}
	if !slices.Contains(tables, "schema_migrations") {
		return nil, errForeign
	}
	var applied []struct {
		migration
		AppliedAt int64 `db:"applied_at"`
	}
	if err := s.scanAll(ctx, &applied,
		`SELECT version, name, checksum, applied_at FROM schema_migrations ORDER BY version`); err != nil {
		return nil, err
	}
	for _, t := range applied {
		if err := tooNew(t.Version, len(steps)); err != nil {
			return nil, err
		}
		if t.Version < 1 {
			return nil, fmt.Errorf("the database has a schema version %d, which there never was", t.Version)
		}
		step := known[t.Version-1]
		if t.Checksum != step.Checksum {
			return nil, fmt.Errorf("migration %s: %w", step.Name, errDifferent)
		}
		steps[t.Version-1].AppliedAt = new(fromMicros(t.AppliedAt))
	}
	return steps, nil
}

var (
	errForeign   = errors.New("the database holds tables of another program; give Latchkey one of its own")
	errDifferent = errors.New("the database was migrated by a different step of this name")
)

// upToDate reports whether exactly these steps have been taken; a database that is in use need not be written to.
func (s *Store) upToDate(ctx context.Context, steps []migration) (bool, error) {
	tables, err := s.tables(ctx)
	if err != nil || !slices.Contains(tables, "schema_migrations") {
		return false, err
	}
	var applied []migration
	err = s.scanAll(ctx, &applied, `SELECT version, name, checksum FROM schema_migrations ORDER BY version`)
	return slices.EqualFunc(steps, applied, func(a, b migration) bool { return a.Checksum == b.Checksum }), err
}

// Empty reports whether the database holds no tables at all.
func (s *Store) Empty(ctx context.Context) (bool, error) {
	tables, err := s.tables(ctx)
	return len(tables) == 0, err
}

func (q *Queries) tables(ctx context.Context) (names []string, err error) {
	err = q.scanAll(ctx, &names, q.dialect.tables)
	return names, err
}

// migrations returns the steps for the engine in order: 0001_x.sql, or 0001_x.sqlite.sql and 0001_x.postgres.sql.
func (q *Queries) migrations() ([]migration, error) {
	files, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	var steps []migration
	for _, file := range files {
		name := strings.TrimSuffix(strings.TrimPrefix(file, "migrations/"), ".sql")
		if base, engine, ok := strings.Cut(name, "."); ok {
			if engine != q.dialect.name {
				continue
			}
			name = base
		}
		script, err := migrationFiles.ReadFile(file)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(script)
		steps = append(steps, migration{len(steps) + 1, name, hex.EncodeToString(sum[:]), string(script)})
		if !strings.HasPrefix(name, fmt.Sprintf("%04d_", len(steps))) {
			return nil, fmt.Errorf("migration %s is out of sequence", name)
		}
	}
	return steps, nil
}

func (tx *Tx) prepareMigrations(ctx context.Context) error {
	if err := tx.lockSchema(ctx); err != nil {
		return err
	}
	tables, err := tx.tables(ctx)
	if err != nil {
		return err
	}
	if len(tables) > 0 && !slices.Contains(tables, "schema_migrations") {
		return errForeign
	}
	_, err = tx.exec(ctx, `CREATE TABLE IF NOT EXISTS schema_migrations (
		version    BIGINT NOT NULL PRIMARY KEY,
		name       TEXT   NOT NULL,
		checksum   TEXT   NOT NULL,
		applied_at BIGINT NOT NULL)`)
	return err
}

func (tx *Tx) applyMigration(ctx context.Context, step migration, now time.Time) (ran bool, err error) {
	if err := tx.lockSchema(ctx); err != nil {
		return false, err
	}
	var done []migration
	err = tx.scanAll(ctx, &done, `SELECT version, name, checksum FROM schema_migrations WHERE version = ?`, step.Version)
	if err != nil {
		return false, err
	}
	if len(done) == 1 {
		if done[0].Checksum != step.Checksum {
			return false, errDifferent
		}
		return false, nil
	}
	if _, err := tx.tx.ExecContext(ctx, step.script); err != nil {
		return false, err
	}
	_, err = tx.exec(ctx, `INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES (?, ?, ?, ?)`,
		step.Version, step.Name, step.Checksum, micros(now))
	return err == nil, err
}

func (tx *Tx) lockSchema(ctx context.Context) error {
	if tx.dialect.lockSchema == "" {
		return nil
	}
	_, err := tx.tx.ExecContext(ctx, tx.dialect.lockSchema)
	return err
}
