package cli

import (
	"context"
	"regexp"

	"latchkey/internal/account"
	"latchkey/internal/auth"
	"latchkey/internal/keyring"
)

type keysRetire struct {
	KID kid `arg:"" help:"the complete KID of a key, as shown by latchkey keys list"`
}

type kid string

// Validate returns an error unless k has the form of a KID. Later errors repeat a KID, so it must not be a setting that
// was written in its place.
func (k kid) Validate() error { return matches(kidForm, string(k)) }

var kidForm = regexp.MustCompile(`^[A-Za-z0-9_-]{22,43}$`)

// Run deletes a signing key.
func (r keysRetire) Run(ctx context.Context, p *Program) error {
	return p.withService(ctx, func(svc *auth.Service) error {
		signing, err := svc.Keys.Retire(ctx, account.Operator, string(r.KID))
		if err != nil {
			return err
		}
		return p.printf("%s is deleted. All nodes reject its tokens within %s. %s signs now.\n",
			r.KID, keyring.SyncInterval, signing)
	})
}
