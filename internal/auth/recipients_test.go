package auth

import (
	"fmt"
	"slices"
	"testing"

	"latchkey/internal/account"
	"latchkey/internal/store"
)

func TestSelectRecipients(t *testing.T) {
	t.Parallel()
	const address, written, elsewhere = "mario@example.com", "Mario@Example.com", "luigi@example.com"
	user := func(id account.ID, status account.Status, verified bool) *account.User {
		return &account.User{ID: id, Status: status, Email: new(written), EmailVerified: verified}
	}
	holder, unverified := user("holder", account.Active, true), user("unverified", account.Active, false)
	disabled := user("disabled", account.Disabled, true)
	pending := []*account.User{}
	for i := range maxPendingRecipients + 1 {
		pending = append(pending, user(account.ID(fmt.Sprint("pending", i)), account.Pending, false))
	}
	changing := &account.User{ID: "changing", Status: account.Active, Email: new(elsewhere), PendingEmail: new(written)}
	changed := &account.User{ID: "changed", Status: account.Active, Email: new(elsewhere), PendingEmail: new(elsewhere)}
	own := user("own", account.Active, true)
	own.PendingEmail = new(written)
	type users = []*account.User
	for name, test := range map[string]struct {
		template account.MailTemplate
		users    users
		subject  *account.User
		want     []string // template and user
	}{
		"reset, unknown address":  {account.PasswordReset, nil, nil, nil},
		"reset, holder":           {account.PasswordReset, users{holder, pending[0]}, nil, []string{"password-reset holder"}},
		"reset, not verified":     {account.PasswordReset, users{unverified}, nil, []string{"password-reset unverified"}},
		"reset, pending":          {account.PasswordReset, pending[:2], nil, []string{"password-reset pending0"}},
		"reset, disabled":         {account.PasswordReset, users{disabled, pending[0]}, nil, nil},
		"reminder, holder":        {account.UsernameReminder, users{holder}, nil, []string{"username-reminder holder"}},
		"resend, unknown address": {account.Activation, nil, nil, nil},
		"resend, holder alone":    {account.Activation, users{holder}, nil, nil},
		"resend, pending": {account.Activation, pending, nil,
			[]string{"activation pending0", "activation pending1", "activation pending2"}},
		"resend, holder and pending": {account.Activation, append(users{holder}, pending...), nil,
			[]string{"known-address holder"}},
		"resend, unverified holder and pending": {account.Activation, users{unverified, pending[0]}, nil,
			[]string{"activation pending0"}},
		"registration": {account.Activation, pending, pending[1], []string{"activation pending1"}},
		"registration, known": {account.Activation, users{holder, pending[0]}, pending[0],
			[]string{"known-address holder"}},
		"registration, activated": {account.Activation, users{holder}, holder, nil},
		"change":                  {account.EmailConfirmation, nil, changing, []string{"email-confirmation changing"}},
		"change, known":           {account.EmailConfirmation, users{holder}, changing, []string{"known-address holder"}},
		"change, other address":   {account.EmailConfirmation, users{holder}, changed, nil},
		"change, none any more":   {account.EmailConfirmation, users{holder}, holder, nil},
		"change, own address":     {account.EmailConfirmation, users{own}, own, []string{"email-confirmation own"}},
	} {
		request := &store.OutboxMail{Mail: account.Mail{Template: test.template, To: address}, AddressKey: address}
		var have []string
		for _, r := range selectRecipients(request, test.users, test.subject) {
			have = append(have, fmt.Sprint(r.Template, " ", r.User.ID))
			if r.To != written {
				t.Errorf("%s: the email goes to %q, not to the address as the user has entered it", name, r.To)
			}
		}
		if !slices.Equal(have, test.want) {
			t.Errorf("%s: want %q, have %q", name, test.want, have)
		}
	}
}
