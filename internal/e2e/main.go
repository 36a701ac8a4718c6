package e2e

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"latchkey/internal/cli"
)

// Main runs the tests of a package in the root of the module, where the documents are. In a process that [StartProcess]
// started it runs the program instead.
func Main(m *testing.M) {
	if os.Getenv("LATCHKEY_TEST_SERVER") != "" {
		os.Exit(cli.Main(signalled(), cli.Program{Args: os.Args[1:], Env: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout,
			Stderr: os.Stderr, Now: time.Now}))
	}
	for {
		if _, err := os.Stat("go.mod"); err == nil {
			break
		}
		if err := os.Chdir(".."); err != nil {
			panic(err)
		}
	}
	text, err := os.ReadFile("schema.graphqls")
	if err != nil {
		panic(err)
	}
	schema = string(text)
	os.Exit(m.Run())
}

// signalled returns a context that is done after a signal, as that of the program.
func signalled() context.Context {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	return ctx
}
