package cli

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestReserveAndRename publishes a file where the file system has no links. It replaces no other file.
func TestReserveAndRename(t *testing.T) {
	folder := t.TempDir()
	draft, path := filepath.Join(folder, "draft"), filepath.Join(folder, "copy.db")
	write := func(text string) {
		if err := os.WriteFile(draft, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("whole")
	if err := reserveAndRename(draft, path); err != nil {
		t.Fatal(err)
	}
	write("other")
	if err := reserveAndRename(draft, path); !errors.Is(err, os.ErrExist) {
		t.Errorf("a file is replaced: %v", err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "whole" {
		t.Errorf("it is %s %v", text, err)
	}
}
