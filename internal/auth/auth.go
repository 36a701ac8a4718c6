// Package auth is the verbs of the house: every way an account is created, proven, changed or closed. A method that
// acts for someone takes the caller as an argument and asks account's rules itself, whoever asked them before. It knows
// nothing of GraphQL, HTTP or SQL.
package auth

import (
	"context"
	"log/slog"
	"runtime"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/keyring"
	"latchkey/internal/outbox"
	"latchkey/internal/password"
	"latchkey/internal/ratelimit"
	"latchkey/internal/store"
	"latchkey/internal/token"
)

// Options are the rules of an installation.
type Options struct {
	Issuer            string        // the server's own address, for the iss and aud of access tokens
	SigningAlg        string        // EdDSA, ES256, RS256 or HS256
	SigningKeyMaxAge  time.Duration // the next signing key is made when the newest is this old
	AccessTTL         time.Duration // how long an access token works
	IdleTTL           time.Duration // a session unused this long is over
	SessionTTL        time.Duration // a session is over after this, however busy
	Grace             time.Duration // how long the parent of a refresh token still answers its child
	PasswordMinLength int           // in code points
	Registration      account.RegistrationMode
	EmailVerification bool // a new account waits for the confirmation of its address
	NewDeviceNotice   bool // tell users of sign-ins from devices not seen before
	MaxSessions       int  // live ones a user may have
	Limits            ratelimit.Limits
	Now               func() time.Time // the one clock
	Log               *slog.Logger
	OnEvent           func(event, why string) // told of each security event; nil for nobody
}

// Service is where the verbs are. It is safe for use by many.
type Service struct {
	Options
	Keys      *keyring.Keyring
	Outbox    *outbox.Outbox
	store     *store.Store
	passwords *password.Hasher
	policy    password.Policy
	secrets   token.Secrets
	cursors   account.CursorKey
	limiter   *ratelimit.Limiter
}

// New returns the verbs for what a store keeps. Call Keys.Sync before those that make or check tokens.
func New(s *store.Store, secrets token.Secrets, o Options) *Service {
	clock := o.Now
	o.Now = func() time.Time { return clock().UTC().Truncate(time.Microsecond) }
	svc := &Service{
		Options: o,
		Keys: keyring.New(s, secrets, keyring.Options{
			Issuer: o.Issuer,
			Alg:    o.SigningAlg,
			MaxAge: o.SigningKeyMaxAge,
			Now:    o.Now,
			Log:    o.Log,
		}),
		Outbox:    outbox.New(s, secrets, outbox.Options{Resolve: recipients, Now: o.Now, Log: o.Log}),
		store:     s,
		passwords: password.NewHasher(runtime.GOMAXPROCS(0)),
		policy:    password.Policy{MinLength: o.PasswordMinLength},
		secrets:   secrets,
		cursors:   secrets.Current.Key("cursors/v1"),
	}
	svc.limiter = ratelimit.New(s, ratelimit.Options{
		Limits: o.Limits,
		Key:    secrets.Current.Key("throttle/v1"),
		Now:    o.Now,
		Audit: func(ctx context.Context, event string, user account.ID, attrs ...any) {
			svc.event(ctx, slog.LevelWarn, event, user, attrs...)
		},
	})
	return svc
}

// Ready returns nil when requests can be served.
func (s *Service) Ready(ctx context.Context) error { return s.store.Ready(ctx) }

// Passwords returns how the queue for hashing does.
func (s *Service) Passwords() password.Queue { return s.passwords.Queue() }

// ServerInfo returns what a client must know before it draws a sign-up form.
func (s *Service) ServerInfo() *account.ServerInfo {
	return &account.ServerInfo{
		Registration:      s.Registration,
		EmailVerification: s.EmailVerification,
		Password:          account.PasswordPolicy{MinLength: s.PasswordMinLength, MaxLength: password.MaxLength},
	}
}
