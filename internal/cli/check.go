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

// Help tells what is looked at.
func (check) Help() string {
	return "It looks at the settings, the secret, the database's schema, signing keys, users and sessions, and at the " +
		"database file itself with SQLite. It changes nothing."
}

// Run prints what is wrong, a line for each thing, and fails if anything is.
func (check) Run(ctx context.Context, p *Program) error {
	c, err := p.config()
	if err != nil {
		return err
	}
	if err := mustExist(c); err != nil {
		return err
	}
	if path := server.SecretFile(c); path != "" {
		if _, err := os.Stat(path); err != nil { // reading it might make one
			return fmt.Errorf("secret: %w: bring back the one that the database was made with", err)
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
	var far atomic.Value
	far.Store(auth.IntegrityReport{})
	stop := p.progress(func() string {
		seen := far.Load().(auth.IntegrityReport)
		if seen.Users == 0 {
			return "the database itself is checked"
		}
		return fmt.Sprintf("%d users and %d sessions are checked", seen.Users, seen.Sessions)
	})
	tell := func(problem string) error { return p.printf("%s\n", problem) }
	seen := func(sum auth.IntegrityReport) { far.Store(sum) }
	sum, err := server.NewService(c, st, secrets, p.log(c), p.Now).VerifyIntegrity(ctx, tell, seen)
	stop()
	if err != nil {
		return err
	}
	if sum.Problems > 0 {
		return fmt.Errorf("things that are wrong: %d", sum.Problems)
	}
	return p.printf("Nothing is wrong with %d signing keys, %d users and %d sessions.\n",
		sum.Keys, sum.Users, sum.Sessions)
}
