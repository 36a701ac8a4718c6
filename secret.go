package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"latchkey/internal/config"
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

// signOfUse names what shows that there has been a database: a previous secret, or the secret beside it, which is made
// after the database; "" when there is neither. Users would not thank us for an empty database in its place.
func signOfUse(c config.Config) string {
	if c.SecretPrevious.Reveal() != "" {
		return "LATCHKEY_SECRET_PREVIOUS"
	}
	path := secretFile(c)
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
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
	draw := func() token.Secret { return token.Secret(rand.Text() + rand.Text()) } // 2 × 130 bits
	secret := draw()
	for previous != nil && secret.KeyID() == previous.KeyID() {
		secret = draw()
	}
	draft, err := os.CreateTemp(filepath.Dir(path), "latchkey.secret.*") // mode 0600
	if err != nil {
		return nil, err
	}
	defer os.Remove(draft.Name())
	_, err = io.WriteString(draft, string(secret)+"\n")
	if err := errors.Join(err, draft.Sync(), draft.Close()); err != nil {
		return nil, err
	}
	if err := os.Link(draft.Name(), path); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	return os.ReadFile(path)
}
