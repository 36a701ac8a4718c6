package token

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"testing"
)

var (
	session = [16]byte{0x01, 0x98, 0xc5, 0xa2, 0x7f, 0x1e, 0x7c, 0xc3, 0x98, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f}
	salt    = []byte("sixteen bytes !!")
)

func TestRefreshTokenFormat(t *testing.T) {
	// By hand from the definition of the token, with RFC 5869 spelled out.
	head := slices.Concat([]byte{1, secret.Key("refresh-key-id/v1")[0]}, session[:], []byte{0xac, 0x02}) // 300
	mac := sum(sum(sum(salt, secret), append([]byte("refresh/v1"), 1)), head)
	want := "rt_" + base64.RawURLEncoding.EncodeToString(append(head, mac...))
	if got := secret.RefreshToken(session, salt, 300); got != want {
		t.Errorf("%s, not %s", got, want)
	}
	if got := secret.RefreshToken(session, salt, 300); got != want {
		t.Error("the same generation has two tokens")
	}
	const golden = "rt_AdkBmMWifx58w5jE3AwMBzmPrAIDB3Zh2rrr4JiLcFk8mnw-bgU616VjPixA-XGGSXfuYA"
	if want != golden {
		t.Errorf("%s, not %s: tokens given out earlier would die", want, golden)
	}
}

func TestRefreshTokenRoundTrip(t *testing.T) {
	for _, generation := range []uint64{0, 1, 127, 128, 300, 1 << 32, math.MaxUint64} {
		text := secret.RefreshToken(session, salt, generation)
		if len(text) < 71 || len(text) > 83 {
			t.Errorf("generation %d: %d characters", generation, len(text))
		}
		r, ok := ParseRefresh(text)
		if !ok || r.Session != session || r.Generation != generation || !secret.VerifyMAC(r, salt) {
			t.Errorf("generation %d: %v, %v", generation, r, ok)
		}
	}
}

func TestRefreshTokensDiffer(t *testing.T) {
	text := secret.RefreshToken(session, salt, 5)
	r, _ := ParseRefresh(text)
	other := Secret(secretText + "!")
	for name, different := range map[string]string{
		"secret":     other.RefreshToken(session, salt, 5),
		"salt":       secret.RefreshToken(session, NewSalt(), 5),
		"session":    secret.RefreshToken([16]byte{}, salt, 5),
		"generation": secret.RefreshToken(session, salt, 6),
	} {
		if different[len(different)-43:] == text[len(text)-43:] {
			t.Errorf("another %s has the same MAC", name)
		}
	}
	for name, proved := range map[string]bool{
		"another secret": other.VerifyMAC(r, salt),
		"another salt":   secret.VerifyMAC(r, NewSalt()),
		"no salt":        secret.VerifyMAC(r, nil),
		"an empty salt":  secret.VerifyMAC(r, []byte{}),
		"a short salt":   secret.VerifyMAC(r, salt[:15]),
		"nothing":        secret.VerifyMAC(Refresh{}, salt),
		"nothing at all": secret.VerifyMAC(Refresh{}, nil),
	} {
		if proved {
			t.Errorf("proved with %s", name)
		}
	}
	zero := make([]byte, SaltSize)
	if forged, _ := ParseRefresh(secret.RefreshToken(session, zero, 5)); secret.VerifyMAC(forged, nil) {
		t.Error("the dummy MAC is a way in")
	}
	for _, short := range [][]byte{nil, {}, salt[:15]} {
		if forged, _ := ParseRefresh(secret.RefreshToken(session, short, 5)); secret.VerifyMAC(forged, short) {
			t.Errorf("a salt of %d bytes will do", len(short))
		}
	}
	foreign := Refresh{Session: session, Generation: 5, KeyID: secret.KeyID() + 1}
	foreign.mac = secret.computeMAC(foreign, salt)
	if secret.VerifyMAC(foreign, salt) {
		t.Error("another key id proves")
	}
	if bytes.Equal(NewSalt(), NewSalt()) || len(NewSalt()) != 16 {
		t.Error("salts are not 16 random bytes")
	}
}

func TestRefreshTokenRefused(t *testing.T) {
	const generation = 300
	text := secret.RefreshToken(session, salt, generation)
	raw := decode(text[3:])
	encode := func(raw []byte) string { return "rt_" + base64.RawURLEncoding.EncodeToString(raw) }
	put := func(varint ...byte) string { return encode(slices.Concat(raw[:18], varint, raw[20:])) }
	version := func(v byte) string {
		head := slices.Concat([]byte{v}, raw[1:20])
		return encode(append(head, sum(secret.derive(salt, "refresh/v1"), head)...))
	}
	signedPut := func(varint ...byte) string {
		head := slices.Concat(raw[:18], varint)
		return encode(append(head, sum(secret.derive(salt, "refresh/v1"), head)...))
	}
	if version(1) != text || signedPut(0xac, 0x02) != text {
		t.Fatal("the tests forge badly")
	}

	malformed := map[string]string{
		"empty":             "",
		"prefix alone":      "rt_",
		"no prefix":         text[3:],
		"prefix RT_":        "RT_" + text[3:],
		"prefix at_":        "at_" + text[3:],
		"prefix twice":      "rt_" + text,
		"= appended":        text + "=",
		"== appended":       text + "==",
		"newline appended":  text + "\n",
		"CR appended":       text + "\r",
		"newline inside":    text[:20] + "\n" + text[20:],
		"CR LF inside":      text[:20] + "\r\n" + text[20:],
		"space appended":    text + " ",
		"space before":      " " + text,
		"tab appended":      text + "\t",
		"NUL appended":      text + "\x00",
		"NUL inside":        text[:20] + "\x00" + text[21:],
		"A appended":        text + "A",
		"cut by one":        text[:len(text)-1],
		"cut in half":       text[:len(text)/2],
		"a byte more":       encode(append(slices.Clone(raw), 0)),
		"a byte less":       encode(raw[:len(raw)-1]),
		"129 characters":    "rt_" + strings.Repeat("A", 126),
		"1 MB":              "rt_" + strings.Repeat("A", 1<<20),
		"1 MB after it":     text + strings.Repeat("A", 1<<20),
		"+ and /":           "rt_" + strings.Repeat("+/", 35),
		"not ASCII":         text[:20] + "é" + text[22:],
		"version 0":         version(0),
		"version 2":         version(2),
		"varint of 3 bytes": signedPut(0xac, 0x82, 0x00),
		"varint 0 in 2":     signedPut(0x80, 0x00),
		"varint overflows":  signedPut(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02),
		"varint of 11":      signedPut(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01),
		"varint unending":   encode(append(slices.Clone(raw[:18]), bytes.Repeat([]byte{0xff}, 40)...)),
		"access token":      must(NewIssuer(issuer, ringOf(EdDSA), clock).Issue(claims())),
		"access with rt_":   "rt_" + must(NewIssuer(issuer, ringOf(HS256), clock).Issue(claims())),
	}
	// 52 bytes leave 2 bits over in the last of 70 characters.
	last := strings.IndexByte(alphabet, text[len(text)-1])
	malformed["bits left over"] = text[:len(text)-1] + alphabet[last+1:last+2]
	if got := must(base64.RawURLEncoding.DecodeString(malformed["bits left over"][3:])); !bytes.Equal(got, raw) {
		t.Fatal("the bits left over are part of the token")
	}
	for name, text := range malformed {
		if r, ok := ParseRefresh(text); ok || r != (Refresh{}) {
			t.Errorf("%s: %+v, %v", name, r.Generation, ok)
		}
	}

	forged := map[string]string{
		"generation + 1":  put(0xad, 0x02),
		"generation - 1":  put(0xab, 0x02),
		"generation 0":    put(0x00),
		"no MAC":          encode(append(slices.Clone(raw[:20]), make([]byte, 32)...)),
		"a plain hash":    encode(append(slices.Clone(raw[:20]), hash(raw[:20])...)),
		"MAC of a signer": encode(append(slices.Clone(raw[:20]), sum(secret, raw[:20])...)),
	}
	for name, text := range forged {
		r, ok := ParseRefresh(text)
		if !ok {
			t.Errorf("%s: not even parsed", name)
		}
		if secret.VerifyMAC(r, salt) {
			t.Errorf("%s: proved", name)
		}
	}
	for i := range raw {
		for bit := range 8 {
			changed := slices.Clone(raw)
			changed[i] ^= 1 << bit
			if r, ok := ParseRefresh(encode(changed)); ok && secret.VerifyMAC(r, salt) {
				t.Errorf("proved with bit %d of byte %d flipped", bit, i)
			}
		}
	}
	for i := range text {
		for _, c := range []byte{text[i] ^ 1, text[i] ^ 0x80, '.', '\n'} {
			changed := text[:i] + string(c) + text[i+1:]
			if r, ok := ParseRefresh(changed); ok && secret.VerifyMAC(r, salt) {
				t.Errorf("proved with character %d changed to %q", i, c)
			}
		}
	}
	if r, ok := ParseRefresh(text); !ok || !secret.VerifyMAC(r, salt) {
		t.Error("the token itself is refused")
	}
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

func hash(b []byte) []byte {
	h := sha256.Sum256(b)
	return h[:]
}

// FuzzParseRefresh: what parses is written down the same way again, and what is proved was computed.
func FuzzParseRefresh(f *testing.F) {
	f.Add(secret.RefreshToken(session, salt, 0))
	f.Add(secret.RefreshToken(session, salt, math.MaxUint64))
	f.Add("rt_")
	f.Add("rt_" + strings.Repeat("A", 68))
	f.Fuzz(func(t *testing.T, text string) {
		r, ok := ParseRefresh(text)
		if !ok {
			return
		}
		if r.text() != text {
			t.Errorf("%q became %q", text, r.text())
		}
		if secret.VerifyMAC(r, salt) && secret.RefreshToken(r.Session, salt, r.Generation) != text {
			t.Errorf("%q is proved, and was never computed", text)
		}
	})
}

// FuzzRefreshToken: every token parses to what it was computed from, and is proved by its own secret and salt alone.
func FuzzRefreshToken(f *testing.F) {
	f.Add(session[:], salt, uint64(0))
	f.Add(make([]byte, 16), make([]byte, 16), uint64(math.MaxUint64))
	f.Fuzz(func(t *testing.T, id, salt []byte, generation uint64) {
		if len(id) != 16 || len(salt) < SaltSize {
			return
		}
		r, ok := ParseRefresh(secret.RefreshToken([16]byte(id), salt, generation))
		if !ok || !bytes.Equal(r.Session[:], id) || r.Generation != generation || !secret.VerifyMAC(r, salt) {
			t.Errorf("session %x, generation %d: %v", id, generation, ok)
		}
		if secret.VerifyMAC(r, binary.BigEndian.AppendUint64(salt[:len(salt):len(salt)], 1)) {
			t.Error("proved with another salt")
		}
	})
}

func BenchmarkRefreshToken(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		secret.RefreshToken(session, salt, 300)
	}
}

func BenchmarkVerifyMAC(b *testing.B) {
	r, _ := ParseRefresh(secret.RefreshToken(session, salt, 300))
	for name, salt := range map[string][]byte{"known": salt, "unknown": nil} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				secret.VerifyMAC(r, salt)
			}
		})
	}
}
