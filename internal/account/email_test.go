package account

import (
	"strings"
	"testing"
)

func judgeEmail(t *testing.T, want Code, emails ...string) {
	t.Helper()
	for _, email := range emails {
		if have := codeOf(CheckEmail(email)); have != want {
			t.Errorf("%+q is %q, want %q", email, have, want)
		}
	}
}

// RFC 5322, section 3.2.3; RFC 6531, section 3.3. What the canonical form would be no address is none either.
func TestLocalPartsAreDotAtoms(t *testing.T) {
	judgeEmail(t, "", "a.b.c@example.com", "!#$%&'*+-/=?^_`{|}~@example.com", "josé@example.com", "名前@example.com", "℀@example.com")
	for _, local := range []string{
		".a", "a.", "a..b", ".", "..", "a․", "․a", "a…b", "a．．b", "．a", // canonically with dots that are too many
		"a b", "a\u00a0b", "a\u3000b", "a,b", "a，b", "a;b", "a:b", "a：b", "(a)b", "（a）b", "<a>", "＜a＞", `a\b`, "a＼b", "[a]", `"a"`, "＂a＂",
		"a@b", "a＠b", "a﹫b",
		"a\r", "a\n", "a\r\nb", "a\x00", "a\x7f", "a\u0085", "a\u2028", "a\u2029", "a\u202e",
	} {
		judgeEmail(t, Invalid, local+"@example.com")
	}
	judgeEmail(t, Invalid, "=?utf-8?q?mario?=<a@example.com>", "a@example.com <b@example.com>", "a@b@example.com", "group:a@example.com;")
}

func TestLocalPartsShowAllTheirCharacters(t *testing.T) {
	for _, r := range "\u00ad\u034f\u061c\u115f\u1160\u17b4\u180b\u180e\u200b\u200c\u200d\u200e\u200f\u2060\u2064\u2066\u3164" +
		"\ufe00\ufe0f\ufeff\uffa0\U000e0041\U000e0100\ue000" {
		judgeEmail(t, Invalid, string(r)+"@example.com", "mario"+string(r)+"@example.com", "ma"+string(r)+"rio@example.com")
	}
	judgeEmail(t, "", "e\u0301@example.com", "हिन्दी@example.com")
	judgeEmail(t, Invalid, "\u0301@example.com", "e\u0301\u0301@example.com", "a\u0301\u0302\u0303\u0304\u0306@example.com")
}

// RFC 5891, sections 4.2 and 4.4; RFC 5321, section 4.1.2.
func TestDomainsCanBeRegistered(t *testing.T) {
	for _, domain := range []string{
		"example.com", "EXAMPLE.COM", "a.b.c.d.example.com", "1.example.com", "a--b.example", "x.co",
		"bücher.example", "BÜCHER.EXAMPLE", "bu\u0308cher.example", "xn--bcher-kva.example", "XN--BCHER-KVA.Example",
		"faß.de", "xn--fa-hia.de", "пример.рф", "example.xn--p1ai", "אבג.example", "例え.jp", "क्ष.example",
		strings.Repeat("d", 63) + ".com",
	} {
		judgeEmail(t, "", "mario@"+domain)
	}
	for _, domain := range []string{
		"", "com", "localhost", ".", ".com", "com.", "example.com.", "example..com", ".example.com",
		"example。com", "example．com", "example｡com", "example.com。", "ｅxample.com", "ⓔxample.com", "exam\u00adple.com", "℀.com",
		"straẞe.de", // which one rule makes ß and another ss
		"-a.com", "a-.com", "ab--c.com", "a_b.com", "a b.com", "a,b.com", "a/b.com", "a%b.com", "a!b.com",
		"127.0.0.1", "1.2", "example.1", "example.0x1", "[127.0.0.1]", "[IPv6:::1]", "[example.com]", "::1",
		"xn--.com", "xn---.com", "xn--a.com", "xn--example-.com", "xn--bcher-kvb.example", "xn--zzzzzz.com", "xn--BÜCHER.example",
		"אa.example", "1א.example", "א-.example", "\u0301a.example", "a\u200db.example", "\u200c.example", "क्\u200dष.example",
		strings.Repeat("d", 64) + ".com", strings.Repeat("é", 60) + ".com",
	} {
		judgeEmail(t, Invalid, "mario@"+domain)
	}
}

func TestTheLengthOfAnAddress(t *testing.T) {
	judgeEmail(t, "", strings.Repeat("é", 32)+"@example.com", "m@"+strings.Repeat("é.", 31)+"com")
	judgeEmail(t, Invalid, strings.Repeat("é", 32)+"l@example.com")
	judgeEmail(t, TooLong, // in canonical form, which Punycode or folding makes longer
		"m@"+strings.Repeat("é.", 32)+"com",
		strings.Repeat("ŉ", 32)+"@"+strings.Repeat(strings.Repeat("d", 60)+".", 2)+strings.Repeat("d", 40),
	)
}

func TestAnEmailKeyIsItsOwn(t *testing.T) {
	for _, email := range []string{
		"Mario@Example.COM", "MARIO@XN--BCHER-KVA.EXAMPLE", "ﬁ@BÜCHER.example", "ΐ@faß.de", "İ@example.com", "a@b。com", "@@a.b",
		"a＠b@c.d", "ŉ@ẞ.de", "mario@example.com.",
	} {
		key := EmailKey(email)
		if again := EmailKey(key); again != key {
			t.Errorf("%+q is %+q and then %+q", email, key, again)
		}
		if EmailKey(strings.ToUpper(key)) != key {
			t.Errorf("%+q in capitals is %+q", key, EmailKey(strings.ToUpper(key)))
		}
	}
}
