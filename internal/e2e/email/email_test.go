package email

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/internal/e2e"
)

// TestActivation checks that an account is pending until its email address is confirmed.
func TestActivation(t *testing.T) {
	e2e.EachWithMail(t, func(t *testing.T, s *e2e.Env, box *e2e.Mailbox) {
		a := s.RegisterWithEmail("mario", "Mario@Example.com")
		a.Equals("register.user.status", "PENDING").Equals("register.user.email", "Mario@Example.com").
			Equals("register.user.emailVerified", false).Equals("register.tokens", nil).Equals("register.user.lastLoginAt", nil)
		for _, identifier := range []string{"mario", "MARIO@example.COM"} {
			s.ObtainToken(identifier, e2e.Password).HasUserErrors("obtainToken", "EMAIL_NOT_VERIFIED")
			s.ObtainToken(identifier, "not-his-password").HasUserErrors("obtainToken", "INVALID_CREDENTIALS")
		}
		l := s.NextEmail(box, "Mario@example.com")
		if !strings.HasPrefix(l.Text[strings.Index(l.Text, "http://localhost:5173/"):], "http://localhost:5173/activate#token=") ||
			!strings.Contains(l.Text, "mario") || !strings.Contains(l.HTML, l.Token()) {
			t.Fatalf("the mail says %s", l.Text)
		}
		for _, bad := range []string{"", "x", l.Token() + "=", l.Token()[:42], strings.ToLower(l.Token()), s.RegisterWithEmail("luigi", "luigi@example.com").Text("register.user.id")} {
			s.Anonymous().Ask(e2e.ActivateMutation, e2e.Vars{"t": bad}).HasUserErrors("activate", "TOKEN_INVALID@token")
		}
		s.Anonymous().Ask(e2e.ActivateMutation, e2e.Vars{"t": l.Token()}).Ok().
			Equals("activate.user.status", "ACTIVE").Equals("activate.user.emailVerified", true).Equals("activate.user.email", "Mario@Example.com")
		s.Anonymous().Ask(e2e.ActivateMutation, e2e.Vars{"t": l.Token()}).HasUserErrors("activate", "TOKEN_INVALID@token")
		s.ObtainToken("mario@example.com", e2e.Password).Ok().Equals("obtainToken.user.username", "mario")
		s.Anonymous().Ask(`{ serverInfo { emailVerification } }`, nil).Equals("serverInfo.emailVerification", true)
		s.Anonymous().Ask(e2e.RegisterMutation, e2e.Vars{"input": e2e.Vars{"username": "toad", "password": e2e.Password}}).
			HasUserErrors("register", "REQUIRED@email")
	}, e2e.RequireEmailVerification)
}

// TestActivationResent checks that a user requests another activation email.
func TestActivationResent(t *testing.T) {
	e2e.EachWithMail(t, func(t *testing.T, s *e2e.Env, box *e2e.Mailbox) {
		s.RegisterWithEmail("mario", "mario@example.com")
		first := s.NextEmail(box, "mario@example.com").Token()
		resend := func() {
			t.Helper()
			s.Anonymous().Ask(e2e.ResendActivationMutation, e2e.Vars{"e": "MARIO@example.com"}).Ok().Equals("resendActivation.accepted", true)
		}
		resend() // within a minute
		s.AssertNoEmail(box)
		s.Clock.Advance(time.Minute)
		resend()
		second := s.NextEmail(box, "mario@example.com").Token()
		s.Anonymous().Ask(e2e.ActivateMutation, e2e.Vars{"t": first}).HasUserErrors("activate", "TOKEN_INVALID@token")
		s.Clock.Advance(24*time.Hour - time.Second)
		s.Anonymous().Ask(`{ serverInfo { emailVerification } }`, nil).Ok()
		s.Clock.Advance(time.Second)
		s.Anonymous().Ask(e2e.ActivateMutation, e2e.Vars{"t": second}).HasUserErrors("activate", "TOKEN_EXPIRED@token")
		resend()
		third := s.NextEmail(box, "mario@example.com").Token()
		s.Anonymous().Ask(e2e.ActivateMutation, e2e.Vars{"t": third}).Ok()
		s.Clock.Advance(time.Minute)
		resend() // nothing waits any more
		s.AssertNoEmail(box)
		s.Anonymous().Ask(e2e.ResendActivationMutation, e2e.Vars{"e": "nowhere"}).Equals("resendActivation.accepted", false).
			Equals("resendActivation.userErrors.0.code", "INVALID")
	}, e2e.RequireEmailVerification)
}

// TestRegisterHidesExistence checks that registration responds alike for known and unknown email addresses.
func TestRegisterHidesExistence(t *testing.T) {
	e2e.EachWithMail(t, func(t *testing.T, s *e2e.Env, box *e2e.Mailbox) {
		s.RegisterWithEmail("mario", "mario@example.com")
		s.Anonymous().Ask(e2e.ActivateMutation, e2e.Vars{"t": s.NextEmail(box, "mario@example.com").Token()}).Ok()
		s.Clock.Advance(time.Hour)
		known, unknown := s.RegisterWithEmail("guess1", "MARIO@example.com"), s.RegisterWithEmail("guess2", "NOBODY@example.com")
		blur := func(a *e2e.Response) string {
			text := strings.NewReplacer("guess1", "guess", "guess2", "guess", "MARIO@", "@", "NOBODY@", "@").Replace(string(a.Body))
			for _, path := range []string{"register.user.id", "register.user.profile.id"} {
				text = strings.Replace(text, a.Text(path), "", 1)
			}
			return text
		}
		if blur(known) != blur(unknown) {
			t.Fatalf("%s\nis not\n%s", known.Body, unknown.Body)
		}
		for _, guess := range []string{"guess1", "guess2"} {
			s.Anonymous().Ask(e2e.RegisterMutation, e2e.Vars{"input": e2e.Vars{"username": guess, "email": "other@example.com", "password": e2e.Password}}).
				HasUserErrors("register", "TAKEN@username")
			s.ObtainToken(guess, e2e.Password).HasUserErrors("obtainToken", "EMAIL_NOT_VERIFIED")
		}
		// The usual password is mario's too, so the guesser has another one.
		for _, address := range []string{"mario@example.com", "nobody@example.com"} {
			s.Clock.Advance(time.Minute)
			s.Anonymous().Ask(e2e.RegisterMutation, e2e.Vars{"input": e2e.Vars{"email": address, "password": e2e.NewPassword}}).Ok()
			s.ObtainToken(address, e2e.NewPassword).HasUserErrors("obtainToken", "EMAIL_NOT_VERIFIED")
			s.ObtainToken(address, "neither-of-the-two").HasUserErrors("obtainToken", "INVALID_CREDENTIALS")
		}
		var notice, asked int
		s.WaitForOutbox()
		for range 5 {
			l := box.Next()
			switch {
			case l.Headers.Get("To") == "<mario@example.com>" && l.Subject == "Confirm your email address": // the first
			case l.To == "<mario@example.com>" && l.Token() == "" && strings.Contains(l.Text, "“mario”"):
				notice++
			case l.To == "<NOBODY@example.com>", l.To == "<nobody@example.com>":
				asked++
			default:
				t.Fatalf("a mail to %s: %s", l.To, l.Text)
			}
		}
		if notice != 2 || asked != 2 {
			t.Fatalf("%d emails to mario, %d to unknown addresses", notice, asked)
		}
		s.ObtainToken("mario", e2e.Password).Ok()
	}, e2e.RequireEmailVerification)
}

// TestActivationReleasesUnverifiedEmail checks that confirming an email address removes it from accounts that have not
// confirmed it.
func TestActivationReleasesUnverifiedEmail(t *testing.T) {
	e2e.EachWithMail(t, func(t *testing.T, s *e2e.Env, box *e2e.Mailbox) {
		s.RegisterWithEmail("thief", "peach@example.com")
		trap := s.NextEmail(box, "peach@example.com").Token()
		s.Clock.Advance(time.Minute)
		s.RegisterWithEmail("peach", "Peach@example.com")
		key := s.NextEmail(box, "Peach@example.com").Token()
		s.Anonymous().Ask(e2e.ActivateMutation, e2e.Vars{"t": key}).Ok().Equals("activate.user.username", "peach")
		s.Anonymous().Ask(e2e.ActivateMutation, e2e.Vars{"t": trap}).HasUserErrors("activate", "TOKEN_INVALID@token")
		s.ObtainToken("thief", e2e.Password).HasUserErrors("obtainToken", "INVALID_CREDENTIALS")
		s.RegisterWithEmail("thief", "thief@example.com") // the name is free again
	}, e2e.RequireEmailVerification)
	// Of an account that waits, the owner of the address can take possession by a new password too.
	e2e.EachWithMail(t, func(t *testing.T, s *e2e.Env, box *e2e.Mailbox) {
		s.RegisterWithEmail("peach", "peach@example.com")
		trap := s.NextEmail(box, "peach@example.com").Token()
		s.Anonymous().Ask(e2e.RequestPasswordResetMutation, e2e.Vars{"e": "peach@example.com"}).Ok()
		s.Anonymous().Ask(e2e.ResetPasswordMutation, e2e.Vars{"t": s.NextEmail(box, "peach@example.com").Token(), "p": e2e.NewPassword}).Ok()
		s.NextEmail(box, "peach@example.com")
		s.Anonymous().Ask(e2e.ActivateMutation, e2e.Vars{"t": trap}).HasUserErrors("activate", "TOKEN_INVALID@token")
		s.ObtainToken("peach", e2e.Password).HasUserErrors("obtainToken", "INVALID_CREDENTIALS")
		s.ObtainToken("peach@example.com", e2e.NewPassword).Ok()
	}, e2e.RequireEmailVerification)
	// Where addresses need no confirmation.
	e2e.EachWithMail(t, func(t *testing.T, s *e2e.Env, box *e2e.Mailbox) {
		thief := s.RegisterAndSignIn("thief", "peach@example.com")
		thief.Ask(e2e.RequestEmailChangeMutation, e2e.Vars{"p": e2e.Password, "e": "thief@example.com"}).Ok()
		way := s.NextEmails(box)["<thief@example.com>"].Token()
		s.Clock.Advance(time.Minute)
		thief = s.SignIn("thief")
		s.Anonymous().Ask(e2e.RequestPasswordResetMutation, e2e.Vars{"e": "PEACH@example.com"}).Ok()
		s.Anonymous().Ask(e2e.ResetPasswordMutation, e2e.Vars{"t": s.NextEmail(box, "peach@example.com").Token(), "p": e2e.NewPassword}).Ok()
		if thief.SignedIn() {
			t.Fatal("the session outlived the proof of the address")
		}
		s.ObtainToken("thief", e2e.Password).HasUserErrors("obtainToken", "INVALID_CREDENTIALS")
		s.Anonymous().Ask(e2e.ConfirmEmailChangeMutation, e2e.Vars{"t": way}).HasUserErrors("confirmEmailChange", "TOKEN_INVALID@token")
		peach := s.Anonymous()
		peach.UseTokens(s.ObtainToken("peach@example.com", e2e.NewPassword).Ok(), "obtainToken")
		peach.Ask(`{ me { email emailVerified pendingEmail } }`, nil).Ok().Equals("me.emailVerified", true).Equals("me.pendingEmail", nil)
	})
	// An account with an unconfirmed address does not block a change to it.
	e2e.EachWithMail(t, func(t *testing.T, s *e2e.Env, box *e2e.Mailbox) {
		s.RegisterAndSignIn("thief", "peach@example.com")
		peach := s.RegisterAndSignIn("peach", "old@example.com")
		peach.Ask(e2e.RequestEmailChangeMutation, e2e.Vars{"p": e2e.Password, "e": "peach@example.com"}).Ok()
		s.Anonymous().Ask(e2e.ConfirmEmailChangeMutation, e2e.Vars{"t": s.NextEmails(box)["<peach@example.com>"].Token()}).Ok().
			Equals("confirmEmailChange.user.email", "peach@example.com")
		s.ObtainToken("peach@example.com", e2e.Password).Ok().Equals("obtainToken.user.username", "peach")
		s.SignIn("thief").Ask(`{ me { email } }`, nil).Ok().Equals("me.email", nil)
	})
}

// TestPasswordReset checks that a user sets a new password with the token of an email.
func TestPasswordReset(t *testing.T) {
	e2e.EachWithMail(t, func(t *testing.T, s *e2e.Env, box *e2e.Mailbox) {
		mario := s.RegisterAndSignIn("mario", "Mario@example.com")
		for i, address := range []string{"mario@EXAMPLE.com", "nobody@example.com"} {
			a := s.Anonymous().Ask(e2e.RequestPasswordResetMutation, e2e.Vars{"e": address}).Ok()
			if want := `{"data":{"requestPasswordReset":{"accepted":true,"userErrors":[]}}}`; strings.TrimSpace(string(a.Body)) != want {
				t.Fatalf("number %d: %s", i, a.Body)
			}
		}
		first := s.NextEmail(box, "Mario@example.com").Token() // as mario wrote it
		if !mario.SignedIn() {
			t.Fatal("signed out by a request")
		}
		s.SignIn("mario")
		for _, refused := range []string{"", "short", "password", "mario@example.com", "marrio123"} {
			if a := s.Anonymous().Ask(e2e.ResetPasswordMutation, e2e.Vars{"t": first, "p": refused}); a.Get("resetPassword.changed") != false ||
				a.Text("resetPassword.userErrors.0.field.0") != "newPassword" {
				t.Fatalf("%q: %s", refused, a.Body)
			}
		}
		s.Clock.Advance(time.Minute)
		s.Anonymous().Ask(e2e.RequestPasswordResetMutation, e2e.Vars{"e": "mario@example.com"}).Ok()
		second := s.NextEmail(box, "Mario@example.com").Token()
		s.Anonymous().Ask(e2e.ResetPasswordMutation, e2e.Vars{"t": first, "p": e2e.NewPassword}).
			Equals("resetPassword.changed", false).Equals("resetPassword.userErrors.0.code", "TOKEN_INVALID")
		mario = s.SignIn("mario")
		s.Anonymous().Ask(e2e.ResetPasswordMutation, e2e.Vars{"t": second, "p": e2e.NewPassword}).Ok().Equals("resetPassword.changed", true)
		if l := s.NextEmail(box, "Mario@example.com"); l.Subject != "Your password has changed" {
			t.Fatalf("no notice but %q", l.Subject)
		}
		if mario.SignedIn() {
			t.Fatal("the session outlived the password")
		}
		mario.Refresh().HasUserErrors("refreshToken", "TOKEN_INVALID@refreshToken")
		s.ObtainToken("mario", e2e.Password).HasUserErrors("obtainToken", "INVALID_CREDENTIALS")
		mario.UseTokens(s.ObtainToken("mario", e2e.NewPassword).Ok(), "obtainToken")
		mario.Ask(`{ me { emailVerified } }`, nil).Ok().Equals("me.emailVerified", true)
		s.Anonymous().Ask(e2e.ResetPasswordMutation, e2e.Vars{"t": second, "p": e2e.Password}).Equals("resetPassword.userErrors.0.code", "TOKEN_INVALID")
	})
}

// TestEmailTokenInvalidated checks that expiry, a change of password or email address, disabling and deletion
// invalidate a token.
func TestEmailTokenInvalidated(t *testing.T) {
	ask := func(s *e2e.Env, box *e2e.Mailbox) string {
		s.T.Helper()
		s.Clock.Advance(time.Minute)
		s.Anonymous().Ask(e2e.RequestPasswordResetMutation, e2e.Vars{"e": "mario@example.com"}).Ok()
		return s.NextEmails(box)["<mario@example.com>"].Token()
	}
	for name, act := range map[string]func(s *e2e.Env, mario *e2e.Client, box *e2e.Mailbox){
		"an hour": func(s *e2e.Env, _ *e2e.Client, _ *e2e.Mailbox) { s.Clock.Advance(time.Hour) },
		"a password change": func(s *e2e.Env, mario *e2e.Client, _ *e2e.Mailbox) {
			mario.ChangePassword(e2e.Password, e2e.NewPassword)
		},
		"an email change": func(s *e2e.Env, mario *e2e.Client, box *e2e.Mailbox) {
			mario.Ask(e2e.RequestEmailChangeMutation, e2e.Vars{"p": e2e.Password, "e": "new@example.com"}).Ok()
			s.Anonymous().Ask(e2e.ConfirmEmailChangeMutation, e2e.Vars{"t": s.NextEmails(box)["<new@example.com>"].Token()}).Ok()
		},
		"deletion": func(s *e2e.Env, mario *e2e.Client, _ *e2e.Mailbox) {
			mario.Ask(`mutation ($p: String!) { deleteMe(input: {currentPassword: $p}) { deletedUserId userErrors { code } } }`, e2e.Vars{"p": e2e.Password}).Ok()
		},
		"disabling": func(s *e2e.Env, _ *e2e.Client, _ *e2e.Mailbox) { s.Exec(`UPDATE users SET status = 'DISABLED'`) },
	} {
		t.Run(name, func(t *testing.T) {
			e2e.EachWithMail(t, func(t *testing.T, s *e2e.Env, box *e2e.Mailbox) {
				s.RegisterAndSignIn("mario", "mario@example.com")
				good := ask(s, box)
				act(s, s.SignIn("mario"), box)
				want := "TOKEN_INVALID"
				if name == "an hour" {
					want = "TOKEN_EXPIRED"
				}
				s.Anonymous().Ask(e2e.ResetPasswordMutation, e2e.Vars{"t": good, "p": "yet-another-password"}).Equals("resetPassword.userErrors.0.code", want)
				if name == "disabling" {
					s.Clock.Advance(time.Minute)
					s.Anonymous().Ask(e2e.RequestPasswordResetMutation, e2e.Vars{"e": "mario@example.com"}).Ok()
					s.AssertNoEmail(box)
				}
			})
		})
	}
}

// TestUsernameReminder checks that a user requests their username by email.
func TestUsernameReminder(t *testing.T) {
	e2e.EachWithMail(t, func(t *testing.T, s *e2e.Env, box *e2e.Mailbox) {
		s.RegisterAndSignIn("mario.the-plumber", "mario@example.com")
		for _, address := range []string{"MARIO@example.com", "nobody@example.com"} {
			s.Anonymous().Ask(e2e.RequestUsernameReminderMutation, e2e.Vars{"e": address}).Ok().Equals("requestUsernameReminder.accepted", true)
		}
		if l := s.NextEmail(box, "mario@example.com"); !strings.Contains(l.Text, "mario.the-plumber") || l.Token() != "" {
			t.Fatalf("the mail says %s", l.Text)
		}
	})
}

// TestEmailChangeConfirmed checks that an email change takes effect when the new address is confirmed.
func TestEmailChangeConfirmed(t *testing.T) {
	e2e.EachWithMail(t, func(t *testing.T, s *e2e.Env, box *e2e.Mailbox) {
		mario := s.RegisterAndSignIn("mario", "old@example.com")
		mario.Ask(e2e.RequestEmailChangeMutation, e2e.Vars{"p": "wrong", "e": "nowhere"}).
			HasUserErrors("requestEmailChange", "INVALID_CREDENTIALS@currentPassword", "INVALID@newEmail")
		s.AssertNoEmail(box)
		mario.Ask(e2e.RequestEmailChangeMutation, e2e.Vars{"p": e2e.Password, "e": "New@example.com"}).Ok().
			Equals("requestEmailChange.user.email", "old@example.com").Equals("requestEmailChange.user.pendingEmail", "New@example.com")
		letters := s.NextEmails(box)
		confirm, stop := letters["<New@example.com>"], letters["<old@example.com>"]
		if len(letters) != 2 || !strings.Contains(stop.Text, "New@example.com") || !strings.Contains(stop.Text, "/cancel-email-change#token=") ||
			!strings.Contains(confirm.Text, "/confirm-email#token=") {
			t.Fatalf("%s\n%s", confirm.Text, stop.Text)
		}
		s.ObtainToken("new@example.com", e2e.Password).HasUserErrors("obtainToken", "INVALID_CREDENTIALS")
		s.ObtainToken("old@example.com", e2e.Password).Ok()
		s.Anonymous().Ask(e2e.ConfirmEmailChangeMutation, e2e.Vars{"t": confirm.Token()}).Ok().Equals("confirmEmailChange.user.email", "New@example.com").
			Equals("confirmEmailChange.user.emailVerified", true).Equals("confirmEmailChange.user.pendingEmail", nil)
		if mario.SignedIn() {
			t.Fatal("the session outlived the address")
		}
		s.NextEmail(box, "New@example.com")
		s.ObtainToken("old@example.com", e2e.Password).HasUserErrors("obtainToken", "INVALID_CREDENTIALS")
		s.ObtainToken("new@example.com", e2e.Password).Ok()
		s.Anonymous().Ask(e2e.ConfirmEmailChangeMutation, e2e.Vars{"t": confirm.Token()}).HasUserErrors("confirmEmailChange", "TOKEN_INVALID@token")
	})
}

// TestEmailChangeCancelled checks that the owner of the old address cancels an email change before and after its
// confirmation, also after later changes.
func TestEmailChangeCancelled(t *testing.T) {
	e2e.EachWithMail(t, func(t *testing.T, s *e2e.Env, box *e2e.Mailbox) {
		thief := s.RegisterAndSignIn("mario", "mario@example.com")
		thief.Ask(e2e.RequestEmailChangeMutation, e2e.Vars{"p": e2e.Password, "e": "thief@example.com"}).Ok()
		letters := s.NextEmails(box)
		stop, confirm := letters["<mario@example.com>"].Token(), letters["<thief@example.com>"].Token()
		s.Anonymous().Ask(e2e.CancelEmailChangeMutation, e2e.Vars{"t": stop}).Ok().Equals("cancelEmailChange.cancelled", true)
		if thief.SignedIn() {
			t.Fatal("the session continues after the cancellation")
		}
		s.Anonymous().Ask(e2e.ConfirmEmailChangeMutation, e2e.Vars{"t": confirm}).HasUserErrors("confirmEmailChange", "TOKEN_INVALID@token")
		s.SignIn("mario").Ask(`{ me { email pendingEmail } }`, nil).Ok().Equals("me.email", "mario@example.com").Equals("me.pendingEmail", nil)
		s.Anonymous().Ask(e2e.CancelEmailChangeMutation, e2e.Vars{"t": stop}).Equals("cancelEmailChange.userErrors.0.code", "TOKEN_INVALID")
	})
	e2e.EachWithMail(t, func(t *testing.T, s *e2e.Env, box *e2e.Mailbox) {
		s.RegisterWithEmail("mario", "mario@example.com")
		s.Anonymous().Ask(e2e.ActivateMutation, e2e.Vars{"t": s.NextEmail(box, "mario@example.com").Token()}).Ok()
		box.Drain()
		thief := s.SignIn("mario")
		thief.Ask(e2e.RequestEmailChangeMutation, e2e.Vars{"p": e2e.Password, "e": "thief@example.com"}).Ok()
		letters := s.NextEmails(box)
		stop := letters["<mario@example.com>"].Token()
		s.Clock.Advance(23 * time.Hour)
		s.Anonymous().Ask(e2e.ConfirmEmailChangeMutation, e2e.Vars{"t": letters["<thief@example.com>"].Token()}).Ok()
		thief = s.SignIn("mario")
		thief.ChangePassword(e2e.Password, e2e.NewPassword)
		thief.Ask(e2e.RequestEmailChangeMutation, e2e.Vars{"p": e2e.NewPassword, "e": "thief2@example.com"}).Ok()
		letters = map[string]e2e.Email{}
		s.WaitForOutbox()
		for range 6 { // both of the first change, and both of the second with two notices in between
			l := box.Next()
			letters[l.To+l.Subject] = l
		}
		again := letters["<thief@example.com>Your email address is about to change"].Token()
		s.Clock.Advance(23 * time.Hour)
		s.Anonymous().Ask(e2e.CancelEmailChangeMutation, e2e.Vars{"t": stop}).Ok()
		if thief.SignedIn() {
			t.Fatal("the session continues after the cancellation")
		}
		s.Anonymous().Ask(e2e.CancelEmailChangeMutation, e2e.Vars{"t": again}).Equals("cancelEmailChange.userErrors.0.code", "TOKEN_INVALID")
		s.Anonymous().Ask(e2e.RequestPasswordResetMutation, e2e.Vars{"e": "mario@example.com"}).Ok()
		s.WaitForOutbox()
		received := box.All()
		reset := received[len(received)-1]
		s.Anonymous().Ask(e2e.ResetPasswordMutation, e2e.Vars{"t": reset.Token(), "p": e2e.Password}).Ok()
		s.ObtainToken("mario@example.com", e2e.Password).Ok()
	}, e2e.RequireEmailVerification)
}

// TestEmailChangeCancelExpires checks that cancelling is possible for a day, only for a confirmed old address, and not
// again after a later change; of two users who exchange an address, the first one keeps it.
func TestEmailChangeCancelExpires(t *testing.T) {
	move := func(s *e2e.Env, box *e2e.Mailbox, to string) (stop string) {
		s.T.Helper()
		s.Clock.Advance(time.Minute)
		s.SignIn("mario").Ask(e2e.RequestEmailChangeMutation, e2e.Vars{"p": e2e.Password, "e": to}).Ok()
		var confirm string
		for address, l := range s.NextEmails(box) {
			if address == "<"+to+">" {
				confirm = l.Token()
			} else {
				stop = l.Token()
			}
		}
		s.Anonymous().Ask(e2e.ConfirmEmailChangeMutation, e2e.Vars{"t": confirm}).Ok()
		s.NextEmail(box, to)
		return stop
	}
	begin := func(s *e2e.Env, box *e2e.Mailbox) {
		s.T.Helper()
		s.RegisterWithEmail("mario", "a@example.com")
		s.Anonymous().Ask(e2e.ActivateMutation, e2e.Vars{"t": s.NextEmail(box, "a@example.com").Token()}).Ok()
	}
	e2e.EachWithMail(t, func(t *testing.T, s *e2e.Env, box *e2e.Mailbox) {
		begin(s, box)
		old := move(s, box, "b@example.com")
		s.Clock.Advance(25 * time.Hour)
		if code := s.Redeem("cancelEmailChange", old); code != "TOKEN_EXPIRED" {
			t.Fatalf("a day later: %q", code)
		}
		move(s, box, "c@example.com")
		if code := s.Redeem("cancelEmailChange", old); code != "TOKEN_EXPIRED" {
			t.Fatalf("after another change: %q", code)
		}
	}, e2e.RequireEmailVerification)
	e2e.EachWithMail(t, func(t *testing.T, s *e2e.Env, box *e2e.Mailbox) {
		begin(s, box)
		move(s, box, "thief@example.com")
		thiefs := move(s, box, "a@example.com")
		owners := move(s, box, "thief2@example.com")
		if code := s.Redeem("cancelEmailChange", owners); code != "" {
			t.Fatalf("the owner's: %s", code)
		}
		if code := s.Redeem("cancelEmailChange", thiefs); code != "TOKEN_INVALID" {
			t.Fatalf("the thief's: %q", code)
		}
		s.ObtainToken("a@example.com", e2e.Password).Ok()
	}, e2e.RequireEmailVerification)
	e2e.EachWithMail(t, func(t *testing.T, s *e2e.Env, box *e2e.Mailbox) {
		s.RegisterAndSignIn("mario", "not-marios@example.com") // without a request
		if code := s.Redeem("cancelEmailChange", move(s, box, "mario@example.com")); code != "TOKEN_INVALID" {
			t.Fatalf("from an address that was never confirmed: %q", code)
		}
	})
}

// TestActivationShowsProfile checks that the profile of a pending account is in no list, and unchanged in lists after
// activation.
func TestActivationShowsProfile(t *testing.T) {
	e2e.EachWithMail(t, func(t *testing.T, s *e2e.Env, box *e2e.Mailbox) {
		s.RegisterWithEmail("mario", "mario@example.com")
		s.Anonymous().Ask(e2e.ActivateMutation, e2e.Vars{"t": s.NextEmail(box, "mario@example.com").Token()}).Ok()
		a := s.Anonymous().Ask(e2e.RegisterMutation, e2e.Vars{"input": e2e.Vars{"username": "luigi", "email": "luigi@example.com", "password": e2e.Password,
			"profile": e2e.Vars{"location": "Rome", "description": "Green", "isOrganizer": true}}}).Ok()
		made := s.Clock.Now()
		mario := s.SignIn("mario")
		mario.Ask(`{ profiles { totalCount } }`, nil).Ok().Equals("profiles.totalCount", 1)
		mario.Ask(`query ($id: ID!) { profile(id: $id) { id } }`, e2e.Vars{"id": a.Text("register.user.profile.id")}).Ok().Equals("profile", nil)
		s.Clock.Advance(time.Minute)
		s.Anonymous().Ask(e2e.ActivateMutation, e2e.Vars{"t": s.NextEmail(box, "luigi@example.com").Token()}).Ok()
		mario.Ask(`query ($id: ID!) { profile(id: $id) { username location description isOrganizer dateJoined } }`,
			e2e.Vars{"id": a.Text("register.user.profile.id")}).Ok().Equals("profile.username", "luigi").Equals("profile.location", "Rome").
			Equals("profile.description", "Green").Equals("profile.isOrganizer", true).
			Equals("profile.dateJoined", made.UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano))
	}, e2e.RequireEmailVerification)
}

// TestEmailChangeRacesForAddress checks that one of two users who change to the same address succeeds.
func TestEmailChangeRacesForAddress(t *testing.T) {
	e2e.EachWithMail(t, func(t *testing.T, s *e2e.Env, box *e2e.Mailbox) {
		mario, luigi := s.RegisterAndSignIn("mario", "mario@example.com"), s.RegisterAndSignIn("luigi", "luigi@example.com")
		mario.Ask(e2e.RequestEmailChangeMutation, e2e.Vars{"p": e2e.Password, "e": "bros@example.com"}).Ok()
		first := s.NextEmails(box)["<bros@example.com>"].Token()
		s.Clock.Advance(time.Minute)
		luigi.Ask(e2e.RequestEmailChangeMutation, e2e.Vars{"p": e2e.Password, "e": "BROS@example.com"}).Ok()
		second := s.NextEmails(box)["<BROS@example.com>"].Token()
		s.Anonymous().Ask(e2e.ConfirmEmailChangeMutation, e2e.Vars{"t": second}).Ok().Equals("confirmEmailChange.user.username", "luigi")
		s.Anonymous().Ask(e2e.ConfirmEmailChangeMutation, e2e.Vars{"t": first}).HasUserErrors("confirmEmailChange", "TOKEN_INVALID@token")
		s.NextEmail(box, "BROS@example.com")
		// A request for a confirmed address is not rejected: its owner is notified.
		s.Clock.Advance(time.Minute)
		mario = s.SignIn("mario")
		mario.Ask(e2e.RequestEmailChangeMutation, e2e.Vars{"p": e2e.Password, "e": "bros@example.com"}).Ok().
			Equals("requestEmailChange.user.pendingEmail", "bros@example.com")
		notice := s.NextEmails(box)["<BROS@example.com>"]
		if notice.Token() != "" || !strings.Contains(notice.Text, "“luigi”") {
			t.Fatalf("the mail says %s", notice.Text)
		}
	})
}

// TestSecurityNotices checks that each change of an account's security sends a notice to its owner.
func TestSecurityNotices(t *testing.T) {
	e2e.EachWithMail(t, func(t *testing.T, s *e2e.Env, box *e2e.Mailbox) {
		mario := s.RegisterAndSignIn("mario", "mario@example.com")
		s.AssertNoEmail(box)
		notice := func(subject string) {
			t.Helper()
			if l := s.NextEmail(box, "mario@example.com"); l.Subject != subject {
				t.Fatalf("want %q, have %q", subject, l.Subject)
			}
		}
		s.SignIn("mario")
		s.AssertNoEmail(box)
		c := s.Anonymous()
		c.UseTokens(newAgent(c, "Firefox/150.0 (Linux)").ask(e2e.ObtainTokenMutation, e2e.Vars{"input": e2e.Vars{"identifier": "mario", "password": e2e.Password}}).Ok(), "obtainToken")
		notice("New sign-in to your account")
		newAgent(c, "Firefox/151.1 (Linux)").ask(e2e.ObtainTokenMutation, e2e.Vars{"input": e2e.Vars{"identifier": "mario", "password": e2e.Password}}).Ok()
		s.AssertNoEmail(box)
		mario.ChangePassword(e2e.Password, e2e.NewPassword)
		notice("Your password has changed")
		mario.Ask(`mutation ($p: String!) { changeUsername(input: {currentPassword: $p, newUsername: "super.mario"}) { user { username } userErrors { code } } }`,
			e2e.Vars{"p": e2e.NewPassword}).Ok()
		notice("Your username has changed")
		mario.Ask(`mutation ($p: String!) { deleteMe(input: {currentPassword: $p}) { deletedUserId userErrors { code } } }`, e2e.Vars{"p": e2e.NewPassword}).Ok()
		notice("Your account has been deleted")
	}, "LATCHKEY_NEW_DEVICE_NOTICE=on")
}

// newAgent returns the client as another program.
func newAgent(c *e2e.Client, userAgent string) *agent { return &agent{c, userAgent} }

type agent struct {
	*e2e.Client
	name string
}

func (c *agent) ask(query string, variables e2e.Vars) *e2e.Response {
	c.T.Helper()
	return c.AskWith(http.Header{"User-Agent": {c.name}}, query, variables)
}

// tokensOf returns a good token of each purpose, with the field that redeems it.
func tokensOf(s *e2e.Env, box *e2e.Mailbox) map[string]string {
	s.T.Helper()
	s.RegisterWithEmail("waiting", "waiting@example.com")
	tokens := map[string]string{"activate": s.NextEmail(box, "waiting@example.com").Token()}
	s.RegisterWithEmail("mario", "mario@example.com")
	s.Anonymous().Ask(e2e.ActivateMutation, e2e.Vars{"t": s.NextEmail(box, "mario@example.com").Token()}).Ok()
	s.SignIn("mario").Ask(e2e.RequestEmailChangeMutation, e2e.Vars{"p": e2e.Password, "e": "new@example.com"}).Ok()
	letters := s.NextEmails(box)
	tokens["confirmEmailChange"], tokens["cancelEmailChange"] = letters["<new@example.com>"].Token(), letters["<mario@example.com>"].Token()
	s.Anonymous().Ask(e2e.RequestPasswordResetMutation, e2e.Vars{"e": "mario@example.com"}).Ok()
	tokens["resetPassword"] = s.NextEmail(box, "mario@example.com").Token()
	for purpose, token := range tokens {
		if token == "" {
			s.T.Fatalf("no token for %s", purpose)
		}
	}
	return tokens
}

// redeemPatiently does so again when too many passwords are being hashed.
func redeemPatiently(s *e2e.Env, purpose, token string) (code string) {
	s.T.Helper()
	for code = "RATE_LIMITED"; code == "RATE_LIMITED"; {
		code = s.Redeem(purpose, token)
	}
	return code
}

// TestActivationRacesForAddress checks that one of several pending accounts with the same address is activated, and the
// others are deleted.
func TestActivationRacesForAddress(t *testing.T) {
	e2e.EachStrictWithMail(t, func(t *testing.T, s *e2e.Env, box *e2e.Mailbox) {
		other := s.AnotherNode(e2e.RequireEmailVerification, box.Setting)
		for round := range 3 {
			address := fmt.Sprintf("peach%d@example.com", round)
			var tokens []string
			for i := range 6 {
				s.RegisterWithEmail(fmt.Sprintf("waiting%d-%d", round, i), address)
				tokens = append(tokens, s.NextEmail(box, address).Token())
			}
			var succeeded atomic.Int32
			e2e.Concurrently(len(tokens), func(i int) {
				switch code := []*e2e.Env{s, other}[i%2].Redeem("activate", tokens[i]); code {
				case "":
					succeeded.Add(1)
				case "TOKEN_INVALID":
				default:
					t.Errorf("code %s", code)
				}
			})
			if n := succeeded.Load(); n != 1 {
				t.Fatalf("%d were activated", n)
			}
		}
	}, e2e.RequireEmailVerification)
}

// TestEmailTokenHasOnePurpose checks that a token is accepted for its own purpose only.
func TestEmailTokenHasOnePurpose(t *testing.T) {
	e2e.EachWithMail(t, func(t *testing.T, s *e2e.Env, box *e2e.Mailbox) {
		tokens := tokensOf(s, box)
		for purpose, token := range tokens {
			for other := range tokens {
				if other != purpose {
					if code := s.Redeem(other, token); code != "TOKEN_INVALID" {
						t.Errorf("a token for %s at %s: %q", purpose, other, code)
					}
				}
			}
			for _, query := range []string{
				`mutation ($t: String!) { refreshToken(input: {refreshToken: $t}) { userErrors { code } } }`,
				`mutation ($t: String!) { verifyToken(input: {token: $t}) { valid } }`,
			} {
				a := s.Anonymous().Ask(query, e2e.Vars{"t": token})
				if a.Get("refreshToken.userErrors.0.code") != "TOKEN_INVALID" && a.Get("verifyToken.valid") != false {
					t.Errorf("a token for %s: %s", purpose, a.Body)
				}
			}
		}
		for kept := range s.Dump() { // and nothing that the database holds is a token
			for purpose := range tokens {
				if code := s.Redeem(purpose, kept); code != "TOKEN_INVALID" {
					t.Errorf("%q from the database at %s: %q", kept, purpose, code)
				}
			}
		}
	}, e2e.RequireEmailVerification)
}

// TestEmailTokenRacesForUse checks that one of 16 concurrent uses of a token succeeds.
func TestEmailTokenRacesForUse(t *testing.T) {
	for _, purpose := range []string{"activate", "resetPassword", "confirmEmailChange", "cancelEmailChange"} {
		t.Run(purpose, func(t *testing.T) {
			e2e.EachStrictWithMail(t, func(t *testing.T, s *e2e.Env, box *e2e.Mailbox) {
				token := tokensOf(s, box)[purpose]
				var succeeded atomic.Int32
				other := s.AnotherNode(e2e.RequireEmailVerification, box.Setting)
				e2e.Concurrently(16, func(i int) {
					node := s
					if i%2 == 1 {
						node = other
					}
					switch code := redeemPatiently(node, purpose, token); code {
					case "":
						succeeded.Add(1)
					case "TOKEN_INVALID":
					default:
						t.Errorf("code %s", code)
					}
				})
				if n := succeeded.Load(); n != 1 {
					t.Fatalf("%d succeeded", n)
				}
			}, e2e.RequireEmailVerification)
		})
	}
}

// TestEmailRateLimit checks that the number of emails to one address is limited.
func TestEmailRateLimit(t *testing.T) {
	e2e.EachStrictWithMail(t, func(t *testing.T, s *e2e.Env, box *e2e.Mailbox) {
		s.RegisterAndSignIn("mario", "mario@example.com")
		e2e.Concurrently(16, func(int) {
			s.Anonymous().Ask(e2e.RequestPasswordResetMutation, e2e.Vars{"e": "mario@example.com"}).Ok()
		})
		s.NextEmail(box, "mario@example.com")
		for range 30 {
			s.Clock.Advance(time.Minute)
			s.Anonymous().Ask(e2e.RequestPasswordResetMutation, e2e.Vars{"e": "Mario@example.com"}).Ok().Equals("requestPasswordReset.accepted", true)
		}
		s.Anonymous().Ask(e2e.RequestUsernameReminderMutation, e2e.Vars{"e": "mario@example.com"}).Ok()
		s.WaitForOutbox()
		if n := len(box.All()); n != 20+1 { // the reminder counts separately
			t.Fatalf("%d mails", n)
		}
		s.Clock.Advance(24 * time.Hour)
		s.Anonymous().Ask(e2e.RequestPasswordResetMutation, e2e.Vars{"e": "mario@example.com"}).Ok()
		s.NextEmail(box, "mario@example.com")
	})
}

// TestEmailLanguage checks that emails are in the language of the request.
func TestEmailLanguage(t *testing.T) {
	e2e.EachWithMail(t, func(t *testing.T, s *e2e.Env, box *e2e.Mailbox) {
		s.RegisterAndSignIn("mario", "mario@example.com")
		for accept, want := range map[string]string{"de-AT,en;q=0.5": "de", "es": "es", "fr, en;q=0.1": "en", "\xff": "en", "": "en"} {
			s.Clock.Advance(time.Minute)
			s.Anonymous().AskWith(http.Header{"Accept-Language": {accept}}, e2e.RequestPasswordResetMutation, e2e.Vars{"e": "mario@example.com"}).Ok()
			if l := s.NextEmail(box, "mario@example.com"); l.Language != want {
				t.Errorf("%q: the mail is in %s: %s", accept, l.Language, l.Subject)
			}
		}
	})
}

// TestOutboxRetries checks that the outbox retries temporary failures, drops permanent ones and delivers after outages
// and restarts.
func TestOutboxRetries(t *testing.T) {
	e2e.EachWithMail(t, func(t *testing.T, s *e2e.Env, box *e2e.Mailbox) {
		s.RegisterAndSignIn("mario", "mario@example.com")
		ask := func() {
			t.Helper()
			s.Clock.Advance(time.Minute)
			s.Anonymous().Ask(e2e.RequestPasswordResetMutation, e2e.Vars{"e": "mario@example.com"}).Ok()
		}
		box.Reply(451)
		ask()
		first := box.Next()
		s.WaitForLog(`"email postponed"`, 1)
		s.Clock.Advance(30 * time.Second)
		second := box.Next()
		s.WaitForLog(`"email postponed"`, 2)
		box.Reply(0)
		s.Clock.Advance(time.Minute)
		third := s.NextEmail(box, "mario@example.com")
		if first.ID == "" || first.ID != second.ID || second.ID != third.ID || first.Token() != third.Token() {
			t.Fatalf("tries %s, %s, %s", first.ID, second.ID, third.ID)
		}
		if s.Redeem("resetPassword", third.Token()) != "" {
			t.Fatal("the token of the third try is not good")
		}
		s.NextEmail(box, "mario@example.com") // the notice
		box.Drain()

		box.Reply(550)
		ask()
		box.Next()
		s.WaitForOutbox() // it is not tried again
		s.AssertNoEmail(box)

		box.Reply(451)
		ask()
		waited := time.Duration(0)
		for failures := 4; ; failures++ {
			box.Next()
			pause := postponedFor(s, failures)
			if pause == 0 {
				break
			}
			waited += pause
			s.Clock.Advance(pause)
		}
		if waited < 58*time.Minute || waited > 60*time.Minute {
			t.Fatalf("given up after %s", waited)
		}
		s.WaitForOutbox()
		if failed := s.Count(`mails WHERE state = 'FAILED'`); failed != 2 {
			t.Fatalf("%d mails have failed", failed)
		}
		if tokens := s.Count(`mails WHERE sealed_token IS NOT NULL`); tokens != 0 {
			t.Fatalf("%d tokens are still kept", tokens)
		}
		box.Reply(0)
		s.AssertNoEmail(box)
	})
}

// putOff waits until so many tries to send a mail have failed, and returns for how long the last of these mails is put
// off; 0 when it is given up.
func postponedFor(s *e2e.Env, failures int) (pause time.Duration) {
	s.T.Helper()
	for deadline := time.Now().Add(e2e.Timeout); ; <-time.After(time.Millisecond) {
		seen := 0
		for line := range strings.Lines(s.Log.String()) {
			var said struct {
				Message string  `json:"msg"`
				Pause   float64 `json:"pause_ms"`
			}
			json.Unmarshal([]byte(line), &said)
			if said.Message == "email postponed" || said.Message == "email given up" {
				if seen++; seen == failures {
					return time.Duration(said.Pause*1000) * time.Microsecond
				}
			}
		}
		if time.Now().After(deadline) {
			s.T.Fatal("the email is neither sent nor dropped")
		}
	}
}

// TestOutboxDoesNotDelayResponse checks that a response does not wait for the SMTP server.
func TestOutboxDoesNotDelayResponse(t *testing.T) {
	e2e.EachWithMail(t, func(t *testing.T, s *e2e.Env, box *e2e.Mailbox) {
		speak := box.Hold()
		defer speak()
		s.RegisterAndSignIn("mario", "mario@example.com")
		s.Anonymous().Ask(e2e.RequestPasswordResetMutation, e2e.Vars{"e": "mario@example.com"}).Ok()
		box.Next()
		s.SignIn("mario")
		speak()
		s.NextEmail(box, "mario@example.com")
	})
}

// TestOutboxSenderKilled checks that an email is sent again with the same ID and token if the server is killed before
// the SMTP server's reply.
func TestOutboxSenderKilled(t *testing.T) {
	e2e.EachDatabase(t, func(t *testing.T, database string) {
		box := e2e.NewMailbox(t)
		speak := box.Hold()
		defer speak()
		p := e2e.StartProcess(t, database, box.Setting)
		p.RegisterAndSignIn("mario", "mario@example.com")
		p.Anonymous().Ask(e2e.RequestPasswordResetMutation, e2e.Vars{"e": "mario@example.com"}).Ok()
		first := box.Next()
		p.Kill()
		speak()
		s := e2e.StartAt(t, database, e2e.NewClock(time.Now().Add(6*time.Minute)), box.Setting)
		second := box.Next()
		s.WaitForOutbox()
		if len(box.All()) != 2 || first.ID != second.ID || first.Token() != second.Token() {
			t.Fatalf("%d copies, %s and %s", len(box.All()), first.ID, second.ID)
		}
		if s.Redeem("resetPassword", first.Token()) != "" {
			t.Fatal("the token is rejected")
		}
	})
}

// TestOutboxOnThreeNodes checks that each email is sent by one of three nodes.
func TestOutboxOnThreeNodes(t *testing.T) {
	e2e.EachStrictWithMail(t, func(t *testing.T, s *e2e.Env, box *e2e.Mailbox) {
		nodes := []*e2e.Env{s, s.AnotherNode(box.Setting), s.AnotherNode(box.Setting)}
		const people = 12
		for i := range people {
			nodes[i%3].RegisterAndSignIn(fmt.Sprint("user", i), fmt.Sprintf("user%d@example.com", i))
		}
		e2e.Concurrently(people, func(i int) {
			nodes[i%3].Anonymous().Ask(e2e.RequestPasswordResetMutation, e2e.Vars{"e": fmt.Sprintf("user%d@example.com", i)}).Ok()
		})
		if letters := s.NextEmails(box); len(letters) != people {
			t.Fatalf("%d mails", len(letters))
		}
	})
}

// TestEmailHeaderInjection checks that addresses and names add no recipients and headers to an email.
func TestEmailHeaderInjection(t *testing.T) {
	e2e.EachWithMail(t, func(t *testing.T, s *e2e.Env, box *e2e.Mailbox) {
		for _, address := range []string{
			"mario@example.com, thief@example.com", "mario@example.com;thief@example.com", "mario@example.com\r\nBcc: thief@example.com",
			"mario@example.com\nRCPT TO:<thief@example.com>", "mario@example.com%0d%0abcc:thief@example.com", "<thief@example.com>mario@example.com",
			"Mario <mario@example.com>", "\"mario\r\nBcc: x\"@example.com", "mario@example.com>", "mario@[127.0.0.1]", "@example.com:mario@example.com",
		} {
			a := s.Anonymous().Ask(e2e.RegisterMutation, e2e.Vars{"input": e2e.Vars{"username": "mario", "email": address, "password": e2e.Password}})
			a.HasUserErrors("register", "INVALID@email")
			if a := s.Anonymous().Ask(e2e.RequestPasswordResetMutation, e2e.Vars{"e": address}); a.Get("requestPasswordReset.accepted") != false {
				t.Errorf("%q: %s", address, a.Body)
			}
		}
		s.Anonymous().Ask(e2e.RegisterMutation, e2e.Vars{"input": e2e.Vars{"username": "mario\r\nBcc: thief@example.com", "password": e2e.Password}}).
			HasUserErrors("register", "INVALID@username")
		c := s.RegisterAndSignIn("mario", "mario@example.com")
		newAgent(c, "Evil\tBrowser <script>\u202e").ask(e2e.ObtainTokenMutation, e2e.Vars{"input": e2e.Vars{
			"identifier": "mario", "password": e2e.Password, "deviceName": "<b>Bcc: thief@example.com</b> http://localhost:5173/activate#token=x",
		}}).Ok()
		l := s.NextEmail(box, "mario@example.com")
		if len(l.Recipients) != 1 || l.Headers.Get("Bcc") != "" || strings.Contains(l.HTML, "<b>Bcc") {
			t.Fatalf("%v %v %s", l.Recipients, l.Headers, l.HTML)
		}
	}, "LATCHKEY_NEW_DEVICE_NOTICE=on")
}

// TestMailCommands checks that the mail commands show templates and send a test email.
func TestMailCommands(t *testing.T) {
	e2e.EachWithMail(t, func(t *testing.T, s *e2e.Env, box *e2e.Mailbox) {
		smtp := "--smtp-url=" + strings.TrimPrefix(box.Setting, "LATCHKEY_SMTP_URL=")
		printed := s.Run("mail", "preview", "activation", "--app-url", "https://app.example.com")
		for _, want := range []string{"Subject: Confirm your email address", "https://app.example.com/activate#token=", "</html>"} {
			if !strings.Contains(printed, want) {
				t.Errorf("no %s in %s", want, printed)
			}
		}
		if german := s.Run("mail", "preview", "de/activation"); !strings.Contains(german, `lang="de"`) {
			t.Errorf("not German: %s", german)
		}
		s.RunFails(`unknown mail template "invoice"`, "mail", "preview", "invoice")
		s.RunFails(`unknown language "xx"`, "mail", "preview", "xx/activation")
		s.RunFails("needs the email address", "mail", "test", smtp)
		s.RunFails("LATCHKEY_SMTP_URL is not set", "mail", "test", "mario@example.com")
		s.Run("mail", "test", "mario@example.com", smtp)
		if l := s.NextEmail(box, "mario@example.com"); l.From != `"Latchkey" <no-reply@localhost>` {
			t.Errorf("it comes from %s", l.From)
		}
		box.Reply(550)
		s.RunFails("not sent: ", "mail", "test", "mario@example.com", smtp)
	})
}

// TestEmailTemplates checks that an operator's template replaces a built-in one, and a broken one prevents the start.
func TestEmailTemplates(t *testing.T) {
	folder := t.TempDir()
	own := func(text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(folder, "en"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, "en", "username-reminder.txt"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const good = "Subject: Hello from the club\n\nYou are {{.Username}}.\n"
	own(good)
	setting := "LATCHKEY_MAIL_TEMPLATES=" + folder
	e2e.EachWithMail(t, func(t *testing.T, s *e2e.Env, box *e2e.Mailbox) {
		s.RegisterAndSignIn("mario", "mario@example.com")
		s.Anonymous().Ask(e2e.RequestUsernameReminderMutation, e2e.Vars{"e": "mario@example.com"}).Ok()
		if l := s.NextEmail(box, "mario@example.com"); l.Subject != "Hello from the club" || !strings.Contains(l.HTML, "You are mario.") {
			t.Fatalf("%s: %s", l.Subject, l.HTML)
		}
		own("Subject: Hello\n\nYou are {{.Nickname}}.\n")
		if why := s.StartError(setting, "LATCHKEY_SECRET="+e2e.Secret); !strings.Contains(why, "en/username-reminder.txt:3") {
			t.Fatalf("it prints %s", why)
		}
		own(good)
	}, setting)
}

// TestEmailWithoutSMTP checks that emails without an SMTP server are in the log in development, and nowhere in
// production.
func TestEmailWithoutSMTP(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		s.RegisterAndSignIn("mario", "mario@example.com")
		s.Anonymous().Ask(e2e.RequestPasswordResetMutation, e2e.Vars{"e": "mario@example.com"}).Ok()
		s.WaitForLog(`/reset-password#token=`, 1)
		production := s.AnotherNode("LATCHKEY_MODE=production", "LATCHKEY_PUBLIC_URL=https://id.example.com")
		s.Stop()
		s.Clock.Advance(time.Hour)
		production.Anonymous().Ask(e2e.RequestPasswordResetMutation, e2e.Vars{"e": "mario@example.com"}).Ok()
		if said := production.Log.String(); strings.Contains(said, "#token=") || !strings.Contains(said, "no email is delivered") {
			t.Fatalf("it prints %s", said)
		}
	})
}
