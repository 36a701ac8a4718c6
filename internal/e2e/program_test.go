package e2e

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"latchkey/internal/cli"
)

// schema is the API's, as the program embeds it.
var schema string

// run runs a command of the program.
func run(
	ctx context.Context, args, env []string, stdin io.Reader, stdout, stderr io.Writer, now func() time.Time,
) error {
	return (&cli.Program{Args: args, Env: env, Stdin: stdin, Stdout: stdout, Stderr: stderr, Now: now, Schema: schema}).Run(ctx)
}

// signalled returns a context that is done once the process is told to stop, as main makes it.
func signalled() context.Context {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, _ := signal.NotifyContext(context.Background(), signals...)
	return ctx
}
