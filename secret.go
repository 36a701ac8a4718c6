package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"latchkey/internal/config"
	"latchkey/internal/store"
	"latchkey/internal/token"
)

// secretFile returns the path of the secret beside a SQLite database, or "" when the secret is a setting.
func secretFile(c config.Config) string {
	path, isSQLite := c.DatabaseURL.SQLitePath()
	if c.Secret.Reveal() != "" || !isSQLite {
		return ""
	}
	return filepath.Join(filepath.Dir(path), "latchkey.secret")
}

// checkLoss refuses an empty database beside a secret, or with a previous one: secrets are made last, so there was a
// database once, and its users would not thank us for an empty one.
func checkLoss(ctx context.Context, c config.Config, s *store.Store) error {
	sign := "LATCHKEY_SECRET_PREVIOUS"
	if c.SecretPrevious.Reveal() == "" {
		sign = secretFile(c)
		if _, err := os.Stat(sign); sign == "" || err != nil {
			return nil
		}
	}
	empty, err := s.Empty(ctx)
	if err == nil && empty {
		err = fmt.Errorf("database %s is empty or missing, but %s is there: "+
			"bring the database back, or begin anew in an empty folder", c.DatabaseURL, sign)
	}
	return err
}

// readSecrets returns the secret of the settings or, with SQLite and without a setting, the one in latchkey.secret
// beside the database; and the previous secret, if any. It makes the file for a fresh database and for a change of the
// secret alone: everywhere else a new one would be of no use.
func readSecrets(c config.Config, fresh bool) (token.Secrets, error) {
	var previous token.Secret
	if text := c.SecretPrevious.Reveal(); text != "" {
		var err error
		if previous, err = token.NewSecret(text); err != nil {
			return token.Secrets{}, fmt.Errorf("LATCHKEY_SECRET_PREVIOUS: %w", err)
		}
	}
	current, err := readSecret(c, fresh, previous)
	if err != nil {
		return token.Secrets{}, err
	}
	return token.NewSecrets(current, previous)
}

func readSecret(c config.Config, fresh bool, previous token.Secret) (token.Secret, error) {
	path := secretFile(c)
	if path == "" {
		secret, err := token.NewSecret(c.Secret.Reveal())
		if err != nil {
			return nil, fmt.Errorf("LATCHKEY_SECRET: %w", err)
		}
		return secret, nil
	}
	text, err := os.ReadFile(path)
	switch missing := errors.Is(err, os.ErrNotExist); {
	case missing && (fresh || previous != nil):
		text, err = makeSecret(path, previous)
	case missing:
		return nil, fmt.Errorf("%s is missing: bring back the secret that this database was made with", path)
	}
	if err != nil {
		return nil, err
	}
	secret, err := token.NewSecret(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return secret, nil
}

// makeSecret writes a secret where there is none, one that goes together with the previous one, if any. Of several
// processes that start together one does so and all read the same, whole.
func makeSecret(path string, previous token.Secret) ([]byte, error) {
	var text string
	for err := errors.New("none yet"); err != nil; {
		text = rand.Text() + rand.Text() // 2 × 130 bits
		_, err = token.NewSecrets(token.Secret(text), previous)
	}
	draft, err := os.CreateTemp(filepath.Dir(path), "latchkey.secret.*") // mode 0600
	if err != nil {
		return nil, err
	}
	defer os.Remove(draft.Name())
	_, err = io.WriteString(draft, text+"\n")
	if err := errors.Join(err, draft.Sync(), draft.Close()); err != nil {
		return nil, err
	}
	if err := os.Link(draft.Name(), path); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	return os.ReadFile(path)
}
