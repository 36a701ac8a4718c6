package store

import (
	"context"
	"time"
)

// minAuthTime selects the time before which all sessions are revoked, or 0.
const minAuthTime = `COALESCE((SELECT value FROM settings WHERE name = 'min_auth_time'), 0)`

// lock makes other transactions that take the lock of this name wait until this one ends.
func (tx *Tx) lock(ctx context.Context, name string, now time.Time) error {
	_, err := tx.exec(ctx, `INSERT INTO settings (name, value) VALUES (?, ?)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, micros(now))
	return err
}
