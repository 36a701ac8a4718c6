package server

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

// SecretFile returns the path of the secret beside a SQLite database, or "" when the secret is a setting.
func SecretFile(c config.Config) string {
	path, isSQLite := c.DatabaseURL.SQLitePath()
	if c.Secret.Reveal() != "" || !isSQLite {
		return ""
	}
	return filepath.Join(filepath.Dir(path), "latchkey.secret")
}

// evidenceOfDatabase names what shows that there has been a database: a previous secret, or the secret file beside it,
// which is created after the database; "" when there is neither.
func evidenceOfDatabase(c config.Config) string {
	if c.SecretPrevious.Reveal() != "" {
		return "LATCHKEY_SECRET_PREVIOUS"
	}
	path := SecretFile(c)
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}

// ReadSecrets returns the secret of the settings or, with SQLite and without a setting, the one in latchkey.secret
// beside the database; and the previous secret, if any. It creates the file only for a fresh database and for a change
// of the secret: a new one would be of no use with any other database.
func ReadSecrets(c config.Config, fresh bool) (token.Secrets, error) {
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
	path := SecretFile(c)
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
		text, err = createSecret(path, previous)
	case missing:
		return nil, fmt.Errorf("%s is missing: restore the secret that this database was created with", path)
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

// createSecret writes a new secret to a file that does not exist, with another key ID than the previous secret, if any.
// Of several processes that start together one succeeds, and all read the same secret, complete.
func createSecret(path string, previous token.Secret) ([]byte, error) {
	generate := func() token.Secret { return token.Secret(rand.Text() + rand.Text()) } // 2 × 130 bits
	secret := generate()
	for previous != nil && secret.KeyID() == previous.KeyID() {
		secret = generate()
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
