package token

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
)

const secretText = "correct-horse-battery-staple-0123456789"

var secret = Secret(secretText)

func TestSecretRefusesJunk(t *testing.T) {
	for text, good := range map[string]bool{
		"":                                     false,
		"short":                                false,
		"0123456789abcdefghijklmnopqrstu":      false, // 31 bytes
		"0123456789abcdefghijklmnopqrstuv":     true,  // 32 bytes
		strings.Repeat("a", 64):                false,
		strings.Repeat("changeme", 8):          false, // 7 different bytes
		strings.Repeat("012345678", 4):         false, // 9 different bytes
		strings.Repeat("0123456789", 4):        true,  // 10 different bytes
		" 0123456789abcdefghijklmnopqrstuv \n": true,
	} {
		s, err := NewSecret(text)
		if (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
		if good && string(s) != text {
			t.Errorf("%q was changed", text)
		}
		if err != nil && len(text) > 5 && strings.Contains(err.Error(), text[:5]) {
			t.Errorf("the error tells the secret: %v", err)
		}
	}
}

func TestKeyIsHKDF(t *testing.T) {
	// RFC 5869, sections 2.2 and 2.3, by hand: no salt is a string of zeros, and one block is enough.
	key := sum(sum(make([]byte, 32), secret), append([]byte("cursor/v1"), 1))
	if !bytes.Equal(secret.Key("cursor/v1"), key) {
		t.Error("Key is not HKDF-SHA256")
	}
	if bytes.Equal(secret.Key("cursor/v2"), key) {
		t.Error("two labels have the same key")
	}
	if bytes.Equal(Secret(secretText+"!").Key("cursor/v1"), key) {
		t.Error("two secrets have the same key")
	}
}

func TestSecretsOfAChange(t *testing.T) {
	previous := Secret("another-secret-another-secret-0123456789")
	stranger := Secret("a-stranger's-secret-0123456789-abcdefghi")
	changing, alone := must(NewSecrets(secret, previous)), must(NewSecrets(secret, nil))
	k := keyFor(EdDSA)
	for _, test := range []struct {
		name     string
		secrets  Secrets
		madeWith Secret
		accepted bool
	}{
		{"current", changing, secret, true},
		{"previous", changing, previous, true},
		{"stranger", changing, stranger, false},
		{"current alone", alone, secret, true},
		{"previous, dropped", alone, previous, false},
		{"none", alone, nil, false},
	} {
		r, _ := ParseRefresh(test.madeWith.RefreshToken(session, salt, 5))
		if have := test.secrets.VerifyMAC(r, salt); have != test.accepted {
			t.Errorf("%s: proved %v", test.name, have)
		}
		if test.secrets.VerifyMAC(r, nil) {
			t.Errorf("%s: proved without a session", test.name)
		}
		if named := test.secrets.Named(r.KeyID); (named != nil) != test.accepted ||
			named != nil && !bytes.Equal(named, test.madeWith) {
			t.Errorf("%s: another secret is named", test.name)
		}
		opened, stale, err := test.secrets.OpenKey(k.ID, k.Alg, k.CreatedAt, must(k.Seal(test.madeWith)))
		if (err == nil) != test.accepted || (opened != nil) != test.accepted || !test.accepted && !errors.Is(err, ErrSealed) {
			t.Errorf("%s: %v, %v", test.name, opened, err)
		}
		if stale != (test.name == "previous") {
			t.Errorf("%s: stale %v", test.name, stale)
		}
	}
	twin := slices.Clone(previous)
	for twin.KeyID() != secret.KeyID() {
		twin = append(twin, 'x')
	}
	for name, previous := range map[string]Secret{"the same": secret, "of the same key id": twin} {
		if _, err := NewSecrets(secret, previous); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func sum(key, message []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(message)
	return h.Sum(nil)
}

func TestNothingSecretIsPrinted(t *testing.T) {
	symmetric, public := keyFor(HS256), keyFor(EdDSA)
	refresh := secret.RefreshToken([16]byte{1}, NewSalt(), 7)
	parsed, _ := ParseRefresh(refresh)
	raw, _ := strict.DecodeString(refresh[3:])
	type holder struct {
		Secret  Secret
		Key     *Key
		Refresh Refresh
	}
	keys, err := NewKeySet([]*Key{symmetric, public}, public.ID)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]any{
		"secret":          secret,
		"empty secret":    Secret(nil),
		"secrets":         Secrets{secret, secret},
		"key":             symmetric,
		"key by value":    *public,
		"refresh":         parsed,
		"refresh pointer": &parsed,
		"holder":          holder{secret, symmetric, parsed},
		"pointer":         &holder{secret, public, parsed},
		"slice":           []any{secret, symmetric, public, parsed},
		"map":             map[string]any{"secret": secret, "key": symmetric, "refresh": parsed},
		"ring":            keys,
		"ring by value":   *keys,
		"access":          NewIssuer(issuer, keys, clock),
	}
	ed, _ := public.Seal(secret)
	opened, err := OpenKey(secret, public.ID, EdDSA, public.CreatedAt, ed)
	if err != nil {
		t.Fatal(err)
	}
	values["opened"] = opened

	hide := []string{refresh}
	for _, b := range [][]byte{secret, symmetric.private().([]byte), seedOf(public), raw[len(raw)-32:]} {
		decimal := strings.Trim(fmt.Sprint(b[4:12]), "[]")
		hide = append(hide, string(b), hex.EncodeToString(b), strings.ToUpper(hex.EncodeToString(b)), decimal,
			strings.ReplaceAll(decimal, " ", ", "), fmt.Sprintf("%q", b), strings.TrimPrefix(fmt.Sprintf("%#v", b), "[]byte"),
			base64.StdEncoding.EncodeToString(b), base64.RawURLEncoding.EncodeToString(b))
	}
	check := func(how, name, printed string) {
		for _, text := range hide {
			if strings.Contains(printed, text) {
				t.Errorf("%s of %s tells %q: %s", how, name, text, printed)
			}
		}
	}
	for name, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "% x", "%q", "%d", "%o", "%b", "%c", "%U"} {
			check(verb, name, fmt.Sprintf(verb, v))
		}
		check("Println", name, fmt.Sprintln(v))
		check("Error", name, fmt.Errorf("failed with %v", v).Error())
		text, err := json.Marshal(v)
		if err != nil {
			t.Errorf("json of %s: %v", name, err)
		}
		check("json", name, string(text))
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v, slog.Group("g", "v", v))
		check("slog", name, log.String())
	}
	for how, printed := range map[string]string{
		"%v": fmt.Sprintf("%v", secret), "%#v": fmt.Sprintf("%#v", secret), "%x": fmt.Sprintf("%x", secret),
		"String": secret.String(), "GoString": secret.GoString(), "LogValue": secret.LogValue().String(),
		"refresh": fmt.Sprintf("%+v", parsed),
	} {
		if printed != "[secret]" {
			t.Errorf("%s gives %q", how, printed)
		}
	}
	if text, err := json.Marshal(secret); string(text) != `"[secret]"` || err != nil {
		t.Errorf("json gives %s, %v", text, err)
	}
	if got, want := fmt.Sprintf("%+v", public), "EdDSA key "+public.ID; got != want {
		t.Errorf("a key prints as %q, not %q", got, want)
	}
}

// FuzzNewSecret: what is accepted is kept as it is and is long and varied enough; of what is not, only the length is
// told.
func FuzzNewSecret(f *testing.F) {
	f.Add(secretText)
	f.Add("secret")
	f.Add(strings.Repeat("changeme", 8))
	f.Add(strings.Repeat("0123456789\x00\xff", 3))
	f.Fuzz(func(t *testing.T, text string) {
		s, err := NewSecret(text)
		if err != nil {
			_, same := NewSecret(strings.Repeat("x", len(text)))
			if s != nil || err.Error() != same.Error() {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		distinct := slices.Compact(slices.Sorted(slices.Values([]byte(text))))
		if string(s) != text || len(text) < 32 || len(distinct) < 10 {
			t.Errorf("%q is accepted", text)
		}
		if key := s.Key(text); len(key) != 32 || !bytes.Equal(key, s.Key(text)) || bytes.Equal(key, s.Key(text+"/v2")) {
			t.Errorf("the keys of %q are %x and %x", text, key, s.Key(text+"/v2"))
		}
	})
}
