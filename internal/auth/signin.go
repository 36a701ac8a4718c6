package auth

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/password"
	"latchkey/internal/store"
	"latchkey/internal/token"
)

// ClientInfo is where a request comes from, as it says itself.
type ClientInfo struct {
	IPAddress string
	UserAgent string
	Languages string // Accept-Language
}

// ObtainToken signs in with a password: a new session each time. Mistakes: INVALID_CREDENTIALS, the same answer at the
// same cost for an unknown user, a wrong password and an account that may not sign in; EMAIL_NOT_VERIFIED, only with
// the right password; those of the device's name. RATE_LIMITED after too many wrong passwords for the account or from
// the network, and when too many passwords are being checked.
func (s *Service) ObtainToken(
	ctx context.Context, in account.ObtainTokenInput, client ClientInfo,
) (*account.User, *account.TokenPair, error) {
	if err := in.Check().Err(); err != nil {
		return nil, nil, err
	}
	usernameKey, emailKey := account.SignInKeys(in.Identifier)
	found, waiting, err := s.credentials(ctx, usernameKey, emailKey)
	if err != nil {
		return nil, nil, err
	}
	attempt, err := s.limiter.Attempt(ctx, found.UserID, cmp.Or(usernameKey, emailKey), client.IPAddress)
	if err != nil {
		return nil, nil, err
	}
	waits := false
	right, err := attempt.Verify(ctx, func() (right bool, err error) {
		right, err = s.passwords.Verify(ctx, found.PasswordHash, in.Password)
		if right || err != nil || !s.EmailVerification || emailKey == "" {
			return right && found.Status != account.Disabled, err
		}
		// Whether or not anybody waits, so that the time does not tell. It counts as a failure, whoever has the
		// address: what is right for somebody who waits for it is wrong for its owner.
		waits, err = s.passwords.Verify(ctx, waiting.PasswordHash, in.Password)
		return false, err
	})
	if err != nil {
		return nil, nil, err
	}
	refusal := account.UserError(account.InvalidCredentials, "The username or the password is wrong.").At()
	switch {
	case !right && !waits:
		s.event(ctx, slog.LevelInfo, "authn_login_fail", found.UserID)
		return nil, nil, refusal
	case waits || found.Status == account.Pending:
		s.event(ctx, slog.LevelInfo, "authn_login_fail", cmp.Or(waiting.UserID, found.UserID), "why", "address not confirmed")
		return nil, nil, account.UserError(account.EmailNotVerified, "Confirm your e-mail address first.").At()
	}
	rehashed := ""
	if password.NeedsRehash(found.PasswordHash) {
		// When many sign in at once the next time does as well.
		rehashed, err = s.passwords.Hash(ctx, in.Password)
		if err != nil && !account.IsCode(err, account.RateLimited) {
			return nil, nil, err
		}
	}
	var user *account.User
	var tokens *account.TokenPair
	err = s.inTxWithMail(ctx, func(tx *store.Store) error {
		user, tokens = nil, nil
		tokens, err = s.signIn(ctx, tx, entry{found.UserID, found.Epoch, in.Delivery, client, value(in.DeviceName, "")}, s.Now())
		if err != nil || tokens == nil {
			return err
		}
		if rehashed != "" {
			if err := tx.Rehash(ctx, found.UserID, found.PasswordHash, rehashed); err != nil {
				return err
			}
		}
		if err := attempt.Succeeded(ctx, tx); err != nil {
			return err
		}
		user, err = tx.User(ctx, found.UserID)
		return err
	})
	switch {
	case err != nil:
		return nil, nil, err
	case tokens == nil:
		return nil, nil, refusal
	}
	s.event(ctx, slog.LevelInfo, "authn_login_success", user.ID, "session", tokens.SessionID)
	s.note("session_created", "sign-in")
	return user, tokens, nil
}

// credentials returns those of the user with a name or an address and those of an account that waits for the address;
// both zero for a name that nobody has. Where addresses need no confirmation, nothing has to be kept from strangers,
// and whoever waits counts as the user if there is no other.
func (s *Service) credentials(
	ctx context.Context, usernameKey, emailKey string,
) (found, waiting store.Credentials, err error) {
	found, err = s.store.CredentialsByName(ctx, usernameKey, emailKey)
	if unlessAbsent(err) == nil && emailKey != "" {
		waiting, err = s.store.PendingCredentials(ctx, emailKey)
	}
	if !s.EmailVerification && found.UserID == "" {
		found = waiting
	}
	return found, waiting, unlessAbsent(err)
}

// entry is a sign-in that has been proven: of a user, active and at an epoch, from a client.
type entry struct {
	user     account.ID
	epoch    int64
	delivery account.TokenDelivery
	client   ClientInfo
	device   string
}

// signIn begins a session, notes the time, and returns the first tokens; nil when the user has changed since the proof.
func (s *Service) signIn(ctx context.Context, tx *store.Store, e entry, now time.Time) (*account.TokenPair, error) {
	session := account.Session{
		ID:         account.NewID(account.SessionKind, now),
		UserID:     e.user,
		UserEpoch:  e.epoch,
		DeviceName: e.device,
		UserAgent:  account.Printable(e.client.UserAgent, account.MaxUserAgent),
		IPAddress:  e.client.IPAddress,
		CreatedAt:  now,
		LastUsedAt: now,
		ExpiresAt:  now.Add(s.SessionTTL),
	}
	salt := token.NewSalt()
	// The user's row comes first: sign-ins of one user wait for each other there, so none miscounts the sessions.
	if ok, err := tx.SetLastLogin(ctx, e.user, e.epoch, now); err != nil || !ok {
		return nil, err
	}
	if ok, err := tx.InsertSession(ctx, session, salt, s.secrets.Current.KeyID()); err != nil || !ok {
		return nil, err
	}
	if err := tx.RevokeOverLimit(ctx, e.user, session.ID, s.MaxSessions, now, now.Add(-s.IdleTTL)); err != nil {
		return nil, err
	}
	if err := s.noteDevice(ctx, tx, e, now); err != nil {
		return nil, err
	}
	pair, err := s.tokens(session, s.secrets.Current, salt, 0, now)
	if err == nil {
		pair.Delivery = e.delivery
	}
	return pair, err
}

// noteDevice remembers what signed in and from where, and tells the user of what is new, but for their first.
func (s *Service) noteDevice(ctx context.Context, tx *store.Store, e entry, now time.Time) error {
	agent := account.DeviceKey(e.device, e.client.UserAgent)
	unseen, first, err := tx.RecordDevice(ctx, e.user, agent, account.Network(e.client.IPAddress), now)
	if err != nil || !unseen || first || !s.NewDeviceNotice {
		return err
	}
	user, err := tx.User(ctx, e.user)
	if err != nil || user.Email == nil {
		return err
	}
	m := s.newMail(account.NewDevice, *user.Email, e.client)
	m.Username, m.Device = user.Username, cmp.Or(e.device, account.Printable(e.client.UserAgent, account.MaxUserAgent))
	return s.Outbox.EnqueueEmail(ctx, tx, m, user.ID)
}

// tokens returns the pair of a session's generation, which is computed with secret. Neither token outlives the session.
func (s *Service) tokens(
	session account.Session, secret token.Secret, salt []byte, generation uint64, now time.Time,
) (*account.TokenPair, error) {
	uuid, _ := session.ID.UUID()
	refresh := secret.RefreshToken(uuid, salt, generation)
	end := s.end(session)
	expires := earlier(now.Add(s.AccessTTL), end).Truncate(time.Second)
	access, err := s.Keys.Issue(token.Claims{
		Subject:   string(session.UserID),
		SessionID: string(session.ID),
		ID:        string(account.NewID("token", now)),
		IssuedAt:  now,
		ExpiresAt: expires,
	})
	return &account.TokenPair{
		AccessToken:           access,
		AccessTokenExpiresAt:  expires,
		RefreshToken:          &refresh,
		RefreshTokenExpiresAt: end,
		TokenType:             "Bearer",
		UserID:                session.UserID,
		SessionID:             session.ID,
	}, err
}

// end returns when a session is over if it is not used again.
func (s *Service) end(session account.Session) time.Time {
	return earlier(session.LastUsedAt.Add(s.IdleTTL), session.ExpiresAt)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
