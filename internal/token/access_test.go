package token

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
)

const issuer = "https://accounts.example.org"

func claims() Claims {
	return Claims{
		Subject:   "user_0198c5a2-7f1e-7cc3-98c4-dc0c0c07398f",
		SessionID: "session_0198c5a2-7f1e-7cc3-98c4-dc0c0c073990",
		ID:        "0198c5a2-7f1e-7cc3-98c4-dc0c0c073991",
		IssuedAt:  start,
		ExpiresAt: start.Add(5 * time.Minute),
	}
}

// seg encodes a segment.
func seg(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// sign puts a genuine signature of k after two segments.
func sign(k *Key, header, payload string) string {
	return signText(k, seg(header)+"."+seg(payload))
}

func signText(k *Key, text string) string {
	return text + "." + base64.RawURLEncoding.EncodeToString(must(methods[k.Alg].Sign(text, k.private())))
}

// headerOf is the header that Issue writes, put together by hand.
func headerOf(k *Key) string {
	return fmt.Sprintf(`{"alg":"%s","kid":"%s","typ":"at+jwt"}`, k.Alg, k.ID)
}

// payloadOf is the payload that Issue writes, put together by hand.
func payloadOf(c Claims) string {
	return fmt.Sprintf(`{"aud":"%s","client_id":"latchkey","exp":%d,"iat":%d,"iss":"%s","jti":"%s","sid":"%s","sub":"%s"}`,
		issuer, c.ExpiresAt.Unix(), c.IssuedAt.Unix(), issuer, c.ID, c.SessionID, c.Subject)
}

func TestAccessRoundTrip(t *testing.T) {
	for _, alg := range algs {
		a := NewIssuer(issuer, ringOf(alg), clock)
		c := claims()
		c.IssuedAt, c.ExpiresAt = c.IssuedAt.Add(999*time.Millisecond), c.ExpiresAt.Add(999*time.Millisecond)
		text, err := a.Issue(c)
		if err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		for _, how := range []string{"first", "remembered"} {
			if got, err := a.Verify(text); err != nil || got != claims() {
				t.Errorf("%s, %s: %v, %v", alg, how, got, err)
			}
		}
		segments := strings.Split(text, ".")
		if got := string(decode(segments[0])); got != headerOf(keyFor(alg)) {
			t.Errorf("%s: header %s", alg, got)
		}
		if got := string(decode(segments[1])); got != payloadOf(claims()) {
			t.Errorf("%s: payload %s", alg, got)
		}
	}
}

func TestIssueNeedsNames(t *testing.T) {
	a := NewIssuer(issuer, ringOf(EdDSA), clock)
	for _, empty := range []func(*Claims){
		func(c *Claims) { c.Subject = "" },
		func(c *Claims) { c.SessionID = "" },
		func(c *Claims) { c.ID = "" },
	} {
		c := claims()
		empty(&c)
		if text, err := a.Issue(c); err == nil {
			t.Errorf("%+v: %s", c, text)
		}
	}
}

// TestES256HasTwoSignatures notes what is accepted on purpose: n−s signs whatever s signs. Nothing may therefore be
// decided by the text of a token.
func TestES256HasTwoSignatures(t *testing.T) {
	a := NewIssuer(issuer, ringOf(ES256), clock)
	text := must(a.Issue(claims()))
	at := strings.LastIndexByte(text, '.') + 1
	signature := decode(text[at:])
	s := new(big.Int).SetBytes(signature[32:])
	s.Sub(elliptic.P256().Params().N, s).FillBytes(signature[32:])
	twin := text[:at] + base64.RawURLEncoding.EncodeToString(signature)
	for _, text := range []string{text, twin} {
		if got, err := a.Verify(text); err != nil || got != claims() {
			t.Errorf("%v, %v", got, err)
		}
	}
	der := must(ecdsa.SignASN1(rand.Reader, keyFor(ES256).private().(*ecdsa.PrivateKey), hash([]byte(text[:at-1]))))
	if _, err := a.Verify(text[:at] + base64.RawURLEncoding.EncodeToString(der)); !errors.Is(err, ErrInvalid) {
		t.Errorf("a signature in DER: %v", err)
	}
}

func TestEveryBitOfAnAccessTokenCounts(t *testing.T) {
	for _, alg := range algs {
		a := NewIssuer(issuer, ringOf(alg), clock)
		text := must(a.Issue(claims()))
		must(a.Verify(text))
		for i := range text {
			for bit := range 8 {
				changed := []byte(text)
				changed[i] ^= 1 << bit
				if _, err := a.Verify(string(changed)); !errors.Is(err, ErrInvalid) {
					t.Fatalf("%s: bit %d of character %d flipped: %v", alg, bit, i, err)
				}
			}
		}
	}
}

func TestExpiry(t *testing.T) {
	for _, alg := range algs {
		now := start
		a := NewIssuer(issuer, ringOf(alg), func() time.Time { return now })
		text, expires := must(a.Issue(claims())), claims().ExpiresAt
		late := must(a.Issue(Claims{Subject: "u", SessionID: "s", ID: "late", IssuedAt: start, ExpiresAt: expires}))
		for _, step := range []struct {
			at   time.Time
			want error
		}{
			{start, nil},
			{expires.Add(-time.Nanosecond), nil},
			{expires, ErrExpired},
			{expires.Add(-time.Nanosecond), nil}, // our clock went back
			{expires.Add(time.Second), ErrExpired},
			{expires.Add(1000 * time.Hour), ErrExpired},
		} {
			now = step.at
			if _, err := a.Verify(text); !errors.Is(err, step.want) || errors.Is(err, ErrInvalid) {
				t.Errorf("%s at %s: %v", alg, step.at, err)
			}
		}
		if _, err := a.Verify(late); !errors.Is(err, ErrExpired) || a.verified.Len() != 0 {
			t.Errorf("%s: first seen late: %v, %d remembered", alg, err, a.verified.Len())
		}
		_, err := a.Verify(text[:len(text)-8] + "AAAAAAAA")
		if !errors.Is(err, ErrInvalid) || errors.Is(err, ErrExpired) {
			t.Errorf("%s: expired and forged: %v", alg, err)
		}
	}
}

func TestRemembered(t *testing.T) {
	a := NewIssuer(issuer, ringOf(EdDSA), clock)
	text := must(a.Issue(claims()))
	if a.verified.Len() != 0 {
		t.Error("what is issued is not yet checked")
	}
	must(a.Verify(text))
	stranger := must(NewKey(EdDSA, start))
	a.keys = must(NewKeySet([]*Key{stranger}, stranger.ID))
	if got, err := a.Verify(text); err != nil || got != claims() {
		t.Errorf("the signature was checked again: %v", err)
	}
	if _, err := NewIssuer(issuer, a.keys, clock).Verify(text); !errors.Is(err, ErrInvalid) {
		t.Errorf("another Access knows a key that is not in its ring: %v", err)
	}
	for i := range 20_000 {
		a.verified.Add(fmt.Sprint(i), claims())
	}
	if a.verified.Len() != 10_000 {
		t.Errorf("%d tokens remembered", a.verified.Len())
	}
	if _, err := a.Verify(text); !errors.Is(err, ErrInvalid) {
		t.Errorf("the oldest was not forgotten: %v", err)
	}
}

func TestAccessOfAnotherIssuer(t *testing.T) {
	text := must(NewIssuer("https://other.example.org", ringOf(EdDSA), clock).Issue(claims()))
	if _, err := NewIssuer(issuer, ringOf(EdDSA), clock).Verify(text); !errors.Is(err, ErrInvalid) {
		t.Errorf("%v", err)
	}
}

func TestAccessFromManyGoroutines(t *testing.T) {
	a := NewIssuer(issuer, ringOf(EdDSA), clock)
	shared := must(a.Issue(claims()))
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for j := range 8 {
				c := claims()
				c.ID = fmt.Sprint(i, j)
				if got, err := a.Verify(must(a.Issue(c))); err != nil || got != c {
					t.Errorf("%v, %v", got, err)
				}
				if got, err := a.Verify(shared); err != nil || got != claims() {
					t.Errorf("%v, %v", got, err)
				}
				if _, err := a.Verify(shared + "A"); !errors.Is(err, ErrInvalid) {
					t.Errorf("%v", err)
				}
			}
		})
	}
	wg.Wait()
}

// fuzzRing has a key of each algorithm that can be made from a constant, so that it is the same in every process.
var fuzzRing = sync.OnceValue(func() *KeySet {
	seed := append(make([]byte, 31), 1)
	return must(NewKeySet([]*Key{
		{ID: EdDSA, Alg: EdDSA, private: hide(ed25519.NewKeyFromSeed(seed))},
		{ID: ES256, Alg: ES256, private: hide(must(ecdsa.ParseRawPrivateKey(elliptic.P256(), seed)))},
		{ID: HS256, Alg: HS256, private: hide(seed)},
	}, EdDSA))
})

// issuedBy returns what Issue writes for the claims with one of the keys of fuzzRing.
func issuedBy(kid string, c Claims) string {
	keys := *fuzzRing()
	keys.signing = keys.byID[kid]
	return must(NewIssuer(issuer, &keys, clock).Issue(c))
}

// FuzzCheck: a text is accepted only if Issue writes it for the claims it makes: to the last character, but for the
// signature of ES256, of which there are many.
func FuzzCheck(f *testing.F) {
	for _, kid := range []string{EdDSA, ES256, HS256} {
		verified := issuedBy(kid, claims())
		f.Add(verified)
		f.Add(verified + "=")
		f.Add(strings.Replace(verified, ".", "..", 1))
		f.Add(verified[:len(verified)/2] + "\n" + verified[len(verified)/2:])
		f.Add(verified[:strings.LastIndexByte(verified, '.')+1])
	}
	f.Add("..")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := NewIssuer(issuer, fuzzRing(), clock).Verify(text)
		if err != nil {
			if errors.Is(err, ErrInvalid) == errors.Is(err, ErrExpired) {
				t.Errorf("an error of no kind: %v", err)
			}
			return
		}
		var header struct{ Kid string }
		at := strings.LastIndexByte(text, '.')
		if err := json.Unmarshal(decode(text[:strings.IndexByte(text, '.')]), &header); err != nil {
			t.Fatal(err)
		}
		again := issuedBy(header.Kid, c)
		if text[:at] != again[:strings.LastIndexByte(again, '.')] || header.Kid != ES256 && text != again {
			t.Errorf("%q is accepted as %q", text, again)
		}
	})
}

// FuzzSigned: even under a genuine signature, header and payload are accepted only if they say what Issue would say,
// and if the library at its strictest has nothing against them.
func FuzzSigned(f *testing.F) {
	k := &Key{ID: "fuzz", Alg: HS256, private: hide(make([]byte, 32))}
	keys := must(NewKeySet([]*Key{k}, k.ID))
	f.Add(headerOf(k), payloadOf(claims()))
	f.Add(headerOf(k), strings.Replace(payloadOf(claims()), `{`, `{"sub":"x",`, 1))
	f.Add(strings.Replace(headerOf(k), `"alg"`, `"\u0061lg"`, 1), payloadOf(claims()))
	f.Add(headerOf(k), strings.Replace(payloadOf(claims()), "user_", "user_\xff", 1))
	f.Add(`{}`, `[]`)
	strictest := jwt.NewParser(jwt.WithValidMethods([]string{HS256}), jwt.WithStrictDecoding(), jwt.WithIssuer(issuer),
		jwt.WithAudience(issuer), jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(leeway*time.Second),
		jwt.WithTimeFunc(clock))
	f.Fuzz(func(t *testing.T, header, payload string) {
		a := NewIssuer(issuer, keys, clock)
		text := sign(k, header, payload)
		c, err := a.Verify(text)
		if err != nil {
			return
		}
		if _, err := strictest.Parse(text, func(*jwt.Token) (any, error) { return k.verifier(), nil }); err != nil {
			t.Errorf("%s.%s is accepted, but %v", header, payload, err)
		}
		again := strings.Split(must(a.Issue(c)), ".")
		same := func(a, b []byte) bool {
			var x, y map[string]any
			return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
		}
		if !utf8.ValidString(header + payload) {
			t.Errorf("what is not UTF-8 is accepted: %q.%q", header, payload)
		}
		if !same([]byte(header), decode(again[0])) {
			t.Errorf("the header %q is accepted", header)
		}
		var x map[string]any
		if json.Unmarshal([]byte(payload), &x) != nil || x["client_id"] == "" {
			t.Errorf("the payload %q is accepted", payload)
		}
		x["client_id"] = clientID // any client's name will do
		if !same(must(json.Marshal(x)), decode(again[1])) {
			t.Errorf("the payload %q is accepted", payload)
		}
	})
}

func BenchmarkIssue(b *testing.B) {
	for _, alg := range algs {
		b.Run(alg, func(b *testing.B) {
			a := NewIssuer(issuer, ringOf(alg), clock)
			b.ReportAllocs()
			for b.Loop() {
				must(a.Issue(claims()))
			}
		})
	}
}

func BenchmarkCheckCold(b *testing.B) {
	for _, alg := range algs {
		b.Run(alg, func(b *testing.B) {
			a := NewIssuer(issuer, ringOf(alg), clock)
			text := must(a.Issue(claims()))
			b.ReportAllocs()
			for b.Loop() {
				must(a.Verify(text))
				a.verified.Remove(text)
			}
		})
	}
}

func BenchmarkCheckRemembered(b *testing.B) {
	for _, alg := range algs {
		b.Run(alg, func(b *testing.B) {
			a := NewIssuer(issuer, ringOf(alg), clock)
			text := must(a.Issue(claims()))
			b.ReportAllocs()
			for b.Loop() {
				must(a.Verify(text))
			}
		})
	}
}
