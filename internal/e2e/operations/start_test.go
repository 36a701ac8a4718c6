package operations

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"latchkey/internal/e2e"
	"latchkey/internal/store/storetest"
)

// TestStartWithoutItsDatabase checks that a server does not start where a database existed or the secret of one is
// missing.
func TestStartWithoutItsDatabase(t *testing.T) {
	database := storetest.SQLite(t)
	path := strings.TrimPrefix(database, "sqlite:")
	secret := filepath.Join(filepath.Dir(path), "latchkey.secret")
	settings := []string{"LATCHKEY_LISTEN=127.0.0.1:0", "LATCHKEY_DATABASE_URL=" + database}
	first := e2e.Start(t, database, "LATCHKEY_SECRET=")
	first.Register("mario")
	first.Stop()
	refused := func(want string) {
		t.Helper()
		err := e2e.RunProgram(t.Context(), nil, settings, strings.NewReader(""), io.Discard, os.Stderr, time.Now)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Fatalf("want %q, have %v", want, err)
		}
	}
	rename := func(from, to string) {
		t.Helper()
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	rename(path, path+".away")
	for range 2 { // the first attempt creates an empty file
		refused("restore the database")
	}
	rename(path+".away", path)
	rename(secret, secret+".away")
	for range 2 {
		refused("restore the secret")
	}
	rename(secret+".away", secret)
	first.AnotherNode("LATCHKEY_SECRET=").SignIn("mario")
}

// TestStartCreatesSecretOnce checks that a server without a secret creates one beside SQLite, and uses it at the next
// start.
func TestStartCreatesSecretOnce(t *testing.T) {
	database := storetest.SQLite(t)
	first := e2e.Start(t, database, "LATCHKEY_SECRET=")
	mario := first.Register("mario")
	first.Stop()
	file := filepath.Join(filepath.Dir(strings.TrimPrefix(database, "sqlite:")), "latchkey.secret")
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("secret file: %v %v", info, err)
	}
	mario.Env = first.AnotherNode("LATCHKEY_SECRET=")
	if !mario.SignedIn() {
		t.Fatal("signed out by a restart")
	}
}
