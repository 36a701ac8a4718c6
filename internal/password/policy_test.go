package password

import (
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"latchkey/internal/account"
)

func TestCheck(t *testing.T) {
	mario := []string{"mario", "Mario Rossi", "mario.rossi@plumbing.example"}
	for _, test := range []struct {
		name, password string
		about          []string
		want           account.Code // empty when fine
	}{
		{"fine", "i-keep-jumping", mario, ""},
		{"fine with spaces", "  leave my spaces  ", mario, ""},
		{"fine in Greek", "καλημέρα κόσμε", mario, ""},
		{"fine, eight emoji", "🔑🚪🏠🌲🌙🦉🐈🕯", mario, ""},
		{"nothing known", "i-keep-jumping", []string{"", "", ""}, ""},

		{"empty", "", nil, account.Required},
		{"NUL", "i-keep\x00jumping", nil, account.Invalid},
		{"not UTF-8", "i-keep\xffjumping", nil, account.Invalid},
		{"surrogate as bytes", "i-keep\xed\xa0\x80jumping", nil, account.Invalid},
		{"replacement character", "i-keep\uFFFDjumping", nil, account.Invalid},

		{"seven", "jumping", nil, account.TooShort},
		{"eight", "jumping!", nil, ""},
		{"seven once composed", norm.NFD.String("jümpíñg"), nil, account.TooShort},
		{"seven in many bytes", "🔑🚪🏠🌲🌙🦉🐈", nil, account.TooShort},
		{"longest", strings.Repeat("ab", 128), nil, ""},
		{"longest in most bytes", strings.Repeat("🔑🚪", 128), nil, ""},
		{"longest once composed", norm.NFD.String(strings.Repeat("éè", 128)), nil, ""},
		{"one too long", strings.Repeat("ab", 128) + "c", nil, account.TooLong},
		{"far too long", strings.Repeat("ab", 1<<20), nil, account.TooLong},

		{"common", "iloveyou", nil, account.PasswordTooCommon},
		{"common, mixed case", "PassWord1", nil, account.PasswordTooCommon},
		{"common, full width", "ｐａｓｓｗｏｒｄ", nil, account.PasswordTooCommon},
		{"common and more", "password is not enough", nil, ""},
		{"digits", "83920174659201", nil, account.PasswordTooCommon},
		{"Arabic digits", "٨٣٩٢٠١٧٤٦٥٩٢", nil, account.PasswordTooCommon},
		{"digits and a letter", "83920174659201x", nil, ""},
		{"spaces", strings.Repeat(" ", 12), nil, account.PasswordTooCommon},
		{"one character", strings.Repeat("é", 12), nil, account.PasswordTooCommon},
		{"one character, two cases", "qQqQqQqQqQqQqQq", nil, account.PasswordTooCommon},
		{"two characters", "qzqzqzqzqzqzqzqzq", nil, ""},
		{"service", "latchkey", nil, account.PasswordTooCommon},
		{"service, decorated", "++LatchKey_2024!", nil, account.PasswordTooCommon},
		{"service twice", "latchkey-latchkey", nil, account.PasswordTooCommon},
		{"service and more", "my latchkey hangs under the mat", nil, ""},

		{"username", "princess-peach", []string{"princess-peach"}, account.PasswordTooSimilar},
		{"username in capitals", "PRINCESS-PEACH", []string{"princess-peach"}, account.PasswordTooSimilar},
		{"username without its capitals", "princess-peach", []string{"PRINCESS-PEACH"}, account.PasswordTooSimilar},
		{"username, decorated", "Bowserino99", []string{"bowserino"}, account.PasswordTooSimilar},
		{"username backwards", "oniresworb", []string{"bowserino"}, account.PasswordTooSimilar},
		{"word of a username", "bowserino1", []string{"the_bowserino_himself"}, account.PasswordTooSimilar},
		{"name", "mario rossi", mario, account.PasswordTooSimilar},
		{"name without its space", "MarioRossi7", mario, account.PasswordTooSimilar},
		{"whole address", "mario.rossi@plumbing.example", mario, account.PasswordTooSimilar},
		{"local part", "mario.rossi!", []string{"mario.rossi@plumbing.example"}, account.PasswordTooSimilar},
		{"domain label", "Plumbing1", mario, account.PasswordTooSimilar},
		{"accents as in the name", "étienne-étienne", []string{"e\u0301tienne-e\u0301tienne"}, account.PasswordTooSimilar},
		{"short name inside", "mario keeps jumping", mario, ""},
		{"short word", "abcdwxyz", []string{"ab", "abc", "abcd"}, ""},
		{"same letters, another order", "dishwasher monkey", []string{"Honey Marksdewish"}, ""},
		{"70 %", "bowser1234", []string{"bowserzzzz", "bowser"}, account.PasswordTooSimilar}, // 12 of 16
		{"70 % exactly", "abcdefg123", []string{"abcdefg890"}, account.PasswordTooSimilar},
		{"less than 70 %", "abcdef1234", []string{"abcdef7890"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := Policy{MinLength: 8}.Check(test.password, test.about...)
			switch {
			case err == nil:
				if test.want != "" {
					t.Errorf("fine, want %s", test.want)
				}
			case err.Code != test.want:
				t.Errorf("%v, want %q", err, test.want)
			case err.Field != nil || err.Message == "":
				t.Errorf("field %v, message %q", err.Field, err.Message)
			case len(test.password) > 0 && strings.Contains(err.Message, test.password):
				t.Errorf("the message shows the password: %s", err.Message)
			}
		})
	}
}

func TestCheckMinLength(t *testing.T) {
	if err := (Policy{MinLength: 15}).Check("i-keep-jumping"); err == nil || err.Code != account.TooShort {
		t.Errorf("14 of 15: %v, want TOO_SHORT", err)
	}
	if err := (Policy{MinLength: 15}).Check("i-keep-jumping!"); err != nil {
		t.Errorf("15 of 15: %v", err)
	}
}

func TestCheckIsBounded(t *testing.T) {
	longest, endless := strings.Repeat("\ufdfa!", MaxLength/2), strings.Repeat("Long-winded \ufdfa ", 1<<20)
	for name, call := range map[string]func(){
		"password": func() { Policy{}.Check(endless, "mario") },
		"about":    func() { Policy{}.Check(longest, endless, endless, endless) },
	} {
		if got := spent(call); got > 512 {
			t.Errorf("an endless %s takes %d KiB", name, got)
		}
	}
}

func FuzzCheck(f *testing.F) {
	f.Add("i-keep-jumping", "mario")
	f.Add("e\u0301\u1fbe\u0308\u0301", "\xff@\ufffd")
	f.Add(strings.Repeat("\ufdfa", MaxLength), strings.Repeat("\ufdfa ", 2*MaxLength))
	policy := Policy{MinLength: 8}
	f.Fuzz(func(t *testing.T, password, about string) {
		if policy.Check(password, about) != nil {
			return
		}
		text := norm.NFC.String(password)
		if n := utf8.RuneCountInString(text); n < policy.MinLength || n > MaxLength || len(text) > maxBytes {
			t.Errorf("accepted %d code points in %d bytes", n, len(text))
		}
		if other := policy.Check(norm.NFD.String(password), about); other != nil {
			t.Errorf("accepted, but not when decomposed: %v", other)
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	longest, about := strings.Repeat("abcdefgh", MaxLength/8), strings.Repeat("bcdefghi", MaxLength/8)
	for b.Loop() {
		Policy{MinLength: 8}.Check(longest, about, about, about)
	}
}
