package auth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"latchkey/internal/store"
	"latchkey/internal/token"
)

// A key must be known before it signs. A new one reaches every node with its next TendKeys, after KeysEvery at most,
// and from there every cache of the published keys after JWKSMaxAge: a minute and a half. The rest of keyOverlap is for
// a database that is slow to answer and for clocks that differ.
//
// The last token of a replaced key is signed when its successor's time has come, plus KeysEvery, and lives for 15
// minutes at most; keyAfterlife leaves as much again for clocks, and half an hour for nodes that are restarted one by
// one with another algorithm.
const (
	KeysEvery    = 30 * time.Second
	JWKSMaxAge   = 60 * time.Second
	keyOverlap   = 5 * time.Minute
	keyAfterlife = time.Hour
)

// keys are the signing keys in use, all of them and the one that signs.
type keys struct {
	seals   []string // as they were read
	signing string
	ring    *token.KeySet
	access  *token.Issuer
}

// SigningKey is a signing key as an operator sees it.
type SigningKey struct {
	ID        string // the kid of its tokens
	Alg       string
	CreatedAt time.Time
	SignsFrom time.Time
	State     KeyState
}

// KeyState is what a signing key is used for now. Tokens of all of them are accepted.
type KeyState string

const (
	KeySigns KeyState = "signing"
	KeyNext  KeyState = "next" // will sign
	KeyOld   KeyState = "old"  // has signed
)

// SyncKeys brings the signing keys up to date with the store and the clock: it makes the next key when the newest of
// the algorithm is too old, or there is none; removes those whose tokens have all expired; and signs with the newest
// of the algorithm whose time has come. Until that comes, another one goes on signing. Call it every KeysEvery: that is
// how long nodes may differ. Of several nodes that make a key at once one succeeds and all use that one.
//
// It fails, and leaves the keys in use as they were, when one of the store's was sealed with neither secret. Those
// sealed with the previous one are sealed anew.
func (s *Service) SyncKeys(ctx context.Context) error {
	now := s.Now()
	stored, err := s.store.SigningKeys(ctx)
	if err != nil {
		return err
	}
	if newest := s.newest(stored); newest == nil || now.Sub(newest.CreatedAt) >= s.SigningKeyMaxAge {
		if _, err := s.makeKey(ctx, stored, now); err != nil {
			return err
		}
		if stored, err = s.store.SigningKeys(ctx); err != nil {
			return err
		}
	}
	signer := s.signer(stored, now)
	if signer == nil {
		return errors.New("there is no signing key")
	}
	outlived := func(k store.SigningKey) bool { return k.SignsFrom.Before(signer.SignsFrom) }
	if now.Sub(signer.SignsFrom) >= keyAfterlife && slices.ContainsFunc(stored, outlived) {
		n, err := s.store.DeleteSigningKeysBefore(ctx, signer.SignsFrom)
		if err != nil {
			return err
		}
		s.Log.InfoContext(ctx, "old signing keys removed", "count", n)
		stored = slices.DeleteFunc(slices.Clone(stored), outlived)
	}
	return s.use(ctx, stored, signer.ID)
}

// use puts keys into use unless they are. What was checked with others is forgotten.
func (s *Service) use(ctx context.Context, stored []store.SigningKey, signing string) error {
	ids, seals := make([]string, len(stored)), make([]string, len(stored))
	for i, k := range stored {
		ids[i], seals[i] = k.ID, string(k.Sealed)
	}
	if used := s.keys.Load(); used != nil && used.signing == signing && slices.Equal(used.seals, seals) {
		return nil
	}
	opened, err := s.openKeys(ctx, stored)
	if err != nil {
		return err
	}
	ring, err := token.NewKeySet(opened, signing)
	if err != nil {
		return err
	}
	s.keys.Store(&keys{seals, signing, ring, token.NewIssuer(s.Issuer, ring, s.Now)})
	s.Log.DebugContext(ctx, "signing keys in use", "signing", signing, "all", ids)
	return nil
}

// VerifySecret fails unless the secret, or the previous one, opens every signing key there is. It changes nothing.
func (s *Service) VerifySecret(ctx context.Context) error {
	stored, err := s.store.SigningKeys(ctx)
	if err != nil {
		return err
	}
	for _, k := range stored {
		if _, _, err := s.secrets.OpenKey(k.ID, k.Alg, k.CreatedAt, k.Sealed); err != nil {
			return wrongSecret(err)
		}
	}
	return nil
}

func wrongSecret(err error) error {
	return fmt.Errorf("neither LATCHKEY_SECRET nor LATCHKEY_SECRET_PREVIOUS is the secret of this database: %w", err)
}

// openKeys returns the keys ready for use, and seals those anew that the previous secret had sealed.
func (s *Service) openKeys(ctx context.Context, stored []store.SigningKey) ([]*token.Key, error) {
	opened := make([]*token.Key, len(stored))
	for i, k := range stored {
		key, stale, err := s.secrets.OpenKey(k.ID, k.Alg, k.CreatedAt, k.Sealed)
		if err != nil {
			return nil, wrongSecret(err)
		}
		if stale {
			sealed, err := key.Seal(s.secrets.Current)
			if err != nil {
				return nil, err
			}
			if err := s.store.ResealSigningKey(ctx, k.ID, k.Sealed, sealed); err != nil {
				return nil, err
			}
			s.Log.InfoContext(ctx, "signing key sealed with the current secret", "key", k.ID)
		}
		opened[i] = key
	}
	return opened, nil
}

// makeKey adds the next key of the algorithm to those there are, and returns it, or the one that another node added.
func (s *Service) makeKey(ctx context.Context, stored []store.SigningKey, now time.Time) (*store.SigningKey, error) {
	// A key sealed with a wrong secret would stop every node, so the secret has to open the others first.
	if _, err := s.openKeys(ctx, stored); err != nil {
		return nil, err
	}
	key, err := token.NewKey(s.SigningAlg, now)
	if err != nil {
		return nil, err
	}
	made := store.SigningKey{ID: key.ID, Alg: key.Alg, Number: 1, CreatedAt: now, SignsFrom: now}
	if made.Sealed, err = key.Seal(s.secrets.Current); err != nil {
		return nil, err
	}
	if len(stored) > 0 {
		made.SignsFrom = now.Add(keyOverlap)
	}
	for _, k := range stored {
		if k.Alg == made.Alg {
			made.Number = max(made.Number, k.Number+1)
		}
	}
	if err := s.store.InsertSigningKey(ctx, made); err != nil {
		return nil, err
	}
	if stored, err = s.store.SigningKeys(ctx); err != nil {
		return nil, err
	}
	i := slices.IndexFunc(stored, func(k store.SigningKey) bool { return k.Alg == made.Alg && k.Number == made.Number })
	if i < 0 {
		return nil, errors.New("the new signing key was removed at once")
	}
	if made.SignsFrom.After(now) { // the first key of all is nobody's news
		s.Log.InfoContext(ctx, "signing key made", "key", stored[i].ID, "alg", made.Alg, "signs_from", stored[i].SignsFrom)
	}
	return &stored[i], nil
}

// newest returns the newest key of the algorithm, or nil.
func (s *Service) newest(stored []store.SigningKey) *store.SigningKey {
	for i := range slices.Backward(stored) {
		if stored[i].Alg == s.SigningAlg {
			return &stored[i]
		}
	}
	return nil
}

// signer returns the key that signs now: the newest of the algorithm whose time has come, else of any, else the one
// whose time comes first; nil only when there are none.
func (s *Service) signer(stored []store.SigningKey, now time.Time) *store.SigningKey {
	var preferred, other, first *store.SigningKey
	for i := range stored {
		switch k := &stored[i]; {
		case k.SignsFrom.After(now):
			if first == nil || k.SignsFrom.Before(first.SignsFrom) {
				first = k
			}
		case k.Alg == s.SigningAlg:
			preferred = k
		default:
			other = k
		}
	}
	return cmp.Or(preferred, other, first)
}

// JWKS returns the public keys by which others can check our access tokens, those that do not sign yet included
// (RFC 7517, section 5). It may be cached for JWKSMaxAge.
func (s *Service) JWKS() []byte { return s.keys.Load().ring.JWKS() }

// SigningKeys returns the store's signing keys, oldest first.
func (s *Service) SigningKeys(ctx context.Context) ([]SigningKey, error) {
	stored, err := s.store.SigningKeys(ctx)
	now := s.Now()
	signer := s.signer(stored, now)
	list := make([]SigningKey, len(stored))
	for i, k := range stored {
		list[i] = SigningKey{k.ID, k.Alg, k.CreatedAt, k.SignsFrom, KeyOld}
		switch {
		case k.ID == signer.ID:
			list[i].State = KeySigns
		case k.SignsFrom.After(now):
			list[i].State = KeyNext
		}
	}
	return list, err
}

// RotateKeys makes the next signing key and returns it. Every node signs with it when its time has come; tokens of the
// others are accepted until they expire.
func (s *Service) RotateKeys(ctx context.Context) (SigningKey, error) {
	stored, err := s.store.SigningKeys(ctx)
	if err != nil {
		return SigningKey{}, err
	}
	k, err := s.makeKey(ctx, stored, s.Now())
	if err != nil {
		return SigningKey{}, err
	}
	return SigningKey{k.ID, k.Alg, k.CreatedAt, k.SignsFrom, KeyNext}, nil
}

// RetireKey removes a signing key at once and returns the ID of the one that signs now. After KeysEvery at most no node
// accepts its tokens; sessions go on. When it was the one that signed, the next one signs at once. It fails when there
// is no such key, and when there is no other.
func (s *Service) RetireKey(ctx context.Context, id string) (signing string, err error) {
	err = s.store.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.LockSigningKeys(ctx, s.Now()); err != nil {
			return err
		}
		stored, err := tx.SigningKeys(ctx)
		if err != nil {
			return err
		}
		now := s.Now()
		isIt := func(k store.SigningKey) bool { return k.ID == id }
		switch {
		case !slices.ContainsFunc(stored, isIt):
			return fmt.Errorf("there is no signing key %q", id)
		case len(stored) == 1:
			return errors.New("the only signing key cannot be retired; make the next one first")
		}
		signed := s.signer(stored, now).ID == id
		left := slices.DeleteFunc(stored, isIt)
		if signed {
			if next := s.next(left, now); next != nil {
				if err := tx.AdvanceSigningKey(ctx, next.ID, now); err != nil {
					return err
				}
				next.SignsFrom = now
			}
		}
		signing = s.signer(left, now).ID
		return tx.DeleteSigningKey(ctx, id)
	})
	return signing, err
}

// next returns the newest key that does not sign yet, one of the algorithm rather than another; nil when there is none.
func (s *Service) next(stored []store.SigningKey, now time.Time) *store.SigningKey {
	var preferred, other *store.SigningKey
	for i := range stored {
		switch k := &stored[i]; {
		case !k.SignsFrom.After(now):
		case k.Alg == s.SigningAlg:
			preferred = k
		default:
			other = k
		}
	}
	return cmp.Or(preferred, other)
}
