package main

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
	"latchkey/internal/store"
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
func (m move) Run(ctx context.Context, p *program) error {
	from, to, err := m.sides(p)
	if err != nil {
		return err
	}
	source, err := openStore(ctx, from, false)
	if err != nil {
		return err
	}
	defer source.Close()
	if err := upToDate(ctx, source); err != nil {
		return err
	}
	secrets, err := readSecrets(to, false) // as the next server reads them
	if err != nil {
		return err
	}
	proof := func(st *store.Store) func(context.Context) error {
		return newVerbs(to, st, secrets, p.log(to), p.now).Keys.VerifySecret
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
	moved, err := source.Move(ctx, target, p.now, proof(target), rows.Store)
	stop()
	if err != nil {
		return err
	}
	return m.tell(p, from, to, moved)
}

// sides returns the settings of a server on the database to move, and those of one on the database to move to. Unless
// the secret is a setting it is the file beside the first.
func (m move) sides(p *program) (from, to config.Config, err error) {
	args := slices.DeleteFunc(slices.Clone(p.args), func(setting string) bool {
		return strings.HasPrefix(setting, "--database-url")
	})
	if from, err = config.Read(append(args, "--database-url="+string(m.From)), p.env); err != nil {
		return from, to, err
	}
	if _, ok := from.DatabaseURL.SQLitePath(); !ok {
		return from, to, usage("the database to move is one of SQLite, as in sqlite:latchkey.db")
	}
	if err := mustExist(from); err != nil {
		return from, to, err
	}
	if m.To == "" {
		args = slices.Clone(p.args)
	} else {
		args = append(args, "--database-url="+string(m.To))
	}
	if path := secretFile(from); path != "" {
		if _, err := os.Stat(path); err != nil {
			return from, to, fmt.Errorf("secret: %w", err)
		}
		args = append(args, "--secret-file="+path)
	}
	if to, err = config.Read(args, p.env); err != nil {
		return from, to, err
	}
	if _, ok := to.DatabaseURL.SQLitePath(); ok {
		return from, to, usage("the database to move to starts with postgres://; " +
			"it is the second argument, or LATCHKEY_DATABASE_URL")
	}
	return from, to, nil
}

// tell prints what was moved and how to go on.
func (m move) tell(p *program, from, to config.Config, moved []store.Moved) error {
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
	if path := secretFile(from); path != "" {
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
