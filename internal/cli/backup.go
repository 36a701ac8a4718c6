package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"latchkey/internal/server"
	"latchkey/internal/store"
)

type backup struct {
	Path newFile `arg:"" help:"the path of a file that does not exist yet"`
}

type newFile string

// Validate returns an error if the path is empty.
func (f newFile) Validate() error {
	if f == "" {
		return errors.New("is empty")
	}
	return nil
}

// Help returns what the copy contains.
func (backup) Help() string {
	return "The copy is consistent, and servers may run meanwhile. It can be used only with the secret of the database."
}

// Run copies a SQLite database to a file.
func (b backup) Run(ctx context.Context, p *Program) error {
	c, err := p.config()
	if err != nil {
		return err
	}
	if _, ok := c.DatabaseURL.SQLitePath(); !ok {
		return errors.New("use pg_dump to back up PostgreSQL, and keep a copy of LATCHKEY_SECRET")
	}
	if err := mustExist(c); err != nil {
		return err
	}
	st, err := server.OpenStore(ctx, c, false)
	if err != nil {
		return err
	}
	defer st.Close()
	if _, err := st.Steps(ctx); err != nil { // a database of another program
		return err
	}
	if err := p.copyDatabase(ctx, st, string(b.Path)); err != nil {
		return err
	}
	secret := server.SecretFile(c)
	if secret == "" {
		secret = "LATCHKEY_SECRET"
	} else if _, err := os.Stat(secret); err != nil {
		return fmt.Errorf("%s is a copy of the database, but it cannot be used without the secret, and there is no %s: "+
			"restore it", b.Path, secret)
	}
	return p.printf("%s is a copy of the database. It can be used only with the same secret: "+
		"keep a copy of %s in another place.\n", b.Path, secret)
}

// copyDatabase copies a database to a new file of mode 0600. If it fails, it leaves no file at path. It never replaces
// a file.
func (p *Program) copyDatabase(ctx context.Context, st *store.Store, path string) error {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%s already exists", path)
	}
	folder := filepath.Dir(path)
	draft, err := os.CreateTemp(folder, filepath.Base(path)+".*.part") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		draft.Close()
		os.Remove(draft.Name())
		os.Remove(draft.Name() + "-journal")
	}()
	stop := p.progress(func() string {
		info, err := draft.Stat()
		if err != nil {
			return ""
		}
		return fmt.Sprintf("%d MB copied", info.Size()>>20)
	})
	err = st.Backup(ctx, draft.Name())
	stop()
	if err == nil {
		err = draft.Sync()
	}
	if err == nil {
		err = publishFile(draft.Name(), path)
	}
	if err == nil {
		err = syncFolder(folder)
	}
	if err != nil {
		return fmt.Errorf("the backup failed: %w", err)
	}
	return nil
}

// publishFile puts the file draft at path. It returns an error if a file exists there, and never replaces it.
func publishFile(draft, path string) error {
	err := os.Link(draft, path) // unlike Rename, it replaces no file
	if err == nil || errors.Is(err, os.ErrExist) {
		return err
	}
	return reserveAndRename(draft, path) // not every file system supports links
}

// reserveAndRename is publishFile without a link: it first creates an empty file at path, so that no other process can
// use the name.
func reserveAndRename(draft, path string) error {
	reserved, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = errors.Join(reserved.Close(), os.Rename(draft, path))
	if err != nil {
		os.Remove(path)
	}
	return err
}

// syncFolder syncs a folder, so that new names in it survive a power failure.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}
