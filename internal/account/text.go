package account

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Limits, in Unicode code points of the composed form unless said otherwise.
const (
	MaxUsername    = 150
	MaxEmail       = 254
	MaxName        = 150
	MaxDescription = 10_000
	MaxLocation    = 30
	MaxDeviceName  = 100
	MaxSearch      = 100
	MaxUserAgent   = 256
	MaxLanguages   = 100 // of an Accept-Language header
)

// Canonical returns the form in which two texts are compared: NFKC, case-folded, NFKC again (Unicode Standard,
// section 3.13, definition D146). It is computed here alone, so that every database agrees.
func Canonical(text string) string {
	folded := cases.Fold().String(norm.NFKC.String(text))
	return norm.NFKC.String(strings.Map(foldCherokee, folded))
}

// foldCherokee folds the one alphabet whose letters fold to capitals, which package cases takes for the reverse.
func foldCherokee(r rune) rune {
	if unicode.Is(unicode.Cherokee, r) {
		return unicode.ToUpper(r)
	}
	return r
}

// Composed returns text in NFC, in which the same characters are the same bytes however they were typed.
func Composed(text string) string { return norm.NFC.String(text) }

// CheckName returns what is wrong with a person's name: TOO_LONG or INVALID.
func CheckName(name string) *Error { return checkLine(name, MaxName) }

// CheckLocation returns what is wrong with a place: TOO_LONG or INVALID.
func CheckLocation(location string) *Error { return checkLine(location, MaxLocation) }

// CheckDeviceName returns what is wrong with the name of a device: TOO_LONG or INVALID.
func CheckDeviceName(name string) *Error { return checkLine(name, MaxDeviceName) }

// CheckSearch returns what is wrong with words to search for: TOO_LONG or INVALID.
func CheckSearch(search string) *Error { return checkLine(search, MaxSearch) }

// CheckDescription returns what is wrong with a description, which may have several lines: TOO_LONG or INVALID.
func CheckDescription(description string) *Error {
	return checkText(description, MaxDescription, func(r rune) bool { return r == '\n' || r == '\r' || r == '\t' })
}

func checkLine(text string, limit int) *Error {
	if strings.ContainsFunc(text, func(r rune) bool { return unicode.In(r, unicode.Zl, unicode.Zp) }) {
		return UserError(Invalid, "This is to be a single line.")
	}
	return checkText(text, limit, func(rune) bool { return false })
}

func checkText(text string, limit int, allowed func(rune) bool) *Error {
	if !wellFormed(text) {
		return UserError(Invalid, "This is not valid Unicode text.")
	}
	if n := utf8.RuneCountInString(Composed(text)); n > limit {
		return UserError(TooLong, "At most %d characters, please; this has %d.", limit, n)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && !allowed(r) }) {
		return UserError(Invalid, "Control characters are not allowed here.")
	}
	return nil
}

// wellFormed refuses invalid UTF-8 and U+FFFD, which is what a lone surrogate in JSON or GraphQL becomes.
func wellFormed(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsRune(text, utf8.RuneError)
}

// isInvisible reports whether a character shows nothing of itself (Unicode Standard, section 5.21, default ignorable).
func isInvisible(r rune) bool {
	return unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// hasPileOfMarks reports whether text begins with a mark, or has more than four nonspacing ones, or twice the same,
// behind each other (Unicode Technical Standard 39, section 5.4).
func hasPileOfMarks(text string) bool {
	count, last := 0, rune(0)
	for i, r := range norm.NFD.String(text) {
		switch {
		case i == 0 && unicode.IsMark(r):
			return true
		case !unicode.In(r, unicode.Mn, unicode.Me):
			count, last = 0, 0
		case count == 4 || r == last:
			return true
		default:
			count, last = count+1, r
		}
	}
	return false
}

// SignInKeys returns the canonical forms by which to look for whoever signs in: of a username, or, when identifier has
// an @, of an e-mail address. Both are empty, which nobody's are, for what can be neither.
func SignInKeys(identifier string) (usernameKey, emailKey string) {
	switch {
	case len(identifier) > maxIdentifier || !wellFormed(identifier) || strings.ContainsRune(identifier, 0):
		return "", ""
	case strings.ContainsRune(identifier, '@'):
		return "", EmailKey(identifier)
	}
	return UsernameKey(identifier), ""
}

// maxIdentifier is in bytes, and more than the longest username or address has.
const maxIdentifier = 4 * MaxEmail

// Printable returns text from a request header fit to keep: valid, without control characters, cut to a limit.
func Printable(text string, limit int) string {
	runes := []rune(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, text))
	return string(runes[:min(len(runes), limit)])
}
