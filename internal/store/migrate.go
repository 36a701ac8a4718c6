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

// migration is a file of migrations/.
type migration struct {
	Version  int
	Name     string
	Checksum string
	script   string
}

var (
	errForeign   = errors.New("the database holds tables of another program; give Latchkey one of its own")
	errDifferent = errors.New("the database was migrated by a different step of this name")
)

// Migrate brings the schema to this program's version, with a transaction for each migration, and returns the names of
// those it applied. Several nodes may call it at once: one of them applies each migration. It returns an error for a
// database that another program created, that a newer version has migrated, whose migrations differ from those of this
// program, or that CheckNotMoved refuses.
func (s *Store) Migrate(ctx context.Context, now func() time.Time) (applied []string, err error) {
	if err := s.CheckNotMoved(ctx); err != nil {
		return nil, err
	}
	return s.applyMigrations(ctx, now)
}

// MigrateClaimed is Migrate for a database that a transfer has claimed.
func (s *Store) MigrateClaimed(ctx context.Context, now func() time.Time) error {
	_, err := s.applyMigrations(ctx, now)
	return err
}

func (s *Store) applyMigrations(ctx context.Context, now func() time.Time) (applied []string, err error) {
	known, err := s.migrations()
	if err != nil {
		return nil, err
	}
	if done, err := s.upToDate(ctx, known); err != nil || done {
		return nil, err
	}
	if err := s.InLongTx(ctx, func(tx *Tx) error { return tx.PrepareMigrations(ctx) }); err != nil {
		return nil, err
	}
	for _, m := range known {
		ran := false
		if err := s.InLongTx(ctx, func(tx *Tx) (err error) {
			ran, err = tx.applyMigration(ctx, m, now())
			return err
		}); err != nil {
			return applied, fmt.Errorf("migration %s: %w", m.Name, err)
		}
		if ran {
			applied = append(applied, m.Name)
		}
	}
	_, err = s.Steps(ctx) // refuses migrations that this program does not have
	return applied, err
}

// Step is a migration and when it was applied.
type Step struct {
	Version   int        `json:"version"`
	Name      string     `json:"name"`
	AppliedAt *time.Time `json:"appliedAt"` // nil if it is not applied
}

// Steps returns the migrations in order, and changes nothing. It returns an error for the same databases as Migrate,
// except those that CheckNotMoved refuses.
func (s *Store) Steps(ctx context.Context) ([]Step, error) {
	known, err := s.migrations()
	if err != nil {
		return nil, err
	}
	tables, err := s.Tables(ctx)
	if err != nil {
		return nil, err
	}
	steps := make([]Step, len(known))
	for i, m := range known {
		steps[i] = Step{Version: m.Version, Name: m.Name}
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
	for _, a := range applied {
		if err := checkKnown(a.migration, known); err != nil {
			return nil, err
		}
		steps[a.Version-1].AppliedAt = new(fromMicros(a.AppliedAt))
	}
	return steps, nil
}

// checkKnown returns an error unless a migration of the database is one of this program.
func checkKnown(m migration, known []migration) error {
	switch {
	case m.Version > len(known):
		return fmt.Errorf("the database has schema version %d, this program knows %d: use a newer program",
			m.Version, len(known))
	case m.Version < 1:
		return fmt.Errorf("the database has a schema version %d, which there never was", m.Version)
	case m.Checksum != known[m.Version-1].Checksum:
		return fmt.Errorf("migration %s: %w", known[m.Version-1].Name, errDifferent)
	}
	return nil
}

// upToDate reports whether exactly the known migrations are applied. Then nothing need be written.
func (s *Store) upToDate(ctx context.Context, known []migration) (bool, error) {
	tables, err := s.Tables(ctx)
	if err != nil || !slices.Contains(tables, "schema_migrations") {
		return false, err
	}
	var applied []migration
	err = s.scanAll(ctx, &applied, `SELECT version, name, checksum FROM schema_migrations ORDER BY version`)
	return slices.EqualFunc(known, applied, func(a, b migration) bool { return a.Checksum == b.Checksum }), err
}

// Empty reports whether the database has no tables.
func (s *Store) Empty(ctx context.Context) (bool, error) {
	tables, err := s.Tables(ctx)
	return len(tables) == 0, err
}

// Tables returns the names of the tables.
func (q *Queries) Tables(ctx context.Context) (names []string, err error) {
	err = q.scanAll(ctx, &names, q.dialect.tables)
	return names, err
}

// migrations returns the migrations for the engine in order: 0001_x.sql, or 0001_x.sqlite.sql and 0001_x.postgres.sql.
func (d *database) migrations() ([]migration, error) {
	files, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	var known []migration
	for _, file := range files {
		name := strings.TrimSuffix(strings.TrimPrefix(file, "migrations/"), ".sql")
		if base, engine, ok := strings.Cut(name, "."); ok {
			if engine != d.dialect.name {
				continue
			}
			name = base
		}
		script, err := migrationFiles.ReadFile(file)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(script)
		known = append(known, migration{len(known) + 1, name, hex.EncodeToString(sum[:]), string(script)})
		if !strings.HasPrefix(name, fmt.Sprintf("%04d_", len(known))) {
			return nil, fmt.Errorf("migration %s is out of sequence", name)
		}
	}
	return known, nil
}

// PrepareMigrations creates the table of applied migrations. It returns an error for the database of another program.
func (tx *Tx) PrepareMigrations(ctx context.Context) error {
	if err := tx.LockSchema(ctx); err != nil {
		return err
	}
	tables, err := tx.Tables(ctx)
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

// applyMigration applies a migration, and reports false if another node has done so.
func (tx *Tx) applyMigration(ctx context.Context, m migration, now time.Time) (ran bool, err error) {
	if err := tx.LockSchema(ctx); err != nil {
		return false, err
	}
	var done []migration
	err = tx.scanAll(ctx, &done, `SELECT version, name, checksum FROM schema_migrations WHERE version = ?`, m.Version)
	if err != nil {
		return false, err
	}
	if len(done) == 1 {
		if done[0].Checksum != m.Checksum {
			return false, errDifferent
		}
		return false, nil
	}
	if _, err := tx.tx.ExecContext(ctx, m.script); err != nil {
		return false, err
	}
	_, err = tx.exec(ctx, `INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES (?, ?, ?, ?)`,
		m.Version, m.Name, m.Checksum, micros(now))
	return err == nil, err
}

// LockSchema makes other transactions that migrate wait until this one ends. It must be the first call.
func (tx *Tx) LockSchema(ctx context.Context) error {
	if tx.dialect.lockSchema == "" {
		return nil
	}
	_, err := tx.tx.ExecContext(ctx, tx.dialect.lockSchema)
	return err
}
