package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// isTerminal reports whether stream is a terminal.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// password returns a new password: asked for twice on a terminal, which does not show it, or else the first line of the
// standard input.
func (p *Program) password(ctx context.Context) (string, error) {
	if !isTerminal(p.Stdin) {
		return p.line(ctx)
	}
	given, err := p.hidden(ctx, "Password: ", "Repeat the password: ")
	if err != nil {
		return "", err
	}
	if given[0] != given[1] {
		return "", errors.New("the passwords differ")
	}
	return given[0], nil
}

// hidden asks on the terminal for texts that it does not show. Whatever ends it, the terminal is as it was before.
func (p *Program) hidden(ctx context.Context, questions ...string) (answers []string, err error) {
	terminal := int(p.Stdin.(*os.File).Fd())
	state, err := term.MakeRaw(terminal) // so that no key is a signal which leaves it like that
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, term.Restore(terminal, state)) }()
	dialogue := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{p.Stdin, p.Stderr}, "")
	for _, question := range questions {
		text, err := waitFor(ctx, func() (string, error) { return dialogue.ReadPassword(question) })
		if errors.Is(err, io.EOF) { // Ctrl-C or Ctrl-D
			err = errNothingDone
		}
		if err != nil {
			fmt.Fprint(p.Stderr, "\r\n")
			return nil, err
		}
		answers = append(answers, text)
	}
	return answers, nil
}

// confirmed asks a question and reports whether the answer is yes.
func (p *Program) confirmed(ctx context.Context, question string) (bool, error) {
	fmt.Fprint(p.Stderr, question+" Type yes: ")
	text, err := p.line(ctx)
	return text == "yes", err
}

// line returns the first line of the standard input.
func (p *Program) line(ctx context.Context) (string, error) {
	text, err := waitFor(ctx, func() (string, error) {
		return bufio.NewReader(io.LimitReader(p.Stdin, 64<<10)).ReadString('\n')
	})
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r"), err
}

// waitFor returns what read does, unless ctx ends before.
func waitFor(ctx context.Context, read func() (string, error)) (string, error) {
	type answer struct {
		text string
		err  error
	}
	given := make(chan answer, 1)
	go func() {
		text, err := read()
		given <- answer{text, err}
	}()
	select {
	case a := <-given:
		return a.text, a.err
	case <-ctx.Done():
		return "", errNothingDone
	}
}

var errNothingDone = errors.New("nothing was done")
