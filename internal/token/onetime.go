package token

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
)

const oneTimeSize = 32 // bytes

// NewOneTime returns a one-time token: 256 random bits as 43 characters of base64url (RFC 4648, section 5).
func NewOneTime() string { return base64.RawURLEncoding.EncodeToString(random(oneTimeSize)) }

// HashOneTime returns the SHA-256 that is stored of a one-time token; ok is false when text does not have the form of
// one. Random tokens need no salt (OWASP ASVS 5.0, section 6.5.2).
func HashOneTime(text string) (hash []byte, ok bool) {
	raw, err := strict.DecodeString(text) // skips line breaks, so the text is compared below
	if err != nil || len(raw) != oneTimeSize || base64.RawURLEncoding.EncodeToString(raw) != text {
		return nil, false
	}
	sum := sha256.Sum256(raw)
	return sum[:], true
}

// SealOneTime returns a one-time token encrypted for storage until its email is sent: with AES-256-GCM under a key
// derived from the secret, with the id of the email as additional data.
func (s Secrets) SealOneTime(text, mail string) ([]byte, error) {
	aead, err := s.Current.sealer(outboxLabel)
	if err != nil {
		return nil, err
	}
	return aead.Seal(nil, nil, []byte(text), []byte(mail)), nil
}

// OpenOneTime returns the token that SealOneTime sealed with one of the secrets, for the same email.
func (s Secrets) OpenOneTime(sealed []byte, mail string) (text string, err error) {
	for _, secret := range []Secret{s.Current, s.Previous} {
		if secret == nil {
			continue
		}
		aead, err := secret.sealer(outboxLabel)
		if err != nil {
			return "", err
		}
		if plain, err := aead.Open(nil, nil, sealed, []byte(mail)); err == nil {
			return string(plain), nil
		}
	}
	return "", fmt.Errorf("the token of mail %s: %w", mail, errSealedToken)
}

const outboxLabel = "outbox/v1"

var errSealedToken = errors.New("it was sealed with another secret, or changed since")
