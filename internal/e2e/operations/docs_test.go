package operations

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"latchkey/internal/e2e"
)

// shells are those that people paste commands into. The interactive features that may change a pasted command are on:
// history expansion in bash, and in zsh everything but job control and the line editor, which need a terminal.
var shells = [][]string{
	{"sh"},
	{"bash", "--norc", "-o", "history", "-o", "histexpand"},
	{"zsh", "-f", "-i", "+m", "+Z"},
}

// TestReadmeSession checks that the commands of the README's first session work in each shell. Only the address
// differs.
func TestReadmeSession(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(readme), "\n## A first session\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var session string
	for _, block := range strings.Split(section, "```sh\n")[1:] {
		commands, _, _ := strings.Cut(block, "```")
		session += commands
	}
	tried := shells
	if testing.Short() {
		tried = shells[:1]
	}
	for _, shell := range tried {
		t.Run(shell[0], func(t *testing.T) {
			for _, program := range []string{shell[0], "curl"} {
				if _, err := exec.LookPath(program); err != nil {
					t.Skipf("%s is not installed", program)
				}
			}
			e2e.Each(t, func(t *testing.T, s *e2e.Env) {
				command := exec.Command(shell[0], shell[1:]...)
				command.Env = append(os.Environ(), "HISTFILE=")
				command.Stdin = strings.NewReader(strings.ReplaceAll(session, "http://localhost:8080", s.URL))
				output, err := command.CombinedOutput()
				if err != nil {
					t.Fatalf("%v: %s", err, output)
				}
				for _, want := range []string{
					`"username":"mario"`, `"viewerCanUpdate":true`, `"location":"Rome"`, `"refreshToken":"rt_`,
					`"signedOut":true`, `"reason":"REVOKED"`,
				} {
					if !strings.Contains(string(output), want) {
						t.Errorf("the output has no %s:\n%s", want, output)
					}
				}
			})
		})
	}
}

// TestBackupDocs checks that the commands of docs/operations.md back up, test and restore a database.
func TestBackupDocs(t *testing.T) {
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
		printed, err := shell.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", mark, err, printed)
		}
		return string(printed)
	}
	database := "sqlite:" + filepath.Join(folder, "latchkey.db")
	s := e2e.Start(t, database, "LATCHKEY_SECRET=")
	mario := s.Register("mario")
	follow("latchkey backup /backups/")
	if printed := follow("# a drill\n"); !strings.Contains(printed, "No problems found in 1 signing key, 1 user") ||
		!strings.Contains(printed, "is revoked.") || !strings.Contains(printed, " mario ") {
		t.Errorf("the drill says %s", printed)
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
