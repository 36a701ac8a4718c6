// Package keyring holds the keys that sign access tokens: it loads, creates, rotates and retires them, publishes their
// public parts as a JWKS, and issues and verifies access tokens with them. A server calls [Keyring.Sync] at its start
// and then every [SyncInterval]. The package knows nothing of users, sessions or requests.
package keyring

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"latchkey/internal/store"
	"latchkey/internal/token"
)

// Timing: every node and every cache of the JWKS must have a key before it signs, and must keep it until its last token
// has expired.
//
//	overlap (5m)   = SyncInterval (30s) + JWKSMaxAge (1m) + slow database and clock skew (3m30s)
//	retention (1h) = SyncInterval (30s) + longest access token (15m) + clock skew (15m) + restarts (29m30s)
//
// A new key signs after overlap. A replaced key is removed when its successor has signed for retention; the share for
// restarts is for nodes that are restarted one by one with another algorithm.
const (
	SyncInterval = 30 * time.Second // how long nodes may differ
	JWKSMaxAge   = time.Minute      // how long a JWKS may be cached
	overlap      = 5 * time.Minute
	retention    = time.Hour
)

// Options configure a [Keyring].
type Options struct {
	Issuer string           // the server's own address, for the iss and aud of access tokens
	Alg    string           // of new keys: EdDSA, ES256, RS256 or HS256
	MaxAge time.Duration    // the next key is created when the newest is this old
	Now    func() time.Time // UTC, in microseconds
	Log    *slog.Logger
}

// Keyring holds the signing keys of the database. It is safe for concurrent use.
type Keyring struct {
	options Options
	store   *store.Store
	secrets token.Secrets
	active  atomic.Pointer[active]
}

// active are the keys in use. They never change; Sync replaces them.
type active struct {
	sealed  []string // as read from the database
	signing string   // the ID of the key that signs
	keys    *token.KeySet
	issuer  *token.Issuer
}

// Key describes a signing key.
type Key struct {
	ID        string // the kid of its tokens
	Alg       string
	CreatedAt time.Time
	SignsFrom time.Time
	State     State
}

// State is what a key is used for now. Tokens of keys in every state are accepted.
type State string

const (
	Signing State = "signing"
	Next    State = "next" // will sign
	Old     State = "old"  // has signed
)

// New returns a keyring on the keys of a database, which the secrets open. Call Sync before Issue, Verify and JWKS.
func New(st *store.Store, secrets token.Secrets, o Options) *Keyring {
	return &Keyring{options: o, store: st, secrets: secrets}
}

// Issue returns an access token with the claims, signed by the key that signs now.
func (k *Keyring) Issue(claims token.Claims) (string, error) {
	return k.active.Load().issuer.Issue(claims)
}

// Verify returns the claims of an access token.
//
// Errors: token.ErrInvalid; token.ErrExpired, with the claims, for one that was valid.
func (k *Keyring) Verify(text string) (token.Claims, error) {
	return k.active.Load().issuer.Verify(text)
}

// JWKS returns the public keys that verify the server's access tokens as a JSON Web Key Set (RFC 7517, section 5),
// including those that do not sign yet. It may be cached for JWKSMaxAge.
func (k *Keyring) JWKS() []byte { return k.active.Load().keys.JWKS() }

// Sync brings the keys in use up to date with the database and the clock. It creates the next key when the newest of
// the algorithm is as old as MaxAge, or there is none; it deletes keys whose tokens have all expired; and it signs with
// the newest key of the algorithm whose SignsFrom has passed. Until then another key continues to sign. When several
// nodes create a key at the same time, one of the keys is kept and all nodes use it.
//
// Keys that the previous secret has sealed are sealed again with the current one. Sync returns an error, and does not
// change the keys in use, when neither secret opens a key.
func (k *Keyring) Sync(ctx context.Context) error {
	now := k.options.Now()
	stored, err := k.store.SigningKeys(ctx)
	if err != nil {
		return err
	}
	if newest := k.newest(stored); newest == nil || now.Sub(newest.CreatedAt) >= k.options.MaxAge {
		if _, err := k.create(ctx, stored, now); err != nil {
			return err
		}
		if stored, err = k.store.SigningKeys(ctx); err != nil {
			return err
		}
	}
	signer := k.signer(stored, now)
	if signer == nil {
		return errors.New("there is no signing key")
	}
	signing := signer.ID // deleteOld moves what signer points to
	if stored, err = k.deleteOld(ctx, stored, signer.SignsFrom, now); err != nil {
		return err
	}
	return k.activate(ctx, stored, signing)
}

// deleteOld deletes the keys that signed before the current one, which signs since a time, once their tokens have
// expired. It returns the others.
func (k *Keyring) deleteOld(
	ctx context.Context, stored []store.SigningKey, since, now time.Time,
) ([]store.SigningKey, error) {
	old := func(s store.SigningKey) bool { return s.SignsFrom.Before(since) }
	if now.Sub(since) < retention || !slices.ContainsFunc(stored, old) {
		return stored, nil
	}
	n, err := k.store.DeleteSigningKeysBefore(ctx, since)
	if err != nil {
		return nil, err
	}
	k.options.Log.InfoContext(ctx, "old signing keys deleted", "count", n)
	return slices.DeleteFunc(stored, old), nil
}

// activate uses the keys from now on, unless they are in use. Access tokens that were verified with others are verified
// again.
func (k *Keyring) activate(ctx context.Context, stored []store.SigningKey, signing string) error {
	ids, sealed := make([]string, len(stored)), make([]string, len(stored))
	for i, s := range stored {
		ids[i], sealed[i] = s.ID, string(s.Sealed)
	}
	if used := k.active.Load(); used != nil && used.signing == signing && slices.Equal(used.sealed, sealed) {
		return nil
	}
	opened, err := k.open(ctx, stored)
	if err != nil {
		return err
	}
	keys, err := token.NewKeySet(opened, signing)
	if err != nil {
		return err
	}
	k.active.Store(&active{sealed, signing, keys, token.NewIssuer(k.options.Issuer, keys, k.options.Now)})
	k.options.Log.DebugContext(ctx, "signing keys in use", "signing", signing, "all", ids)
	return nil
}

// VerifySecret returns an error unless the secret, or the previous one, opens every key. It changes nothing.
func (k *Keyring) VerifySecret(ctx context.Context) error {
	stored, err := k.store.SigningKeys(ctx)
	if err != nil {
		return err
	}
	for _, s := range stored {
		if _, _, err := k.secrets.OpenKey(s.ID, s.Alg, s.CreatedAt, s.Sealed); err != nil {
			return wrongSecret(err)
		}
	}
	return nil
}

func wrongSecret(err error) error {
	return fmt.Errorf("neither LATCHKEY_SECRET nor LATCHKEY_SECRET_PREVIOUS is the secret of this database: %w", err)
}

// open returns the keys ready for use. It seals those again that the previous secret has sealed.
func (k *Keyring) open(ctx context.Context, stored []store.SigningKey) ([]*token.Key, error) {
	opened := make([]*token.Key, len(stored))
	for i, s := range stored {
		key, stale, err := k.secrets.OpenKey(s.ID, s.Alg, s.CreatedAt, s.Sealed)
		if err != nil {
			return nil, wrongSecret(err)
		}
		if stale {
			if err := k.reseal(ctx, s, key); err != nil {
				return nil, err
			}
		}
		opened[i] = key
	}
	return opened, nil
}

func (k *Keyring) reseal(ctx context.Context, stored store.SigningKey, key *token.Key) error {
	sealed, err := key.Seal(k.secrets.Current)
	if err != nil {
		return err
	}
	if err := k.store.ResealSigningKey(ctx, stored.ID, stored.Sealed, sealed); err != nil {
		return err
	}
	k.options.Log.InfoContext(ctx, "signing key sealed with the current secret", "key", stored.ID)
	return nil
}

// newest returns the newest key of the algorithm, or nil.
func (k *Keyring) newest(stored []store.SigningKey) *store.SigningKey {
	for i := range slices.Backward(stored) {
		if stored[i].Alg == k.options.Alg {
			return &stored[i]
		}
	}
	return nil
}

// signer returns the key that signs now: the newest of the algorithm whose time has come, else of any, else the one
// whose time comes first; nil only when there are none.
func (k *Keyring) signer(stored []store.SigningKey, now time.Time) *store.SigningKey {
	var preferred, other, first *store.SigningKey
	for i := range stored {
		switch s := &stored[i]; {
		case s.SignsFrom.After(now):
			if first == nil || s.SignsFrom.Before(first.SignsFrom) {
				first = s
			}
		case s.Alg == k.options.Alg:
			preferred = s
		default:
			other = s
		}
	}
	return cmp.Or(preferred, other, first)
}

// List returns the keys of the database, oldest first.
func (k *Keyring) List(ctx context.Context) ([]Key, error) {
	stored, err := k.store.SigningKeys(ctx)
	now := k.options.Now()
	signer := k.signer(stored, now)
	list := make([]Key, len(stored))
	for i, s := range stored {
		list[i] = Key{s.ID, s.Alg, s.CreatedAt, s.SignsFrom, Old}
		switch {
		case s.ID == signer.ID:
			list[i].State = Signing
		case s.SignsFrom.After(now):
			list[i].State = Next
		}
	}
	return list, err
}
