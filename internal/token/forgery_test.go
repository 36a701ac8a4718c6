package token

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// forgery is a text that looks like an access token and is none. The cause is part of why it is refused.
type forgery struct{ name, text, cause string }

// forgeries returns texts of every kind that somebody without a key of the ring can send, and, since a check must not
// lean on the signature alone, of kinds that only the holder of a key can make. The ring is the one of ringOf(EdDSA).
func forgeries(t *testing.T) []forgery {
	t.Helper()
	ed, es, rs, hs := keyFor(EdDSA), keyFor(ES256), keyFor(RS256), keyFor(HS256)
	stranger, strangerHS := must(NewKey(EdDSA, start)), must(NewKey(HS256, start))
	header, payload := headerOf(ed), payloadOf(claims())
	verified := sign(ed, header, payload)
	segments := strings.Split(verified, ".")
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
		k := &Key{ID: id, Alg: HS256, private: hide(secret)}
		return sign(k, headerOf(k), payload)
	}
	// with puts a signature under the header of a key and the payload.
	with := func(k *Key, signature []byte) string {
		return seg(headerOf(k)) + "." + segments[1] + "." + base64.RawURLEncoding.EncodeToString(signature)
	}
	signed := func(k *Key) []byte { return []byte(seg(headerOf(k)) + "." + segments[1]) }
	signature := func(k *Key) []byte { return must(methods[k.Alg].Sign(string(signed(k)), k.private())) }
	der := must(x509.MarshalPKIXPublicKey(rs.public()))
	rsPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	point := must(es.public().(*ecdsa.PublicKey).Bytes())
	edSignature, esSignature, rsSignature, hsSignature := signature(ed), signature(es), signature(rs), signature(hs)
	r, s := esSignature[:32], esSignature[32:]
	order, zero, one := elliptic.P256().Params().N.Bytes(), make([]byte, 32), append(make([]byte, 31), 1)
	rsaKey, esKey := rs.private().(*rsa.PrivateKey), es.private().(*ecdsa.PrivateKey)
	sha1 := hash(signed(rs))[:20] // of the length of one
	now, c := start.Unix(), claims()
	exp, iat := fmt.Sprintf(`"exp":%d`, c.ExpiresAt.Unix()), fmt.Sprintf(`"iat":%d`, now)
	jwkOf := func(k *Key) string {
		set := string(must(NewKeySet([]*Key{k}, k.ID)).JWKS())
		return set[len(`{"keys":[`) : len(set)-2]
	}
	refresh := secret.RefreshToken(session, salt, 1)

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
		tooLong  = "are too many"
		notUTF8  = "not UTF-8"
		syntax   = "invalid character"
		expired  = "has expired"
	)
	rows := []forgery{
		// The algorithm (RFC 8725, sections 3.1 and 3.2). More of none stands below.
		{"alg none", h(`"EdDSA"`, `"none"`), byKey},
		{"alg eddsa", h(`"EdDSA"`, `"eddsa"`), byKey},
		{"alg with a space", h(`"EdDSA"`, `"EdDSA "`), byKey},
		{"alg Ed25519", h(`"EdDSA"`, `"Ed25519"`), byKey},
		{"alg empty", h(`"EdDSA"`, `""`), byKey},
		{"alg null", h(`"EdDSA"`, `null`), form},
		{"alg a number", h(`"EdDSA"`, `1`), wrong},
		{"alg a list", h(`"EdDSA"`, `["EdDSA"]`), form},
		{"alg an object", h(`"EdDSA"`, `{"name":"EdDSA"}`), form},
		{"alg an empty list at the end", sign(ed, `{"kid":"`+ed.ID+`","typ":"at+jwt","alg":[]}`, payload), form},
		{"alg missing", h(`"alg":"EdDSA",`, ``), missing},
		{"alg twice", extra(`"alg":"EdDSA"`), unknown},
		{"alg twice, none first", extra(`"alg":"none"`), unknown},
		{"alg twice, the other escaped", extra(`"\u0061lg":"none"`), unknown},
		{"Alg besides", extra(`"Alg":"none"`), unknown},
		{"ALG instead", h(`"alg"`, `"ALG"`), unknown},
		{"HS256 with the public key", symmetric(ed.public().(ed25519.PublicKey), ed.ID), byKey},
		{"HS256 with the public key, kid of HS256", symmetric(ed.public().(ed25519.PublicKey), hs.ID), bad},
		{"HS256 with the public key as JWK", symmetric([]byte(jwkOf(ed)), ed.ID), byKey},
		{"HS256 with the public key as JWK, kid of HS256", symmetric([]byte(jwkOf(ed)), hs.ID), bad},
		{"HS256 with the JWKS, kid of HS256", symmetric(ringOf(EdDSA).JWKS(), hs.ID), bad},
		{"HS256 with the point of ES256", symmetric(point, es.ID), "the key is for ES256"},
		{"HS256 with the point of ES256, kid of HS256", symmetric(point, hs.ID), bad},
		{"HS256 with the RSA key as DER", symmetric(der, rs.ID), "the key is for RS256"},
		{"HS256 with the RSA key as PEM", symmetric(rsPEM, rs.ID), "the key is for RS256"},
		{"HS256 with the RSA key as PEM, kid of HS256", symmetric(rsPEM, hs.ID), bad},
		{"HS256 with an empty key", symmetric(nil, hs.ID), bad},
		{"HS256 with the kid as key", symmetric([]byte(hs.ID), hs.ID), bad},
		{"HS512 for HS256", sign(hs, replace(headerOf(hs), "HS256", "HS512"), payload), "the key is for HS256"},
		{"RS512 for RS256", sign(rs, replace(headerOf(rs), "RS256", "RS512"), payload), "the key is for RS256"},
		{"PS256 for RS256", sign(rs, replace(headerOf(rs), "RS256", "PS256"), payload), "the key is for RS256"},
		{"ES384 for ES256", sign(es, replace(headerOf(es), "ES256", "ES384"), payload), "the key is for ES256"},

		// The key (RFC 8725, section 3.10).
		{"another key's signature", sign(as(stranger, ed.ID), header, payload), bad},
		{"another HS256 key's signature", sign(as(strangerHS, hs.ID), headerOf(hs), payload), bad},
		{"ES256 under the kid of EdDSA", sign(es, replace(headerOf(es), es.ID, ed.ID), payload), byKey},
		{"RS256 under the kid of ES256", sign(rs, replace(headerOf(rs), rs.ID, es.ID), payload), "the key is for ES256"},
		{"signed by ES256, header of EdDSA", sign(es, header, payload), bad},
		{"kid missing", h(`"kid":"`+ed.ID+`",`, ``), missing},
		{"kid empty", h(ed.ID, ``), "is unknown"},
		{"kid null", h(`"`+ed.ID+`"`, `null`), form},
		{"kid a number", h(`"`+ed.ID+`"`, `7`), wrong},
		{"kid a list", h(`"`+ed.ID+`"`, `["`+ed.ID+`"]`), form},
		{"kid unknown", sign(stranger, headerOf(stranger), payload), "is unknown"},
		{"kid of another key", h(ed.ID, hs.ID), "the key is for HS256"},
		{"kid a path", h(ed.ID, `../../../dev/null`), "is unknown"},
		{"kid an SQL text", h(ed.ID, `' UNION SELECT 'x`), "is unknown"},
		{"kid twice", extra(`"kid":"` + ed.ID + `"`), unknown},
		{"kid with NUL behind", h(ed.ID, ed.ID+`\u0000`), "is unknown"},
		{"kid with a bare NUL", h(ed.ID, ed.ID+"\x00"), syntax},
		{"kid with a space behind", h(ed.ID, ed.ID+` `), "is unknown"},
		{"kid of HS256, empty key of a path", symmetric(nil, `../../../dev/null`), "is unknown"},
		{"KID besides", extra(`"KID":"` + hs.ID + `"`), unknown},
		{"kid with a Kelvin sign besides", extra(`"\u212aid":"` + hs.ID + `"`), unknown},

		// Other members of the header (RFC 7515, sections 4.1 and 5.3; RFC 8725, section 3.11).
		{"typ missing", h(`,"typ":"at+jwt"`, ``), missing},
		{"typ JWT", h(`at+jwt`, `JWT`), "typ is"},
		{"typ at+JWT", h(`at+jwt`, `at+JWT`), "typ is"},
		{"typ AT+JWT", h(`at+jwt`, `AT+JWT`), "typ is"},
		{"typ application/at+jwt", h(`at+jwt`, `application/at+jwt`), "typ is"},
		{"typ id+jwt", h(`at+jwt`, `id+jwt`), "typ is"},
		{"typ at+jwt with a space", h(`at+jwt`, `at+jwt `), "typ is"},
		{"typ a list", h(`"at+jwt"`, `["at+jwt"]`), form},
		{"Typ instead", h(`"typ"`, `"Typ"`), unknown},
		{"typ empty", h(`at+jwt`, ``), "typ is"},
		{"typ null", h(`"at+jwt"`, `null`), form},
		{"typ twice", extra(`"typ":"JWT"`), unknown},
		{"crit", extra(`"crit":["exp"]`), unknown},
		{"crit empty", extra(`"crit":[]`), unknown},
		{"b64", extra(`"b64":false`), unknown},
		{"b64 and crit, payload in the open", seg(replace(header, `{`, `{"b64":false,"crit":["b64"],`)) + ".x." + segments[2],
			unknown},
		{"jwk", sign(as(stranger, ed.ID), replace(header, `{`, `{"jwk":`+jwkOf(stranger)+`,`), payload), unknown},
		{"jwk of the same kid",
			sign(as(stranger, ed.ID), replace(header, `{`, `{"jwk":`+jwkOf(as(stranger, ed.ID))+`,`), payload), unknown},
		{"jku", extra(`"jku":"https://evil.example/jwks.json"`), unknown},
		{"x5u", extra(`"x5u":"https://evil.example/cert.pem"`), unknown},
		{"x5c", extra(`"x5c":["MIIB"]`), unknown},
		{"x5t", extra(`"x5t":"AAAA"`), unknown},
		{"x5t#S256", extra(`"x5t#S256":"AAAA"`), unknown},
		{"zip", extra(`"zip":"DEF"`), unknown},
		{"cty", extra(`"cty":"JWT"`), unknown},
		{"enc", extra(`"enc":"A256GCM"`), unknown},
		{"a member nobody writes", extra(`"foo":"bar"`), unknown},
		{"a member without name", extra(`"":""`), unknown},
		{"header null", sign(ed, `null`, payload), noObject},
		{"header a list", sign(ed, `[]`, payload), noObject},
		{"header a text", sign(ed, `"{}"`, payload), noObject},
		{"header empty", "." + segments[1] + "." + segments[2], noObject},
		{"header an empty object", sign(ed, `{}`, payload), missing},
		{"header not closed", sign(ed, strings.TrimSuffix(header, `}`), payload), "header: "},
		{"header and more", sign(ed, header+`{}`, payload), "goes on"},
		{"header and rubbish", sign(ed, header+`x`, payload), "goes on"},
		{"header not JSON", sign(ed, `{alg:EdDSA}`, payload), "header: "},
		{"header not UTF-8", extra("\"foo\":\"\xff\""), notUTF8},
		{"header of brackets", seg(strings.Repeat("[", 2700)) + "." + segments[1] + "." + segments[2], noObject},
		{"header encoded twice", signText(ed, seg(segments[0])+"."+segments[1]), noObject},

		// The claims (RFC 9068, sections 2.2 and 4; RFC 7519, sections 4 and 7.2).
		{"iss missing", p(`"iss":"`+issuer+`",`, ``), missing},
		{"iss of another", p(`"iss":"`+issuer, `"iss":"https://evil.example`), "iss is"},
		{"iss with a slash", p(`"iss":"`+issuer, `"iss":"`+issuer+`/`), "iss is"},
		{"iss in capitals", p(`"iss":"`+issuer, `"iss":"`+strings.ToUpper(issuer)), "iss is"},
		{"iss empty", p(`"iss":"`+issuer+`"`, `"iss":""`), "iss is"},
		{"iss a list", p(`"iss":"`+issuer+`"`, `"iss":["`+issuer+`"]`), form},
		{"iss null", p(`"iss":"`+issuer+`"`, `"iss":null`), form},
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
		{"sid null", p(`"`+c.SessionID+`"`, `null`), form},
		{"SID besides", p(`{`, `{"SID":"session_admin",`), unknown},
		{"sid with a long s besides", p(`{`, `{"ſid":"session_admin",`), unknown},
		{"sub in Latin-1", p(c.Subject, "user_\xe9"), notUTF8},
		{"jti missing", p(`"jti":"`+c.ID+`",`, ``), missing},
		{"jti empty", p(c.ID, ``), "is empty"},
		{"jti a number", p(`"`+c.ID+`"`, `7`), wrong},
		{"jti null", p(`"`+c.ID+`"`, `null`), form},
		{"client_id missing", p(`"client_id":"latchkey",`, ``), missing},
		{"client_id empty", p(`"latchkey"`, `""`), "is empty"},
		{"client_id null", p(`"latchkey"`, `null`), form},
		{"CLIENT_ID instead", p(`"client_id"`, `"CLIENT_ID"`), unknown},
		{"exp missing", p(exp+`,`, ``), missing},
		{"exp null", p(exp, `"exp":null`), form},
		{"exp a text", p(exp, fmt.Sprintf(`"exp":"%d"`, c.ExpiresAt.Unix())), wrong},
		{"exp with a fraction", p(exp, exp+`.5`), wrong},
		{"exp with a fraction of nothing", p(exp, exp+`.0`), wrong},
		{"exp with an exponent", p(exp, `"exp":9e9`), wrong},
		{"exp nothing", p(exp, `"exp":0`), expired},
		{"exp negative", p(exp, `"exp":-1`), expired},
		{"exp the least number", p(exp, `"exp":-9223372036854775808`), expired},
		{"exp the greatest number", p(exp, `"exp":9223372036854775807`), expired},
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
		{"iat null", p(iat, `"iat":null`), form},
		{"iat beyond 64 bits", p(iat, `"iat":99999999999999999999`), wrong},
		{"iat in 61 seconds", p(iat, fmt.Sprintf(`"iat":%d`, now+61)), "in the future"},
		{"nbf in the future", p(`{`, fmt.Sprintf(`{"nbf":%d,`, now+1000)), unknown},
		{"a claim nobody issues", p(`{`, `{"role":"ADMIN",`), unknown},
		{"payload null", sign(ed, header, `null`), noObject},
		{"payload a list", sign(ed, header, `[`+payload+`]`), noObject},
		{"payload empty", segments[0] + ".." + segments[2], noObject},
		{"payload an empty object", sign(ed, header, `{}`), missing},
		{"payload of brackets", sign(ed, header, `{"sub":`+strings.Repeat("[", 2500)), form},
		{"payload encoded twice", sign(ed, header, segments[1]), noObject},
		{"payload in UTF-16", sign(ed, header, utf16Of(payload)), notUTF8},
		{"payload twice", sign(ed, header, payload+payload), "goes on"},
		{"payload with a BOM", sign(ed, header, "\ufeff"+payload), noObject},
		{"payload not UTF-8", p(`"sub"`, "\"sub\xff\""), notUTF8},
		{"payload changed", segments[0] + "." + seg(replace(payload, c.Subject, "user_admin")) + "." + segments[2], bad},
		{"payload spaced otherwise", segments[0] + "." + seg(payload+" ") + "." + segments[2], bad},
		{"expired and forged", sign(as(stranger, ed.ID), header, replace(payload, exp, `"exp":1`)), bad},
		{"expired and for another", p(`"aud":"`+issuer+`","client_id":"latchkey",`+exp, `"aud":"x","client_id":"y","exp":1`),
			"aud is"},

		// The signature (RFC 7515, section 5.2).
		{"signature empty", segments[0] + "." + segments[1] + ".", bad},
		{"signature cut", verified[:len(verified)-6], bad},
		{"signature of zeros", segments[0] + "." + segments[1] + "." + strings.Repeat("A", 86), bad},
		{"signature longer", verified + "AAAA", bad},
		{"signature much longer", verified + strings.Repeat("AAAA", (maxAccess-len(verified))/4), bad},
		{"signature of another token", segments[0] + "." + seg(replace(payload, c.ID, "other")) + "." + segments[2], bad},
		{"signature as text", with(ed, []byte(segments[2])), bad},
		{"EdDSA with S + L", with(ed, secondS(edSignature)), bad},
		{"EdDSA with the halves swapped", with(ed, append(edSignature[32:64:64], edSignature[:32]...)), bad},
		{"EdDSA with the neutral point", with(ed, slices.Concat(one[31:], zero[1:], zero)), bad},
		{"EdDSA of the hash", with(ed, ed25519.Sign(ed.private().(ed25519.PrivateKey), hash(signed(ed)))), bad},
		{"ES256 of zeros", zeroSignature(sign(es, headerOf(es), payload), 64), bad},
		{"ES256 with r of zero", with(es, append(zero[:32:32], s...)), bad},
		{"ES256 with s of zero", with(es, append(r[:32:32], zero...)), bad},
		{"ES256 with r of the order", with(es, append(order[:32:32], s...)), bad},
		{"ES256 with s of the order", with(es, append(r[:32:32], order...)), bad},
		{"ES256 with r and s of one", with(es, append(one[:32:32], one...)), bad},
		{"ES256 with r and s swapped", with(es, append(s[:32:32], r...)), bad},
		{"ES256 with r alone", with(es, r), bad},
		{"ES256 a byte shorter", with(es, esSignature[:63]), bad},
		{"ES256 a byte longer", with(es, append(esSignature[:64:64], 0)), bad},
		{"ES256 with zeros before r and s", with(es, slices.Concat(zero[:1], r, zero[:1], s)), bad},
		{"ES256 as long as ES384", with(es, slices.Concat(zero[:16], r, zero[:16], s)), bad},
		{"ES256 in DER", with(es, must(ecdsa.SignASN1(rand.Reader, esKey, hash(signed(es))))), bad},
		{"RS256 of zeros", zeroSignature(sign(rs, headerOf(rs), payload), 384), bad},
		{"RS256 of one", with(rs, append(make([]byte, 383), 1)), bad},
		{"RS256 a byte shorter", with(rs, rsSignature[:383]), bad},
		{"RS256 a byte longer", with(rs, append(rsSignature[:384:384], 0)), bad},
		{"RS256 with a zero before", with(rs, append(zero[:1:1], rsSignature...)), bad},
		{"RS256 plus the modulus", with(rs, new(big.Int).Add(new(big.Int).SetBytes(rsSignature), rsaKey.N).Bytes()), bad},
		{"RS256 by PSS", with(rs, must(jwt.SigningMethodPS256.Sign(string(signed(rs)), rsaKey))), bad},
		{"RS256 under the name of SHA-1", with(rs, must(rsa.SignPKCS1v15(nil, rsaKey, crypto.SHA1, sha1))), bad},
		{"RS256 of SHA-512", with(rs, must(jwt.SigningMethodRS512.Sign(string(signed(rs)), rsaKey))), bad},
		{"RS256 without the name of the hash", with(rs, must(rsa.SignPKCS1v15(nil, rsaKey, 0, hash(signed(rs))))), bad},
		{"HS256 cut to 128 bits", with(hs, hsSignature[:16]), bad},
		{"HS256 a byte longer", with(hs, append(hsSignature[:32:32], 0)), bad},
		{"HS256 of SHA-512", with(hs, must(jwt.SigningMethodHS512.Sign(string(signed(hs)), hs.private()))[:32]), bad},
		{"HS256 of the payload alone", with(hs, sum(hs.private().([]byte), []byte(segments[1]))), bad},
		{"HS256 as a plain hash", with(hs, hash(append(hs.private().([]byte)[:32:32], signed(hs)...))), bad},

		// How it is written down (RFC 7515, section 2; RFC 4648, sections 3.5 and 5).
		{"bits left over in the signature", spareBits(verified), leftOver},
		{"bits left over in the header", signText(ed, spareBits(seg(padded(header)))+"."+segments[1]), leftOver},
		{"bits left over in the payload", signText(ed, segments[0]+"."+spareBits(seg(padded(payload)))), leftOver},
		{"a sextet alone", verified[:len(verified)-1], leftOver},
		{"newline after it", verified + "\n", foreign},
		{"newline inside", verified[:9] + "\n" + verified[9:], foreign},
		{"CR LF in the signature", verified[:len(verified)-9] + "\r\n" + verified[len(verified)-9:], foreign},
		{"space before it", " " + verified, foreign},
		{"space after it", verified + " ", foreign},
		{"tab inside", segments[0] + ".\t" + segments[1] + "." + segments[2], foreign},
		{"= after it", verified + "=", foreign},
		{"== after it", verified + "==", foreign},
		{"NUL after it", verified + "\x00", foreign},
		{"NUL inside", verified[:9] + "\x00" + verified[9:], foreign},
		{"not UTF-8", verified + "\xff", foreign},
		{"a wide full stop", strings.Replace(verified, ".", "．", 1), foreign},
		{"base64 of the other alphabet", segments[0] + ".ab+/" + segments[1] + "." + segments[2], foreign},
		{"with its scheme", "Bearer " + verified, foreign},
		{"in quotes", `"` + verified + `"`, foreign},
		{"as JSON", `{"payload":"` + segments[1] + `","signature":"` + segments[2] + `"}`, foreign},
		{"as JSON of several signatures", `{"payload":"` + segments[1] + `","signatures":[{"protected":"` + segments[0] +
			`","signature":"` + segments[2] + `"}]}`, foreign},
		{"BOM before it", "\ufeff" + verified, foreign},
		{"in UTF-16", utf16Of(verified), foreign},
		{"dots as %2E", strings.ReplaceAll(verified, ".", "%2E"), foreign},
		{"question mark in the signature", verified[:len(verified)-9] + "?" + verified[len(verified)-9:], foreign},
		{"spaces before the payload", segments[0] + ".    " + segments[1] + "." + segments[2], foreign},
		{"two with a comma", verified + "," + verified, foreign},
		{"empty", "", parts},
		{"a word", "token", parts},
		{"one dot", ".", parts},
		{"two dots", "..", noObject},
		{"two segments", segments[0] + "." + segments[1], parts},
		{"four segments", verified + ".AAAA", parts},
		{"four segments, the last empty", verified + ".", parts},
		{"five segments as of JWE", verified + ".AAAA.AAAA", parts},
		{"twice", verified + "." + verified, parts},
		{"a dot before it", "." + verified, parts},
		{"no header", segments[1] + "." + segments[2], parts},
		{"payload alone", "." + segments[1] + ".", noObject},

		// The size.
		{"4097 bytes", verified + strings.Repeat("A", maxAccess+1-len(verified)), tooLong},
		{"4097 bytes, genuine", sign(ed, header, replace(payload, c.Subject, strings.Repeat("x", 3000))), tooLong},
		{"1 MB", verified + strings.Repeat("A", 1<<20), tooLong},
		{"1 MB of dots", strings.Repeat(".", 1<<20), tooLong},
		{"4096 bytes of dots", strings.Repeat(".", maxAccess), parts},
		{"1 MB of header", sign(ed, replace(header, `{`, `{"foo":"`+strings.Repeat("x", 1<<20)+`",`), payload), tooLong},
		{"1 MB of payload, genuine", sign(ed, header, replace(payload, c.Subject, strings.Repeat("x", 1<<20))), tooLong},

		// Other kinds of token (RFC 8725, section 3.12).
		{"a refresh token", refresh, parts},
		{"a refresh token as signature", segments[0] + "." + segments[1] + "." + refresh, bad},
		{"a refresh token as payload", sign(ed, header, refresh), noObject},
		{"an ID token", sign(ed, replace(header, "at+jwt", "JWT"), replace(payload, `{`, `{"nonce":"x",`)), "typ is"},
		{"a refresh token as JWT", h(`at+jwt`, `rt+jwt`), "typ is"},
		{"a JWK", seg(jwkOf(ed)), parts},
	}
	for i := range 1 << len("none") { // each letter small or capital
		none := []byte("none")
		for at := range none {
			if i>>at&1 == 1 {
				none[at] -= 'a' - 'A'
			}
		}
		unsigned := seg(replace(header, "EdDSA", string(none))) + "." + segments[1] + "."
		rows = append(rows, forgery{"unsigned, alg " + string(none), unsigned, byKey})
	}
	for name, block := range paddings(t, hash(signed(rs))) {
		raw := new(big.Int).Exp(new(big.Int).SetBytes(block), rsaKey.D, rsaKey.N).FillBytes(make([]byte, 384))
		if name == "" {
			if !slices.Equal(raw, rsSignature) {
				t.Fatal("the tests pad badly")
			}
			continue
		}
		rows = append(rows, forgery{"RS256 padded with " + name, with(rs, raw), bad})
	}
	for _, alg := range algs {
		flipped := signature(keyFor(alg))
		flipped[len(flipped)/2] ^= 1
		rows = append(rows,
			forgery{alg + " with a bit flipped", with(keyFor(alg), flipped), bad},
			forgery{alg + " without signature", with(keyFor(alg), nil), bad},
			forgery{alg + " with the signature of another", with(keyFor(alg), signature(keyFor(next(alg)))), bad})
	}
	return rows
}

// TestForgedAccess: each token is refused, and for its own reason.
func TestForgedAccess(t *testing.T) {
	names := map[string]bool{}
	for _, f := range forgeries(t) {
		if names[f.name] {
			t.Errorf("two rows are called %s", f.name)
		}
		names[f.name] = true
		a := NewIssuer(issuer, ringOf(EdDSA), clock)
		for range 2 {
			got, err := a.Verify(f.text)
			switch {
			case err == nil || !strings.Contains(err.Error(), f.cause):
				t.Errorf("%s: want %q, have %v", f.name, f.cause, err)
			case errors.Is(err, ErrExpired) == errors.Is(err, ErrInvalid), errors.Is(err, ErrInvalid) && got != Claims{}:
				t.Errorf("%s: %+v, %v", f.name, got, err)
			}
		}
		if a.verified.Len() != 0 {
			t.Errorf("%s: remembered", f.name)
		}
	}
	if len(names) < 200 {
		t.Errorf("%d forgeries", len(names))
	}
}

// TestNearlyForged: what is unusual and allowed.
func TestNearlyForged(t *testing.T) {
	k := keyFor(EdDSA)
	header, payload := headerOf(k), payloadOf(claims())
	iat := fmt.Sprintf(`"iat":%d`, start.Unix())
	for name, text := range map[string]string{
		"genuine":           sign(k, header, payload),
		"iat in 60 seconds": sign(k, header, strings.Replace(payload, iat, fmt.Sprintf(`"iat":%d`, start.Unix()+60), 1)),
		"spaced":            sign(k, "\t"+header, " "+strings.Replace(payload, `{`, "{\n ", 1)+" "),
		"names escaped":     sign(k, strings.Replace(header, `"alg"`, `"\u0061lg"`, 1), payload),
		"4096 bytes":        longest(k, header, payload),
	} {
		if _, err := NewIssuer(issuer, ringOf(EdDSA), clock).Verify(text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
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

// secondS adds the order of the group to S, which must be less than that (RFC 8032, section 5.1.7).
func secondS(signature []byte) []byte {
	order := must(hex.DecodeString("1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed"))
	s := slices.Clone(signature[32:])
	slices.Reverse(s)
	sum := new(big.Int).Add(new(big.Int).SetBytes(s), new(big.Int).SetBytes(order)).FillBytes(s)
	slices.Reverse(sum)
	return append(signature[:32:32], sum...)
}

// paddings returns blocks of 384 bytes that hold a SHA-256 hash: the one that RFC 8017, section 9.2, asks for without
// a name, and others that a lenient reader takes for it.
func paddings(t *testing.T, hash []byte) map[string][]byte {
	t.Helper()
	const algorithm, null = "608648016503040201", "0500"
	block := func(head string, fill byte, end, info string, rubbish int) []byte {
		front, back := must(hex.DecodeString(head)), slices.Concat(must(hex.DecodeString(end+info)), hash)
		back = append(back, make([]byte, rubbish)...)
		return slices.Concat(front, bytes.Repeat([]byte{fill}, 384-len(front)-len(back)), back)
	}
	proper := "3031300d0609" + algorithm + null + "0420" // the DigestInfo of RFC 8017, section 9.2, note 1
	return map[string][]byte{
		"":                                   block("0001", 0xff, "00", proper, 0),
		"type 2":                             block("0002", 0xff, "00", proper, 0),
		"type 0":                             block("0000", 0xff, "00", proper, 0),
		"zeros":                              block("0001", 0x00, "00", proper, 0),
		"one byte that is not FF":            block("0001fe", 0xff, "00", proper, 0),
		"no zero behind it":                  block("0001", 0xff, "ff", proper, 0),
		"eight bytes, zeros behind the hash": block("0001", 0xff, "00", proper, 322),
		"zeros behind the hash":              block("0001", 0xff, "00", proper, 16),
		"no parameters of the hash":          block("0001", 0xff, "00", "302f300b0609"+algorithm+"0420", 0),
		"lengths in the long form":           block("0001", 0xff, "00", "308131300d0609"+algorithm+null+"0420", 0),
		"another hash named":                 block("0001", 0xff, "00", "3031300d0609608648016503040203"+null+"0420", 0),
		"no name of the hash":                block("0001", 0xff, "00", "", 0),
	}
}

// next returns another algorithm.
func next(alg string) string { return algs[(slices.Index(algs, alg)+1)%len(algs)] }

// utf16Of encodes ASCII as UTF-16 with its mark in front.
func utf16Of(text string) string {
	return "\xff\xfe" + strings.Join(strings.Split(text, ""), "\x00") + "\x00"
}
