package account

import (
	"cmp"
	"time"

	"golang.org/x/text/language"
)

// MailTemplate is the kind of an email and the name of its template.
type MailTemplate string

// The templates. Those of the first group contain a link with a one-time token.
const (
	Activation        MailTemplate = "activation"          // verify the address of a new account
	PasswordReset     MailTemplate = "password-reset"      // choose a new password
	EmailConfirmation MailTemplate = "email-confirmation"  // to a new address: verify it
	EmailChangeNotice MailTemplate = "email-change-notice" // to the current address: a change was requested

	KnownAddress     MailTemplate = "known-address"     // the address was given, but an account has it already
	UsernameReminder MailTemplate = "username-reminder" // the username of the account with this address
	EmailChanged     MailTemplate = "email-changed"     // to the new address, once it is verified
	PasswordChanged  MailTemplate = "password-changed"
	UsernameChanged  MailTemplate = "username-changed"
	AccountDeleted   MailTemplate = "account-deleted"
	NewDevice        MailTemplate = "new-device" // a sign-in from a new device
)

// MailTemplates are all templates.
var MailTemplates = []MailTemplate{
	Activation, PasswordReset, EmailConfirmation, EmailChangeNotice, KnownAddress, UsernameReminder, EmailChanged,
	PasswordChanged, UsernameChanged, AccountDeleted, NewDevice,
}

// tokenTTLs are the lifetimes of the tokens in emails (NIST SP 800-63B-4, section 4.2.1.2, allows 24 hours).
var tokenTTLs = map[MailTemplate]time.Duration{
	Activation:        24 * time.Hour,
	PasswordReset:     time.Hour,
	EmailConfirmation: 24 * time.Hour,
	EmailChangeNotice: 24 * time.Hour,
}

// HasToken reports whether the email contains a one-time token.
func (t MailTemplate) HasToken() bool { return tokenTTLs[t] > 0 }

// TTL returns how long the email is worth sending: the lifetime of its token or, without one, a day.
func (t MailTemplate) TTL() time.Duration { return cmp.Or(tokenTTLs[t], 24*time.Hour) }

// Mail is an email to one person, before it is rendered.
type Mail struct {
	ID        ID // the same for all attempts, for the Message-ID
	Template  MailTemplate
	To        string // an address that CheckEmail accepts
	Languages string // the recipient's preference, an Accept-Language header
	Username  string // the current username of the account
	NewEmail  string // with EmailChangeNotice: the requested address
	Device    string // with NewDevice: the device name or User-Agent
	IPAddress string // of the request that caused the email; may be empty
	Token     string // with templates that have one
	CreatedAt time.Time
	ExpiresAt time.Time // it is not sent afterwards
}

// MatchLanguage returns the offered language, a BCP 47 tag, that an Accept-Language header prefers (RFC 9110, section
// 12.5.4); the first one when it accepts none of them or is not valid.
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
