package keyring

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/store"
	"latchkey/internal/token"
)

// Rotate creates the next key and returns it. Every node signs with it from its time on; tokens of the other keys are
// accepted until they expire.
//
// Errors: FORBIDDEN unless the actor is an operator.
func (k *Keyring) Rotate(ctx context.Context, actor account.Actor) (Key, error) {
	if err := actor.RequireOperator(); err != nil {
		return Key{}, err
	}
	stored, err := k.store.SigningKeys(ctx)
	if err != nil {
		return Key{}, err
	}
	s, err := k.create(ctx, stored, k.options.Now())
	if err != nil {
		return Key{}, err
	}
	return Key{s.ID, s.Alg, s.CreatedAt, s.SignsFrom, Next}, nil
}

// create adds the next key of the algorithm to those stored and returns it, or the one that another node has added.
func (k *Keyring) create(ctx context.Context, stored []store.SigningKey, now time.Time) (*store.SigningKey, error) {
	// A key sealed with a wrong secret would stop every node, so the secret has to open the others first.
	if _, err := k.open(ctx, stored); err != nil {
		return nil, err
	}
	key, err := token.NewKey(k.options.Alg, now)
	if err != nil {
		return nil, err
	}
	created := store.SigningKey{ID: key.ID, Alg: key.Alg, Number: 1, CreatedAt: now, SignsFrom: now}
	if created.Sealed, err = key.Seal(k.secrets.Current); err != nil {
		return nil, err
	}
	if len(stored) > 0 {
		created.SignsFrom = now.Add(overlap)
	}
	for _, s := range stored {
		if s.Alg == created.Alg {
			created.Number = max(created.Number, s.Number+1)
		}
	}
	if err := k.store.InsertSigningKey(ctx, created); err != nil {
		return nil, err
	}
	if stored, err = k.store.SigningKeys(ctx); err != nil {
		return nil, err
	}
	i := slices.IndexFunc(stored, func(s store.SigningKey) bool {
		return s.Alg == created.Alg && s.Number == created.Number
	})
	if i < 0 {
		return nil, errors.New("the new signing key was retired at once")
	}
	if created.SignsFrom.After(now) { // not for the first key of a database
		k.options.Log.InfoContext(ctx, "signing key created",
			"key", stored[i].ID, "alg", created.Alg, "signs_from", stored[i].SignsFrom)
	}
	return &stored[i], nil
}

// Retire deletes a key and returns the ID of the one that signs now. Within SyncInterval every node refuses its tokens;
// sessions stay signed in. When the key was the one that signed, the next one signs at once. It returns an error when
// there is no such key, or no other.
//
// Errors: FORBIDDEN unless the actor is an operator.
func (k *Keyring) Retire(ctx context.Context, actor account.Actor, id string) (signing string, err error) {
	if err := actor.RequireOperator(); err != nil {
		return "", err
	}
	err = k.store.InTx(ctx, func(tx *store.Tx) error {
		signing, err = k.retire(ctx, tx, id)
		return err
	})
	return signing, err
}

func (k *Keyring) retire(ctx context.Context, tx *store.Tx, id string) (signing string, err error) {
	if err := tx.LockSigningKeys(ctx, k.options.Now()); err != nil {
		return "", err
	}
	stored, err := tx.SigningKeys(ctx)
	if err != nil {
		return "", err
	}
	now := k.options.Now()
	retired := func(s store.SigningKey) bool { return s.ID == id }
	switch {
	case !slices.ContainsFunc(stored, retired):
		return "", fmt.Errorf("there is no signing key %q", id)
	case len(stored) == 1:
		return "", errors.New("the only signing key cannot be retired; create the next one first")
	}
	signed := k.signer(stored, now).ID == id
	left := slices.DeleteFunc(stored, retired)
	if next := k.next(left, now); signed && next != nil {
		if err := tx.AdvanceSigningKey(ctx, next.ID, now); err != nil {
			return "", err
		}
		next.SignsFrom = now
	}
	return k.signer(left, now).ID, tx.DeleteSigningKey(ctx, id)
}

// next returns the newest key that does not sign yet, preferably one of the algorithm; nil when there is none.
func (k *Keyring) next(stored []store.SigningKey, now time.Time) *store.SigningKey {
	var preferred, other *store.SigningKey
	for i := range stored {
		switch s := &stored[i]; {
		case !s.SignsFrom.After(now):
		case s.Alg == k.options.Alg:
			preferred = s
		default:
			other = s
		}
	}
	return cmp.Or(preferred, other)
}
