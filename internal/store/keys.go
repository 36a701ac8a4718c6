package store

import (
	"context"
	"time"
)

// SigningKey is a signing key as the database keeps it: sealed.
type SigningKey struct {
	ID        string
	Alg       string
	Number    int64 // 1, 2, 3 … for each algorithm; two nodes cannot both add the same
	Sealed    []byte
	CreatedAt time.Time
}

// SigningKeys returns all keys, oldest first.
func (s *Store) SigningKeys(ctx context.Context) ([]SigningKey, error) {
	var rows []struct {
		KID       string `db:"kid"`
		Alg       string `db:"alg"`
		Number    int64  `db:"number"`
		Sealed    []byte `db:"sealed"`
		CreatedAt int64  `db:"created_at"`
	}
	err := s.all(ctx, &rows, `SELECT kid, alg, number, sealed, created_at FROM signing_keys ORDER BY created_at, kid`)
	keys := make([]SigningKey, len(rows))
	for i, r := range rows {
		keys[i] = SigningKey{r.KID, r.Alg, r.Number, r.Sealed, moment(r.CreatedAt)}
	}
	return keys, err
}

// InsertSigningKey adds a key unless its algorithm has one of this number already.
func (s *Store) InsertSigningKey(ctx context.Context, k SigningKey) error {
	_, err := s.change(ctx, `INSERT INTO signing_keys (kid, alg, number, sealed, created_at) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (alg, number) DO NOTHING`, k.ID, k.Alg, k.Number, k.Sealed, micros(k.CreatedAt))
	return err
}
