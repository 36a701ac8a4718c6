package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/audit"
	"latchkey/internal/auth"
	"latchkey/internal/config"
	"latchkey/internal/middleware"
	"latchkey/internal/ratelimit"
	"latchkey/internal/store"
	"latchkey/internal/token"
)

// openOrCreate opens the configured database, migrates it and returns the service on it, with the store to close after
// use. An empty database is set up, unless there is evidence that there was one before.
func openOrCreate(
	ctx context.Context, c config.Config, o Options, log *slog.Logger, sinks ...audit.Sink,
) (_ *store.Store, _ *auth.Service, err error) {
	st, err := OpenStore(ctx, c, true, o.Wrappers...)
	if err != nil {
		return nil, nil, err
	}
	defer closeOnError(st, &err)
	steps, err := st.Migrate(ctx, o.Now)
	if err != nil {
		return nil, nil, err
	}
	log.DebugContext(ctx, "schema is up to date", "steps", steps)
	svc, err := serviceOn(ctx, c, st, log, o.Now, sinks...)
	return st, svc, err
}

// Connect opens the configured database and returns the service on it, with the store to close after use. It fails
// unless a server may start on the database, the schema is current and the secret opens its signing keys.
func Connect(
	ctx context.Context, c config.Config, log *slog.Logger, now func() time.Time,
) (_ *store.Store, _ *auth.Service, err error) {
	st, err := OpenStore(ctx, c, false)
	if err != nil {
		return nil, nil, err
	}
	defer closeOnError(st, &err)
	if err := CheckUsable(ctx, st); err != nil {
		return nil, nil, err
	}
	svc, err := serviceOn(ctx, c, st, log, now)
	if err == nil {
		err = svc.Keys.VerifySecret(ctx)
	}
	return st, svc, err
}

// OpenStore opens the configured database as it is. It refuses one that is empty or missing, and leaves it so: without
// create always, with it only when there is evidence that there was a database before.
func OpenStore(
	ctx context.Context, c config.Config, create bool, wrappers ...store.Wrapper,
) (_ *store.Store, err error) {
	evidence := evidenceOfDatabase(c) // first, for another process may be creating it
	refusal := func() error {
		switch {
		case evidence != "":
			return fmt.Errorf("database %s is empty or missing, but %s is there: "+
				"restore the database, or start in an empty folder", c.DatabaseURL, evidence)
		case !create:
			return fmt.Errorf("the database %s is not set up: "+
				"start a server on it, or run latchkey migrate up first", c.DatabaseURL)
		}
		return nil
	}
	if databaseFileMissing(c) {
		if err := refusal(); err != nil {
			return nil, err
		}
	}
	st, err := store.Open(ctx, c.DatabaseURL.Reveal(), wrappers...)
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", c.DatabaseURL, err)
	}
	defer closeOnError(st, &err)
	empty, err := st.Empty(ctx)
	if err == nil && empty {
		err = refusal()
	}
	return st, err
}

// closeOnError closes a store that its opener does not return, as *err is set.
func closeOnError(st *store.Store, err *error) {
	if *err != nil {
		st.Close()
	}
}

// databaseFileMissing reports whether the database is a file that is missing or empty. Opening it would change that.
func databaseFileMissing(c config.Config) bool {
	path, isSQLite := c.DatabaseURL.SQLitePath()
	if !isSQLite {
		return false
	}
	info, err := os.Stat(path)
	return errors.Is(err, os.ErrNotExist) || err == nil && info.Size() == 0
}

// CheckUsable returns an error unless a server may start on the database and would find nothing to migrate.
func CheckUsable(ctx context.Context, st *store.Store) error {
	if err := CheckSchemaCurrent(ctx, st); err != nil {
		return err
	}
	return st.CheckNotMoved(ctx)
}

// CheckSchemaCurrent returns an error unless all migrations have been applied.
func CheckSchemaCurrent(ctx context.Context, st *store.Store) error {
	steps, err := st.Steps(ctx)
	if err != nil {
		return err
	}
	for _, step := range steps {
		if step.AppliedAt == nil {
			return fmt.Errorf("migration %s is not applied: run latchkey migrate up first", step.Name)
		}
	}
	return nil
}

// serviceOn returns the service on a database, with the secret that the settings name.
func serviceOn(
	ctx context.Context, c config.Config, st *store.Store, log *slog.Logger, now func() time.Time,
	sinks ...audit.Sink,
) (*auth.Service, error) {
	keys, err := st.SigningKeys(ctx)
	if err != nil {
		return nil, err
	}
	secrets, err := ReadSecrets(c, len(keys) == 0)
	if err != nil {
		return nil, err
	}
	return NewService(c, st, secrets, log, now, sinks...), nil
}

// freeAttempts is how many wrong passwords in a row cause no delay.
const freeAttempts = 4

// NewService returns the service on a store, with the rules that the settings make. Security events go to the log and
// to sinks.
func NewService(
	c config.Config, st *store.Store, secrets token.Secrets, log *slog.Logger, now func() time.Time,
	sinks ...audit.Sink,
) *auth.Service {
	serviceLog := middleware.LogAttrs(log, middleware.RequestAttrs)
	return auth.New(st, secrets, auth.Options{
		Issuer:            c.PublicURL,
		SigningAlg:        c.SigningAlg,
		SigningKeyMaxAge:  c.SigningKeyMaxAge,
		AccessTTL:         c.AccessTokenTTL,
		IdleTTL:           c.RefreshIdleTTL,
		SessionTTL:        c.SessionTTL,
		Grace:             c.RefreshGrace,
		MaxSessions:       c.MaxSessions,
		PasswordMinLength: c.PasswordMinLength,
		Limits: ratelimit.Limits{
			Passwords: ratelimit.PasswordAttempts{Free: freeAttempts, Max: c.LimitGuesses},
			SignIn:    c.LimitSignIn,
			Register:  c.LimitRegister,
			Refresh:   c.LimitRefresh,
			Mail:      c.LimitMail,
		},
		Registration:      account.RegistrationMode(strings.ToUpper(string(c.Registration))),
		EmailVerification: c.EmailVerification,
		NewDeviceNotice:   c.NewDeviceNotice,
		Now:               now,
		Log:               serviceLog,
		Audit:             append(audit.Sinks{audit.Log(serviceLog)}, sinks...),
	})
}
