package account

import (
	"errors"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

func TestUsernames(t *testing.T) {
	for _, test := range []struct {
		username string
		want     Code // empty when it is good
	}{
		{"mario", ""},
		{"m", ""},
		{"Mario.Rossi+1-2_3", ""},
		{"4815162342", ""},
		{"...", ""},
		{"josé", ""},
		{"jose\u0301", ""},
		{"Ольга", ""},
		{"Αλέξης", ""},
		{"名前", ""},
		{"たなか田中タナカ", ""},
		{"홍길동", ""},
		{"नमस्ते", ""},
		{"weiß", ""},
		{"ｍａｒｉｏ", ""},
		{"admin1", ""},
		{"mario2000", ""},
		{strings.Repeat("a", 150), ""},
		{strings.Repeat("😀", 0), Required},
		{strings.Repeat("a", 151), TooLong},
		{strings.Repeat("é", 150), ""},
		{strings.Repeat("é", 151), TooLong},
		{strings.Repeat("ß", 75), ""},
		{strings.Repeat("ß", 76), TooLong}, // its canonical form has twice as many
		{"mario rossi", Invalid},
		{" mario", Invalid},
		{"mario ", Invalid},
		{"mario@example", Invalid},
		{"mario＠example", Invalid}, // canonically an @
		{"mario/rossi", Invalid},
		{"mario,rossi", Invalid},
		{"mario'", Invalid},
		{"mario\n", Invalid},
		{"mario\x00", Invalid},
		{"mario\x7f", Invalid},
		{"mario\xff", Invalid},
		{"mario\ufffd", Invalid},
		{"😀", Invalid},
		{"mario\u200b", Invalid},     // zero-width space
		{"mario\u200d", Invalid},     // zero-width joiner
		{"mario\u00ad", Invalid},     // soft hyphen
		{"mario\u2060", Invalid},     // word joiner
		{"mario\ufeff", Invalid},     // byte order mark
		{"mario\ufe0f", Invalid},     // variation selector
		{"mario\U000e0061", Invalid}, // tag
		{"\u202emario", Invalid},     // right-to-left override
		{"\u2066mario", Invalid},     // left-to-right isolate
		{"mario\u200f", Invalid},     // right-to-left mark
		{"\u3164", Invalid},          // Hangul filler
		{"\u115f", Invalid},          // Hangul choseong filler
		{"\u1160", Invalid},          // Hangul jungseong filler
		{"\uffa0", Invalid},          // half-width Hangul filler
		{"mario\u034f", Invalid},     // combining grapheme joiner
		{"mаrio", Invalid},           // Cyrillic а
		{"marιo", Invalid},           // Greek ι
		{"мario", Invalid},           // Cyrillic м
		{"mario名前", Invalid},
		{"Ольгаe", Invalid},
		{"한かな", Invalid}, // no writing system mixes these two
		{"admin", Reserved},
		{"ADMIN", Reserved},
		{"aDmIn", Reserved},
		{"ａｄｍｉｎ", Reserved},
		{"No-Reply", Reserved},
		{"NULL", Reserved},
		{"Root", Reserved},
	} {
		if have := codeOf(CheckUsername(test.username)); have != test.want {
			t.Errorf("%q is %q, want %q", test.username, have, test.want)
		}
	}
}

func TestUsernamesThatAreOne(t *testing.T) {
	for _, same := range [][]string{
		{"mario", "MARIO", "Mario", "ｍａｒｉｏ", "ＭＡＲＩＯ"},
		{"josé", "JOSÉ", "jose\u0301", "JOSE\u0301"},
		{"weiss", "weiß", "WEISS", "WEIẞ"},
		{"Σίσυφος", "σίσυφοσ", "ΣΊΣΥΦΟΣ"},
		{"ольга", "ОЛЬГА"},
		{"ﬁlip", "FILIP", "filip"},
		{"ガ", "ｶﾞ", "カ\u3099"},
	} {
		for _, name := range same {
			if UsernameKey(name) != UsernameKey(same[0]) {
				t.Errorf("%q and %q are two", name, same[0])
			}
		}
	}
	for _, two := range [][2]string{{"mario", "mari0"}, {"jose", "josé"}, {"a.b", "ab"}, {"a_b", "a-b"}, {"ı", "i"}} {
		if UsernameKey(two[0]) == UsernameKey(two[1]) {
			t.Errorf("%q and %q are one", two[0], two[1])
		}
	}
}

func TestEveryLetterIsOneInAllItsCases(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		key := Canonical(string(r))
		for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
			if have := Canonical(string(other)); have != key {
				t.Errorf("%U is %+q, its other case %U is %+q", r, key, other, have)
			}
		}
	}
}

func TestEmailAddresses(t *testing.T) {
	long := strings.Repeat(strings.Repeat("d", 63)+".", 3)
	for _, test := range []struct {
		email string
		want  Code // empty when it is good
	}{
		{"mario@example.com", ""},
		{"mario.rossi+events@sub.example.co.uk", ""},
		{"MARIO@EXAMPLE.COM", ""},
		{"o'hara@example.com", ""},
		{"mario@bücher.example", ""},
		{"mario@xn--bcher-kva.example", ""},
		{"jörg@example.com", ""},
		{strings.Repeat("l", 64) + "@example.com", ""},
		{"l" + strings.Repeat("m", 55) + "@" + long + "ddddd", ""}, // 254 bytes
		{"", Required},
		{"l" + strings.Repeat("m", 56) + "@" + long + "ddddd", TooLong}, // 255 bytes
		{strings.Repeat("l", 65) + "@example.com", Invalid},
		{"mario", Invalid},
		{"@example.com", Invalid},
		{"mario@", Invalid},
		{"mario@example", Invalid},
		{"mario@localhost", Invalid},
		{"mario@example.com.", Invalid},
		{"mario@example..com", Invalid},
		{"mario@.example.com", Invalid},
		{"mario@-example.com", Invalid},
		{"mario@ex_ample.com", Invalid},
		{"mario@" + strings.Repeat("d", 64) + ".com", Invalid},
		{"mario.@example.com", Invalid},
		{".mario@example.com", Invalid},
		{"ma..rio@example.com", Invalid},
		{"mario@luigi@example.com", Invalid},
		{"mario＠luigi@example.com", Invalid}, // canonically two @
		{"Mario Rossi <mario@example.com>", Invalid},
		{"<mario@example.com>", Invalid},
		{"mario@example.com (Mario)", Invalid},
		{"mario@example.com, luigi@example.com", Invalid},
		{"mario@example.com;luigi@example.com", Invalid},
		{`"mario"@example.com`, Invalid},
		{`"ma rio"@example.com`, Invalid},
		{`ma\rio@example.com`, Invalid},
		{"mario@[127.0.0.1]", Invalid},
		{"mario@[IPv6:::1]", Invalid},
		{"ma rio@example.com", Invalid},
		{" mario@example.com", Invalid},
		{"mario@example.com ", Invalid},
		{"mario@example.com\r\nBcc: everyone@example.com", Invalid},
		{"mario@example.com\n", Invalid},
		{"ma\rrio@example.com", Invalid},
		{"mario@example.com\x00", Invalid},
		{"mario\x00@example.com", Invalid},
		{"mario\u200b@example.com", Invalid},
		{"mario\u202e@example.com", Invalid},
		{"mario\u00a0@example.com", Invalid},
		{"mario\xff@example.com", Invalid},
		{"mario\ufffd@example.com", Invalid},
	} {
		if have := codeOf(CheckEmail(test.email)); have != test.want {
			t.Errorf("%q is %q, want %q", test.email, have, test.want)
		}
	}
}

func TestEmailAddressesThatAreOne(t *testing.T) {
	for _, same := range [][]string{
		{"mario@example.com", "Mario@Example.COM", "MARIO@EXAMPLE.COM", "ｍａｒｉｏ@example.com"},
		{"mario@bücher.example", "mario@BÜCHER.example", "mario@bu\u0308cher.example", "mario@xn--bcher-kva.example"},
		{"jörg@example.com", "JO\u0308RG@example.com"},
	} {
		for _, email := range same {
			if key := EmailKey(email); key == "" || key != EmailKey(same[0]) {
				t.Errorf("%q is %q, want %q", email, key, EmailKey(same[0]))
			}
		}
	}
	if EmailKey("mario@example.com") == EmailKey("mario+1@example.com") {
		t.Error("what stands behind a + belongs to the address")
	}
	for _, none := range []string{"", "mario", "@example.com", "mario@", "@", "mario@\xbc.com", "\xff@example.com"} {
		if key := EmailKey(none); key != "" {
			t.Errorf("%q has the key %q", none, key)
		}
	}
}

func TestTexts(t *testing.T) {
	for _, test := range []struct {
		what  string
		check func(string) *Error
		limit int
	}{
		{"name", CheckName, 150},
		{"location", CheckLocation, 30},
		{"device name", CheckDeviceName, 100},
		{"search", CheckSearch, 100},
		{"description", CheckDescription, 10_000},
	} {
		for text, want := range map[string]Code{
			"": "",
			"Zoë 👩🏽‍🚀 עברית e\u0301":             "",
			strings.Repeat("é", test.limit):      "",
			strings.Repeat("é", test.limit+1):    TooLong,
			"a\x00b":                             Invalid,
			"a\x1bb":                             Invalid,
			"a\u0085b":                           Invalid,
			"a\xffb":                             Invalid,
			"a\ufffdb":                           Invalid,
			strings.Repeat("\xff", test.limit+1): Invalid,
		} {
			if have := codeOf(test.check(text)); have != want {
				t.Errorf("%s %.20q is %q, want %q", test.what, text, have, want)
			}
		}
		lines := Invalid
		if test.what == "description" {
			lines = ""
		}
		for _, text := range []string{"one\r\n\ttwo", "one\u2028two", "one\u2029two"} {
			if have := codeOf(test.check(text)); have != lines {
				t.Errorf("%s of two lines %+q is %q, want %q", test.what, text, have, lines)
			}
		}
	}
}

func TestSignInKeys(t *testing.T) {
	for _, test := range []struct{ identifier, username, email string }{
		{"Mario", "mario", ""},
		{"MARIO@Example.com", "", "mario@example.com"},
		{"mario@", "", ""},
		{"", "", ""},
		{"ma\x00rio", "", ""},
		{"ma\xffrio", "", ""},
		{strings.Repeat("a", 1016), strings.Repeat("a", 1016), ""},
		{strings.Repeat("a", 1017), "", ""},
	} {
		if username, email := SignInKeys(test.identifier); username != test.username || email != test.email {
			t.Errorf("%.20q is %.20q and %q", test.identifier, username, email)
		}
	}
}

func TestIDs(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	earlier, later := NewID(UserKind, now), NewID(UserKind, now.Add(time.Millisecond))
	if earlier >= later {
		t.Errorf("%s does not sort before %s", earlier, later)
	}
	for _, kind := range []string{UserKind, ProfileKind, SessionKind} {
		id := NewID(kind, now)
		if parsed, err := ParseID(string(id)); err != nil || parsed != id || id.Kind() != kind {
			t.Errorf("%s is %s of kind %s: %v", id, parsed, id.Kind(), err)
		}
	}
	if u, ok := earlier.UUID(); !ok || u[6]>>4 != 7 || u[8]>>6 != 2 {
		t.Errorf("%s is no UUID of version 7", earlier)
	}
	good := string(earlier)
	for _, bad := range []string{
		"", "user", "user_", "_", good + "0", good[:len(good)-1], strings.ToUpper(good), " " + good, good + "\n",
		strings.TrimPrefix(good, "user_"), "token" + strings.TrimPrefix(good, "user"), strings.ReplaceAll(good, "-", ""),
		"user_" + strings.Repeat("-", 36), "user_" + strings.Repeat("0", 36), "user_user_" + good,
		"user_0198c5a27f1e-7cc3-98c4-dc0c-0c07398f", "user_0198c5a2-7f1e-7cc3-98c4-dc0c0c07398g",
	} {
		if id, err := ParseID(bad); !IsCode(err, BadUserInput) {
			t.Errorf("%q is the id %q (%v)", bad, id, err)
		}
	}
}

func TestErrorsTellTheCauseToTheLogOnly(t *testing.T) {
	cause := errors.New("duplicate key")
	e := UsernameTaken()
	e.Err = cause
	if !errors.Is(e, cause) || !strings.Contains(e.Error(), "duplicate key") || strings.Contains(e.Message, "duplicate") {
		t.Errorf("%v shows %q", e, e.Message)
	}
	if !IsCode(e, Taken) || IsCode(e, NotFound) || IsCode(cause, Taken) {
		t.Error("the code is not told")
	}
}

func codeOf(e *Error) Code {
	if e == nil {
		return ""
	}
	return e.Code
}

func FuzzParseID(f *testing.F) {
	f.Add("profile_0198c5a2-7f1e-7cc3-98c4-dc0c0c07398f")
	f.Add("user_0198C5A2-7f1e-7cc3-98c4-dc0c0c07398f")
	f.Add("session_")
	f.Fuzz(func(t *testing.T, text string) {
		id, err := ParseID(text)
		if err != nil {
			if id != "" || !IsCode(err, BadUserInput) {
				t.Fatalf("%q is %q with %v", text, id, err)
			}
			return
		}
		u, ok := id.UUID()
		if string(id) != text || !ok || IDOf(id.Kind(), u) != id {
			t.Fatalf("%q comes back as %q", text, IDOf(id.Kind(), u))
		}
	})
}

func FuzzCanonical(f *testing.F) {
	for _, text := range []string{
		"Mario", "ÉCOLE", "Straße", "ﬁ", "\u0345\u0301α", "ϴ", "ẞ", "ǰ", "ᾳ", "Ǆ", "ꭰ", "①", "ﷺ",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			return
		}
		key := Canonical(text)
		if again := Canonical(key); again != key {
			t.Fatalf("%+q is %+q and then %+q", text, key, again)
		}
		if form := norm.NFD.String(text); Canonical(form) != key {
			t.Fatalf("%+q is %+q, but decomposed %+q", text, key, Canonical(form))
		}
	})
}

func FuzzCheckUsername(f *testing.F) {
	for _, name := range []string{
		"mario", "Ｍａｒｉｏ", "josé", "名前", "ᾳ", "mario@example.com", "ß", "ǰ", "ﬁ", "admin", "مريم٣", "नम१1", "e\u0301\u0301",
		"カード", "mario\u064b", "ကျွှေး", "İ", "ŉ", "ꭰ", "\u1100\u1161",
	} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if CheckUsername(name) != nil {
			return
		}
		key := UsernameKey(name)
		switch {
		case !utf8.ValidString(name) || !utf8.ValidString(key):
			t.Fatalf("%q is not valid Unicode", name)
		case utf8.RuneCountInString(name) > MaxUsername || utf8.RuneCountInString(key) > MaxUsername:
			t.Fatalf("%q is too long", name)
		case strings.ContainsAny(name+key, "@ \x00\r\n"):
			t.Fatalf("%q holds what no username may hold", name)
		case key == "" || UsernameKey(key) != key || CheckUsername(key) != nil:
			t.Fatalf("%+q is %+q and then %+q: %v", name, key, UsernameKey(key), CheckUsername(key))
		case strings.ContainsFunc(name+key, isInvisible):
			t.Fatalf("%+q holds what is not seen", name)
		}
		if username, email := SignInKeys(name); username != key || email != "" {
			t.Fatalf("%q cannot sign in by its name", name)
		}
	})
}

func FuzzCheckEmail(f *testing.F) {
	for _, email := range []string{
		"mario@example.com", "Mario <mario@example.com>", "mario@bücher.example", "mario@xn--bcher-kva.example",
		"a@b.c.", "\"a b\"@c.d", "a@[127.0.0.1]", "a＠b@c.d", "a@c。d", "ﬁ@ﬁ.fi", "mario@faß.de", "a@XN--FA-HIA.de", "a@1.2",
		"a…b@c.de", "a@אבג.de", "a@\xbc.de", "İ@İ.de", "a@é.é.é.de",
	} {
		f.Add(email)
	}
	f.Fuzz(func(t *testing.T, email string) {
		key := EmailKey(email)
		if again := EmailKey(key); key != "" && again != key {
			t.Fatalf("%+q is %+q and then %+q", email, key, again)
		}
		if CheckEmail(email) != nil {
			return
		}
		switch {
		case key == "" || len(email) > MaxEmail || len(key) > MaxEmail:
			t.Fatalf("%q has the key %q", email, key)
		case strings.ContainsAny(email+key, "\r\n\x00 ,;<>\""):
			t.Fatalf("%q holds what no address may hold", email)
		case strings.Count(key, "@") != 1 || strings.Contains("."+key, "..") || strings.Contains(key, ".@"):
			t.Fatalf("%q is %q", email, key)
		case strings.ContainsFunc(email+key, isInvisible):
			t.Fatalf("%+q holds what is not seen", email)
		}
		if username, found := SignInKeys(email); username != "" || found != key {
			t.Fatalf("%q cannot sign in by its address", email)
		}
	})
}
