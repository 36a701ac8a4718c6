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

// password returns a new password. On a terminal it prompts for it twice, without echo; otherwise it reads the first
// line of standard input.
func (p *Program) password(ctx context.Context) (string, error) {
	if !isTerminal(p.Stdin) {
		return p.line(ctx)
	}
	typed, err := p.hidden(ctx, "Password: ", "Repeat the password: ")
	if err != nil {
		return "", err
	}
	if typed[0] != typed[1] {
		return "", errors.New("the passwords differ")
	}
	return typed[0], nil
}

// hidden prompts on the terminal for texts without echo. It always restores the state of the terminal.
func (p *Program) hidden(ctx context.Context, questions ...string) (answers []string, err error) {
	terminal := int(p.Stdin.(*os.File).Fd())
	state, err := term.MakeRaw(terminal) // so that Ctrl-C sends no signal before the state is restored
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

// line returns the first line of standard input.
func (p *Program) line(ctx context.Context) (string, error) {
	text, err := waitFor(ctx, func() (string, error) {
		return bufio.NewReader(io.LimitReader(p.Stdin, 64<<10)).ReadString('\n')
	})
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r"), err
}

// waitFor returns the results of read, or errNothingDone if ctx is done first.
func waitFor(ctx context.Context, read func() (string, error)) (string, error) {
	type answer struct {
		text string
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		text, err := read()
		answers <- answer{text, err}
	}()
	select {
	case a := <-answers:
		return a.text, a.err
	case <-ctx.Done():
		return "", errNothingDone
	}
}

var errNothingDone = errors.New("nothing was done")
