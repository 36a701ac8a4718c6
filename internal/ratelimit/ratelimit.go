// Package ratelimit limits attempts at the password of an account ([Limiter.Attempt]) and requests from one network
// ([NetworkLimit]). The counters are in the database: they are the same on every node and after a restart. The package
// knows nothing of GraphQL, HTTP or how a password is verified.
package ratelimit

import (
	"time"

	"latchkey/internal/account"
	"latchkey/internal/audit"
	"latchkey/internal/store"
)

// Limits are the limits of a [Limiter].
type Limits struct {
	Passwords PasswordAttempts // the password of one account
	SignIn    account.Limit    // wrong passwords from one network
	Register  account.Limit    // new accounts from one network
	Refresh   account.Limit    // refused refresh tokens from one network
	Mail      account.Limit    // requests for emails from one network
}

// Options configure a [Limiter].
type Options struct {
	Limits Limits
	Key    []byte           // keys the counters of names without an account
	Now    func() time.Time // UTC, in microseconds
	Audit  audit.Sinks      // receive an event for each limit that is reached
}

// Limiter counts attempts and requests. It is safe for concurrent use.
type Limiter struct {
	Registrations NetworkLimit // new accounts
	Refreshes     NetworkLimit // refused refresh tokens
	EmailRequests NetworkLimit // requests for emails

	signIns   NetworkLimit // wrong passwords
	passwords PasswordAttempts
	store     *store.Store
	key       []byte
	now       func() time.Time
	audit     audit.Sinks
}

// New returns a limiter on the counters of a database.
func New(st *store.Store, o Options) *Limiter {
	l := &Limiter{passwords: o.Limits.Passwords, store: st, key: o.Key, now: o.Now, audit: o.Audit}
	l.signIns = NetworkLimit{l, store.NetworkPrefix + "sign-in", o.Limits.SignIn}
	l.Registrations = NetworkLimit{l, store.NetworkPrefix + "register", o.Limits.Register}
	l.Refreshes = NetworkLimit{l, store.NetworkPrefix + "refresh", o.Limits.Refresh}
	l.EmailRequests = NetworkLimit{l, store.NetworkPrefix + "mail", o.Limits.Mail}
	return l
}

// exceeded returns RATE_LIMITED. Clients are told to wait for at least a second.
func exceeded(message string, wait time.Duration) error {
	return &account.Error{Code: account.RateLimited, Message: message, RetryAfter: max(wait, time.Second)}
}
