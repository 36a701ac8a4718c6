package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"latchkey/internal/config"
	"latchkey/internal/server"
	"latchkey/internal/store"
	"latchkey/internal/store/transfer"
)

type move struct {
	From databaseURL `arg:"" help:"the SQLite database to move, as in sqlite:latchkey.db"`
	To   databaseURL `arg:"" optional:"" help:"a database to move to that starts with postgres://"`
	JSON bool        `help:"Print JSON."`
}

// databaseURL is the address of a database as an argument.
type databaseURL string

// Validate admits what LATCHKEY_DATABASE_URL does.
func (d databaseURL) Validate() error {
	_, err := config.ParseDatabaseURL(string(d))
	return err
}

// Help tells what has to be so.
func (move) Help() string {
	return "Stop the server first. The database to move to is empty. Others on this machine can read arguments: when " +
		"its address holds a password, leave it out and set LATCHKEY_DATABASE_URL or LATCHKEY_DATABASE_URL_FILE. " +
		"The secret stays the same, and everybody stays signed in. Interrupted, the same command goes on."
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
	secrets, err := server.ReadSecrets(to, false) // as the next server reads them
	if err != nil {
		return err
	}
	proof := func(st *store.Store) func(context.Context) error {
		return server.NewService(to, st, secrets, p.log(to), p.Now).Keys.VerifySecret
	}
	if err := proof(source)(ctx); err != nil {
		return err
	}
	target, err := store.Open(ctx, to.DatabaseURL.Reveal())
	if err != nil {
		return fmt.Errorf("database %s: %w", to.DatabaseURL, err)
	}
	defer target.Close()

	var rows atomic.Int64
	stop := p.progress(func() string { return fmt.Sprintf("%d rows are copied", rows.Load()) })
	moved, err := transfer.Run(ctx, source, target, transfer.Options{
		Now: p.Now, Verify: proof(target), Progress: rows.Store,
	})
	stop()
	if err != nil {
		return err
	}
	return m.printResult(p, from, to, moved)
}

// configs returns the settings of a server on the database to move, and those of one on the database to move to. Unless
// the secret is a setting it is the file beside the first.
func (m move) configs(p *Program) (from, to config.Config, err error) {
	args := slices.DeleteFunc(slices.Clone(p.settings), func(setting string) bool {
		return strings.HasPrefix(setting, "--database-url")
	})
	if from, err = config.Read(append(args, "--database-url="+string(m.From)), p.Env); err != nil {
		return from, to, err
	}
	if _, ok := from.DatabaseURL.SQLitePath(); !ok {
		return from, to, usage("the database to move is one of SQLite, as in sqlite:latchkey.db")
	}
	if err := mustExist(from); err != nil {
		return from, to, err
	}
	if m.To == "" {
		args = slices.Clone(p.settings)
	} else {
		args = append(args, "--database-url="+string(m.To))
	}
	if path := server.SecretFile(from); path != "" {
		if _, err := os.Stat(path); err != nil {
			return from, to, fmt.Errorf("secret: %w", err)
		}
		args = append(args, "--secret-file="+path)
	}
	if to, err = config.Read(args, p.Env); err != nil {
		return from, to, err
	}
	if _, ok := to.DatabaseURL.SQLitePath(); ok {
		return from, to, usage("the database to move to starts with postgres://; " +
			"it is the second argument, or LATCHKEY_DATABASE_URL")
	}
	return from, to, nil
}

// printResult prints what was moved and how to go on.
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
	return p.printf("\nAll of it is in %s now, and everybody is still signed in. No server starts on %s any more.\n"+
		"Start with LATCHKEY_DATABASE_URL set to the new database, %s and otherwise the same settings.\n",
		to.DatabaseURL, from.DatabaseURL, secret)
}
