// Package auth implements the use cases of accounts: registration, sign-in, refresh, sessions, passwords, email
// addresses, profiles and administration. Create a [Service] with [New]. It knows nothing of GraphQL, HTTP or SQL.
//
// # Who acts
//
// A method that changes something takes an [account.Actor] after its context, a method that reads for a caller an
// [account.Caller]. Both check the rules of package account themselves, even if the caller of the method has done so.
//
// # How a session starts
//
// Every way to sign in results in an authentication, and only startSession turns one into a session. A user who is
// signed in authenticates again with reauthenticate.
//
// # Security events
//
// Each method emits its events to [Options.Audit] after the commit.
package auth

import (
	"context"
	"log/slog"
	"runtime"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/audit"
	"latchkey/internal/keyring"
	"latchkey/internal/outbox"
	"latchkey/internal/page"
	"latchkey/internal/password"
	"latchkey/internal/ratelimit"
	"latchkey/internal/store"
	"latchkey/internal/token"
)

// Options are the settings of a Service.
type Options struct {
	Issuer            string        // the server's own address, for the iss and aud of access tokens
	SigningAlg        string        // EdDSA, ES256, RS256 or HS256
	SigningKeyMaxAge  time.Duration // the next signing key is created when the newest is this old
	AccessTTL         time.Duration // lifetime of an access token
	IdleTTL           time.Duration // lifetime of a session that is not used
	SessionTTL        time.Duration // lifetime of a session in any case
	Grace             time.Duration // how long the previous refresh token still returns the current one
	PasswordMinLength int           // in code points
	Registration      account.RegistrationMode
	EmailVerification bool // a new account is pending until its address is verified
	NewDeviceNotice   bool // email users about sign-ins from new devices
	MaxSessions       int  // most live sessions of a user
	Limits            ratelimit.Limits
	Now               func() time.Time // the clock
	Log               *slog.Logger
	Audit             audit.Sinks // receive the security events
}

// Service implements the use cases. It is safe for concurrent use.
type Service struct {
	Options
	Keys   *keyring.Keyring // sign and verify access tokens
	Outbox *outbox.Outbox   // holds the emails to be sent

	store     *store.Store
	passwords *password.Hasher
	policy    password.Policy
	secrets   token.Secrets
	cursors   page.Key
	limiter   *ratelimit.Limiter
}

// New returns the service for a store. Call Keys.Sync before any method that issues or verifies tokens.
func New(s *store.Store, secrets token.Secrets, o Options) *Service {
	clock := o.Now
	o.Now = func() time.Time { return clock().UTC().Truncate(time.Microsecond) }
	return &Service{
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
		limiter: ratelimit.New(s, ratelimit.Options{
			Limits: o.Limits,
			Key:    secrets.Current.Key("throttle/v1"),
			Now:    o.Now,
			Audit:  o.Audit,
		}),
	}
}

// Ready returns nil when the database can serve requests.
func (s *Service) Ready(ctx context.Context) error { return s.store.Ready(ctx) }

// Passwords returns the state of the queue for hashing.
func (s *Service) Passwords() password.Queue { return s.passwords.Queue() }

// ServerInfo returns what a client needs to render a sign-up form.
func (s *Service) ServerInfo() *account.ServerInfo {
	return &account.ServerInfo{
		Registration:      s.Registration,
		EmailVerification: s.EmailVerification,
		Password:          account.PasswordPolicy{MinLength: s.PasswordMinLength, MaxLength: password.MaxLength},
	}
}
