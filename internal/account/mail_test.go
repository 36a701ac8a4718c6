package account

import (
	"slices"
	"strings"
	"testing"
)

func TestMatchLanguage(t *testing.T) {
	offered := []string{"en", "de", "es", "pt-BR", "zh-Hant"}
	for accept, want := range map[string]string{
		"":                             "en",
		"de":                           "de",
		"DE":                           "de",
		"de-AT":                        "de",
		"de-AT,de;q=0.9,en;q=0.8":      "de",
		"es-MX,en;q=0.5":               "es",
		"en;q=0.5,es":                  "es",
		"fr":                           "en",
		"fr,de;q=0.1":                  "de",
		"fr-CH, fr;q=0.9, *;q=0.5":     "en",
		"pt":                           "pt-BR",
		"zh-TW":                        "zh-Hant",
		"*":                            "en",
		"garbage":                      "en",
		"!!":                           "en",
		"de;q=x":                       "en",
		"\x00\xff":                     "en",
		strings.Repeat("-", 10_000):    "en",
		strings.Repeat("de-", 100_000): "en",
	} {
		if have := MatchLanguage(accept, offered); have != want {
			t.Errorf("%.40q gets %s, want %s", accept, have, want)
		}
	}
}

func FuzzMatchLanguage(f *testing.F) {
	for _, accept := range []string{
		"de-AT,en;q=0.5", "*", "x-private", "i-klingon", "und", ";q=,", "\xff", "en-u-co-phonebk",
	} {
		f.Add(accept)
	}
	offered := []string{"en", "de", "es"}
	f.Fuzz(func(t *testing.T, accept string) {
		if have := MatchLanguage(accept, offered); !slices.Contains(offered, have) {
			t.Errorf("%q gets %q", accept, have)
		}
	})
}

func TestMailAddresses(t *testing.T) {
	for email, want := range map[string]string{
		"Mario@Example.COM":     "Mario@example.com",
		"jörg@Bücher.example":   "jörg@xn--bcher-kva.example",
		"mario@localhost":       "mario@localhost",
		"a@b@example.com":       "a@b@example.com",
		"":                      "",
		"mario":                 "",
		"@example.com":          "",
		"mario@":                "",
		"mario@ex_ample.com":    "",
		"mario@example.com\r\n": "",
	} {
		if have := MailAddress(email); have != want {
			t.Errorf("%q is %q, want %q", email, have, want)
		}
	}
}
