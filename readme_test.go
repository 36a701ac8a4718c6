package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
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
	onEach(t, func(t *testing.T, s *site) {
		shell := exec.Command("sh")
		shell.Stdin = strings.NewReader(strings.ReplaceAll(session, "http://localhost:8080", s.address))
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
