package cli

import (
	"context"
	"errors"
	"io"
	"testing"
)

// TestPasswordStopsWaiting when the command is interrupted: a pipe may never deliver a line.
func TestPasswordStopsWaiting(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	silent, _ := io.Pipe()
	interrupt()
	if _, err := (&Program{Stdin: silent}).password(ctx); !errors.Is(err, errNothingDone) {
		t.Error("waiting for a line ends with", err)
	}
}
