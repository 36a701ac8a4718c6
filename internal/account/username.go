package account

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/secure/precis"
)

// UsernameKey returns the canonical form of a username, by which it is unique and found.
func UsernameKey(username string) string { return Canonical(username) }

// CheckUsername returns what is wrong with a username: REQUIRED, TOO_LONG, INVALID or RESERVED. It holds letters,
// digits and . + - _ of the PRECIS identifier class (RFC 8265, section 3.3), its letters from one script, and never an
// @, so that it cannot look like somebody's e-mail address.
func CheckUsername(username string) *Error {
	switch {
	case username == "":
		return NewMistake(Required, "Choose a username.")
	case !wellFormed(username):
		return NewMistake(Invalid, "This is not valid Unicode text.")
	case utf8.RuneCountInString(Composed(username)) > MaxUsername:
		return NewMistake(TooLong, "A username has at most %d characters.", MaxUsername)
	}
	key := UsernameKey(username)
	if strings.ContainsFunc(key, func(r rune) bool { return !isUsernameRune(r) }) {
		return NewMistake(Invalid, "A username consists of letters, digits and . + - _ only.")
	}
	if _, err := precis.UsernameCaseMapped.String(username); err != nil {
		return NewMistake(Invalid, "A username consists of letters, digits and . + - _ only.")
	}
	if utf8.RuneCountInString(key) > MaxUsername {
		return NewMistake(TooLong, "A username has at most %d characters.", MaxUsername)
	}
	if !oneScript(key) {
		return NewMistake(Invalid, "The letters of a username come from one alphabet.")
	}
	if reserved[key] {
		return NewMistake(Reserved, "This username is reserved.")
	}
	return nil
}

func isUsernameRune(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) || strings.ContainsRune(".+-_", r)
}

// oneScript follows the "highly restrictive" level of Unicode Technical Standard 39, section 5.2, without its Latin
// mixtures: one script, or one of the East Asian writing systems that combine several.
func oneScript(text string) bool {
	seen := map[string]bool{}
	for _, r := range text {
		if r < utf8.RuneSelf && !unicode.IsLetter(r) || unicode.In(r, unicode.Common, unicode.Inherited) {
			continue
		}
		seen[scriptOf(r)] = true
	}
	for _, system := range [][]string{{"Han", "Hiragana", "Katakana"}, {"Han", "Hangul"}, {"Han", "Bopomofo"}} {
		rest := len(seen)
		for _, script := range system {
			if seen[script] {
				rest--
			}
		}
		if rest == 0 {
			return true
		}
	}
	return len(seen) <= 1
}

func scriptOf(r rune) string {
	if r < utf8.RuneSelf {
		return "Latin"
	}
	for name, table := range unicode.Scripts {
		if unicode.Is(table, r) {
			return name
		}
	}
	return "Unknown"
}

// reserved are names that could pass for the service, its people or a missing value.
var reserved = func() map[string]bool {
	set := map[string]bool{}
	for name := range strings.FieldsSeq(`
		abuse admin administrator anonymous billing contact everyone false graphql guest help hostmaster info
		latchkey mailer-daemon me moderator no-reply nobody noreply null official operator owner postmaster
		privacy root security self server service staff superuser support sysadmin system team true undefined
		unknown user webmaster`) {
		set[name] = true
	}
	return set
}()
