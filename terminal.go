package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// isTerminal tells whether what is read or written there is a person's.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// password returns a new password: asked for twice on a terminal, which does not show it, or else the first line of the
// standard input.
func (p *program) password(ctx context.Context) (string, error) {
	if !isTerminal(p.stdin) {
		return p.line()
	}
	first, err := p.hidden(ctx, "Password: ")
	if err != nil {
		return "", err
	}
	second, err := p.hidden(ctx, "The same again: ")
	if err != nil {
		return "", err
	}
	if first != second {
		return "", errors.New("the two passwords differ")
	}
	return first, nil
}

// hidden asks on the terminal for a text that it does not show. When ctx ends the terminal is as it was before.
func (p *program) hidden(ctx context.Context, question string) (string, error) {
	terminal := int(p.stdin.(*os.File).Fd())
	state, err := term.GetState(terminal)
	if err != nil {
		return "", err
	}
	fmt.Fprint(p.stderr, question)
	defer fmt.Fprintln(p.stderr)
	type answer struct {
		text []byte
		err  error
	}
	given := make(chan answer, 1)
	go func() {
		text, err := term.ReadPassword(terminal)
		given <- answer{text, err}
	}()
	select {
	case a := <-given:
		return string(a.text), a.err
	case <-ctx.Done():
		return "", errors.Join(errors.New("nothing was done"), term.Restore(terminal, state))
	}
}

// confirmed asks a question and tells whether the answer is yes.
func (p *program) confirmed(question string) (bool, error) {
	fmt.Fprint(p.stderr, question+" Type yes: ")
	text, err := p.line()
	return text == "yes", err
}

// line returns the first line of the standard input.
func (p *program) line() (string, error) {
	text, err := bufio.NewReader(io.LimitReader(p.stdin, 64<<10)).ReadString('\n')
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r"), err
}

// progress shows on a terminal how far something has come, as state tells, until stop is called.
func (p *program) progress(state func() string) (stop func()) {
	if !isTerminal(p.stderr) {
		return func() {}
	}
	done, cleared := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(cleared)
		for {
			select {
			case <-done:
				fmt.Fprint(p.stderr, "\r\033[K")
				return
			case <-time.After(200 * time.Millisecond):
				fmt.Fprint(p.stderr, "\r\033[K"+state())
			}
		}
	}()
	return func() {
		close(done)
		<-cleared
	}
}
