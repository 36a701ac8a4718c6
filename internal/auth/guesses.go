package auth

import (
	"context"
	"log/slog"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/audit"
	"latchkey/internal/store"
	"latchkey/internal/throttle"
)

// Limits are how often things may be tried. The counters are in the database: the same on every node and after a
// restart.
type Limits struct {
	Passwords throttle.PasswordAttempts // at the password of one account
	SignIn    throttle.Limit            // wrong passwords from one network
	Register  throttle.Limit            // new accounts from one network
	Refresh   throttle.Limit            // refused refresh tokens from one network
	Mail      throttle.Limit            // requests for mails from one network
}

// The kinds of event that are counted for a network.
const (
	signIns       = store.NetworkPrefix + "sign-in"
	registrations = store.NetworkPrefix + "register"
	refreshes     = store.NetworkPrefix + "refresh"
	mailRequests  = store.NetworkPrefix + "mail"
)

// attempt is a try at the password of an account. It is counted for the account; from a network in which its user has
// signed in lately, it is counted apart, so that strangers cannot shut out who is known there.
type attempt struct {
	user     account.ID // empty for a name that nobody has
	subject  string
	source   string // the network, when the user is known there
	network  string
	failures int // in a row, when last looked
}

// attemptAt returns a try from a client at the password of a user or, without one, of a name that nobody has.
func (s *Service) attemptAt(ctx context.Context, user account.ID, name string, client ClientInfo) (*attempt, error) {
	a := &attempt{user: user, subject: string(user), network: account.Network(client.IPAddress)}
	if user == "" {
		a.subject = throttle.Bucket(s.nobody, name)
	}
	known, err := s.store.KnowsNetwork(ctx, user, a.network, s.Now().Add(-deviceRetention))
	if known {
		a.source = a.network
	}
	return a, err
}

// guess asks whether a password is right, as often as that is allowed. It fails with RATE_LIMITED before asking, and
// also afterwards, whatever the answer was, when others have failed too often meanwhile. Call succeeded when it is
// right and something comes of it.
func (s *Service) guess(ctx context.Context, a *attempt, ask func() (right bool, err error)) (right bool, err error) {
	if err := s.mayTry(ctx, a); err != nil {
		return false, err
	}
	right, err = ask()
	switch {
	case err != nil:
		return false, err
	case right:
		return true, s.notHeld(ctx, a)
	}
	return false, s.failed(ctx, a)
}

// mayTry returns nil, or RATE_LIMITED.
func (s *Service) mayTry(ctx context.Context, a *attempt) error {
	if err := s.notHeld(ctx, a); err != nil {
		return err
	}
	return s.withinLimit(ctx, signIns, a.network, s.Limits.SignIn)
}

// notHeld returns nil, or RATE_LIMITED while no guess at the account is allowed.
func (s *Service) notHeld(ctx context.Context, a *attempt) error {
	now := s.Now()
	tally, err := s.store.Counter(ctx, a.subject, a.source)
	a.failures = tally.Count
	if err == nil && now.Before(tally.Until) {
		err = s.tooManyGuesses(ctx, a, tally.Until.Sub(now))
	}
	return err
}

// failed counts a wrong password. It fails with RATE_LIMITED when others have been counted meanwhile that allow no
// more.
func (s *Service) failed(ctx context.Context, a *attempt) error {
	now := s.Now()
	var (
		failures        int
		counted, within bool
		held, delay     time.Duration
	)
	err := s.store.InTx(ctx, func(tx *store.Tx) (err error) {
		failures, counted, err = tx.IncrementFailures(ctx, a.subject, a.source, now)
		if err != nil {
			return err
		}
		if !counted {
			tally, err := tx.Counter(ctx, a.subject, a.source)
			held = tally.Until.Sub(now)
			return err
		}
		if delay = s.Limits.Passwords.Delay(failures); delay > 0 {
			if err := tx.BlockUntil(ctx, a.subject, a.source, now.Add(delay)); err != nil {
				return err
			}
		}
		within, err = tx.IncrementEvents(ctx, signIns, a.network, s.Limits.SignIn.Max, s.Limits.SignIn.Window, now)
		return err
	})
	switch {
	case err != nil:
		return err
	case !counted:
		return s.tooManyGuesses(ctx, a, held)
	case delay > longestWait:
		s.Audit.Emit(ctx, audit.Event{
			Kind: audit.LoginBlocked, Actor: account.Anonymous, Subject: a.user,
			Details: []slog.Attr{slog.Int("failures", failures)},
		})
	case delay > 0:
		s.Audit.Emit(ctx, audit.Event{
			Kind: audit.LoginDelayed, Actor: account.Anonymous, Subject: a.user,
			Details: []slog.Attr{slog.Int("failures", failures), slog.Duration("for", delay)},
		})
	}
	if !within {
		return s.tooManyFrom(ctx, signIns, a.network, s.Limits.SignIn.Window)
	}
	return nil
}

// succeeded begins to count anew.
func (s *Service) succeeded(ctx context.Context, db *store.Queries, a *attempt) error {
	if a.failures == 0 {
		return nil
	}
	return db.ResetFailures(ctx, a.subject, a.source, s.Now())
}

// withinLimit returns nil, or RATE_LIMITED when as many events of a kind have come from a network as may.
func (s *Service) withinLimit(ctx context.Context, kind, network string, limit throttle.Limit) error {
	tally, err := s.store.Counter(ctx, kind, network)
	if err != nil {
		return err
	}
	if over := tally.Since.Add(limit.Window); tally.Count >= limit.Max && s.Now().Before(over) {
		return s.tooManyFrom(ctx, kind, network, over.Sub(s.Now()))
	}
	return nil
}

// count counts an event from a network, or fails with RATE_LIMITED when as many have come as may.
func (s *Service) count(ctx context.Context, db *store.Queries, kind string, client ClientInfo, limit throttle.Limit) error {
	network := account.Network(client.IPAddress)
	within, err := db.IncrementEvents(ctx, kind, network, limit.Max, limit.Window, s.Now())
	if err != nil || within {
		return err
	}
	tally, err := db.Counter(ctx, kind, network)
	if err != nil {
		return err
	}
	return s.tooManyFrom(ctx, kind, network, tally.Since.Add(limit.Window).Sub(s.Now()))
}

// longestWait is the most that a client is told to wait; who waits for ever should rather reset the password.
const longestWait = 24 * time.Hour

func (s *Service) tooManyGuesses(ctx context.Context, a *attempt, wait time.Duration) error {
	s.Audit.Emit(ctx, audit.Event{
		Kind: audit.RateLimitExceeded, Actor: account.Anonymous, Subject: a.user, Reason: "guesses",
	})
	if wait > longestWait {
		return &account.Error{
			Code:       account.RateLimited,
			Message:    "This password was wrong too often: choose a new one with requestPasswordReset.",
			RetryAfter: longestWait,
		}
	}
	return &account.Error{
		Code:       account.RateLimited,
		Message:    "Too many wrong passwords; try again later.",
		RetryAfter: max(wait, time.Second),
	}
}

func (s *Service) tooManyFrom(ctx context.Context, kind, network string, wait time.Duration) error {
	s.Audit.Emit(ctx, audit.Event{
		Kind: audit.RateLimitExceeded, Actor: account.Anonymous, Reason: kind,
		Details: []slog.Attr{slog.String("network", network)},
	})
	return &account.Error{
		Code:       account.RateLimited,
		Message:    "Too many requests like this come from your network; try again later.",
		RetryAfter: max(wait, time.Second),
	}
}
