package account

import (
	"net/mail"
	"strings"
	"unicode"

	"golang.org/x/net/idna"
)

// EmailKey returns the canonical form of an e-mail address, by which it is unique and found: the local part in
// canonical form, the domain in lower-case ASCII (RFC 5891). It is empty for what is no address.
func EmailKey(email string) string {
	local, domain := splitEmail(email)
	if domain == "" {
		return ""
	}
	return Canonical(local) + "@" + domain
}

// MailAddress returns an e-mail address as SMTP takes it: the local part as it is, the domain in lower-case ASCII
// (RFC 5891). It is empty for what is no address.
func MailAddress(email string) string {
	local, domain := splitEmail(email)
	if domain == "" {
		return ""
	}
	return local + "@" + domain
}

// splitEmail returns both sides of an e-mail address, the domain in lower-case ASCII, or nothing.
func splitEmail(email string) (local, domain string) {
	at := strings.LastIndexByte(email, '@')
	if at < 1 {
		return "", ""
	}
	domain, err := idna.Lookup.ToASCII(email[at+1:])
	if err != nil {
		return "", ""
	}
	return email[:at], strings.ToLower(domain)
}

// CheckEmail returns what is wrong with an e-mail address: REQUIRED, TOO_LONG or INVALID. One address is accepted, as
// dot-atom@domain (RFC 5322, section 3.4.1) with a local part of at most 64 bytes and 254 bytes in all (RFC 5321,
// section 4.5.3.1); no display name, comment, quoting or address literal.
func CheckEmail(email string) *Error {
	switch {
	case email == "":
		return NewMistake(Required, "Give an e-mail address.")
	case !wellFormed(email):
		return NewMistake(Invalid, "This is not valid Unicode text.")
	case len(email) > MaxEmail:
		return NewMistake(TooLong, "An e-mail address has at most %d bytes.", MaxEmail)
	}
	invalid := NewMistake(Invalid, "This is not an e-mail address.")
	if strings.ContainsFunc(email, isNoAddressRune) {
		return invalid
	}
	parsed, err := mail.ParseAddress(email)
	if err != nil || parsed.Address != email || parsed.Name != "" {
		return invalid
	}
	key := EmailKey(email)
	local, domain, _ := strings.Cut(key, "@")
	labels := strings.Split(domain, ".")
	if local == "" || strings.LastIndexByte(email, '@') > 64 || strings.Contains(domain, "@") || len(labels) < 2 ||
		strings.ContainsFunc(key, isNoAddressRune) {
		return invalid
	}
	if len(local)+1+len(domain) > MaxEmail {
		return NewMistake(TooLong, "An e-mail address has at most %d bytes.", MaxEmail)
	}
	for _, label := range labels {
		if label == "" || len(label) > 63 {
			return invalid
		}
	}
	return nil
}

func isNoAddressRune(r rune) bool {
	return !unicode.IsPrint(r) || strings.ContainsRune(` "(),:;<>[\]`, r)
}
