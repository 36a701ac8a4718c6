package account

import (
	"net/mail"
	"strings"
	"unicode"

	"golang.org/x/net/idna"
)

// EmailKey returns the canonical form of an email address, by which it is unique and found: the local part in
// canonical form, the domain in lower-case ASCII (RFC 5891). It is empty for a text that is not an address.
func EmailKey(email string) string {
	local, domain := splitEmail(email)
	if domain == "" {
		return ""
	}
	return Canonical(local) + "@" + domain
}

// MailAddress returns an email address for SMTP: the local part unchanged, the domain in lower-case ASCII
// (RFC 5891). It is empty for a text that is not an address.
func MailAddress(email string) string {
	local, domain := splitEmail(email)
	if domain == "" {
		return ""
	}
	return local + "@" + domain
}

// splitEmail returns both parts of an email address, the domain in lower-case ASCII, or two empty strings.
func splitEmail(email string) (local, domain string) {
	at := strings.LastIndexByte(email, '@')
	if at < 1 || !wellFormed(email) {
		return "", ""
	}
	domain, err := idna.Lookup.ToASCII(email[at+1:])
	if err != nil {
		return "", ""
	}
	return email[:at], strings.ToLower(domain)
}

// CheckEmail returns the user error of an email address, or nil: REQUIRED, TOO_LONG or INVALID. One address is
// accepted, as dot-atom@domain (RFC 5322, section 3.4.1) with a local part of at most 64 bytes and 254 bytes in all
// (RFC 5321, section 4.5.3.1); no display name, comment, quoting or address literal. The domain has a dot, does not end
// in a number, and can be registered (RFC 5891, section 4), in upper or lower case, in Unicode or Punycode; no other
// mapping is needed before an email can be sent to it.
func CheckEmail(email string) *Error {
	switch {
	case email == "":
		return UserError(Required, "Enter an email address.")
	case !wellFormed(email):
		return UserError(Invalid, "This is not valid Unicode text.")
	case len(email) > MaxEmail:
		return UserError(TooLong, "An email address can have at most %d bytes.", MaxEmail)
	}
	key := EmailKey(email)
	invalid := UserError(Invalid, "This is not a valid email address.")
	switch {
	case !isAddress(email) || !isAddress(key):
		return invalid
	case len(key) > MaxEmail:
		return UserError(TooLong, "An email address can have at most %d bytes.", MaxEmail)
	}
	at := strings.LastIndexByte(email, '@')
	local, domain, _ := strings.Cut(key, "@")
	registered, err := idna.Registration.ToASCII(Composed(strings.ToLower(email[at+1:])))
	top := strings.LastIndexByte(domain, '.') + 1
	if at > 64 || hasPileOfMarks(local) || err != nil || registered != domain || top == 0 || isASCIIDigit(domain[top]) {
		return invalid
	}
	return nil
}

// isAddress reports whether text is exactly one address, of visible characters.
func isAddress(text string) bool {
	if strings.ContainsFunc(text, isNoAddressRune) {
		return false
	}
	parsed, err := mail.ParseAddress(text)
	return err == nil && parsed.Address == text && parsed.Name == ""
}

func isNoAddressRune(r rune) bool {
	return !unicode.IsPrint(r) || isInvisible(r) || strings.ContainsRune(` "(),:;<>[\]`, r)
}

func isASCIIDigit(c byte) bool { return '0' <= c && c <= '9' }
