package cli

import (
	"context"
	"errors"
	"regexp"

	"latchkey/internal/auth"
	"latchkey/internal/keyring"
)

type keysRetire struct {
	KID kid `arg:"" help:"the complete KID of a key, as shown by latchkey keys list"`
}

type kid string

// Validate rejects a setting given in place of a forgotten key ID. Output repeats the ID, and a setting may be a
// secret.
func (k kid) Validate() error { return matches(kidForm, string(k)) }

var kidForm = regexp.MustCompile(`^[A-Za-z0-9_-]{22,43}$`)

func matches(form *regexp.Regexp, text string) error {
	if !form.MatchString(text) {
		return errors.New("it has the wrong form")
	}
	return nil
}

// Run deletes a signing key.
func (r keysRetire) Run(ctx context.Context, p *Program) error {
	return p.withService(ctx, func(svc *auth.Service) error {
		signing, err := svc.Keys.Retire(ctx, string(r.KID))
		if err != nil {
			return err
		}
		return p.printf("%s is deleted. All nodes reject its tokens within %s. %s signs now.\n",
			r.KID, keyring.SyncInterval, signing)
	})
}
