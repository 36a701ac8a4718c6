package account

import (
	"cmp"
	"time"

	"golang.org/x/text/language"
)

// MailTemplate says what a mail is about. It is also the name of the mail's template.
type MailTemplate string

// The letters. Those of the first group carry a one-time token in their link.
const (
	Activation        MailTemplate = "activation"          // confirm the address of a new account
	PasswordReset     MailTemplate = "password-reset"      // choose a new password
	EmailConfirmation MailTemplate = "email-confirmation"  // to a new address: confirm the change
	EmailChangeNotice MailTemplate = "email-change-notice" // to the old address: a change is under way, and how to stop it

	KnownAddress     MailTemplate = "known-address"     // somebody gave this address, but it has an account already
	UsernameReminder MailTemplate = "username-reminder" // the username of the account with this address
	EmailChanged     MailTemplate = "email-changed"     // to the new address, once it is confirmed
	PasswordChanged  MailTemplate = "password-changed"
	UsernameChanged  MailTemplate = "username-changed"
	AccountDeleted   MailTemplate = "account-deleted"
	NewDevice        MailTemplate = "new-device" // a sign-in from a device not seen before
)

// MailTemplates are all there are.
var MailTemplates = []MailTemplate{
	Activation, PasswordReset, EmailConfirmation, EmailChangeNotice, KnownAddress, UsernameReminder, EmailChanged,
	PasswordChanged, UsernameChanged, AccountDeleted, NewDevice,
}

// lives are how long the tokens of letters work (NIST SP 800-63B-4, section 4.2.1.2, allows 24 hours).
var lives = map[MailTemplate]time.Duration{
	Activation:        24 * time.Hour,
	PasswordReset:     time.Hour,
	EmailConfirmation: 24 * time.Hour,
	EmailChangeNotice: 24 * time.Hour,
}

// HasToken reports whether the letter carries a one-time token.
func (l MailTemplate) HasToken() bool { return lives[l] > 0 }

// TTL is how long the letter is of use: as long as its token works, or, without one, a day.
func (l MailTemplate) TTL() time.Duration { return cmp.Or(lives[l], 24*time.Hour) }

// Mail is one message to one person, before it is put into words.
type Mail struct {
	ID        ID // the same over all tries, for the Message-ID
	Letter    MailTemplate
	To        string // an address that CheckEmail accepts
	Languages string // what the reader prefers, as an Accept-Language header says it
	Username  string // whose account it is about, as it is now
	NewEmail  string // with EmailChangeNotice: the address that is to be
	Device    string // with NewDevice: what signed in, as it calls itself
	IPAddress string // from where the request came that the mail is about; may be empty
	Token     string // with the letters that have one
	CreatedAt time.Time
	ExpiresAt time.Time // afterwards it is of no use, and not sent any more
}

// MatchLanguage returns which of the offered languages, BCP 47 tags, an Accept-Language header prefers (RFC 9110,
// section 12.5.4); the first one when it likes none of them or cannot be read.
func MatchLanguage(accept string, offered []string) string {
	tags := make([]language.Tag, len(offered))
	for i, tag := range offered {
		tags[i] = language.Make(tag)
	}
	preferred, _, err := language.ParseAcceptLanguage(accept)
	if err != nil {
		return offered[0]
	}
	_, i, _ := language.NewMatcher(tags).Match(preferred...)
	return offered[i]
}
