package token

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// The algorithms of signing keys (RFC 7518, section 3.1; RFC 8037, section 3.1). With HS256 only this server can verify
// its tokens; with the others every reader of the JWKS can.
const (
	EdDSA = "EdDSA" // Ed25519
	ES256 = "ES256" // P-256
	RS256 = "RS256" // 3072 bits
	HS256 = "HS256" // 32 random bytes
)

var methods = map[string]jwt.SigningMethod{
	EdDSA: jwt.SigningMethodEdDSA,
	ES256: jwt.SigningMethodES256,
	RS256: jwt.SigningMethodRS256,
	HS256: jwt.SigningMethodHS256,
}

// ErrSealed is returned for a sealed key that cannot be opened: it was sealed with another secret, or it, its id or its
// algorithm was changed.
var ErrSealed = errors.New("the signing key cannot be opened: it was sealed with another secret, or changed since")

// Key is a signing key for one algorithm. It is formatted as its algorithm and id.
type Key struct {
	ID        string // the kid; of a public key its thumbprint (RFC 7638), else 128 random bits
	Alg       string
	CreatedAt time.Time
	private   func() any // a crypto.Signer, or []byte with HS256
}

// hide returns a function that returns private, so that printing a Key never prints it: package fmt calls no Format
// method in an unexported field and may follow pointers there, but of a func it prints the address only.
func hide(private any) func() any { return func() any { return private } }

// NewKey generates a key for an algorithm, with now as its time of creation.
func NewKey(alg string, now time.Time) (*Key, error) {
	private, err := generate(alg)
	if err != nil {
		return nil, err
	}
	k := &Key{Alg: alg, CreatedAt: now, private: hide(private)}
	if public := publicMembers(k.public()); public != nil {
		k.ID = thumbprint(public)
	} else {
		k.ID = base64.RawURLEncoding.EncodeToString(random(16))
	}
	return k, nil
}

func generate(alg string) (private any, err error) {
	switch alg {
	case EdDSA:
		_, private, err = ed25519.GenerateKey(rand.Reader)
	case ES256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case RS256:
		private, err = rsa.GenerateKey(rand.Reader, 3072)
	case HS256:
		private = random(32)
	default:
		err = unknownAlg(alg)
	}
	return private, err
}

// Seal returns the private key encrypted for storage: in PKCS #8 (RFC 5958), or the plain bytes with HS256, encrypted
// with AES-256-GCM under a key derived from the secret, after a random nonce and with the key's id and algorithm as
// additional data.
func (k *Key) Seal(s Secret) ([]byte, error) {
	plain, symmetric := k.private().([]byte)
	if !symmetric {
		var err error
		if plain, err = x509.MarshalPKCS8PrivateKey(k.private()); err != nil {
			return nil, err
		}
	}
	aead, err := s.sealer("signing-keys/v1")
	if err != nil {
		return nil, err
	}
	return aead.Seal(nil, nil, plain, aad(k.ID, k.Alg)), nil
}

// OpenKey returns the key that Seal sealed, or ErrSealed unless secret, id and algorithm are the same.
func OpenKey(s Secret, id, alg string, createdAt time.Time, sealed []byte) (*Key, error) {
	if methods[alg] == nil {
		return nil, unknownAlg(alg)
	}
	aead, err := s.sealer("signing-keys/v1")
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nil, sealed, aad(id, alg))
	if err != nil {
		return nil, fmt.Errorf("%s key %q: %w", alg, id, ErrSealed)
	}
	var private any = plain
	if alg != HS256 {
		if private, err = x509.ParsePKCS8PrivateKey(plain); err != nil {
			return nil, err
		}
	}
	return &Key{ID: id, Alg: alg, CreatedAt: createdAt, private: hide(private)}, nil
}

// aad returns the additional data of a sealed key. Neither an id nor the name of an algorithm has a zero byte.
func aad(id, alg string) []byte { return []byte(id + "\x00" + alg) }

// Format writes the algorithm and the id for every verb.
func (k Key) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "%s key %s", k.Alg, k.ID) }

// public returns the public key, or nil with HS256.
func (k *Key) public() crypto.PublicKey {
	if signer, ok := k.private().(crypto.Signer); ok {
		return signer.Public()
	}
	return nil
}

// verifier returns the key that verifies signatures: the public key, or the symmetric key with HS256.
func (k *Key) verifier() any {
	if public := k.public(); public != nil {
		return public
	}
	return k.private()
}

// KeySet is an immutable set of keys. One signs, all verify.
type KeySet struct {
	byID    map[string]*Key
	signing *Key
	jwks    string
}

// NewKeySet returns the set of keys in which the key with the id signing signs. It returns an error when there is no
// such key, and when two keys have the same id.
func NewKeySet(keys []*Key, signing string) (*KeySet, error) {
	set := &KeySet{byID: map[string]*Key{}}
	public := []map[string]string{}
	for _, k := range slices.SortedFunc(slices.Values(keys), newestFirst) {
		if set.byID[k.ID] != nil {
			return nil, fmt.Errorf("two signing keys have the id %q", k.ID)
		}
		set.byID[k.ID] = k
		if jwk := publicMembers(k.public()); jwk != nil {
			jwk["kid"], jwk["alg"], jwk["use"] = k.ID, k.Alg, "sig"
			public = append(public, jwk)
		}
	}
	if set.signing = set.byID[signing]; set.signing == nil {
		return nil, fmt.Errorf("there is no signing key %q", signing)
	}
	jwks, err := json.Marshal(map[string]any{"keys": public})
	if err != nil {
		return nil, err
	}
	set.jwks = string(jwks)
	return set, nil
}

func newestFirst(a, b *Key) int {
	return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.ID, a.ID))
}

// JWKS returns the public keys, newest first, as a JSON Web Key Set (RFC 7517, section 5). HS256 keys are left out;
// they have no public part.
func (s *KeySet) JWKS() []byte { return []byte(s.jwks) }

// publicMembers returns the members of a JSON Web Key that define the public key itself (RFC 7518, section 6;
// RFC 8037, section 2), or nil when there is none.
func publicMembers(public crypto.PublicKey) map[string]string {
	text := base64.RawURLEncoding.EncodeToString
	switch key := public.(type) {
	case ed25519.PublicKey:
		return map[string]string{"kty": "OKP", "crv": "Ed25519", "x": text(key)}
	case *ecdsa.PublicKey:
		point, err := key.Bytes()
		if err != nil {
			panic(err) // only for a point outside its curve
		}
		xy := point[1:] // after the byte 4 for uncompressed (SEC 1, section 2.3.3)
		return map[string]string{"kty": "EC", "crv": "P-256", "x": text(xy[:32]), "y": text(xy[32:])}
	case *rsa.PublicKey:
		return map[string]string{"kty": "RSA", "n": text(key.N.Bytes()), "e": text(big.NewInt(int64(key.E)).Bytes())}
	}
	return nil
}

// thumbprint implements RFC 7638, section 3. It relies on encoding/json to sort names and to write no white space.
func thumbprint(public map[string]string) string {
	text, err := json.Marshal(public)
	if err != nil {
		panic(err) // never for a map of strings
	}
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func unknownAlg(alg string) error {
	return fmt.Errorf("there is no algorithm %q for signing keys", alg)
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}
