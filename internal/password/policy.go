package password

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"latchkey/internal/account"
)

// Policy is the policy for new passwords.
type Policy struct {
	MinLength int // code points in Normalization Form C
}

// Check returns the first rule that a new password violates, or nil: REQUIRED, INVALID (not UTF-8, or with NUL or
// U+FFFD), TOO_SHORT, TOO_LONG, PASSWORD_TOO_COMMON or PASSWORD_TOO_SIMILAR. It requires no kinds of character (NIST SP
// 800-63B-4, section 3.1.1.2). about holds the username, name and email address of the user; they need not be valid.
// Case and compatibility forms are ignored when passwords are compared.
func (p Policy) Check(password string, about ...string) *account.Error {
	text, wrong := normalize(password)
	if wrong != nil {
		return wrong
	}
	if utf8.RuneCountInString(text) < p.MinLength {
		return account.UserError(account.TooShort, "A password must have at least %d characters.", p.MinLength)
	}
	key := account.Canonical(text)
	switch {
	case isCommon(key):
		return account.UserError(account.PasswordTooCommon, "This password is too common. Choose another one.")
	case !strings.ContainsFunc(key, func(r rune) bool { return !unicode.IsDigit(r) }):
		return account.UserError(account.PasswordTooCommon, "A password of digits only is easy to guess. Add words.")
	case !strings.ContainsFunc(key, func(r rune) bool { return !strings.HasPrefix(key, string(r)) }):
		return account.UserError(account.PasswordTooCommon,
			"A password of one repeated character is easy to guess. Add words.")
	case isService(key):
		return account.UserError(account.PasswordTooCommon,
			"The name of this service is easy to guess. Choose another password.")
	}
	for _, value := range about {
		if resembles(key, value) {
			return account.UserError(account.PasswordTooSimilar, "This is too similar to your username, name or email address.")
		}
	}
	return nil
}

// isService reports whether a password has no letters other than the name of the service, once or repeatedly.
func isService(key string) bool {
	const name = "latchkey"
	return strings.Contains(key, name) && !strings.ContainsFunc(strings.ReplaceAll(key, name, ""), unicode.IsLetter)
}

// resembles reports whether a password in canonical form is similar to a text, to what stands before an @ in it or to
// one of its words, forwards or backwards. Only the first MaxLength code points of both are compared, because
// the time is quadratic.
func resembles(key, text string) bool {
	whole := first(account.Canonical(first(text)))
	local, _, _ := strings.Cut(whole, "@")
	words := strings.FieldsFunc(whole, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r)
	})
	password := []rune(first(key))
	for _, part := range append(words, whole, local) {
		runes := []rune(part)
		if similar(password, runes) {
			return true
		}
		slices.Reverse(runes)
		if similar(password, runes) {
			return true
		}
	}
	return false
}

// similar reports whether two texts share 70 % or more of their code points in the same order: twice the length of
// their longest common subsequence over the sum of their lengths. A password of eight is never similar to fewer than
// five.
func similar(a, b []rune) bool {
	enough := func(shared int) bool { return shared > 0 && 10*2*shared >= 7*(len(a)+len(b)) }
	if !enough(min(len(a), len(b))) {
		return false
	}
	// lengths[j] is the longest for the part of a seen so far and b[:j]; diagonal is the same without the last of both.
	lengths := make([]int, len(b)+1)
	for _, r := range a {
		diagonal := 0
		for j, s := range b {
			above := lengths[j+1]
			if r == s {
				lengths[j+1] = diagonal + 1
			} else {
				lengths[j+1] = max(above, lengths[j])
			}
			diagonal = above
		}
	}
	return enough(lengths[len(b)])
}

// first returns the first MaxLength code points of a text.
func first(text string) string {
	n := 0
	for i := range text {
		if n == MaxLength {
			return text[:i]
		}
		n++
	}
	return text
}
