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

// Program is what a command works with.
type Program struct {
	Args           []string // without the name of the program
	Env            []string // as os.Environ returns it
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Now            func() time.Time // the clock
	Schema         string           // the GraphQL schema

	settings map[string]string // the settings among Args, by flag
}

// Main runs the command that the arguments name until it is done or ctx is, and returns the exit code of the process: 0
// for success, 2 for arguments that are no command, 1 for every other failure. It prints the error.
func Main(ctx context.Context, p Program) int {
	err := p.Run(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintln(p.Stderr, "latchkey:", err)
	return ExitCode(err)
}

// ExitCode returns the exit code of a process whose command has failed.
func ExitCode(err error) int {
	if _, ok := errors.AsType[usage](err); ok {
		return 2
	}
	return 1
}

// Run runs the command that the arguments name, and returns its error as operators read it.
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
