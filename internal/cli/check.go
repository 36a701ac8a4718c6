package cli

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"

	"latchkey/internal/auth"
	"latchkey/internal/server"
)

type check struct{}

// Help returns what is checked.
func (check) Help() string {
	return "It checks the settings, the secret, the database's schema, signing keys, users and sessions, and with SQLite " +
		"the database file itself. It changes nothing."
}

// Run prints a line for each problem, and fails if there is any.
func (check) Run(ctx context.Context, p *Program) error {
	c, err := p.config()
	if err != nil {
		return err
	}
	if err := mustExist(c); err != nil {
		return err
	}
	if path := server.SecretFile(c); path != "" {
		if _, err := os.Stat(path); err != nil { // ReadSecrets creates a missing file
			return fmt.Errorf("secret: %w: restore the one that the database was created with", err)
		}
	}
	st, err := server.OpenStore(ctx, c, false)
	if err != nil {
		return err
	}
	defer st.Close()
	if err := server.CheckUsable(ctx, st); err != nil {
		return err
	}
	secrets, err := server.ReadSecrets(c, false)
	if err != nil {
		return err
	}
	var latest atomic.Value
	latest.Store(auth.IntegrityReport{})
	stop := p.progress(func() string {
		seen := latest.Load().(auth.IntegrityReport)
		if seen.Users == 0 {
			return "checking the database file"
		}
		return count(seen.Users, "user") + " and " + count(seen.Sessions, "session") + " checked"
	})
	report := func(problem string) error { return p.printf("%s\n", problem) }
	progress := func(sum auth.IntegrityReport) { latest.Store(sum) }
	sum, err := server.NewService(c, st, secrets, p.log(c), p.Now).VerifyIntegrity(ctx, report, progress)
	stop()
	if err != nil {
		return err
	}
	if sum.Problems > 0 {
		return fmt.Errorf("%s found", count(sum.Problems, "problem"))
	}
	return p.printf("No problems found in %s, %s and %s.\n",
		count(sum.Keys, "signing key"), count(sum.Users, "user"), count(sum.Sessions, "session"))
}
