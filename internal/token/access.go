// Package token issues and verifies access tokens, and computes and verifies refresh tokens.
//
// An access token is a signed JWT with a lifetime of minutes (RFC 9068) that names a user and a session. A refresh
// token is not stored: it is computed from a session, its salt, a generation and the installation's secret. The two
// differ in their form, and neither is accepted as the other.
//
// The package verifies signatures, MACs and expiry. It knows nothing of whether a session is live, which generation is
// the current one, or what a user may do.
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
	cacheSize  = 10_000
	leeway     = 60 // seconds that the clock of the issuing node may be ahead
	accessType = "at+jwt"
	clientID   = "latchkey"
)

// The errors of Verify. ErrExpired is returned only for tokens with a valid signature, so that it reveals nothing about
// forged ones.
var (
	ErrInvalid = errors.New("the access token is not valid")
	ErrExpired = errors.New("the access token has expired")
)

// Claims are the claims of an access token. Times are in whole seconds.
type Claims struct {
	Subject   string
	SessionID string
	ID        string
	IssuedAt  time.Time
	ExpiresAt time.Time
}

// Issuer issues and verifies access tokens. It is safe for concurrent use.
type Issuer struct {
	issuer   string
	keys     *KeySet
	now      func() time.Time
	verified *lru.Cache[string, Claims]
}

// NewIssuer returns an Issuer whose tokens have issuer as their iss and their aud: the server is its own resource. To
// use other keys create another Issuer, which starts with an empty cache of verified tokens.
func NewIssuer(issuer string, keys *KeySet, now func() time.Time) *Issuer {
	verified, err := lru.New[string, Claims](cacheSize)
	if err != nil {
		panic(err) // only for a size below one
	}
	return &Issuer{issuer: issuer, keys: keys, now: now, verified: verified}
}

// Issue returns a token with the claims, signed with the signing key, in the form of RFC 9068, section 2. Fractions of
// seconds are dropped. It returns an error when subject, session or id is empty.
func (i *Issuer) Issue(c Claims) (string, error) {
	if c.Subject == "" || c.SessionID == "" || c.ID == "" {
		return "", errors.New("an access token needs a subject, a session and an id")
	}
	key := i.keys.signing
	t := jwt.NewWithClaims(methods[key.Alg], jwt.MapClaims{
		"iss":       i.issuer,
		"aud":       i.issuer,
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

// Verify returns the claims of a token (RFC 9068, section 4; RFC 8725, section 3). Errors:
//   - ErrInvalid, which wraps a cause for the log, unless Issue wrote the token with one of the keys, or when it was
//     issued more than 60 seconds in the future;
//   - ErrExpired, from the second of its expiry on, when it is valid otherwise; the claims are returned too.
//
// The signature of a token is verified once and then cached. Some algorithms accept several signatures for one message
// (ES256 accepts both s and n−s), so different texts may be the same token: revoke by session or id, never by text.
func (i *Issuer) Verify(text string) (Claims, error) {
	if len(text) > maxAccess {
		return Claims{}, invalid(fmt.Errorf("%d bytes are too many", len(text)))
	}
	now := i.now()
	c, cached := i.verified.Get(text)
	if !cached {
		var err error
		if c, err = i.verify(text, now); err != nil {
			return Claims{}, invalid(err)
		}
	}
	if !now.Before(c.ExpiresAt) {
		i.verified.Remove(text)
		return c, ErrExpired
	}
	if !cached {
		i.verified.Add(text, c)
	}
	return c, nil
}

// verify checks everything but the expiry. It parses the token before the library does, which is too lenient: it skips
// line breaks inside a segment, accepts duplicate members, and ignores crit.
func (i *Issuer) verify(text string, now time.Time) (Claims, error) {
	if strings.ContainsFunc(text, isNotTokenRune) {
		return Claims{}, errors.New("it has a character that belongs in no token")
	}
	if dots := strings.Count(text, "."); dots != 2 {
		return Claims{}, fmt.Errorf("%d segments instead of 3", dots+1)
	}
	segments := strings.Split(text, ".")
	key, err := i.keyOf(segments[0])
	if err != nil {
		return Claims{}, fmt.Errorf("header: %w", err)
	}
	c, err := i.claims(segments[1], now)
	if err != nil {
		return Claims{}, fmt.Errorf("payload: %w", err)
	}
	// The claims are checked above: the library has one leeway for all times and accepts one audience among several.
	signed := jwt.NewParser(jwt.WithValidMethods([]string{key.Alg}), jwt.WithStrictDecoding(),
		jwt.WithoutClaimsValidation())
	if _, err := signed.Parse(text, func(*jwt.Token) (any, error) { return key.verifier(), nil }); err != nil {
		return Claims{}, err
	}
	return c, nil
}

func isNotTokenRune(r rune) bool {
	return !('A' <= r && r <= 'Z' || 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-' || r == '_' || r == '.')
}

// keyOf returns the key that a header names. The header decides nothing else: the algorithm is the key's.
func (i *Issuer) keyOf(segment string) (*Key, error) {
	var header struct{ Typ, Alg, Kid string }
	if err := unmarshal(segment, &header, "typ", "alg", "kid"); err != nil {
		return nil, err
	}
	key := i.keys.byID[header.Kid]
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

func (i *Issuer) claims(segment string, now time.Time) (Claims, error) {
	var p struct {
		Iss, Aud, Sub, Jti, Sid string
		ClientID                string `json:"client_id"`
		Exp, Iat                int64
	}
	if err := unmarshal(segment, &p, "iss", "aud", "sub", "exp", "iat", "jti", "sid", "client_id"); err != nil {
		return Claims{}, err
	}
	switch {
	case p.Iss != i.issuer:
		return Claims{}, fmt.Errorf("iss is %q", p.Iss)
	case p.Aud != i.issuer:
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
// number, into the struct at v. RFC 7519, section 4, allows an application to reject unknown members; here they mean
// that another program has used the key.
func unmarshal(segment string, v any, names ...string) error {
	data, err := strict.DecodeString(segment)
	if err != nil {
		return err
	}
	if !utf8.Valid(data) { // the decoder would replace it (RFC 8725, section 3.7)
		return errors.New("it is not UTF-8")
	}
	if err := checkMembers(json.NewDecoder(bytes.NewReader(data)), names); err != nil {
		return err
	}
	return json.Unmarshal(data, v)
}

// checkMembers returns an error unless d is one JSON object with exactly the members named, each once and each a text
// or a number.
func checkMembers(d *json.Decoder, names []string) error {
	if opening, err := d.Token(); err != nil || opening != json.Delim('{') {
		return errors.New("it is not a JSON object")
	}
	for d.More() {
		name, err := checkMember(d, names)
		if err != nil {
			return err
		}
		names = slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == name })
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
	return nil
}

// checkMember reads one member and returns its name, which must be one of names.
func checkMember(d *json.Decoder, names []string) (string, error) {
	name, err := d.Token()
	if err != nil {
		return "", err
	}
	if !slices.Contains(names, name.(string)) {
		return "", fmt.Errorf("member %q is unknown or there twice", name)
	}
	value, err := d.Token()
	if err != nil {
		return "", err
	}
	switch value.(type) {
	case string, float64:
		return name.(string), nil
	}
	return "", fmt.Errorf("member %q is neither text nor number", name)
}

// strict rejects unused bits in the last character (RFC 4648, section 3.5).
var strict = base64.RawURLEncoding.Strict()

func invalid(cause error) error { return fmt.Errorf("%w: %w", ErrInvalid, cause) }
