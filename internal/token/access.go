// Package token mints and checks access tokens, and computes and checks refresh tokens.
//
// An access token is a signed JWT of some minutes (RFC 9068) that names a user and a session. A refresh token is not
// kept anywhere: it is computed from a session, its salt, a generation and the installation's secret. The two are told
// apart by their form, and neither passes for the other.
//
// The package knows what is genuine and not yet expired. Whether a session still lives, which generation is the current
// one, and what a user may do, it refuses to know.
package token

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	maxAccess  = 4096 // bytes
	remembered = 10_000
	leeway     = 60 // seconds that the clock of the node which issued a token may be ahead
	accessType = "at+jwt"
	clientID   = "latchkey"
)

// What is wrong with an access token. ErrExpired is said of genuine tokens alone, so that it tells a client to refresh
// and a forger nothing.
var (
	ErrInvalid = errors.New("the access token is not valid")
	ErrExpired = errors.New("the access token has expired")
)

// Claims are what an access token says: whom it is for, which session it belongs to, its own id, and from when until
// when it counts, in whole seconds.
type Claims struct {
	Subject   string
	SessionID string
	ID        string
	IssuedAt  time.Time
	ExpiresAt time.Time
}

// Issuer issues and checks access tokens. It serves any number of goroutines.
type Issuer struct {
	issuer  string
	ring    *KeySet
	now     func() time.Time
	genuine *lru.Cache[string, Claims]
}

// NewIssuer returns an Access whose tokens come from issuer and are for it too: the server is its own resource. To use
// another ring make another Access, which has forgotten what the first one checked.
func NewIssuer(issuer string, ring *KeySet, now func() time.Time) *Issuer {
	genuine, err := lru.New[string, Claims](remembered)
	if err != nil {
		panic(err) // only for a size below one
	}
	return &Issuer{issuer: issuer, ring: ring, now: now, genuine: genuine}
}

// Issue returns a token that makes the claims, signed by the ring's signing key, with the header and the claims of
// RFC 9068, section 2. Fractions of seconds are dropped. It fails when subject, session or id is empty.
func (a *Issuer) Issue(c Claims) (string, error) {
	if c.Subject == "" || c.SessionID == "" || c.ID == "" {
		return "", errors.New("an access token needs a subject, a session and an id")
	}
	key := a.ring.signing
	t := jwt.NewWithClaims(methods[key.Alg], jwt.MapClaims{
		"iss":       a.issuer,
		"aud":       a.issuer,
		"sub":       c.Subject,
		"exp":       c.ExpiresAt.Unix(),
		"iat":       c.IssuedAt.Unix(),
		"jti":       c.ID,
		"sid":       c.SessionID,
		"client_id": clientID,
	})
	t.Header["typ"] = accessType
	t.Header["kid"] = key.ID
	return t.SignedString(key.private())
}

// Verify returns what a token claims. It fails with ErrInvalid, which wraps a cause for the log, when the token is not
// one that Issue wrote with a key of the ring, or was issued more than 60 seconds from now; and with ErrExpired, from
// the second of its expiry on, when nothing else is wrong with it: what it claimed is returned all the same (RFC 9068,
// section 4; RFC 8725, section 3).
//
// A signature is checked once while its token lives. As some algorithms have several signatures for one message
// (ES256 takes s and n−s alike), different texts may be the same token: what ends tokens must go by session or id.
func (a *Issuer) Verify(text string) (Claims, error) {
	if len(text) > maxAccess {
		return Claims{}, invalid(fmt.Errorf("%d bytes are too many", len(text)))
	}
	now := a.now()
	c, known := a.genuine.Get(text)
	if !known {
		var err error
		if c, err = a.verify(text, now); err != nil {
			return Claims{}, invalid(err)
		}
	}
	if !now.Before(c.ExpiresAt) {
		a.genuine.Remove(text)
		return c, ErrExpired
	}
	if !known {
		a.genuine.Add(text, c)
	}
	return c, nil
}

// verify checks all but the expiry. It reads the token before the library does, which is more lenient: it skips line
// breaks inside a segment, lets the last of two members win, and overlooks crit.
func (a *Issuer) verify(text string, now time.Time) (Claims, error) {
	if strings.ContainsFunc(text, isForeign) {
		return Claims{}, errors.New("it has a character that belongs in no token")
	}
	if dots := strings.Count(text, "."); dots != 2 {
		return Claims{}, fmt.Errorf("%d segments instead of 3", dots+1)
	}
	segments := strings.Split(text, ".")
	key, err := a.keyOf(segments[0])
	if err != nil {
		return Claims{}, fmt.Errorf("header: %w", err)
	}
	c, err := a.claims(segments[1], now)
	if err != nil {
		return Claims{}, fmt.Errorf("payload: %w", err)
	}
	// The claims were checked above: the library knows one leeway for all times, and takes an audience among several.
	signed := jwt.NewParser(jwt.WithValidMethods([]string{key.Alg}), jwt.WithStrictDecoding(),
		jwt.WithoutClaimsValidation())
	if _, err := signed.Parse(text, func(*jwt.Token) (any, error) { return key.verifier(), nil }); err != nil {
		return Claims{}, err
	}
	return c, nil
}

func isForeign(r rune) bool {
	return !('A' <= r && r <= 'Z' || 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-' || r == '_' || r == '.')
}

// keyOf returns the key of the ring that a header names. The header decides nothing else: the algorithm is the key's.
func (a *Issuer) keyOf(segment string) (*Key, error) {
	var header struct{ Typ, Alg, Kid string }
	if err := unmarshal(segment, &header, "typ", "alg", "kid"); err != nil {
		return nil, err
	}
	key := a.ring.byID[header.Kid]
	switch {
	case header.Typ != accessType:
		return nil, fmt.Errorf("typ is %q", header.Typ)
	case key == nil:
		return nil, fmt.Errorf("kid %q is unknown", header.Kid)
	case header.Alg != key.Alg:
		return nil, fmt.Errorf("alg is %q, and the key is for %s", header.Alg, key.Alg)
	}
	return key, nil
}

func (a *Issuer) claims(segment string, now time.Time) (Claims, error) {
	var p struct {
		Iss, Aud, Sub, Jti, Sid string
		ClientID                string `json:"client_id"`
		Exp, Iat                int64
	}
	if err := unmarshal(segment, &p, "iss", "aud", "sub", "exp", "iat", "jti", "sid", "client_id"); err != nil {
		return Claims{}, err
	}
	switch {
	case p.Iss != a.issuer:
		return Claims{}, fmt.Errorf("iss is %q", p.Iss)
	case p.Aud != a.issuer:
		return Claims{}, fmt.Errorf("aud is %q", p.Aud)
	case p.Sub == "" || p.Sid == "" || p.Jti == "" || p.ClientID == "":
		return Claims{}, errors.New("sub, sid, jti or client_id is empty")
	case p.Iat > now.Unix()+leeway:
		return Claims{}, fmt.Errorf("iat %d is in the future", p.Iat)
	}
	return Claims{
		Subject:   p.Sub,
		SessionID: p.Sid,
		ID:        p.Jti,
		IssuedAt:  time.Unix(p.Iat, 0).UTC(),
		ExpiresAt: time.Unix(p.Exp, 0).UTC(),
	}, nil
}

// unmarshal reads a segment that is one JSON object with exactly the members named, each once and each a text or a
// number, into the struct at v. RFC 7519, section 4, lets an application refuse members it does not know; here they can
// only mean that somebody else had the key.
func unmarshal(segment string, v any, names ...string) error {
	data, err := strict.DecodeString(segment)
	if err != nil {
		return err
	}
	if !utf8.Valid(data) { // which the decoder would mend (RFC 8725, section 3.7)
		return errors.New("it is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	if opening, err := d.Token(); err != nil || opening != json.Delim('{') {
		return errors.New("it is not a JSON object")
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		i := slices.Index(names, name.(string))
		if i < 0 {
			return fmt.Errorf("member %q is unknown or there twice", name)
		}
		names = slices.Delete(slices.Clone(names), i, i+1)
		value, err := d.Token()
		if err != nil {
			return err
		}
		switch value.(type) {
		case string, float64:
		default:
			return fmt.Errorf("member %q is neither text nor number", name)
		}
	}
	if len(names) > 0 {
		return fmt.Errorf("members %q are missing", names)
	}
	if _, err := d.Token(); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("it goes on after the JSON object")
	}
	return json.Unmarshal(data, v)
}

// strict refuses bits left over in the last character (RFC 4648, section 3.5).
var strict = base64.RawURLEncoding.Strict()

func invalid(cause error) error { return fmt.Errorf("%w: %w", ErrInvalid, cause) }
