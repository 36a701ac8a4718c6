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

// signalled returns a context that is done once the process is told to stop, as main makes it.
func signalled() context.Context {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, _ := signal.NotifyContext(context.Background(), signals...)
	return ctx
}

// Main runs the tests of a package in the root of the module, where the documents are. Started by [StartProcess], it runs
// the program instead.
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
	Schema = string(text)
	os.Exit(m.Run())
}
