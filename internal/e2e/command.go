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

// SyncKeys lets each site bring its keys up to date.
func SyncKeys(sites ...*Env) {
	for _, s := range sites {
		s.T.Helper()
		if err := s.Server.Service().Keys.Sync(s.T.Context()); err != nil {
			s.T.Fatal(err)
		}
	}
}

// TryRun runs the program on the site's database and clock, and returns what it prints. It logs where the site does.
func (s *Env) TryRun(args ...string) (printed string, err error) {
	s.T.Helper()
	return s.TryRunWith("", args...)
}

// TryRunWith also types something.
func (s *Env) TryRunWith(typed string, args ...string) (printed string, err error) {
	s.T.Helper()
	var stdout bytes.Buffer
	var stderr io.Writer = os.Stderr
	if s.Log != nil {
		stderr = s.Log
	}
	env := []string{"LATCHKEY_DATABASE_URL=" + s.Database, "LATCHKEY_SECRET=" + Secret}
	err = RunProgram(s.T.Context(), args, env, strings.NewReader(typed), &stdout, stderr, s.Clock.Now)
	return stdout.String(), err
}

// Run demands that a command succeeds.
func (s *Env) Run(args ...string) string {
	s.T.Helper()
	printed, err := s.TryRun(args...)
	if err != nil {
		s.T.Fatal(err)
	}
	return printed
}

// RunFails demands that a command fails and says why, in one line.
func (s *Env) RunFails(why string, args ...string) {
	s.T.Helper()
	printed, err := s.TryRun(args...)
	if err == nil || !strings.Contains(err.Error(), why) || strings.Contains(err.Error(), "\n") || printed != "" {
		s.T.Fatalf("%q: want %q, have %v %s", args, why, err, printed)
	}
}

// RotateKey makes the next key and returns its ID.
func (s *Env) RotateKey(settings ...string) string {
	s.T.Helper()
	kid, _, _ := strings.Cut(s.Run(append([]string{"keys", "rotate"}, settings...)...), " ")
	return kid
}

// StartError returns why no server starts on the site's database.
func (s *Env) StartError(settings ...string) string {
	s.T.Helper()
	c, err := config.Read(nil, append(settings, "LATCHKEY_LISTEN=127.0.0.1:0", "LATCHKEY_DATABASE_URL="+s.Database))
	if err != nil {
		return err.Error()
	}
	opened, err := server.Open(s.T.Context(), c, server.Options{Now: s.Clock.Now, Log: slog.New(slog.DiscardHandler)})
	if err == nil {
		opened.Close()
		s.T.Fatal("it started")
	}
	return err.Error()
}

// RunProgram runs a command of the program.
func RunProgram(
	ctx context.Context, args, env []string, stdin io.Reader, stdout, stderr io.Writer, now func() time.Time,
) error {
	return (&cli.Program{Args: args, Env: env, Stdin: stdin, Stdout: stdout, Stderr: stderr, Now: now, Schema: Schema}).Run(ctx)
}
