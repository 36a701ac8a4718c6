package auth

import (
	"cmp"
	"context"
	"errors"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/store"
	"latchkey/internal/token"
)

// method is a way in which a user was authenticated.
type method string

const methodPassword method = "PASSWORD"

// authentication is the result of every way to authenticate a user. startSession accepts nothing else.
type authentication struct {
	User    account.ID
	Epoch   int64     // of the credentials that were verified; a later change makes the authentication void
	Methods []method  // at least one
	At      time.Time // when it was completed; the session starts then
}

var errNotAuthenticated = errors.New("a session needs a user, a method and a time of authentication")

func (a authentication) check() error {
	if a.User == "" || len(a.Methods) == 0 || a.At.IsZero() {
		return errNotAuthenticated
	}
	return nil
}

// sessionOptions are what a client chooses or states for a session.
type sessionOptions struct {
	delivery account.TokenDelivery
	client   ClientInfo
	device   string
}

// startSession starts a session for an authentication and returns its first tokens; nil when the user has changed since
// the authentication, or is not active. It records the sign-in and the device, and revokes the least recently used
// sessions over the limit. It is the only way to create a session.
func (s *Service) startSession(
	ctx context.Context, tx *store.Tx, auth authentication, options sessionOptions,
) (*account.TokenPair, error) {
	if err := auth.check(); err != nil {
		return nil, err
	}
	session := account.Session{
		ID:         account.NewID(account.SessionKind, auth.At),
		UserID:     auth.User,
		UserEpoch:  auth.Epoch,
		DeviceName: options.device,
		UserAgent:  account.Printable(options.client.UserAgent, account.MaxUserAgent),
		IPAddress:  options.client.IPAddress,
		CreatedAt:  auth.At,
		LastUsedAt: auth.At,
		ExpiresAt:  auth.At.Add(s.SessionTTL),
	}
	salt := token.NewSalt()
	// The user's row comes first: it serializes the sign-ins of one user, so that each counts all sessions.
	if ok, err := tx.SetLastLogin(ctx, auth.User, auth.Epoch, auth.At); err != nil || !ok {
		return nil, err
	}
	if ok, err := tx.InsertSession(ctx, session, salt, s.secrets.Current.KeyID()); err != nil || !ok {
		return nil, err
	}
	idleSince := auth.At.Add(-s.IdleTTL)
	if err := tx.RevokeOverLimit(ctx, auth.User, session.ID, s.MaxSessions, auth.At, idleSince); err != nil {
		return nil, err
	}
	if err := s.recordDevice(ctx, tx, auth, options); err != nil {
		return nil, err
	}
	pair, err := s.tokens(session, s.secrets.Current, salt, 0, auth.At)
	if err == nil {
		pair.Delivery = options.delivery
	}
	return pair, err
}

// recordDevice records the device and the network of a sign-in, and sends the user a notice of a new device, except of
// their first.
func (s *Service) recordDevice(
	ctx context.Context, tx *store.Tx, auth authentication, options sessionOptions,
) error {
	agent := account.DeviceKey(options.device, options.client.UserAgent)
	isNew, first, err := tx.RecordDevice(ctx, auth.User, agent, account.Network(options.client.IPAddress), auth.At)
	if err != nil || !isNew || first || !s.NewDeviceNotice {
		return err
	}
	user, err := tx.User(ctx, auth.User)
	if err != nil || user.Email == nil {
		return err
	}
	m := s.newMailTo(user, account.NewDevice, options.client)
	m.Device = cmp.Or(options.device, account.Printable(options.client.UserAgent, account.MaxUserAgent))
	return s.Outbox.EnqueueEmail(ctx, tx, m, user.ID)
}

// tokens returns the tokens of a session's generation, computed with secret. Neither outlives the session.
func (s *Service) tokens(
	session account.Session, secret token.Secret, salt []byte, generation uint64, now time.Time,
) (*account.TokenPair, error) {
	uuid, _ := session.ID.UUID()
	refresh := secret.RefreshToken(uuid, salt, generation)
	expiry := s.expiry(session)
	accessExpiry := earlier(now.Add(s.AccessTTL), expiry).Truncate(time.Second)
	access, err := s.Keys.Issue(token.Claims{
		Subject:   string(session.UserID),
		SessionID: string(session.ID),
		ID:        string(account.NewID("token", now)),
		IssuedAt:  now,
		ExpiresAt: accessExpiry,
	})
	return &account.TokenPair{
		AccessToken:           access,
		AccessTokenExpiresAt:  accessExpiry,
		RefreshToken:          &refresh,
		RefreshTokenExpiresAt: expiry,
		TokenType:             "Bearer",
		UserID:                session.UserID,
		SessionID:             session.ID,
	}, err
}

// expiry returns when a session ends if it is not used again.
func (s *Service) expiry(session account.Session) time.Time {
	return earlier(session.LastUsedAt.Add(s.IdleTTL), session.ExpiresAt)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
