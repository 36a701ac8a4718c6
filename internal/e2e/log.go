package e2e

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Buffer is a log that can be read while it is written.
type Buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// Logs returns the log of the server and of its peer.
func (env *Env) Logs() string {
	if env.Peer != nil {
		return env.Log.String() + env.Peer.Log.String()
	}
	return env.Log.String()
}

// LogContains reports whether a line of the log contains all parts.
func (env *Env) LogContains(parts ...string) bool {
	for line := range strings.Lines(env.Logs()) {
		if !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(line, part) }) {
			return true
		}
	}
	return false
}

// WaitForLog waits until the log contains a text at least so many times.
func (env *Env) WaitForLog(what string, times int) {
	env.T.Helper()
	WaitFor(env.T, "the log does not contain "+what, func() bool { return strings.Count(env.Log.String(), what) >= times })
}

// The secrets that clients send, and those that they receive.
var (
	sentSecrets     = regexp.MustCompile(`(?i)(?:password|"p")\\?"?: *\\?"([^"\\]{8,})`)
	receivedSecrets = regexp.MustCompile(`"(?:access|refresh)Token":"([^"]+)"|\blatchkey=([^;]+)`)
)

// TrackTokens records the tokens of a response as secrets, which the log must not contain.
func (env *Env) TrackTokens(response []byte) { env.trackSecrets(receivedSecrets, response) }

// trackSecrets records the secrets that a regular expression finds in a text.
func (env *Env) trackSecrets(form *regexp.Regexp, text []byte) {
	for _, found := range form.FindAllSubmatch(text, -1) {
		for _, secret := range found[1:] {
			if len(secret) > 0 && string(secret) != "password" { // the word itself is no secret
				env.Secrets.Store(string(secret), true)
			}
		}
	}
}

// AssertNoSecretsLogged fails the test if the log contains a secret that was sent or received. It skips the emails that
// a development server without an SMTP server logs.
func (env *Env) AssertNoSecretsLogged() {
	for line := range strings.Lines(env.Log.String()) {
		if strings.Contains(line, `"msg":"mail","to":`) {
			continue
		}
		env.Secrets.Range(func(secret, _ any) bool {
			if strings.Contains(line, secret.(string)) {
				env.T.Errorf("the log contains the secret %q: %s", secret, line)
			}
			return true
		})
	}
}
