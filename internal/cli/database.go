package cli

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"latchkey/internal/auth"
	"latchkey/internal/config"
	"latchkey/internal/server"
	"latchkey/internal/store"
)

// config returns the settings.
func (p *Program) config() (config.Config, error) { return config.Read(p.settings, p.Env) }

// log returns the log of commands. It has warnings and errors only, because a command prints its result.
func (p *Program) log(c config.Config) *slog.Logger {
	c.LogLevel = max(c.LogLevel, slog.LevelWarn)
	log, _ := server.NewLog(c, p.Stderr, isTerminal(p.Stderr)) // only operations are buffered, and commands log none
	return log
}

// withService calls do with the service on the configured database. It returns an error if the database is not set up:
// a command on a new database would seem to succeed and change nothing.
func (p *Program) withService(ctx context.Context, do func(svc *auth.Service) error) error {
	c, err := p.config()
	if err != nil {
		return err
	}
	if err := mustExist(c); err != nil {
		return err
	}
	st, svc, err := server.Connect(ctx, c, p.log(c), p.Now)
	if err != nil {
		return err
	}
	defer st.Close()
	if err = do(svc); st.Contended(err) {
		err = fmt.Errorf("the database is busy or locked by another process: %w", err)
	}
	return err
}

// mustExist returns an error if the database is a file that does not exist. Opening it would create it.
func mustExist(c config.Config) error {
	if path, ok := c.DatabaseURL.SQLitePath(); ok {
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("database: %w: start a server on it, or run latchkey migrate up first", err)
		}
	}
	return nil
}

// withStore calls do with the configured database, without migrating it. A missing file is created only if create is
// true.
func (p *Program) withStore(ctx context.Context, create bool, do func(st *store.Store) error) error {
	c, err := p.config()
	if err != nil {
		return err
	}
	if err := mustExist(c); err != nil && !create {
		return err
	}
	st, err := server.OpenStore(ctx, c, true)
	if err != nil {
		return err
	}
	defer st.Close()
	return do(st)
}
