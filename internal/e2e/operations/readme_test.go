package operations

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"latchkey/internal/e2e"
)

// TestTheSessionOfTheReadme pastes the README's session into a shell, word by word but for the address.
func TestTheSessionOfTheReadme(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("there is no curl on this machine")
	}
	_, rest, _ := strings.Cut(string(readme), "```sh\n")
	session, _, _ := strings.Cut(rest, "```")
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		shell := exec.Command("sh")
		shell.Stdin = strings.NewReader(strings.ReplaceAll(session, "http://localhost:8080", s.URL))
		said, err := shell.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, said)
		}
		for _, want := range []string{
			`"username":"mario"`, `"viewerCanUpdate":true`, `"location":"Rome"`, `"refreshToken":"rt_`, `"signedOut":true`, `"reason":"REVOKED"`,
		} {
			if !strings.Contains(string(said), want) {
				t.Errorf("it never says %s:\n%s", want, said)
			}
		}
	})
}

// TestTheDrillOfTheManual makes a backup, tries it and restores it, by the words of docs/operations.md.
func TestTheDrillOfTheManual(t *testing.T) {
	manual, err := os.ReadFile("docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin, backups, folder := t.TempDir(), t.TempDir(), t.TempDir()
	wrapper := "#!/bin/sh\nLATCHKEY_TEST_SERVER=1 exec '" + program + "' \"$@\"\n"
	if err := os.WriteFile(filepath.Join(bin, "latchkey"), []byte(wrapper), 0o700); err != nil {
		t.Fatal(err)
	}
	// follow runs the block of the manual that has a mark.
	follow := func(mark string) string {
		t.Helper()
		before, after, found := strings.Cut(string(manual), mark)
		if !found {
			t.Fatalf("the manual has no %q", mark)
		}
		block := before[strings.LastIndex(before, "```sh\n")+len("```sh\n"):] + mark
		rest, _, _ := strings.Cut(after, "```")
		shell := exec.Command("sh", "-e")
		shell.Dir, shell.Env = folder, []string{"PATH=" + bin + ":" + os.Getenv("PATH")}
		shell.Stdin = strings.NewReader(strings.ReplaceAll(block+rest, "/backups", backups))
		said, err := shell.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", mark, err, said)
		}
		return string(said)
	}
	database := "sqlite:" + filepath.Join(folder, "latchkey.db")
	s := e2e.Start(t, database, "LATCHKEY_SECRET=")
	mario := s.Register("mario")
	follow("latchkey backup /backups/")
	if said := follow("# a drill\n"); !strings.Contains(said, "Nothing is wrong with 1 signing keys, 1 users") ||
		!strings.Contains(said, "is over.") || !strings.Contains(said, " mario ") {
		t.Errorf("the drill says %s", said)
	}
	if !mario.SignedIn() {
		t.Error("the drill did something to the server")
	}
	s.Register("luigi")
	s.Stop()
	follow("# restoring\n")
	s = e2e.Start(t, database, "LATCHKEY_SECRET=")
	if mario.Env = s; mario.SignedIn() || s.Count("users") != 1 {
		t.Error("it is not the backup, or its sessions live")
	}
	s.SignIn("mario")
}
