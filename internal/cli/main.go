// Package cli is the command line of the program. Each command has a file of its own, and the scripts in
// testdata/script show all of them in use. [Main] runs the command in the arguments and returns the exit code.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"latchkey/internal/account"
)

// Program is the environment of a command.
type Program struct {
	Args           []string // without the name of the program
	Env            []string // as os.Environ returns it
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Now            func() time.Time // the clock
	Schema         string           // the GraphQL schema

	settings map[string]string // the settings among Args, by flag
}

// Main runs the command in the arguments and prints its error. It returns the exit code of the process: 0 for success,
// 2 for wrong arguments, 1 for every other failure.
func Main(ctx context.Context, p Program) int {
	err := p.Run(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintln(p.Stderr, "latchkey:", err)
	return ExitCode(err)
}

// ExitCode returns the exit code for the error of a command: 2 for wrong arguments, else 1.
func ExitCode(err error) int {
	if _, ok := errors.AsType[usage](err); ok {
		return 2
	}
	return 1
}

// Run runs the command in the arguments and returns its error for the terminal.
func (p *Program) Run(ctx context.Context) error {
	command, settings, err := parse(p.Args, p.Stdout)
	if err != nil || command == nil {
		return err
	}
	p.settings = settings
	command.BindTo(ctx, (*context.Context)(nil))
	return formatError(ctx, command.Run(p))
}

// formatError returns err for the terminal: user errors without their cause, and cancellation as "interrupted".
func formatError(ctx context.Context, err error) error {
	if userError, ok := err.(*account.Error); ok && userError.Err != nil {
		shown := *userError
		shown.Err = nil
		return &shown
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return errors.New(strings.ReplaceAll(err.Error(), context.Canceled.Error(), "interrupted"))
	}
	return err
}
