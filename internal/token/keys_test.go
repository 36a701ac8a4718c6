package token

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	algs  = []string{EdDSA, ES256, RS256, HS256}
	start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

func clock() time.Time { return start }

// allKeys are made once, for RSA takes its time.
var allKeys = sync.OnceValue(func() map[string]*Key {
	keys := map[string]*Key{}
	for _, alg := range algs {
		keys[alg] = must(NewKey(alg, start))
	}
	return keys
})

func keyFor(alg string) *Key { return allKeys()[alg] }

func ringOf(alg string) *KeySet {
	return must(NewKeySet(slices.Collect(maps.Values(allKeys())), keyFor(alg).ID))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func seedOf(k *Key) []byte { return k.private().(ed25519.PrivateKey).Seed() }

func decode(text string) []byte { return must(base64.RawURLEncoding.DecodeString(text)) }

func TestThumbprintVectors(t *testing.T) {
	// RFC 8037, appendices A.1 to A.3.
	private := ed25519.NewKeyFromSeed(decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"))
	const id = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
	k := &Key{Alg: EdDSA, CreatedAt: start, private: hide(private)}
	if got := thumbprint(publicMembers(k.public())); got != id {
		t.Errorf("Ed25519: %s", got)
	}
	k.ID = id
	const golden = `{"keys":[{"alg":"EdDSA","crv":"Ed25519","kid":"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",` +
		`"kty":"OKP","use":"sig","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`
	if got := string(must(NewKeySet([]*Key{k}, k.ID)).JWKS()); got != golden {
		t.Errorf("JWKS: %s", got)
	}

	// RFC 7638, section 3.1.
	n := decode("0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiF" +
		"V4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zg" +
		"dAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-" +
		"kEgU8awapJzKnqDKgw")
	public := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 65537}
	if got := thumbprint(publicMembers(public)); got != "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" {
		t.Errorf("RSA: %s", got)
	}
}

func TestKeyIDs(t *testing.T) {
	hash := func(format string, args ...any) string {
		h := sha256.Sum256(fmt.Appendf(nil, format, args...))
		return base64.RawURLEncoding.EncodeToString(h[:])
	}
	text := base64.RawURLEncoding.EncodeToString
	ed := keyFor(EdDSA).public().(ed25519.PublicKey)
	ec := must(keyFor(ES256).public().(*ecdsa.PublicKey).Bytes())
	rs := keyFor(RS256).public().(*rsa.PublicKey)
	for alg, id := range map[string]string{
		EdDSA: hash(`{"crv":"Ed25519","kty":"OKP","x":"%s"}`, text(ed)),
		ES256: hash(`{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}`, text(ec[1:33]), text(ec[33:65])),
		RS256: hash(`{"e":"AQAB","kty":"RSA","n":"%s"}`, text(rs.N.Bytes())),
	} {
		if keyFor(alg).ID != id {
			t.Errorf("%s: %s is not the thumbprint %s", alg, keyFor(alg).ID, id)
		}
	}
	if rs.N.BitLen() != 3072 {
		t.Errorf("RSA of %d bits", rs.N.BitLen())
	}
	one, other := keyFor(HS256), must(NewKey(HS256, start))
	if len(decode(one.ID)) != 16 || one.ID == other.ID {
		t.Errorf("ids of HS256: %s, %s", one.ID, other.ID)
	}
	if len(one.private().([]byte)) != 32 || bytes.Equal(one.private().([]byte), other.private().([]byte)) {
		t.Error("keys of HS256 are not 32 random bytes")
	}
	for _, alg := range []string{"", "none", "HS512", "eddsa", "RS384"} {
		if k, err := NewKey(alg, start); err == nil || k != nil {
			t.Errorf("a key for %q: %v", alg, k)
		}
	}
}

func TestJWKS(t *testing.T) {
	var set struct{ Keys []map[string]string }
	if err := json.Unmarshal(ringOf(HS256).JWKS(), &set); err != nil {
		t.Fatal(err)
	}
	a := NewIssuer(issuer, ringOf(EdDSA), clock)
	shapes := map[string][]string{
		EdDSA: {"alg", "crv", "kid", "kty", "use", "x"},
		ES256: {"alg", "crv", "kid", "kty", "use", "x", "y"},
		RS256: {"alg", "e", "kid", "kty", "n", "use"},
	}
	if len(set.Keys) != len(shapes) {
		t.Errorf("%d keys", len(set.Keys))
	}
	for _, jwk := range set.Keys {
		alg := jwk["alg"]
		if got := slices.Sorted(maps.Keys(jwk)); !slices.Equal(got, shapes[alg]) {
			t.Errorf("%s has the members %v", alg, got)
		}
		if jwk["use"] != "sig" || jwk["kid"] != keyFor(alg).ID {
			t.Errorf("%s: %v", alg, jwk)
		}
		// What is published must be enough to check a token, without any code of this package.
		a.keys = ringOf(alg)
		text := must(a.Issue(claims()))
		at := strings.LastIndexByte(text, '.')
		message, signature := []byte(text[:at]), decode(text[at+1:])
		digest := sha256.Sum256(message)
		good := false
		switch {
		case alg == EdDSA && jwk["kty"] == "OKP" && jwk["crv"] == "Ed25519":
			good = ed25519.Verify(decode(jwk["x"]), message, signature)
		case alg == ES256 && jwk["kty"] == "EC" && jwk["crv"] == "P-256":
			point := slices.Concat([]byte{4}, decode(jwk["x"]), decode(jwk["y"]))
			public := must(ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point))
			r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
			good = ecdsa.Verify(public, digest[:], r, s)
		case alg == RS256 && jwk["kty"] == "RSA":
			e := new(big.Int).SetBytes(decode(jwk["e"]))
			public := &rsa.PublicKey{N: new(big.Int).SetBytes(decode(jwk["n"])), E: int(e.Int64())}
			good = rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature) == nil
		}
		if !good {
			t.Errorf("%s: the published key does not check the token", alg)
		}
	}
	if got := string(must(NewKeySet([]*Key{keyFor(HS256)}, keyFor(HS256).ID)).JWKS()); got != `{"keys":[]}` {
		t.Errorf("of HS256 alone: %s", got)
	}
	r := ringOf(EdDSA)
	before := string(r.JWKS())
	r.JWKS()[0] = '!'
	if string(r.JWKS()) != before {
		t.Error("a caller can change the ring's JWKS")
	}
}

func TestKeySet(t *testing.T) {
	old := &Key{ID: "old", Alg: HS256, CreatedAt: start, private: hide(random(32))}
	newest := must(NewKey(ES256, start.Add(2*time.Hour)))
	middle := must(NewKey(EdDSA, start.Add(time.Hour)))
	keys := []*Key{middle, old, newest}
	for _, signing := range keys {
		r, err := NewKeySet(keys, signing.ID)
		if err != nil || r.signing != signing {
			t.Fatalf("%v is to sign: %v, %v", signing, r, err)
		}
		if at := strings.Index(string(r.JWKS()), newest.ID); at < 0 || at > strings.Index(string(r.JWKS()), middle.ID) {
			t.Errorf("not newest first: %s", r.JWKS())
		}
	}
	for name, keys := range map[string][]*Key{
		"no keys": nil, "none of that id": {old, newest}, "twice the same id": {middle, middle},
	} {
		if _, err := NewKeySet(keys, middle.ID); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestSeal(t *testing.T) {
	other := Secret("another-secret-another-secret-0123456789")
	for _, alg := range algs {
		k := keyFor(alg)
		sealed, again := must(k.Seal(secret)), must(k.Seal(secret))
		if bytes.Equal(sealed, again) {
			t.Errorf("%s: the nonce is not random", alg)
		}
		opened, err := OpenKey(secret, k.ID, alg, k.CreatedAt, sealed)
		if err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		if opened.ID != k.ID || opened.Alg != k.Alg || !opened.CreatedAt.Equal(k.CreatedAt) {
			t.Errorf("%s: %v became %v", alg, k, opened)
		}
		text := must(NewIssuer(issuer, must(NewKeySet([]*Key{opened}, opened.ID)), clock).Issue(claims()))
		if _, err := NewIssuer(issuer, ringOf(alg), clock).Verify(text); err != nil {
			t.Errorf("%s: the opened key signs otherwise: %v", alg, err)
		}
		if private, ok := k.private().([]byte); ok && bytes.Contains(sealed, private) {
			t.Errorf("%s: sealed in the open", alg)
		}

		changed := slices.Clone(sealed)
		changed[len(changed)/2] ^= 1
		for name, open := range map[string]func() (*Key, error){
			"another secret":    func() (*Key, error) { return OpenKey(other, k.ID, alg, start, sealed) },
			"another kid":       func() (*Key, error) { return OpenKey(secret, keyFor(next(alg)).ID, alg, start, sealed) },
			"another algorithm": func() (*Key, error) { return OpenKey(secret, k.ID, next(alg), start, sealed) },
			"changed":           func() (*Key, error) { return OpenKey(secret, k.ID, alg, start, changed) },
			"cut":               func() (*Key, error) { return OpenKey(secret, k.ID, alg, start, sealed[:20]) },
			"empty":             func() (*Key, error) { return OpenKey(secret, k.ID, alg, start, nil) },
		} {
			if opened, err := open(); !errors.Is(err, ErrSealed) || opened != nil {
				t.Errorf("%s, %s: %v, %v", alg, name, opened, err)
			}
		}
	}
	if _, err := OpenKey(secret, "id", "none", start, nil); err == nil || errors.Is(err, ErrSealed) {
		t.Errorf("an unknown algorithm: %v", err)
	}
}

// FuzzSeal: a key is what it was after sealing and opening, and opens under its own secret, id and algorithm alone.
func FuzzSeal(f *testing.F) {
	f.Add("id", EdDSA, make([]byte, 32), "other", 0)
	f.Add("", HS256, []byte{}, "\x00HS256", 11)
	f.Add("a\x00b", HS256, []byte("any length"), "a", 30)
	f.Fuzz(func(t *testing.T, id, alg string, private []byte, otherID string, at int) {
		k := &Key{ID: id, Alg: alg, CreatedAt: start, private: hide(private)}
		switch {
		case alg == EdDSA && len(private) == ed25519.SeedSize:
			k.private = hide(ed25519.NewKeyFromSeed(private))
		case alg != HS256:
			return
		}
		sealed := must(k.Seal(secret))
		opened, err := OpenKey(secret, id, alg, start, sealed)
		if err != nil || opened.ID != id || opened.Alg != alg || !bytes.Equal(plain(opened), plain(k)) {
			t.Fatalf("%v became %v, %v", k, opened, err)
		}
		refused := func(what string, s Secret, id, alg string, sealed []byte) {
			t.Helper()
			if opened, err := OpenKey(s, id, alg, start, sealed); !errors.Is(err, ErrSealed) || opened != nil {
				t.Errorf("%s: %v, %v", what, opened, err)
			}
		}
		if otherID != id {
			refused("another id", secret, otherID, alg, sealed)
		}
		refused("another algorithm", secret, id, next(alg), sealed)
		refused("another secret", Secret(secretText+"!"), id, alg, sealed)
		refused("what was never sealed", secret, id, alg, private)
		at = int(uint(at) % uint(len(sealed)))
		refused("cut", secret, id, alg, sealed[:at])
		sealed[at] ^= 1
		refused("changed", secret, id, alg, sealed)
	})
}

// plain returns the private part of a key, for comparing.
func plain(k *Key) []byte {
	if symmetric, ok := k.private().([]byte); ok {
		return symmetric
	}
	return seedOf(k)
}
