package cli

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"

	"latchkey/internal/config"
	"latchkey/internal/server"
	"latchkey/internal/store"
	"latchkey/internal/store/transfer"
)

type move struct {
	From databaseURL `arg:"" help:"the SQLite database to move, as in sqlite:latchkey.db"`
	To   databaseURL `arg:"" optional:"" help:"the target database, as in postgres://…"`
	JSON bool        `help:"Print JSON."`
}

// databaseURL is the URL of a database as an argument.
type databaseURL string

// Validate accepts the values of LATCHKEY_DATABASE_URL.
func (d databaseURL) Validate() error {
	_, err := config.ParseDatabaseURL(string(d))
	return err
}

// Help returns the requirements.
func (move) Help() string {
	return "Stop the server first. The target database must be empty. Other users of this machine can read arguments: " +
		"if its URL contains a password, omit it and set LATCHKEY_DATABASE_URL or LATCHKEY_DATABASE_URL_FILE. " +
		"The secret stays the same, and users stay signed in. If interrupted, run the same command again."
}

// Run moves a SQLite database to PostgreSQL.
func (m move) Run(ctx context.Context, p *Program) error {
	from, to, err := m.configs(p)
	if err != nil {
		return err
	}
	source, err := server.OpenStore(ctx, from, false)
	if err != nil {
		return err
	}
	defer source.Close()
	if err := server.CheckSchemaCurrent(ctx, source); err != nil {
		return err
	}
	secrets, err := server.ReadSecrets(to, false) // as a server on the target reads them
	if err != nil {
		return err
	}
	verifySecret := func(st *store.Store) func(context.Context) error {
		return server.NewService(to, st, secrets, p.log(to), p.Now).Keys.VerifySecret
	}
	if err := verifySecret(source)(ctx); err != nil {
		return err
	}
	target, err := store.Open(ctx, to.DatabaseURL.Reveal())
	if err != nil {
		return fmt.Errorf("database %s: %w", to.DatabaseURL, err)
	}
	defer target.Close()

	var rows atomic.Int64
	stop := p.progress(func() string { return fmt.Sprintf("%d rows copied", rows.Load()) })
	moved, err := transfer.Run(ctx, source, target, transfer.Options{
		Now: p.Now, Verify: verifySecret(target), Progress: rows.Store,
	})
	stop()
	if err != nil {
		return err
	}
	return m.printResult(p, from, to, moved)
}

// configs returns the settings of a server on the source and of one on the target. Both have the same secret: the
// setting or, without one, the file beside the source.
func (m move) configs(p *Program) (from, to config.Config, err error) {
	if from, err = config.Read(withDatabase(p.settings, m.From), p.Env); err != nil {
		return from, to, err
	}
	if _, ok := from.DatabaseURL.SQLitePath(); !ok {
		return from, to, usage("the database to move must be SQLite, as in sqlite:latchkey.db")
	}
	if err := mustExist(from); err != nil {
		return from, to, err
	}
	flags := maps.Clone(p.settings)
	if m.To != "" {
		flags = withDatabase(flags, m.To)
	}
	if path := server.SecretFile(from); path != "" {
		if _, err := os.Stat(path); err != nil {
			return from, to, fmt.Errorf("secret: %w", err)
		}
		flags["--secret-file"] = path
	}
	if to, err = config.Read(flags, p.Env); err != nil {
		return from, to, err
	}
	if _, ok := to.DatabaseURL.SQLitePath(); ok {
		return from, to, usage("the target database must start with postgres://; " +
			"give it as the second argument or in LATCHKEY_DATABASE_URL")
	}
	return from, to, nil
}

// withDatabase returns the settings with the URL of another database.
func withDatabase(settings map[string]string, url databaseURL) map[string]string {
	flags := maps.Clone(settings)
	delete(flags, "--database-url-file")
	flags["--database-url"] = string(url)
	return flags
}

// printResult prints what was moved and what to do next.
func (m move) printResult(p *Program, from, to config.Config, moved []transfer.Table) error {
	if m.JSON {
		return p.json(moved)
	}
	rows := [][]string{{"TABLE", "ROWS", "CHECKSUM"}}
	for _, t := range moved {
		rows = append(rows, []string{t.Table, strconv.FormatInt(t.Rows, 10), t.Checksum})
	}
	if err := p.table(rows); err != nil {
		return err
	}
	secret := "LATCHKEY_SECRET"
	if path := server.SecretFile(from); path != "" {
		absolute, err := filepath.Abs(path)
		if err != nil {
			return err
		}
		secret = "LATCHKEY_SECRET_FILE=" + absolute
	}
	return p.printf("\nEverything is in %s now, and users stay signed in. Servers refuse to start on %s.\n"+
		"Start the server with LATCHKEY_DATABASE_URL set to the new database, %s, and otherwise the same settings.\n",
		to.DatabaseURL, from.DatabaseURL, secret)
}
