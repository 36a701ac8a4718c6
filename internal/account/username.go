package account

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/secure/precis"
)

// UsernameKey returns the canonical form of a username, by which it is unique and found.
func UsernameKey(username string) string { return Canonical(username) }

// CheckUsername returns the user error of a username, or nil: REQUIRED, TOO_LONG, INVALID or RESERVED. It consists of
// letters, digits and . + - _ of the PRECIS identifier class (RFC 8265, section 3.3), its letters from one script, its
// digits from one set, no long sequences of marks, and never an @, so that it cannot look like an email address; nor
// does it have the form of an ID.
func CheckUsername(username string) *Error {
	switch {
	case username == "":
		return UserError(Required, "Choose a username.")
	case !wellFormed(username):
		return UserError(Invalid, "This is not valid Unicode text.")
	case utf8.RuneCountInString(Composed(username)) > MaxUsername:
		return UserError(TooLong, "A username can have at most %d characters.", MaxUsername)
	}
	key := UsernameKey(username)
	if strings.ContainsFunc(key, func(r rune) bool { return !isUsernameRune(r) }) {
		return UserError(Invalid, "A username can contain only letters, digits and . + - _")
	}
	if _, err := precis.UsernameCaseMapped.String(username); err != nil {
		return UserError(Invalid, "A username can contain only letters, digits and . + - _")
	}
	if utf8.RuneCountInString(key) > MaxUsername {
		return UserError(TooLong, "A username can have at most %d characters.", MaxUsername)
	}
	if !oneScript(key) {
		return UserError(Invalid, "All letters of a username must be from one alphabet.")
	}
	if !oneSetOfDigits(key) {
		return UserError(Invalid, "All digits of a username must be from one numeral system.")
	}
	if hasPileOfMarks(key) {
		return UserError(Invalid, "A letter of a username has too many accents.")
	}
	if _, err := ParseID(key); err == nil || reserved[key] || reserved[likeLatin.Replace(key)] {
		return UserError(Reserved, "This username is reserved.")
	}
	return nil
}

func isUsernameRune(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) || strings.ContainsRune(".+-_", r)
}

// oneScript implements the "highly restrictive" level of Unicode Technical Standard 39, section 5.2, without its Latin
// mixtures: one script, or one of the East Asian writing systems that combine several.
func oneScript(text string) bool {
	seen := map[string]bool{}
	for _, r := range text {
		if script := scriptOf(r); script != "" {
			seen[script] = true
		}
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

// scriptOf returns the script of a character, or "" when every script uses it.
func scriptOf(r rune) string {
	switch {
	case r < utf8.RuneSelf && unicode.IsLetter(r):
		return "Latin"
	case r < utf8.RuneSelf:
		return ""
	case unicode.In(r, unicode.Common, unicode.Inherited):
		return sharedBy(r)
	}
	for name, table := range unicode.Scripts {
		if unicode.Is(table, r) {
			return name
		}
	}
	return "Unknown"
}

// sharedBy returns the chief script of a character that counts as common though few scripts use it (Unicode Standard
// Annex 24, section 2.8).
func sharedBy(r rune) string {
	switch {
	case 0x064b <= r && r <= 0x0655, 0x0660 <= r && r <= 0x0669, r == 0x0670: // vowel signs and digits
		return "Arabic"
	case 0x1cd0 <= r && r <= 0x1cff: // Vedic signs
		return "Devanagari"
	case r == 0x3006, r == 0x303c, r == 0x3099, r == 0x309a, r == 0x30fc: // closing and masu marks, voicing, long vowels
		return "Hiragana"
	}
	return ""
}

// oneSetOfDigits implements Unicode Technical Standard 39, section 5.3: never 1, U+0661 and U+0967 in one text.
func oneSetOfDigits(text string) bool {
	zeros := map[rune]bool{}
	for _, r := range text {
		if unicode.IsDigit(r) {
			first := r
			for unicode.IsDigit(first - 1) {
				first--
			}
			zeros[r-(r-first)%10] = true // sets of ten follow each other directly
		}
	}
	return len(zeros) <= 1
}

// reserved are names that could be mistaken for the service, its staff or a missing value.
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

// likeLatin replaces letters that look like Latin ones (Unicode Technical Standard 39, section 4). It is complete
// enough to detect names that look like reserved ones, and for nothing else.
var likeLatin = func() *strings.Replacer {
	var pairs []string
	for group := range strings.FieldsSeq(`
		aаαɑᴀ bвβʙ cсᴄ dԁᴅ eеεᴇ fꜰ gɡɢ hһнηʜ iіιıɩɪ jјᴊ kкκᴋ lӏʟ mмμᴍ nոɴ oоοօᴏ pрρᴘ qԛ rгʀ sѕꜱ tтτᴛ uսυᴜ vνѵᴠ wԝաᴡ
		xхχ yуүʏ zζᴢ`) {
		latin, others := group[:1], group[1:]
		for _, other := range others {
			pairs = append(pairs, string(other), latin)
		}
	}
	return strings.NewReplacer(pairs...)
}()
