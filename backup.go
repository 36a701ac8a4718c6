package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"latchkey/internal/store"
)

type backup struct {
	Path string `arg:"" help:"the path of a file that does not exist yet"`
}

// Help tells what a backup is.
func (backup) Help() string {
	return "The copy is that of one moment, and servers go on meanwhile. It needs the same secret as the database."
}

// Run copies a SQLite database into a file.
func (b backup) Run(ctx context.Context, p *program) error {
	c, err := p.config()
	if err != nil {
		return err
	}
	if _, ok := c.DatabaseURL.SQLitePath(); !ok {
		return errors.New("back PostgreSQL up with pg_dump, which belongs to it, and keep a copy of LATCHKEY_SECRET")
	}
	if err := mustExist(c); err != nil {
		return err
	}
	kept, err := openStore(ctx, c, false)
	if err != nil {
		return err
	}
	defer kept.Close()
	if err := p.copyDatabase(ctx, kept, b.Path); err != nil {
		return err
	}
	secret := secretFile(c)
	if secret == "" {
		secret = "LATCHKEY_SECRET"
	}
	return p.printf("%s is a copy of the database. It is of use only with the same secret: "+
		"keep a copy of %s too, elsewhere.\n", b.Path, secret)
}

// copyDatabase copies a database into a new file of mode 0600: wholly, or, when it fails, not at all. It never replaces
// a file.
func (p *program) copyDatabase(ctx context.Context, kept *store.Store, path string) error {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%s is there already", path)
	}
	folder := filepath.Dir(path)
	draft, err := os.CreateTemp(folder, filepath.Base(path)+".*.part") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(draft.Name())
	defer draft.Close()
	stop := p.progress(func() string {
		info, err := draft.Stat()
		if err != nil {
			return ""
		}
		return fmt.Sprintf("%d MB are copied", info.Size()>>20)
	})
	err = kept.Backup(ctx, draft.Name())
	stop()
	if err == nil {
		err = draft.Sync()
	}
	if err == nil {
		err = os.Link(draft.Name(), path) // which, unlike a renaming, replaces nothing
	}
	if err == nil {
		err = syncFolder(folder)
	}
	if err != nil {
		return fmt.Errorf("no backup is made: %w", err)
	}
	return nil
}

// syncFolder makes the names in a folder outlive a power cut.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}
