package token

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
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
		a := NewAccess(issuer, ringOf(alg), clock)
		c := claims()
		c.IssuedAt, c.ExpiresAt = c.IssuedAt.Add(999*time.Millisecond), c.ExpiresAt.Add(999*time.Millisecond)
		text, err := a.Issue(c)
		if err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		for _, how := range []string{"first", "remembered"} {
			if got, err := a.Check(text); err != nil || got != claims() {
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
	a := NewAccess(issuer, ringOf(EdDSA), clock)
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

// TestForgedAccess: each token is refused, and for its own reason.
func TestForgedAccess(t *testing.T) {
	ed, es, rs, hs := keyFor(EdDSA), keyFor(ES256), keyFor(RS256), keyFor(HS256)
	stranger, strangerHS := must(NewKey(EdDSA, start)), must(NewKey(HS256, start))
	header, payload := headerOf(ed), payloadOf(claims())
	genuine := sign(ed, header, payload)
	segments := strings.Split(genuine, ".")
	replace := func(in, old, new string) string {
		if strings.Count(in, old) != 1 {
			t.Fatalf("%s is not once in %s", old, in)
		}
		return strings.Replace(in, old, new, 1)
	}
	// h and p sign genuinely what nobody should have signed.
	h := func(old, new string) string { return sign(ed, replace(header, old, new), payload) }
	p := func(old, new string) string { return sign(ed, header, replace(payload, old, new)) }
	extra := func(member string) string { return h(`{`, `{`+member+`,`) }
	as := func(k *Key, id string) *Key { return &Key{ID: id, Alg: k.Alg, private: k.private} }
	symmetric := func(secret []byte, id string) string {
		k := &Key{ID: id, Alg: HS256, private: behind(secret)}
		return sign(k, headerOf(k), payload)
	}
	der := must(x509.MarshalPKIXPublicKey(rs.public()))
	rsPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	now, c := start.Unix(), claims()
	exp, iat := fmt.Sprintf(`"exp":%d`, c.ExpiresAt.Unix()), fmt.Sprintf(`"iat":%d`, now)
	jwk := string(must(NewRing([]*Key{stranger}, stranger.ID)).JWKS())
	jwk = jwk[len(`{"keys":[`) : len(jwk)-2]

	const (
		byKey    = "the key is for EdDSA"
		unknown  = "is unknown or there twice"
		form     = "is neither text nor number"
		bad      = "signature is invalid"
		foreign  = "belongs in no token"
		parts    = "segments instead of 3"
		missing  = "are missing"
		wrong    = "cannot unmarshal"
		noObject = "not a JSON object"
		leftOver = "illegal base64"
	)
	for _, f := range []struct{ name, text, cause string }{
		{"alg none", h(`"EdDSA"`, `"none"`), byKey},
		{"alg none, unsigned", seg(replace(header, "EdDSA", "none")) + "." + segments[1] + ".", byKey},
		{"alg None", h(`"EdDSA"`, `"None"`), byKey},
		{"alg NONE, unsigned", seg(replace(header, "EdDSA", "NONE")) + "." + segments[1] + ".", byKey},
		{"alg eddsa", h(`"EdDSA"`, `"eddsa"`), byKey},
		{"alg with a space", h(`"EdDSA"`, `"EdDSA "`), byKey},
		{"alg Ed25519", h(`"EdDSA"`, `"Ed25519"`), byKey},
		{"alg empty", h(`"EdDSA"`, `""`), byKey},
		{"alg null", h(`"EdDSA"`, `null`), form},
		{"alg a number", h(`"EdDSA"`, `1`), wrong},
		{"alg a list", h(`"EdDSA"`, `["EdDSA"]`), form},
		{"alg an empty list at the end", sign(ed, `{"kid":"`+ed.ID+`","typ":"at+jwt","alg":[]}`, payload), form},
		{"alg missing", h(`"alg":"EdDSA",`, ``), missing},
		{"alg twice", extra(`"alg":"EdDSA"`), unknown},
		{"alg twice, none first", extra(`"alg":"none"`), unknown},
		{"alg twice, the other escaped", extra(`"\u0061lg":"none"`), unknown},
		{"Alg besides", extra(`"Alg":"none"`), unknown},
		{"ALG instead", h(`"alg"`, `"ALG"`), unknown},
		{"HS256 with the public key", symmetric(ed.public().(ed25519.PublicKey), ed.ID), byKey},
		{"HS256 with the public key, kid of HS256", symmetric(ed.public().(ed25519.PublicKey), hs.ID), bad},
		{"HS256 with the RSA key as DER", symmetric(der, rs.ID), "the key is for RS256"},
		{"HS256 with the RSA key as PEM", symmetric(rsPEM, rs.ID), "the key is for RS256"},
		{"HS256 with the RSA key as PEM, kid of HS256", symmetric(rsPEM, hs.ID), bad},
		{"HS256 with an empty key", symmetric(nil, hs.ID), bad},
		{"HS256 with the kid as key", symmetric([]byte(hs.ID), hs.ID), bad},
		{"HS512 for HS256", sign(hs, replace(headerOf(hs), "HS256", "HS512"), payload), "the key is for HS256"},
		{"another key's signature", sign(as(stranger, ed.ID), header, payload), bad},
		{"another HS256 key's signature", sign(as(strangerHS, hs.ID), headerOf(hs), payload), bad},
		{"ES256 under the kid of EdDSA", sign(es, replace(headerOf(es), es.ID, ed.ID), payload), byKey},
		{"RS256 under the kid of ES256", sign(rs, replace(headerOf(rs), rs.ID, es.ID), payload), "the key is for ES256"},
		{"signed by ES256, header of EdDSA", sign(es, header, payload), bad},
		{"kid missing", h(`"kid":"`+ed.ID+`",`, ``), missing},
		{"kid empty", h(ed.ID, ``), "is unknown"},
		{"kid null", h(`"`+ed.ID+`"`, `null`), form},
		{"kid unknown", sign(stranger, headerOf(stranger), payload), "is unknown"},
		{"kid of another key", h(ed.ID, hs.ID), "the key is for HS256"},
		{"kid a path", h(ed.ID, `../../../dev/null`), "is unknown"},
		{"kid an SQL text", h(ed.ID, `' UNION SELECT 'x`), "is unknown"},
		{"kid twice", extra(`"kid":"` + ed.ID + `"`), unknown},
		{"typ missing", h(`,"typ":"at+jwt"`, ``), missing},
		{"typ JWT", h(`at+jwt`, `JWT`), "typ is"},
		{"typ AT+JWT", h(`at+jwt`, `AT+JWT`), "typ is"},
		{"typ application/at+jwt", h(`at+jwt`, `application/at+jwt`), "typ is"},
		{"typ id+jwt", h(`at+jwt`, `id+jwt`), "typ is"},
		{"typ at+jwt with a space", h(`at+jwt`, `at+jwt `), "typ is"},
		{"typ a list", h(`"at+jwt"`, `["at+jwt"]`), form},
		{"Typ instead", h(`"typ"`, `"Typ"`), unknown},
		{"crit", extra(`"crit":["exp"]`), unknown},
		{"crit empty", extra(`"crit":[]`), unknown},
		{"b64", extra(`"b64":false`), unknown},
		{"jwk", sign(as(stranger, ed.ID), replace(header, `{`, `{"jwk":`+jwk+`,`), payload), unknown},
		{"jku", extra(`"jku":"https://evil.example/jwks.json"`), unknown},
		{"x5u", extra(`"x5u":"https://evil.example/cert.pem"`), unknown},
		{"x5c", extra(`"x5c":["MIIB"]`), unknown},
		{"x5t", extra(`"x5t":"AAAA"`), unknown},
		{"zip", extra(`"zip":"DEF"`), unknown},
		{"cty", extra(`"cty":"JWT"`), unknown},
		{"enc", extra(`"enc":"A256GCM"`), unknown},
		{"header null", sign(ed, `null`, payload), noObject},
		{"header a list", sign(ed, `[]`, payload), noObject},
		{"header a text", sign(ed, `"{}"`, payload), noObject},
		{"header empty", "." + segments[1] + "." + segments[2], noObject},
		{"header an empty object", sign(ed, `{}`, payload), missing},
		{"header not closed", sign(ed, strings.TrimSuffix(header, `}`), payload), "header: "},
		{"header and more", sign(ed, header+`{}`, payload), "goes on"},
		{"header and rubbish", sign(ed, header+`x`, payload), "goes on"},
		{"header not JSON", sign(ed, `{alg:EdDSA}`, payload), "header: "},

		{"iss missing", p(`"iss":"`+issuer+`",`, ``), missing},
		{"iss of another", p(`"iss":"`+issuer, `"iss":"https://evil.example`), "iss is"},
		{"iss with a slash", p(`"iss":"`+issuer, `"iss":"`+issuer+`/`), "iss is"},
		{"iss in capitals", p(`"iss":"`+issuer, `"iss":"`+strings.ToUpper(issuer)), "iss is"},
		{"iss empty", p(`"iss":"`+issuer+`"`, `"iss":""`), "iss is"},
		{"iss a list", p(`"iss":"`+issuer+`"`, `"iss":["`+issuer+`"]`), form},
		{"aud missing", p(`"aud":"`+issuer+`",`, ``), missing},
		{"aud of another", p(`"aud":"`+issuer, `"aud":"https://evil.example`), "aud is"},
		{"aud a list", p(`"aud":"`+issuer+`"`, `"aud":["`+issuer+`"]`), form},
		{"aud a longer list", p(`"aud":"`+issuer+`"`, `"aud":["`+issuer+`","x"]`), form},
		{"aud empty", p(`"aud":"`+issuer+`"`, `"aud":""`), "aud is"},
		{"aud null", p(`"aud":"`+issuer+`"`, `"aud":null`), form},
		{"aud twice", p(`{`, `{"aud":"https://evil.example",`), unknown},
		{"sub missing", p(`,"sub":"`+c.Subject+`"`, ``), missing},
		{"sub empty", p(c.Subject, ``), "is empty"},
		{"sub a number", p(`"`+c.Subject+`"`, `42`), wrong},
		{"sub an object", p(`"`+c.Subject+`"`, `{"id":42}`), form},
		{"sub null", p(`"`+c.Subject+`"`, `null`), form},
		{"sub true", p(`"`+c.Subject+`"`, `true`), form},
		{"sub a list of a number", p(`"`+c.Subject+`"`, `[1]`), form},
		{"sub twice", p(`{`, `{"sub":"user_admin",`), unknown},
		{"Sub besides", p(`{`, `{"Sub":"user_admin",`), unknown},
		{"sub with a long s besides", p(`{`, `{"ſub":"user_admin",`), unknown},
		{"sid missing", p(`"sid":"`+c.SessionID+`",`, ``), missing},
		{"sid empty", p(c.SessionID, ``), "is empty"},
		{"sid a number", p(`"`+c.SessionID+`"`, `1`), wrong},
		{"jti missing", p(`"jti":"`+c.ID+`",`, ``), missing},
		{"jti empty", p(c.ID, ``), "is empty"},
		{"client_id missing", p(`"client_id":"latchkey",`, ``), missing},
		{"client_id empty", p(`"latchkey"`, `""`), "is empty"},
		{"CLIENT_ID instead", p(`"client_id"`, `"CLIENT_ID"`), unknown},
		{"exp missing", p(exp+`,`, ``), missing},
		{"exp null", p(exp, `"exp":null`), form},
		{"exp a text", p(exp, fmt.Sprintf(`"exp":"%d"`, c.ExpiresAt.Unix())), wrong},
		{"exp with a fraction", p(exp, exp+`.5`), wrong},
		{"exp with a fraction of nothing", p(exp, exp+`.0`), wrong},
		{"exp with an exponent", p(exp, `"exp":9e9`), wrong},
		{"exp beyond all numbers", p(exp, `"exp":1e999`), "payload: "},
		{"exp beyond 64 bits", p(exp, `"exp":99999999999999999999`), wrong},
		{"exp infinite", p(exp, `"exp":Infinity`), "payload: "},
		{"exp true", p(exp, `"exp":true`), form},
		{"exp twice", p(exp, exp+`,"exp":9999999999`), unknown},
		{"EXP besides", p(exp, exp+`,"EXP":9999999999`), unknown},
		{"Exp instead", p(`"exp"`, `"Exp"`), unknown},
		{"iat missing", p(iat+`,`, ``), missing},
		{"iat a text", p(iat, fmt.Sprintf(`"iat":"%d"`, now)), wrong},
		{"iat with a fraction", p(iat, iat+`.25`), wrong},
		{"iat in 61 seconds", p(iat, fmt.Sprintf(`"iat":%d`, now+61)), "in the future"},
		{"nbf in the future", p(`{`, fmt.Sprintf(`{"nbf":%d,`, now+1000)), unknown},
		{"a claim nobody issues", p(`{`, `{"role":"ADMIN",`), unknown},
		{"payload null", sign(ed, header, `null`), noObject},
		{"payload a list", sign(ed, header, `[`+payload+`]`), noObject},
		{"payload empty", segments[0] + ".." + segments[2], noObject},
		{"payload an empty object", sign(ed, header, `{}`), missing},
		{"payload twice", sign(ed, header, payload+payload), "goes on"},
		{"payload with a BOM", sign(ed, header, "\ufeff"+payload), noObject},
		{"payload not UTF-8", p(`"sub"`, "\"sub\xff\""), unknown},
		{"payload changed", segments[0] + "." + seg(replace(payload, c.Subject, "user_admin")) + "." + segments[2], bad},
		{"payload spaced otherwise", segments[0] + "." + seg(payload+" ") + "." + segments[2], bad},
		{"expired and forged", sign(as(stranger, ed.ID), header, replace(payload, exp, `"exp":1`)), bad},
		{"expired and for another", p(`"aud":"`+issuer+`","client_id":"latchkey",`+exp, `"aud":"x","client_id":"y","exp":1`),
			"aud is"},

		{"signature empty", segments[0] + "." + segments[1] + ".", bad},
		{"signature cut", genuine[:len(genuine)-6], bad},
		{"signature of zeros", segments[0] + "." + segments[1] + "." + strings.Repeat("A", 86), bad},
		{"signature longer", genuine + "AAAA", bad},
		{"ES256 of zeros", zeroSignature(sign(es, headerOf(es), payload), 64), bad},
		{"RS256 of zeros", zeroSignature(sign(rs, headerOf(rs), payload), 384), bad},
		{"bits left over in the signature", spareBits(genuine), leftOver},
		{"bits left over in the header", signText(ed, spareBits(seg(padded(header)))+"."+segments[1]), leftOver},
		{"bits left over in the payload", signText(ed, segments[0]+"."+spareBits(seg(padded(payload)))), leftOver},
		{"a sextet alone", genuine[:len(genuine)-1], leftOver},
		{"newline after it", genuine + "\n", foreign},
		{"newline inside", genuine[:9] + "\n" + genuine[9:], foreign},
		{"CR LF in the signature", genuine[:len(genuine)-9] + "\r\n" + genuine[len(genuine)-9:], foreign},
		{"space before it", " " + genuine, foreign},
		{"space after it", genuine + " ", foreign},
		{"tab inside", segments[0] + ".\t" + segments[1] + "." + segments[2], foreign},
		{"= after it", genuine + "=", foreign},
		{"== after it", genuine + "==", foreign},
		{"NUL after it", genuine + "\x00", foreign},
		{"NUL inside", genuine[:9] + "\x00" + genuine[9:], foreign},
		{"not UTF-8", genuine + "\xff", foreign},
		{"a wide full stop", strings.Replace(genuine, ".", "．", 1), foreign},
		{"base64 of the other alphabet", segments[0] + ".ab+/" + segments[1] + "." + segments[2], foreign},
		{"with its scheme", "Bearer " + genuine, foreign},
		{"in quotes", `"` + genuine + `"`, foreign},
		{"as JSON", `{"payload":"` + segments[1] + `","signature":"` + segments[2] + `"}`, foreign},
		{"empty", "", parts},
		{"a word", "token", parts},
		{"one dot", ".", parts},
		{"two dots", "..", noObject},
		{"two segments", segments[0] + "." + segments[1], parts},
		{"four segments", genuine + ".AAAA", parts},
		{"four segments, the last empty", genuine + ".", parts},
		{"five segments as of JWE", genuine + ".AAAA.AAAA", parts},
		{"twice", genuine + "." + genuine, parts},
		{"4097 bytes", genuine + strings.Repeat("A", maxAccess+1-len(genuine)), "are too many"},
		{"4097 bytes, genuine", sign(ed, header, replace(payload, c.Subject, strings.Repeat("x", 3000))), "are too many"},
		{"1 MB", genuine + strings.Repeat("A", 1<<20), "are too many"},
		{"1 MB of dots", strings.Repeat(".", 1<<20), "are too many"},
		{"a refresh token", secret.RefreshToken(session, salt, 1), parts},
		{"a refresh token as signature", segments[0] + "." + segments[1] + "." + secret.RefreshToken(session, salt, 1), bad},
	} {
		a := NewAccess(issuer, ringOf(EdDSA), clock)
		for range 2 {
			got, err := a.Check(f.text)
			if !errors.Is(err, ErrInvalid) || errors.Is(err, ErrExpired) || got != (Claims{}) {
				t.Errorf("%s: %+v, %v", f.name, got, err)
			} else if !strings.Contains(err.Error(), f.cause) {
				t.Errorf("%s: refused, but because %v", f.name, err)
			}
		}
		if a.genuine.Len() != 0 {
			t.Errorf("%s: remembered", f.name)
		}
	}

	a := NewAccess(issuer, ringOf(EdDSA), clock)
	for name, text := range map[string]string{
		"genuine":           genuine,
		"iat in 60 seconds": p(iat, fmt.Sprintf(`"iat":%d`, now+60)),
		"spaced":            sign(ed, header, " "+replace(payload, `{`, "{\n ")+" "),
		"4096 bytes":        longest(ed, header, payload),
	} {
		if _, err := a.Check(text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := a.Check(p(exp, `"exp":1`)); !errors.Is(err, ErrExpired) {
		t.Errorf("expired long ago: %v", err)
	}
}

func zeroSignature(text string, size int) string {
	return text[:strings.LastIndexByte(text, '.')+1] + base64.RawURLEncoding.EncodeToString(make([]byte, size))
}

// spareBits sets a bit of the last character that encodes nothing.
func spareBits(text string) string {
	last := strings.IndexByte(alphabet, text[len(text)-1])
	return text[:len(text)-1] + alphabet[last+1:last+2]
}

// padded adds spaces until the last character of the segment has bits left over.
func padded(text string) string { return text + strings.Repeat(" ", (4-len(text)%3)%3) }

// longest returns a genuine token of the greatest length allowed.
func longest(k *Key, header, payload string) string {
	for n := 0; ; n++ {
		text := sign(k, header, strings.Replace(payload, `"sub":"`, `"sub":"`+strings.Repeat("x", 2600+n), 1))
		if len(text) == maxAccess {
			return text
		}
	}
}

// TestES256HasTwoSignatures notes what is accepted on purpose: n−s signs whatever s signs. Nothing may therefore be
// decided by the text of a token.
func TestES256HasTwoSignatures(t *testing.T) {
	a := NewAccess(issuer, ringOf(ES256), clock)
	text := must(a.Issue(claims()))
	at := strings.LastIndexByte(text, '.') + 1
	signature := decode(text[at:])
	s := new(big.Int).SetBytes(signature[32:])
	s.Sub(elliptic.P256().Params().N, s).FillBytes(signature[32:])
	twin := text[:at] + base64.RawURLEncoding.EncodeToString(signature)
	for _, text := range []string{text, twin} {
		if got, err := a.Check(text); err != nil || got != claims() {
			t.Errorf("%v, %v", got, err)
		}
	}
	der := must(ecdsa.SignASN1(rand.Reader, keyFor(ES256).private().(*ecdsa.PrivateKey), hash([]byte(text[:at-1]))))
	if _, err := a.Check(text[:at] + base64.RawURLEncoding.EncodeToString(der)); !errors.Is(err, ErrInvalid) {
		t.Errorf("a signature in DER: %v", err)
	}
}

func TestEveryBitOfAnAccessTokenCounts(t *testing.T) {
	for _, alg := range []string{EdDSA, HS256} {
		a := NewAccess(issuer, ringOf(alg), clock)
		text := must(a.Issue(claims()))
		must(a.Check(text))
		for i := range text {
			for bit := range 8 {
				changed := []byte(text)
				changed[i] ^= 1 << bit
				if _, err := a.Check(string(changed)); !errors.Is(err, ErrInvalid) {
					t.Fatalf("%s: bit %d of character %d flipped: %v", alg, bit, i, err)
				}
			}
		}
	}
}

func TestExpiry(t *testing.T) {
	for _, alg := range algs {
		now := start
		a := NewAccess(issuer, ringOf(alg), func() time.Time { return now })
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
			if _, err := a.Check(text); !errors.Is(err, step.want) || errors.Is(err, ErrInvalid) {
				t.Errorf("%s at %s: %v", alg, step.at, err)
			}
		}
		if _, err := a.Check(late); !errors.Is(err, ErrExpired) || a.genuine.Len() != 0 {
			t.Errorf("%s: first seen late: %v, %d remembered", alg, err, a.genuine.Len())
		}
		_, err := a.Check(text[:len(text)-8] + "AAAAAAAA")
		if !errors.Is(err, ErrInvalid) || errors.Is(err, ErrExpired) {
			t.Errorf("%s: expired and forged: %v", alg, err)
		}
	}
}

func TestRemembered(t *testing.T) {
	a := NewAccess(issuer, ringOf(EdDSA), clock)
	text := must(a.Issue(claims()))
	if a.genuine.Len() != 0 {
		t.Error("what is issued is not yet checked")
	}
	must(a.Check(text))
	stranger := must(NewKey(EdDSA, start))
	a.ring = must(NewRing([]*Key{stranger}, stranger.ID))
	if got, err := a.Check(text); err != nil || got != claims() {
		t.Errorf("the signature was checked again: %v", err)
	}
	if _, err := NewAccess(issuer, a.ring, clock).Check(text); !errors.Is(err, ErrInvalid) {
		t.Errorf("another Access knows a key that is not in its ring: %v", err)
	}
	for i := range 20_000 {
		a.genuine.Add(fmt.Sprint(i), claims())
	}
	if a.genuine.Len() != 10_000 {
		t.Errorf("%d tokens remembered", a.genuine.Len())
	}
	if _, err := a.Check(text); !errors.Is(err, ErrInvalid) {
		t.Errorf("the oldest was not forgotten: %v", err)
	}
}

func TestAccessOfAnotherIssuer(t *testing.T) {
	text := must(NewAccess("https://other.example.org", ringOf(EdDSA), clock).Issue(claims()))
	if _, err := NewAccess(issuer, ringOf(EdDSA), clock).Check(text); !errors.Is(err, ErrInvalid) {
		t.Errorf("%v", err)
	}
}

func TestAccessFromManyGoroutines(t *testing.T) {
	a := NewAccess(issuer, ringOf(EdDSA), clock)
	shared := must(a.Issue(claims()))
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for j := range 8 {
				c := claims()
				c.ID = fmt.Sprint(i, j)
				if got, err := a.Check(must(a.Issue(c))); err != nil || got != c {
					t.Errorf("%v, %v", got, err)
				}
				if got, err := a.Check(shared); err != nil || got != claims() {
					t.Errorf("%v, %v", got, err)
				}
				if _, err := a.Check(shared + "A"); !errors.Is(err, ErrInvalid) {
					t.Errorf("%v", err)
				}
			}
		})
	}
	wg.Wait()
}

// FuzzCheck: a text is accepted only if it is what Issue writes for the claims it makes. Ed25519 signs one way only.
func FuzzCheck(f *testing.F) {
	k := &Key{ID: "fuzz", Alg: EdDSA, private: behind(ed25519.NewKeyFromSeed(make([]byte, 32)))}
	ring := must(NewRing([]*Key{k}, k.ID))
	genuine := must(NewAccess(issuer, ring, clock).Issue(claims()))
	f.Add(genuine)
	f.Add(genuine + "=")
	f.Add(strings.Replace(genuine, ".", "..", 1))
	f.Add("..")
	f.Fuzz(func(t *testing.T, text string) {
		a := NewAccess(issuer, ring, clock)
		c, err := a.Check(text)
		if err != nil {
			if !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrExpired) {
				t.Errorf("an error of no kind: %v", err)
			}
			return
		}
		if again := must(a.Issue(c)); again != text {
			t.Errorf("%q is accepted as %q", text, again)
		}
	})
}

// FuzzSigned: even under a genuine signature, header and payload are accepted only if they say what Issue would say.
func FuzzSigned(f *testing.F) {
	k := &Key{ID: "fuzz", Alg: HS256, private: behind(make([]byte, 32))}
	ring := must(NewRing([]*Key{k}, k.ID))
	f.Add(headerOf(k), payloadOf(claims()))
	f.Add(headerOf(k), strings.Replace(payloadOf(claims()), `{`, `{"sub":"x",`, 1))
	f.Add(strings.Replace(headerOf(k), `"alg"`, `"\u0061lg"`, 1), payloadOf(claims()))
	f.Add(`{}`, `[]`)
	f.Fuzz(func(t *testing.T, header, payload string) {
		a := NewAccess(issuer, ring, clock)
		c, err := a.Check(sign(k, header, payload))
		if err != nil {
			return
		}
		again := strings.Split(must(a.Issue(c)), ".")
		same := func(a, b []byte) bool {
			var x, y map[string]any
			return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
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
			a := NewAccess(issuer, ringOf(alg), clock)
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
			a := NewAccess(issuer, ringOf(alg), clock)
			text := must(a.Issue(claims()))
			b.ReportAllocs()
			for b.Loop() {
				must(a.Check(text))
				a.genuine.Remove(text)
			}
		})
	}
}

func BenchmarkCheckRemembered(b *testing.B) {
	for _, alg := range algs {
		b.Run(alg, func(b *testing.B) {
			a := NewAccess(issuer, ringOf(alg), clock)
			text := must(a.Issue(claims()))
			b.ReportAllocs()
			for b.Loop() {
				must(a.Check(text))
			}
		})
	}
}
