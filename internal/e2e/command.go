package e2e

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"latchkey/internal/cli"
	"latchkey/internal/config"
	"latchkey/internal/server"
)

// Run runs a command that must succeed, and returns its output.
func (env *Env) Run(args ...string) string {
	env.T.Helper()
	printed, err := env.TryRun(args...)
	if err != nil {
		env.T.Fatal(err)
	}
	return printed
}

// RunFails fails the test unless a command prints nothing and fails with a one-line error that contains message.
func (env *Env) RunFails(message string, args ...string) {
	env.T.Helper()
	printed, err := env.TryRun(args...)
	if err == nil || !strings.Contains(err.Error(), message) || strings.Contains(err.Error(), "\n") || printed != "" {
		env.T.Fatalf("%q: want %q, have %v %s", args, message, err, printed)
	}
}

// TryRun runs a command on the database and clock of env and returns its output. Its log is that of env, if there is
// one.
func (env *Env) TryRun(args ...string) (printed string, err error) {
	env.T.Helper()
	return env.TryRunWithInput("", args...)
}

// TryRunWithInput is TryRun with standard input.
func (env *Env) TryRunWithInput(typed string, args ...string) (printed string, err error) {
	env.T.Helper()
	var stdout bytes.Buffer
	var stderr io.Writer = os.Stderr
	if env.Log != nil {
		stderr = env.Log
	}
	environ := []string{"LATCHKEY_DATABASE_URL=" + env.Database, "LATCHKEY_SECRET=" + Secret}
	err = RunProgram(env.T.Context(), args, environ, strings.NewReader(typed), &stdout, stderr, env.Clock.Now)
	return stdout.String(), err
}

// RunProgram runs the program with arguments and environment in this process.
func RunProgram(
	ctx context.Context, args, env []string, stdin io.Reader, stdout, stderr io.Writer, now func() time.Time,
) error {
	return (&cli.Program{Args: args, Env: env, Stdin: stdin, Stdout: stdout, Stderr: stderr, Now: now, Schema: schema}).Run(ctx)
}

// StartError returns the error of a server that must not start on the database.
func (env *Env) StartError(settings ...string) string {
	env.T.Helper()
	c, err := config.Read(nil, append(settings, "LATCHKEY_LISTEN=127.0.0.1:0", "LATCHKEY_DATABASE_URL="+env.Database))
	if err != nil {
		return err.Error()
	}
	opened, err := server.Open(env.T.Context(), c, server.Options{Now: env.Clock.Now, Log: slog.New(slog.DiscardHandler)})
	if err == nil {
		opened.Close()
		env.T.Fatal("it started")
	}
	return err.Error()
}

// RotateKey runs the command that creates the next signing key, and returns the ID of the key.
func (env *Env) RotateKey(settings ...string) string {
	env.T.Helper()
	kid, _, _ := strings.Cut(env.Run(append([]string{"keys", "rotate"}, settings...)...), " ")
	return kid
}

// SyncKeys loads the current signing keys into each server, as its background job does.
func SyncKeys(nodes ...*Env) {
	for _, s := range nodes {
		s.T.Helper()
		if err := s.Server.Service().Keys.Sync(s.T.Context()); err != nil {
			s.T.Fatal(err)
		}
	}
}
