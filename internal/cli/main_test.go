package cli

import (
	"errors"
	"strings"
	"testing"

	"latchkey/internal/account"
)

// TestFormatError keeps the cause of a user error, which may quote the database, off the terminal.
func TestFormatError(t *testing.T) {
	taken := account.UsernameTaken()
	taken.Err = errors.New("UNIQUE constraint failed")
	if err := formatError(t.Context(), taken); strings.Contains(err.Error(), "UNIQUE") {
		t.Error("a user error is printed as", err)
	}
}
