// Package auth is the verbs of the house: every way an account is created, proven, changed or closed. A method that
// acts for someone takes the caller as an argument and asks account's rules itself, whoever asked them before. It knows
// nothing of GraphQL, HTTP or SQL.
package auth

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/password"
	"latchkey/internal/store"
	"latchkey/internal/token"
)

// Options are the rules of an installation.
type Options struct {
	Issuer            string        // the server's own address, for the iss and aud of access tokens
	SigningAlg        string        // EdDSA, ES256, RS256 or HS256
	AccessTTL         time.Duration // how long an access token works
	IdleTTL           time.Duration // a session unused this long is over
	SessionTTL        time.Duration // a session is over after this, however busy
	Grace             time.Duration // how long the parent of a refresh token still answers its child
	PasswordMinLength int           // in code points
	Registration      account.RegistrationMode
	MaxSessions       int              // live ones a user may have
	Now               func() time.Time // the one clock
	Log               *slog.Logger
}

// Service is where the verbs are. It is safe for use by many.
type Service struct {
	Options
	store     *store.Store
	passwords *password.Hasher
	policy    password.Policy
	secret    token.Secret
	ring      *token.Ring
	access    *token.Access
	cursors   account.CursorKey
}

// New returns the verbs for what a store keeps. The first time, it makes the signing key; it fails when the secret is
// not the one that the store's keys were sealed with.
func New(ctx context.Context, s *store.Store, secret token.Secret, o Options) (*Service, error) {
	clock := o.Now
	o.Now = func() time.Time { return clock().UTC().Truncate(time.Microsecond) }
	ring, err := openRing(ctx, s, secret, o.SigningAlg, o.Now())
	if err != nil {
		return nil, err
	}
	return &Service{
		Options:   o,
		store:     s,
		passwords: password.NewHasher(runtime.GOMAXPROCS(0)),
		policy:    password.Policy{MinLength: o.PasswordMinLength},
		secret:    secret,
		ring:      ring,
		access:    token.NewAccess(o.Issuer, ring, o.Now),
		cursors:   secret.Key("cursors/v1"),
	}, nil
}

// openRing returns the store's signing keys, after making the algorithm's first one if there is none. Of several nodes
// that start together, one adds it and all use that one.
func openRing(ctx context.Context, s *store.Store, secret token.Secret, alg string, now time.Time) (*token.Ring, error) {
	keys, err := openKeys(ctx, s, secret)
	if err != nil {
		return nil, err
	}
	if ring, err := token.NewRing(keys, alg); err == nil {
		return ring, nil
	}
	first, err := token.NewKey(alg, now)
	if err != nil {
		return nil, err
	}
	sealed, err := first.Seal(secret)
	if err != nil {
		return nil, err
	}
	added := store.SigningKey{ID: first.ID, Alg: alg, Number: 1, Sealed: sealed, CreatedAt: now}
	if err := s.InsertSigningKey(ctx, added); err != nil {
		return nil, err
	}
	if keys, err = openKeys(ctx, s, secret); err != nil {
		return nil, err
	}
	return token.NewRing(keys, alg)
}

func openKeys(ctx context.Context, s *store.Store, secret token.Secret) ([]*token.Key, error) {
	sealed, err := s.SigningKeys(ctx)
	if err != nil {
		return nil, err
	}
	keys := make([]*token.Key, len(sealed))
	for i, k := range sealed {
		keys[i], err = token.OpenKey(secret, k.ID, k.Alg, k.CreatedAt, k.Sealed)
		if err != nil {
			return nil, fmt.Errorf("LATCHKEY_SECRET is not the one this database was made with: %w", err)
		}
	}
	return keys, nil
}

// JWKS returns the public keys by which others can check our access tokens (RFC 7517, section 5).
func (s *Service) JWKS() []byte { return s.ring.JWKS() }

// Ready returns nil when requests can be served.
func (s *Service) Ready(ctx context.Context) error { return s.store.Ping(ctx) }

// ServerInfo returns what a client must know before it draws a sign-up form.
func (s *Service) ServerInfo() *account.ServerInfo {
	return &account.ServerInfo{
		Registration: s.Registration,
		Password:     account.PasswordPolicy{MinLength: s.PasswordMinLength, MaxLength: password.MaxLength},
	}
}
