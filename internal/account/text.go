package account

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Limits, in Unicode code points of the composed form unless stated otherwise.
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

// Canonical returns the form in which texts are compared: NFKC, case-folded, NFKC again (Unicode Standard, section
// 3.13, definition D146). It is computed here only, so that the result does not depend on the database.
func Canonical(text string) string {
	folded := cases.Fold().String(norm.NFKC.String(text))
	return norm.NFKC.String(strings.Map(foldCherokee, folded))
}

// foldCherokee folds Cherokee letters to upper case, which package cases folds to lower case.
func foldCherokee(r rune) rune {
	if unicode.Is(unicode.Cherokee, r) {
		return unicode.ToUpper(r)
	}
	return r
}

// Composed returns text in NFC, in which the same characters are the same bytes, however they were entered.
func Composed(text string) string { return norm.NFC.String(text) }

// CheckName returns the user error of a person's name, or nil: TOO_LONG or INVALID.
func CheckName(name string) *Error { return checkLine(name, MaxName) }

// CheckLocation returns the user error of a location, or nil: TOO_LONG or INVALID.
func CheckLocation(location string) *Error { return checkLine(location, MaxLocation) }

// CheckDeviceName returns the user error of a device name, or nil: TOO_LONG or INVALID.
func CheckDeviceName(name string) *Error { return checkLine(name, MaxDeviceName) }

// CheckSearch returns the user error of a search text, or nil: TOO_LONG or INVALID.
func CheckSearch(search string) *Error { return checkLine(search, MaxSearch) }

// CheckDescription returns the user error of a description, which may have several lines, or nil: TOO_LONG or INVALID.
func CheckDescription(description string) *Error {
	return checkText(description, MaxDescription, func(r rune) bool { return r == '\n' || r == '\r' || r == '\t' })
}

func checkLine(text string, limit int) *Error {
	if strings.ContainsFunc(text, func(r rune) bool { return unicode.In(r, unicode.Zl, unicode.Zp) }) {
		return UserError(Invalid, "This must be a single line.")
	}
	return checkText(text, limit, func(rune) bool { return false })
}

func checkText(text string, limit int, allowed func(rune) bool) *Error {
	if !wellFormed(text) {
		return UserError(Invalid, "This is not valid Unicode text.")
	}
	if n := utf8.RuneCountInString(Composed(text)); n > limit {
		return UserError(TooLong, "At most %d characters are allowed; this has %d.", limit, n)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && !allowed(r) }) {
		return UserError(Invalid, "Control characters are not allowed here.")
	}
	return nil
}

// wellFormed reports whether text is valid UTF-8 without U+FFFD, which a lone surrogate in JSON or GraphQL becomes.
func wellFormed(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsRune(text, utf8.RuneError)
}

// isInvisible reports whether a character is invisible (Unicode Standard, section 5.21, default ignorable).
func isInvisible(r rune) bool {
	return unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// hasPileOfMarks reports whether text begins with a mark, or has a sequence of more than four nonspacing marks or of
// two equal ones (Unicode Technical Standard 39, section 5.4).
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

// SignInKeys returns the canonical forms by which to find the user who signs in: of a username, or, when identifier
// contains an @, of an email address. Both are empty, and match no user, when identifier can be neither.
func SignInKeys(identifier string) (usernameKey, emailKey string) {
	switch {
	case len(identifier) > maxIdentifier || !wellFormed(identifier) || strings.ContainsRune(identifier, 0):
		return "", ""
	case strings.ContainsRune(identifier, '@'):
		return "", EmailKey(identifier)
	}
	return UsernameKey(identifier), ""
}

// maxIdentifier, in bytes, is longer than any username or address.
const maxIdentifier = 4 * MaxEmail

// Printable returns the text of a request header in a form to store: valid, without control characters, truncated to
// limit code points.
func Printable(text string, limit int) string {
	runes := []rune(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, text))
	return string(runes[:min(len(runes), limit)])
}
