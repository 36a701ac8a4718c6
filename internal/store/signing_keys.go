package store

import (
	"context"
	"time"
)

// SigningKey is a sealed signing key.
type SigningKey struct {
	ID        string
	Alg       string
	Number    int64 // 1, 2, 3 … for each algorithm, and unique, so that one node adds it
	Sealed    []byte
	CreatedAt time.Time
	SignsFrom time.Time // no node signs with it before
}

// SigningKeys returns all keys, oldest first.
func (q *Queries) SigningKeys(ctx context.Context) ([]SigningKey, error) {
	var rows []struct {
		KID       string `db:"kid"`
		Alg       string `db:"alg"`
		Number    int64  `db:"number"`
		Sealed    []byte `db:"sealed"`
		CreatedAt int64  `db:"created_at"`
		SignsFrom int64  `db:"signs_from"`
	}
	err := q.scanAll(ctx, &rows, `SELECT kid, alg, number, sealed, created_at, signs_from FROM signing_keys
		ORDER BY created_at, number, kid`)
	keys := make([]SigningKey, len(rows))
	for i, r := range rows {
		keys[i] = SigningKey{r.KID, r.Alg, r.Number, r.Sealed, fromMicros(r.CreatedAt), fromMicros(r.SignsFrom)}
	}
	return keys, err
}

// InsertSigningKey adds a key unless its algorithm has one of this number already.
func (q *Queries) InsertSigningKey(ctx context.Context, k SigningKey) error {
	_, err := q.exec(ctx, `INSERT INTO signing_keys (kid, alg, number, sealed, created_at, signs_from)
		VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (alg, number) DO NOTHING`,
		k.ID, k.Alg, k.Number, k.Sealed, micros(k.CreatedAt), micros(k.SignsFrom))
	return err
}

// ResealSigningKey replaces the sealed form of a key, unless another node has done so since it was read.
func (q *Queries) ResealSigningKey(ctx context.Context, kid string, from, to []byte) error {
	_, err := q.exec(ctx, `UPDATE signing_keys SET sealed = ? WHERE kid = ? AND sealed = ?`, to, kid, from)
	return err
}

// AdvanceSigningKey sets the time from which a key signs, if that is earlier than the present one.
func (q *Queries) AdvanceSigningKey(ctx context.Context, kid string, from time.Time) error {
	_, err := q.exec(ctx, `UPDATE signing_keys SET signs_from = ? WHERE kid = ? AND signs_from > ?`,
		micros(from), kid, micros(from))
	return err
}

// DeleteSigningKey deletes a key.
func (q *Queries) DeleteSigningKey(ctx context.Context, kid string) error {
	_, err := q.exec(ctx, `DELETE FROM signing_keys WHERE kid = ?`, kid)
	return err
}

// DeleteSigningKeysBefore deletes the keys that signed from before a time, and returns their number.
func (q *Queries) DeleteSigningKeysBefore(ctx context.Context, t time.Time) (removed int64, err error) {
	return q.exec(ctx, `DELETE FROM signing_keys WHERE signs_from < ?`, micros(t))
}

// LockSigningKeys makes other transactions that call it wait until this one ends, so that each sees the keys that the
// one before left.
func (tx *Tx) LockSigningKeys(ctx context.Context, now time.Time) error {
	return tx.lock(ctx, "signing_keys_held_at", now)
}
