package password

import (
	"encoding/base64"
	"strings"
	"testing"
)

const (
	salt16 = "AAECAwQFBgcICQoLDA0ODw"
	key32  = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
)

func TestParse(t *testing.T) {
	bytes := func(n int) string { return base64.RawStdEncoding.EncodeToString(make([]byte, n)) }
	for _, test := range []struct {
		name, encoded string
		ok            bool
	}{
		{"today's", "$argon2id$v=19$m=19456,t=2,p=1$" + salt16 + "$" + key32, true},
		{"smallest", "$argon2id$v=19$m=8,t=1,p=1$" + bytes(8) + "$" + bytes(16), true},
		{"largest", "$argon2id$v=19$m=262144,t=10,p=4$" + bytes(64) + "$" + bytes(64), true},

		{"empty", "", false},
		{"argon2i", "$argon2i$v=19$m=19456,t=2,p=1$" + salt16 + "$" + key32, false},
		{"upper case", "$ARGON2ID$v=19$m=19456,t=2,p=1$" + salt16 + "$" + key32, false},
		{"older version", "$argon2id$v=16$m=19456,t=2,p=1$" + salt16 + "$" + key32, false},
		{"no version", "$argon2id$m=19456,t=2,p=1$" + salt16 + "$" + key32, false},
		{"no first dollar", "argon2id$v=19$m=19456,t=2,p=1$" + salt16 + "$" + key32, false},
		{"space before", " $argon2id$v=19$m=19456,t=2,p=1$" + salt16 + "$" + key32, false},
		{"another order", "$argon2id$v=19$t=2,m=19456,p=1$" + salt16 + "$" + key32, false},
		{"one parameter more", "$argon2id$v=19$m=19456,t=2,p=1,data=AA$" + salt16 + "$" + key32, false},
		{"one parameter less", "$argon2id$v=19$m=19456,t=2$" + salt16 + "$" + key32, false},

		{"leading zero", "$argon2id$v=19$m=019456,t=2,p=1$" + salt16 + "$" + key32, false},
		{"sign", "$argon2id$v=19$m=19456,t=+2,p=1$" + salt16 + "$" + key32, false},
		{"negative", "$argon2id$v=19$m=19456,t=-2,p=1$" + salt16 + "$" + key32, false},
		{"underscore", "$argon2id$v=19$m=19_456,t=2,p=1$" + salt16 + "$" + key32, false},
		{"space before a number", "$argon2id$v=19$m=19456,t= 2,p=1$" + salt16 + "$" + key32, false},
		{"32 bits and more", "$argon2id$v=19$m=4294986752,t=2,p=1$" + salt16 + "$" + key32, false},
		{"8 bits and more", "$argon2id$v=19$m=19456,t=2,p=257$" + salt16 + "$" + key32, false},

		{"no passes", "$argon2id$v=19$m=19456,t=0,p=1$" + salt16 + "$" + key32, false},
		{"no lanes", "$argon2id$v=19$m=19456,t=2,p=0$" + salt16 + "$" + key32, false},
		{"too little memory", "$argon2id$v=19$m=7,t=2,p=1$" + salt16 + "$" + key32, false},
		{"too little memory for the lanes", "$argon2id$v=19$m=31,t=2,p=4$" + salt16 + "$" + key32, false},
		{"too much memory", "$argon2id$v=19$m=262145,t=2,p=1$" + salt16 + "$" + key32, false},
		{"too many passes", "$argon2id$v=19$m=19456,t=11,p=1$" + salt16 + "$" + key32, false},
		{"too many lanes", "$argon2id$v=19$m=19456,t=2,p=5$" + salt16 + "$" + key32, false},
		{"short salt", "$argon2id$v=19$m=19456,t=2,p=1$" + bytes(7) + "$" + key32, false},
		{"long salt", "$argon2id$v=19$m=19456,t=2,p=1$" + bytes(65) + "$" + key32, false},
		{"short key", "$argon2id$v=19$m=19456,t=2,p=1$" + salt16 + "$" + bytes(15), false},
		{"long key", "$argon2id$v=19$m=19456,t=2,p=1$" + salt16 + "$" + bytes(65), false},

		{"no salt", "$argon2id$v=19$m=19456,t=2,p=1$$" + key32, false},
		{"no key", "$argon2id$v=19$m=19456,t=2,p=1$" + salt16 + "$", false},
		{"no key, no dollar", "$argon2id$v=19$m=19456,t=2,p=1$" + salt16, false},
		{"padding", "$argon2id$v=19$m=19456,t=2,p=1$" + salt16 + "==$" + key32, false},
		{"trailing bits", "$argon2id$v=19$m=19456,t=2,p=1$" + strings.TrimSuffix(salt16, "w") + "x$" + key32, false},
		{"URL alphabet", "$argon2id$v=19$m=19456,t=2,p=1$" + salt16 + "$" + strings.Repeat("-_", 20), false},
		{"newline inside", "$argon2id$v=19$m=19456,t=2,p=1$" + salt16[:4] + "\n" + salt16[4:] + "$" + key32, false},
		{"carriage return inside", "$argon2id$v=19$m=19456,t=2,p=1$" + salt16 + "$" + key32[:4] + "\r" + key32[4:], false},
		{"newline after", "$argon2id$v=19$m=19456,t=2,p=1$" + salt16 + "$" + key32 + "\n", false},
		{"space after", "$argon2id$v=19$m=19456,t=2,p=1$" + salt16 + "$" + key32 + " ", false},
		{"field after", "$argon2id$v=19$m=19456,t=2,p=1$" + salt16 + "$" + key32 + "$", false},
		{"NUL after", "$argon2id$v=19$m=19456,t=2,p=1$" + salt16 + "$" + key32 + "\x00", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := parseArgon2id(test.encoded); (err == nil) != test.ok {
				t.Errorf("parseArgon2id(%q): %v, want ok %v", test.encoded, err, test.ok)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$" + salt16 + "$" + key32)
	f.Add("$argon2id$v=19$m=019456,t=+2,p=1$" + salt16 + "\n$" + key32 + "\n")
	f.Add("$argon2id$v=19$m=8,t=1,p=1$$")
	f.Fuzz(func(t *testing.T, encoded string) {
		parsed, err := parseArgon2id(encoded)
		if err != nil {
			return
		}
		r := parsed.(argon2idHash)
		if again := r.String(); again != encoded {
			t.Errorf("%q became %q", encoded, again)
		}
		if !r.allowed() || len(r.salt) < 8 || len(r.salt) > 64 || len(r.key) < 16 || len(r.key) > 64 {
			t.Errorf("%q is out of bounds", encoded)
		}
	})
}
