package main

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

	"latchkey/internal/store/storetest"
)

// The life of an account by e-mail, told over HTTP and SMTP.

const (
	activateMutation     = `mutation ($t: String!) { activate(input: {token: $t}) { user { id username email emailVerified status } userErrors { code field } } }`
	resendMutation       = `mutation ($e: String!) { resendActivation(input: {email: $e}) { accepted userErrors { code field } } }`
	requestResetMutation = `mutation ($e: String!) { requestPasswordReset(input: {email: $e}) { accepted userErrors { code field } } }`
	resetMutation        = `mutation ($t: String!, $p: String!) { resetPassword(input: {token: $t, newPassword: $p}) { changed userErrors { code field } } }`
	reminderMutation     = `mutation ($e: String!) { requestUsernameReminder(input: {email: $e}) { accepted userErrors { code field } } }`
	requestChangeQuery   = `mutation ($p: String!, $e: String!) { requestEmailChange(input: {currentPassword: $p, newEmail: $e}) {
		user { email pendingEmail emailVerified } userErrors { code field } } }`
	confirmMutation = `mutation ($t: String!) { confirmEmailChange(input: {token: $t}) { user { username email pendingEmail emailVerified } userErrors { code field } } }`
	cancelMutation  = `mutation ($t: String!) { cancelEmailChange(input: {token: $t}) { cancelled userErrors { code field } } }`

	newPassword = "the-princess-is-in-another-castle"
)

// join registers somebody with an address, and returns the answer.
func (s *site) join(username, email string) *answer {
	s.t.Helper()
	return s.anonymous().ask(registerMutation, vars{"input": vars{"username": username, "email": email, "password": password}}).ok()
}

// joined registers somebody with an address and signs them in, where addresses need no confirmation.
func (s *site) joined(username, email string) *client {
	s.t.Helper()
	c := s.anonymous()
	a := s.join(username, email)
	c.keep(a, "register")
	c.userID = a.text("register.user.id")
	return c
}

func (s *site) obtain(identifier, password string) *answer {
	s.t.Helper()
	return s.anonymous().ask(obtainTokenMutation, vars{"input": vars{"identifier": identifier, "password": password}})
}

func TestAnAccountWaitsForItsAddress(t *testing.T) {
	onEachWithMail(t, func(t *testing.T, s *site, box *mailbox) {
		a := s.join("mario", "Mario@Example.com")
		a.is("register.user.status", "PENDING").is("register.user.email", "Mario@Example.com").
			is("register.user.emailVerified", false).is("register.tokens", nil).is("register.user.lastLoginAt", nil)
		for _, identifier := range []string{"mario", "MARIO@example.COM"} {
			s.obtain(identifier, password).mistakes("obtainToken", "EMAIL_NOT_VERIFIED")
			s.obtain(identifier, "not-his-password").mistakes("obtainToken", "INVALID_CREDENTIALS")
		}
		l := s.letter(box, "Mario@example.com")
		if !strings.HasPrefix(l.Text[strings.Index(l.Text, "http://localhost:5173/"):], "http://localhost:5173/activate#token=") ||
			!strings.Contains(l.Text, "mario") || !strings.Contains(l.HTML, l.token()) {
			t.Fatalf("the mail says %s", l.Text)
		}
		for _, bad := range []string{"", "x", l.token() + "=", l.token()[:42], strings.ToLower(l.token()), s.join("luigi", "luigi@example.com").text("register.user.id")} {
			s.anonymous().ask(activateMutation, vars{"t": bad}).mistakes("activate", "TOKEN_INVALID@token")
		}
		s.anonymous().ask(activateMutation, vars{"t": l.token()}).ok().
			is("activate.user.status", "ACTIVE").is("activate.user.emailVerified", true).is("activate.user.email", "Mario@Example.com")
		s.anonymous().ask(activateMutation, vars{"t": l.token()}).mistakes("activate", "TOKEN_INVALID@token")
		s.obtain("mario@example.com", password).ok().is("obtainToken.user.username", "mario")
		s.anonymous().ask(`{ serverInfo { emailVerification } }`, nil).is("serverInfo.emailVerification", true)
		s.anonymous().ask(registerMutation, vars{"input": vars{"username": "toad", "password": password}}).
			mistakes("register", "REQUIRED@email")
	}, verification)
}

func TestActivationIsSentAgain(t *testing.T) {
	onEachWithMail(t, func(t *testing.T, s *site, box *mailbox) {
		s.join("mario", "mario@example.com")
		first := s.letter(box, "mario@example.com").token()
		resend := func() {
			t.Helper()
			s.anonymous().ask(resendMutation, vars{"e": "MARIO@example.com"}).ok().is("resendActivation.accepted", true)
		}
		resend() // within a minute
		s.noLetter(box)
		s.clock.advance(time.Minute)
		resend()
		second := s.letter(box, "mario@example.com").token()
		s.anonymous().ask(activateMutation, vars{"t": first}).mistakes("activate", "TOKEN_INVALID@token")
		s.clock.advance(24*time.Hour - time.Second)
		s.anonymous().ask(`{ serverInfo { emailVerification } }`, nil).ok()
		s.clock.advance(time.Second)
		s.anonymous().ask(activateMutation, vars{"t": second}).mistakes("activate", "TOKEN_EXPIRED@token")
		resend()
		third := s.letter(box, "mario@example.com").token()
		s.anonymous().ask(activateMutation, vars{"t": third}).ok()
		s.clock.advance(time.Minute)
		resend() // nothing waits any more
		s.noLetter(box)
		s.anonymous().ask(resendMutation, vars{"e": "nowhere"}).is("resendActivation.accepted", false).
			is("resendActivation.userErrors.0.code", "INVALID")
	}, verification)
}

// TestRegistrationTellsNobodyWhoIsKnown registers a known and an unknown address, and compares all that a stranger
// sees.
func TestRegistrationTellsNobodyWhoIsKnown(t *testing.T) {
	onEachWithMail(t, func(t *testing.T, s *site, box *mailbox) {
		s.join("mario", "mario@example.com")
		s.anonymous().ask(activateMutation, vars{"t": s.letter(box, "mario@example.com").token()}).ok()
		s.clock.advance(time.Hour)
		known, unknown := s.join("guess1", "MARIO@example.com"), s.join("guess2", "NOBODY@example.com")
		blur := func(a *answer) string {
			text := strings.NewReplacer("guess1", "guess", "guess2", "guess", "MARIO@", "@", "NOBODY@", "@").Replace(string(a.Body))
			for _, path := range []string{"register.user.id", "register.user.profile.id"} {
				text = strings.Replace(text, a.text(path), "", 1)
			}
			return text
		}
		if blur(known) != blur(unknown) {
			t.Fatalf("%s\nis not\n%s", known.Body, unknown.Body)
		}
		for _, guess := range []string{"guess1", "guess2"} {
			s.anonymous().ask(registerMutation, vars{"input": vars{"username": guess, "email": "other@example.com", "password": password}}).
				mistakes("register", "TAKEN@username")
			s.obtain(guess, password).mistakes("obtainToken", "EMAIL_NOT_VERIFIED")
		}
		// The usual password is mario's too, so the guesser has another one.
		for _, address := range []string{"mario@example.com", "nobody@example.com"} {
			s.clock.advance(time.Minute)
			s.anonymous().ask(registerMutation, vars{"input": vars{"email": address, "password": newPassword}}).ok()
			s.obtain(address, newPassword).mistakes("obtainToken", "EMAIL_NOT_VERIFIED")
			s.obtain(address, "neither-of-the-two").mistakes("obtainToken", "INVALID_CREDENTIALS")
		}
		var told, asked int
		s.settle()
		for range 5 {
			l := box.next()
			switch {
			case l.Headers.Get("To") == "<mario@example.com>" && l.Subject == "Confirm your e-mail address": // the first
			case l.To == "<mario@example.com>" && l.token() == "" && strings.Contains(l.Text, "“mario”"):
				told++
			case l.To == "<NOBODY@example.com>", l.To == "<nobody@example.com>":
				asked++
			default:
				t.Fatalf("a mail to %s: %s", l.To, l.Text)
			}
		}
		if told != 2 || asked != 2 {
			t.Fatalf("%d mails to mario, %d to nobody", told, asked)
		}
		s.obtain("mario", password).ok()
	}, verification)
}

// TestTheOwnerOfAnAddressGetsIt is about accounts that somebody else made with it before.
func TestTheOwnerOfAnAddressGetsIt(t *testing.T) {
	onEachWithMail(t, func(t *testing.T, s *site, box *mailbox) {
		s.join("thief", "peach@example.com")
		trap := s.letter(box, "peach@example.com").token()
		s.clock.advance(time.Minute)
		s.join("peach", "Peach@example.com")
		key := s.letter(box, "Peach@example.com").token()
		s.anonymous().ask(activateMutation, vars{"t": key}).ok().is("activate.user.username", "peach")
		s.anonymous().ask(activateMutation, vars{"t": trap}).mistakes("activate", "TOKEN_INVALID@token")
		s.obtain("thief", password).mistakes("obtainToken", "INVALID_CREDENTIALS")
		s.join("thief", "thief@example.com") // the name is free again
	}, verification)
	// Of an account that waits, the owner of the address can take possession by a new password too.
	onEachWithMail(t, func(t *testing.T, s *site, box *mailbox) {
		s.join("peach", "peach@example.com")
		trap := s.letter(box, "peach@example.com").token()
		s.anonymous().ask(requestResetMutation, vars{"e": "peach@example.com"}).ok()
		s.anonymous().ask(resetMutation, vars{"t": s.letter(box, "peach@example.com").token(), "p": newPassword}).ok()
		s.letter(box, "peach@example.com")
		s.anonymous().ask(activateMutation, vars{"t": trap}).mistakes("activate", "TOKEN_INVALID@token")
		s.obtain("peach", password).mistakes("obtainToken", "INVALID_CREDENTIALS")
		s.obtain("peach@example.com", newPassword).ok()
	}, verification)
	// Where addresses need no confirmation.
	onEachWithMail(t, func(t *testing.T, s *site, box *mailbox) {
		thief := s.joined("thief", "peach@example.com")
		thief.ask(requestChangeQuery, vars{"p": password, "e": "thief@example.com"}).ok()
		way := s.letters(box)["<thief@example.com>"].token()
		s.clock.advance(time.Minute)
		thief = s.signIn("thief")
		s.anonymous().ask(requestResetMutation, vars{"e": "PEACH@example.com"}).ok()
		s.anonymous().ask(resetMutation, vars{"t": s.letter(box, "peach@example.com").token(), "p": newPassword}).ok()
		if thief.alive() {
			t.Fatal("the session outlived the proof of the address")
		}
		s.obtain("thief", password).mistakes("obtainToken", "INVALID_CREDENTIALS")
		s.anonymous().ask(confirmMutation, vars{"t": way}).mistakes("confirmEmailChange", "TOKEN_INVALID@token")
		peach := s.anonymous()
		peach.keep(s.obtain("peach@example.com", newPassword).ok(), "obtainToken")
		peach.ask(`{ me { email emailVerified pendingEmail } }`, nil).ok().is("me.emailVerified", true).is("me.pendingEmail", nil)
	})
	// Somebody who has an address without having shown so does not block a change to it.
	onEachWithMail(t, func(t *testing.T, s *site, box *mailbox) {
		s.joined("thief", "peach@example.com")
		peach := s.joined("peach", "old@example.com")
		peach.ask(requestChangeQuery, vars{"p": password, "e": "peach@example.com"}).ok()
		s.anonymous().ask(confirmMutation, vars{"t": s.letters(box)["<peach@example.com>"].token()}).ok().
			is("confirmEmailChange.user.email", "peach@example.com")
		s.obtain("peach@example.com", password).ok().is("obtainToken.user.username", "peach")
		s.signIn("thief").ask(`{ me { email } }`, nil).ok().is("me.email", nil)
	})
}

func TestAForgottenPassword(t *testing.T) {
	onEachWithMail(t, func(t *testing.T, s *site, box *mailbox) {
		mario := s.joined("mario", "Mario@example.com")
		for i, address := range []string{"mario@EXAMPLE.com", "nobody@example.com"} {
			a := s.anonymous().ask(requestResetMutation, vars{"e": address}).ok()
			if want := `{"data":{"requestPasswordReset":{"accepted":true,"userErrors":[]}}}`; strings.TrimSpace(string(a.Body)) != want {
				t.Fatalf("number %d: %s", i, a.Body)
			}
		}
		first := s.letter(box, "Mario@example.com").token() // as mario wrote it
		if !mario.alive() {
			t.Fatal("signed out by a request")
		}
		s.signIn("mario")
		for _, refused := range []string{"", "short", "password", "mario@example.com", "marrio123"} {
			if a := s.anonymous().ask(resetMutation, vars{"t": first, "p": refused}); a.get("resetPassword.changed") != false ||
				a.text("resetPassword.userErrors.0.field.0") != "newPassword" {
				t.Fatalf("%q: %s", refused, a.Body)
			}
		}
		s.clock.advance(time.Minute)
		s.anonymous().ask(requestResetMutation, vars{"e": "mario@example.com"}).ok()
		second := s.letter(box, "Mario@example.com").token()
		s.anonymous().ask(resetMutation, vars{"t": first, "p": newPassword}).
			is("resetPassword.changed", false).is("resetPassword.userErrors.0.code", "TOKEN_INVALID")
		mario = s.signIn("mario")
		s.anonymous().ask(resetMutation, vars{"t": second, "p": newPassword}).ok().is("resetPassword.changed", true)
		if l := s.letter(box, "Mario@example.com"); l.Subject != "Your password has changed" {
			t.Fatalf("no notice but %q", l.Subject)
		}
		if mario.alive() {
			t.Fatal("the session outlived the password")
		}
		mario.renew().mistakes("refreshToken", "TOKEN_INVALID@refreshToken")
		s.obtain("mario", password).mistakes("obtainToken", "INVALID_CREDENTIALS")
		mario.keep(s.obtain("mario", newPassword).ok(), "obtainToken")
		mario.ask(`{ me { emailVerified } }`, nil).ok().is("me.emailVerified", true)
		s.anonymous().ask(resetMutation, vars{"t": second, "p": password}).is("resetPassword.userErrors.0.code", "TOKEN_INVALID")
	})
}

// TestWhatMakesATokenWorthless is the list of it.
func TestWhatMakesATokenWorthless(t *testing.T) {
	ask := func(s *site, box *mailbox) string {
		s.t.Helper()
		s.clock.advance(time.Minute)
		s.anonymous().ask(requestResetMutation, vars{"e": "mario@example.com"}).ok()
		return s.letters(box)["<mario@example.com>"].token()
	}
	for name, act := range map[string]func(s *site, mario *client, box *mailbox){
		"an hour": func(s *site, _ *client, _ *mailbox) { s.clock.advance(time.Hour) },
		"a password change": func(s *site, mario *client, _ *mailbox) {
			mario.changePassword(password, newPassword)
		},
		"an e-mail change": func(s *site, mario *client, box *mailbox) {
			mario.ask(requestChangeQuery, vars{"p": password, "e": "new@example.com"}).ok()
			s.anonymous().ask(confirmMutation, vars{"t": s.letters(box)["<new@example.com>"].token()}).ok()
		},
		"deletion": func(s *site, mario *client, _ *mailbox) {
			mario.ask(`mutation ($p: String!) { deleteMe(input: {currentPassword: $p}) { deletedUserId userErrors { code } } }`, vars{"p": password}).ok()
		},
		"disabling": func(s *site, _ *client, _ *mailbox) { s.execute(`UPDATE users SET status = 'DISABLED'`) },
	} {
		t.Run(name, func(t *testing.T) {
			onEachWithMail(t, func(t *testing.T, s *site, box *mailbox) {
				s.joined("mario", "mario@example.com")
				good := ask(s, box)
				act(s, s.signIn("mario"), box)
				want := "TOKEN_INVALID"
				if name == "an hour" {
					want = "TOKEN_EXPIRED"
				}
				s.anonymous().ask(resetMutation, vars{"t": good, "p": "yet-another-password"}).is("resetPassword.userErrors.0.code", want)
				if name == "disabling" {
					s.clock.advance(time.Minute)
					s.anonymous().ask(requestResetMutation, vars{"e": "mario@example.com"}).ok()
					s.noLetter(box)
				}
			})
		})
	}
}

func TestAForgottenUsername(t *testing.T) {
	onEachWithMail(t, func(t *testing.T, s *site, box *mailbox) {
		s.joined("mario.the-plumber", "mario@example.com")
		for _, address := range []string{"MARIO@example.com", "nobody@example.com"} {
			s.anonymous().ask(reminderMutation, vars{"e": address}).ok().is("requestUsernameReminder.accepted", true)
		}
		if l := s.letter(box, "mario@example.com"); !strings.Contains(l.Text, "mario.the-plumber") || l.token() != "" {
			t.Fatalf("the mail says %s", l.Text)
		}
	})
}

func TestAnAddressChanges(t *testing.T) {
	onEachWithMail(t, func(t *testing.T, s *site, box *mailbox) {
		mario := s.joined("mario", "old@example.com")
		mario.ask(requestChangeQuery, vars{"p": "wrong", "e": "nowhere"}).
			mistakes("requestEmailChange", "INVALID_CREDENTIALS@currentPassword", "INVALID@newEmail")
		s.noLetter(box)
		mario.ask(requestChangeQuery, vars{"p": password, "e": "New@example.com"}).ok().
			is("requestEmailChange.user.email", "old@example.com").is("requestEmailChange.user.pendingEmail", "New@example.com")
		letters := s.letters(box)
		confirm, stop := letters["<New@example.com>"], letters["<old@example.com>"]
		if len(letters) != 2 || !strings.Contains(stop.Text, "New@example.com") || !strings.Contains(stop.Text, "/cancel-email-change#token=") ||
			!strings.Contains(confirm.Text, "/confirm-email#token=") {
			t.Fatalf("%s\n%s", confirm.Text, stop.Text)
		}
		s.obtain("new@example.com", password).mistakes("obtainToken", "INVALID_CREDENTIALS")
		s.obtain("old@example.com", password).ok()
		s.anonymous().ask(confirmMutation, vars{"t": confirm.token()}).ok().is("confirmEmailChange.user.email", "New@example.com").
			is("confirmEmailChange.user.emailVerified", true).is("confirmEmailChange.user.pendingEmail", nil)
		if mario.alive() {
			t.Fatal("the session outlived the address")
		}
		s.letter(box, "New@example.com")
		s.obtain("old@example.com", password).mistakes("obtainToken", "INVALID_CREDENTIALS")
		s.obtain("new@example.com", password).ok()
		s.anonymous().ask(confirmMutation, vars{"t": confirm.token()}).mistakes("confirmEmailChange", "TOKEN_INVALID@token")
	})
}

// TestAChangeOfAddressIsStopped before it is confirmed and after, also when more has happened since.
func TestAChangeOfAddressIsStopped(t *testing.T) {
	onEachWithMail(t, func(t *testing.T, s *site, box *mailbox) {
		thief := s.joined("mario", "mario@example.com")
		thief.ask(requestChangeQuery, vars{"p": password, "e": "thief@example.com"}).ok()
		letters := s.letters(box)
		stop, confirm := letters["<mario@example.com>"].token(), letters["<thief@example.com>"].token()
		s.anonymous().ask(cancelMutation, vars{"t": stop}).ok().is("cancelEmailChange.cancelled", true)
		if thief.alive() {
			t.Fatal("the session outlived the stop")
		}
		s.anonymous().ask(confirmMutation, vars{"t": confirm}).mistakes("confirmEmailChange", "TOKEN_INVALID@token")
		s.signIn("mario").ask(`{ me { email pendingEmail } }`, nil).ok().is("me.email", "mario@example.com").is("me.pendingEmail", nil)
		s.anonymous().ask(cancelMutation, vars{"t": stop}).is("cancelEmailChange.userErrors.0.code", "TOKEN_INVALID")
	})
	onEachWithMail(t, func(t *testing.T, s *site, box *mailbox) {
		s.join("mario", "mario@example.com")
		s.anonymous().ask(activateMutation, vars{"t": s.letter(box, "mario@example.com").token()}).ok()
		drain(box)
		thief := s.signIn("mario")
		thief.ask(requestChangeQuery, vars{"p": password, "e": "thief@example.com"}).ok()
		letters := s.letters(box)
		stop := letters["<mario@example.com>"].token()
		s.clock.advance(23 * time.Hour)
		s.anonymous().ask(confirmMutation, vars{"t": letters["<thief@example.com>"].token()}).ok()
		thief = s.signIn("mario")
		thief.changePassword(password, newPassword)
		thief.ask(requestChangeQuery, vars{"p": newPassword, "e": "thief2@example.com"}).ok()
		letters = map[string]letter{}
		s.settle()
		for range 6 { // both of the first change, and both of the second with two notices in between
			l := box.next()
			letters[l.To+l.Subject] = l
		}
		again := letters["<thief@example.com>Your e-mail address is about to change"].token()
		s.clock.advance(23 * time.Hour)
		s.anonymous().ask(cancelMutation, vars{"t": stop}).ok()
		if thief.alive() {
			t.Fatal("the session outlived the stop")
		}
		s.anonymous().ask(cancelMutation, vars{"t": again}).is("cancelEmailChange.userErrors.0.code", "TOKEN_INVALID")
		s.anonymous().ask(requestResetMutation, vars{"e": "mario@example.com"}).ok()
		s.settle()
		box.mu.Lock()
		reset := box.letters[len(box.letters)-1]
		box.mu.Unlock()
		s.anonymous().ask(resetMutation, vars{"t": reset.token(), "p": password}).ok()
		s.obtain("mario@example.com", password).ok()
	}, verification)
}

// TestNoticesRunOut: the way back is open for a day, to an address that its user had confirmed, and not opened again by
// a later change; and of two who move an address to and fro, the one who was there first keeps it.
func TestNoticesRunOut(t *testing.T) {
	move := func(s *site, box *mailbox, to string) (stop string) {
		s.t.Helper()
		s.clock.advance(time.Minute)
		s.signIn("mario").ask(requestChangeQuery, vars{"p": password, "e": to}).ok()
		var confirm string
		for address, l := range s.letters(box) {
			if address == "<"+to+">" {
				confirm = l.token()
			} else {
				stop = l.token()
			}
		}
		s.anonymous().ask(confirmMutation, vars{"t": confirm}).ok()
		s.letter(box, to)
		return stop
	}
	begin := func(s *site, box *mailbox) {
		s.t.Helper()
		s.join("mario", "a@example.com")
		s.anonymous().ask(activateMutation, vars{"t": s.letter(box, "a@example.com").token()}).ok()
	}
	onEachWithMail(t, func(t *testing.T, s *site, box *mailbox) {
		begin(s, box)
		old := move(s, box, "b@example.com")
		s.clock.advance(25 * time.Hour)
		if code := s.redeem("cancelEmailChange", old); code != "TOKEN_EXPIRED" {
			t.Fatalf("a day later: %q", code)
		}
		move(s, box, "c@example.com")
		if code := s.redeem("cancelEmailChange", old); code != "TOKEN_EXPIRED" {
			t.Fatalf("after another change: %q", code)
		}
	}, verification)
	onEachWithMail(t, func(t *testing.T, s *site, box *mailbox) {
		begin(s, box)
		move(s, box, "thief@example.com")
		thiefs := move(s, box, "a@example.com")
		owners := move(s, box, "thief2@example.com")
		if code := s.redeem("cancelEmailChange", owners); code != "" {
			t.Fatalf("the owner's: %s", code)
		}
		if code := s.redeem("cancelEmailChange", thiefs); code != "TOKEN_INVALID" {
			t.Fatalf("the thief's: %q", code)
		}
		s.obtain("a@example.com", password).ok()
	}, verification)
	onEachWithMail(t, func(t *testing.T, s *site, box *mailbox) {
		s.joined("mario", "not-marios@example.com") // and nobody has asked
		if code := s.redeem("cancelEmailChange", move(s, box, "mario@example.com")); code != "TOKEN_INVALID" {
			t.Fatalf("from an address that was never confirmed: %q", code)
		}
	})
}

// TestAnAccountThatWaitsIsNotSeen in lists; its profile is there once it is activated, as it was registered.
func TestAnAccountThatWaitsIsNotSeen(t *testing.T) {
	onEachWithMail(t, func(t *testing.T, s *site, box *mailbox) {
		s.join("mario", "mario@example.com")
		s.anonymous().ask(activateMutation, vars{"t": s.letter(box, "mario@example.com").token()}).ok()
		a := s.anonymous().ask(registerMutation, vars{"input": vars{"username": "luigi", "email": "luigi@example.com", "password": password,
			"profile": vars{"location": "Rome", "description": "Green", "isOrganizer": true}}}).ok()
		made := s.clock.Now()
		mario := s.signIn("mario")
		mario.ask(`{ profiles { totalCount } }`, nil).ok().is("profiles.totalCount", 1)
		mario.ask(`query ($id: ID!) { profile(id: $id) { id } }`, vars{"id": a.text("register.user.profile.id")}).ok().is("profile", nil)
		s.clock.advance(time.Minute)
		s.anonymous().ask(activateMutation, vars{"t": s.letter(box, "luigi@example.com").token()}).ok()
		mario.ask(`query ($id: ID!) { profile(id: $id) { username location description isOrganizer dateJoined } }`,
			vars{"id": a.text("register.user.profile.id")}).ok().is("profile.username", "luigi").is("profile.location", "Rome").
			is("profile.description", "Green").is("profile.isOrganizer", true).
			is("profile.dateJoined", made.UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano))
	}, verification)
}

// TestTwoWantOneAddress and one gets it.
func TestTwoWantOneAddress(t *testing.T) {
	onEachWithMail(t, func(t *testing.T, s *site, box *mailbox) {
		mario, luigi := s.joined("mario", "mario@example.com"), s.joined("luigi", "luigi@example.com")
		mario.ask(requestChangeQuery, vars{"p": password, "e": "bros@example.com"}).ok()
		first := s.letters(box)["<bros@example.com>"].token()
		s.clock.advance(time.Minute)
		luigi.ask(requestChangeQuery, vars{"p": password, "e": "BROS@example.com"}).ok()
		second := s.letters(box)["<BROS@example.com>"].token()
		s.anonymous().ask(confirmMutation, vars{"t": second}).ok().is("confirmEmailChange.user.username", "luigi")
		s.anonymous().ask(confirmMutation, vars{"t": first}).mistakes("confirmEmailChange", "TOKEN_INVALID@token")
		s.letter(box, "BROS@example.com")
		// Whoever asks for a confirmed address is not told so; its owner is.
		s.clock.advance(time.Minute)
		mario = s.signIn("mario")
		mario.ask(requestChangeQuery, vars{"p": password, "e": "bros@example.com"}).ok().
			is("requestEmailChange.user.pendingEmail", "bros@example.com")
		told := s.letters(box)["<BROS@example.com>"]
		if told.token() != "" || !strings.Contains(told.Text, "“luigi”") {
			t.Fatalf("the mail says %s", told.Text)
		}
	})
}

func TestNotices(t *testing.T) {
	onEachWithMail(t, func(t *testing.T, s *site, box *mailbox) {
		mario := s.joined("mario", "mario@example.com")
		s.noLetter(box)
		notice := func(subject string) {
			t.Helper()
			if l := s.letter(box, "mario@example.com"); l.Subject != subject {
				t.Fatalf("want %q, have %q", subject, l.Subject)
			}
		}
		s.signIn("mario")
		s.noLetter(box)
		c := s.anonymous()
		c.keep(c.from("Firefox/150.0 (Linux)").ask(obtainTokenMutation, vars{"input": vars{"identifier": "mario", "password": password}}).ok(), "obtainToken")
		notice("A new device has signed in to your account")
		c.from("Firefox/151.1 (Linux)").ask(obtainTokenMutation, vars{"input": vars{"identifier": "mario", "password": password}}).ok()
		s.noLetter(box)
		mario.changePassword(password, newPassword)
		notice("Your password has changed")
		mario.ask(`mutation ($p: String!) { changeUsername(input: {currentPassword: $p, newUsername: "super.mario"}) { user { username } userErrors { code } } }`,
			vars{"p": newPassword}).ok()
		notice("Your username has changed")
		mario.ask(`mutation ($p: String!) { deleteMe(input: {currentPassword: $p}) { deletedUserId userErrors { code } } }`, vars{"p": newPassword}).ok()
		notice("Your account has been deleted")
	}, "LATCHKEY_NEW_DEVICE_NOTICE=on")
}

// from returns the client as another program.
func (c *client) from(userAgent string) *agent { return &agent{c, userAgent} }

type agent struct {
	*client
	name string
}

func (c *agent) ask(query string, variables vars) *answer {
	c.t.Helper()
	return c.askWith(http.Header{"User-Agent": {c.name}}, query, variables)
}

// tokensOf returns a good token of each purpose, with the field that redeems it.
func (s *site) tokensOf(box *mailbox) map[string]string {
	s.t.Helper()
	s.join("waiting", "waiting@example.com")
	tokens := map[string]string{"activate": s.letter(box, "waiting@example.com").token()}
	s.join("mario", "mario@example.com")
	s.anonymous().ask(activateMutation, vars{"t": s.letter(box, "mario@example.com").token()}).ok()
	s.signIn("mario").ask(requestChangeQuery, vars{"p": password, "e": "new@example.com"}).ok()
	letters := s.letters(box)
	tokens["confirmEmailChange"], tokens["cancelEmailChange"] = letters["<new@example.com>"].token(), letters["<mario@example.com>"].token()
	s.anonymous().ask(requestResetMutation, vars{"e": "mario@example.com"}).ok()
	tokens["resetPassword"] = s.letter(box, "mario@example.com").token()
	for purpose, token := range tokens {
		if token == "" {
			s.t.Fatalf("no token for %s", purpose)
		}
	}
	return tokens
}

// redeem presents a token to the field that takes those for a purpose, and returns the code of the mistake, or "".
func (s *site) redeem(purpose, token string) string {
	s.t.Helper()
	query, variables := map[string]string{
		"activate": activateMutation, "resetPassword": resetMutation, "confirmEmailChange": confirmMutation, "cancelEmailChange": cancelMutation,
	}[purpose], vars{"t": token}
	if purpose == "resetPassword" {
		variables["p"] = newPassword
	}
	a := s.anonymous().ask(query, variables)
	if len(a.Errors) > 0 {
		return a.Errors[0].Extensions.Code
	}
	code, _ := a.get(purpose + ".userErrors.0.code").(string)
	return code
}

// redeemPatiently does so again when too many passwords are being hashed.
func (s *site) redeemPatiently(purpose, token string) (code string) {
	s.t.Helper()
	for code = "RATE_LIMITED"; code == "RATE_LIMITED"; {
		code = s.redeem(purpose, token)
	}
	return code
}

// TestManyProveOneAddress: of several accounts that wait for an address, one is activated, the others end.
func TestManyProveOneAddress(t *testing.T) {
	onEachStrictWithMail(t, func(t *testing.T, s *site, box *mailbox) {
		other := s.another(verification, box.setting)
		for round := range 3 {
			address := fmt.Sprintf("peach%d@example.com", round)
			var tokens []string
			for i := range 6 {
				s.join(fmt.Sprintf("waiting%d-%d", round, i), address)
				tokens = append(tokens, s.letter(box, address).token())
			}
			var succeeded atomic.Int32
			together(len(tokens), func(i int) {
				switch code := []*site{s, other}[i%2].redeem("activate", tokens[i]); code {
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
	}, verification)
}

func TestATokenIsForOneThing(t *testing.T) {
	onEachWithMail(t, func(t *testing.T, s *site, box *mailbox) {
		tokens := s.tokensOf(box)
		for purpose, token := range tokens {
			for other := range tokens {
				if other != purpose {
					if code := s.redeem(other, token); code != "TOKEN_INVALID" {
						t.Errorf("a token for %s at %s: %q", purpose, other, code)
					}
				}
			}
			for _, query := range []string{
				`mutation ($t: String!) { refreshToken(input: {refreshToken: $t}) { userErrors { code } } }`,
				`mutation ($t: String!) { verifyToken(input: {token: $t}) { valid } }`,
			} {
				a := s.anonymous().ask(query, vars{"t": token})
				if a.get("refreshToken.userErrors.0.code") != "TOKEN_INVALID" && a.get("verifyToken.valid") != false {
					t.Errorf("a token for %s: %s", purpose, a.Body)
				}
			}
		}
		for kept := range s.dump() { // and nothing that the database holds is a token
			for purpose := range tokens {
				if code := s.redeem(purpose, kept); code != "TOKEN_INVALID" {
					t.Errorf("%q from the database at %s: %q", kept, purpose, code)
				}
			}
		}
	}, verification)
}

func TestSixteenRedeemOneToken(t *testing.T) {
	for _, purpose := range []string{"activate", "resetPassword", "confirmEmailChange", "cancelEmailChange"} {
		t.Run(purpose, func(t *testing.T) {
			onEachStrictWithMail(t, func(t *testing.T, s *site, box *mailbox) {
				token := s.tokensOf(box)[purpose]
				var succeeded atomic.Int32
				other := s.another(verification, box.setting)
				together(16, func(i int) {
					node := s
					if i%2 == 1 {
						node = other
					}
					switch code := node.redeemPatiently(purpose, token); code {
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
			}, verification)
		})
	}
}

// TestAnAddressIsNotFlooded asks for more mails than an address gets.
func TestAnAddressIsNotFlooded(t *testing.T) {
	onEachStrictWithMail(t, func(t *testing.T, s *site, box *mailbox) {
		s.joined("mario", "mario@example.com")
		together(16, func(int) { s.anonymous().ask(requestResetMutation, vars{"e": "mario@example.com"}).ok() })
		s.letter(box, "mario@example.com")
		for range 30 {
			s.clock.advance(time.Minute)
			s.anonymous().ask(requestResetMutation, vars{"e": "Mario@example.com"}).ok().is("requestPasswordReset.accepted", true)
		}
		s.anonymous().ask(reminderMutation, vars{"e": "mario@example.com"}).ok()
		s.settle()
		box.mu.Lock()
		n := len(box.letters)
		box.mu.Unlock()
		if n != 20+1 { // the reminder is another letter
			t.Fatalf("%d mails", n)
		}
		box.taken = n
		s.clock.advance(24 * time.Hour)
		s.anonymous().ask(requestResetMutation, vars{"e": "mario@example.com"}).ok()
		s.letter(box, "mario@example.com")
	})
}

func TestMailsSpeakTheReadersLanguage(t *testing.T) {
	onEachWithMail(t, func(t *testing.T, s *site, box *mailbox) {
		s.joined("mario", "mario@example.com")
		for accept, want := range map[string]string{"de-AT,en;q=0.5": "de", "es": "es", "fr, en;q=0.1": "en", "\xff": "en", "": "en"} {
			s.clock.advance(time.Minute)
			s.anonymous().askWith(http.Header{"Accept-Language": {accept}}, requestResetMutation, vars{"e": "mario@example.com"}).ok()
			if l := s.letter(box, "mario@example.com"); l.Language != want {
				t.Errorf("%q: the mail is in %s: %s", accept, l.Language, l.Subject)
			}
		}
	})
}

// TestMailsOutliveTheirServer: refused for now, refused for good, a server that is away, and one that comes back too
// late.
func TestMailsOutliveTheirServer(t *testing.T) {
	onEachWithMail(t, func(t *testing.T, s *site, box *mailbox) {
		s.joined("mario", "mario@example.com")
		ask := func() {
			t.Helper()
			s.clock.advance(time.Minute)
			s.anonymous().ask(requestResetMutation, vars{"e": "mario@example.com"}).ok()
		}
		box.answer(451)
		ask()
		first := box.next()
		s.hears(`"email postponed"`, 1)
		s.clock.advance(30 * time.Second)
		second := box.next()
		s.hears(`"email postponed"`, 2)
		box.answer(0)
		s.clock.advance(time.Minute)
		third := s.letter(box, "mario@example.com")
		if first.ID == "" || first.ID != second.ID || second.ID != third.ID || first.token() != third.token() {
			t.Fatalf("tries %s, %s, %s", first.ID, second.ID, third.ID)
		}
		if s.redeem("resetPassword", third.token()) != "" {
			t.Fatal("the token of the third try is not good")
		}
		s.letter(box, "mario@example.com") // the notice
		drain(box)

		box.answer(550)
		ask()
		box.next()
		s.settle() // it is not tried again
		s.noLetter(box)

		box.answer(451)
		ask()
		waited := time.Duration(0)
		for failures := 4; ; failures++ {
			box.next()
			pause := s.putOff(failures)
			if pause == 0 {
				break
			}
			waited += pause
			s.clock.advance(pause)
		}
		if waited < 58*time.Minute || waited > 60*time.Minute {
			t.Fatalf("given up after %s", waited)
		}
		s.settle()
		if failed := s.count(`mails WHERE state = 'FAILED'`); failed != 2 {
			t.Fatalf("%d mails have failed", failed)
		}
		if tokens := s.count(`mails WHERE sealed_token IS NOT NULL`); tokens != 0 {
			t.Fatalf("%d tokens are still kept", tokens)
		}
		box.answer(0)
		s.noLetter(box)
	})
}

// putOff waits until so many tries to send a mail have failed, and returns for how long the last of these mails is put
// off; 0 when it is given up.
func (s *site) putOff(failures int) (pause time.Duration) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); ; <-time.After(time.Millisecond) {
		seen := 0
		for line := range strings.Lines(s.log.String()) {
			var said struct {
				Message string        `json:"msg"`
				Pause   time.Duration `json:"pause"`
			}
			json.Unmarshal([]byte(line), &said)
			if said.Message == "email postponed" || said.Message == "email given up" {
				if seen++; seen == failures {
					return said.Pause
				}
			}
		}
		if time.Now().After(deadline) {
			s.t.Fatal("nothing becomes of the mail")
		}
	}
}

// hears waits until the site has logged something so many times.
func (s *site) hears(what string, times int) {
	s.t.Helper()
	await(s.t, "it never says "+what, func() bool { return strings.Count(s.log.String(), what) >= times })
}

func drain(box *mailbox) {
	for len(box.came) > 0 {
		<-box.came
	}
}

// TestAMailWaitsForNobody: the answer comes although the mail server does not.
func TestAMailWaitsForNobody(t *testing.T) {
	onEachWithMail(t, func(t *testing.T, s *site, box *mailbox) {
		speak := box.silent()
		defer speak()
		s.joined("mario", "mario@example.com")
		s.anonymous().ask(requestResetMutation, vars{"e": "mario@example.com"}).ok()
		box.next()
		s.signIn("mario")
		speak()
		s.letter(box, "mario@example.com")
	})
}

// TestAMailOutlivesItsSender kills the server after its mail is taken and before it has heard so.
func TestAMailOutlivesItsSender(t *testing.T) {
	storetest.Each(t, func(t *testing.T, database string) {
		box := newMailbox(t)
		speak := box.silent()
		defer speak()
		p := start(t, database, box.setting)
		p.joined("mario", "mario@example.com")
		p.anonymous().ask(requestResetMutation, vars{"e": "mario@example.com"}).ok()
		first := box.next()
		p.kill()
		speak()
		s := serveAt(t, database, &clock{now: time.Now().Add(6 * time.Minute)}, box.setting)
		second := box.next()
		s.settle()
		if len(box.letters) != 2 || first.ID != second.ID || first.token() != second.token() {
			t.Fatalf("%d copies, %s and %s", len(box.letters), first.ID, second.ID)
		}
		if s.redeem("resetPassword", first.token()) != "" {
			t.Fatal("the token is not good")
		}
	})
}

// TestEachMailIsSentByOneNode has three nodes on one database.
func TestEachMailIsSentByOneNode(t *testing.T) {
	onEachStrictWithMail(t, func(t *testing.T, s *site, box *mailbox) {
		nodes := []*site{s, s.another(box.setting), s.another(box.setting)}
		const people = 12
		for i := range people {
			nodes[i%3].joined(fmt.Sprint("user", i), fmt.Sprintf("user%d@example.com", i))
		}
		together(people, func(i int) {
			nodes[i%3].anonymous().ask(requestResetMutation, vars{"e": fmt.Sprintf("user%d@example.com", i)}).ok()
		})
		if letters := s.letters(box); len(letters) != people {
			t.Fatalf("%d mails", len(letters))
		}
	})
}

// TestNobodySlipsARecipientIn tries addresses and names that could be more than they seem.
func TestNobodySlipsARecipientIn(t *testing.T) {
	onEachWithMail(t, func(t *testing.T, s *site, box *mailbox) {
		for _, address := range []string{
			"mario@example.com, thief@example.com", "mario@example.com;thief@example.com", "mario@example.com\r\nBcc: thief@example.com",
			"mario@example.com\nRCPT TO:<thief@example.com>", "mario@example.com%0d%0abcc:thief@example.com", "<thief@example.com>mario@example.com",
			"Mario <mario@example.com>", "\"mario\r\nBcc: x\"@example.com", "mario@example.com>", "mario@[127.0.0.1]", "@example.com:mario@example.com",
		} {
			a := s.anonymous().ask(registerMutation, vars{"input": vars{"username": "mario", "email": address, "password": password}})
			a.mistakes("register", "INVALID@email")
			if a := s.anonymous().ask(requestResetMutation, vars{"e": address}); a.get("requestPasswordReset.accepted") != false {
				t.Errorf("%q: %s", address, a.Body)
			}
		}
		s.anonymous().ask(registerMutation, vars{"input": vars{"username": "mario\r\nBcc: thief@example.com", "password": password}}).
			mistakes("register", "INVALID@username")
		c := s.joined("mario", "mario@example.com")
		c.from("Evil\tBrowser <script>\u202e").ask(obtainTokenMutation, vars{"input": vars{
			"identifier": "mario", "password": password, "deviceName": "<b>Bcc: thief@example.com</b> http://localhost:5173/activate#token=x",
		}}).ok()
		l := s.letter(box, "mario@example.com")
		if len(l.Recipients) != 1 || l.Headers.Get("Bcc") != "" || strings.Contains(l.HTML, "<b>Bcc") {
			t.Fatalf("%v %v %s", l.Recipients, l.Headers, l.HTML)
		}
	}, "LATCHKEY_NEW_DEVICE_NOTICE=on")
}

func TestMailCommands(t *testing.T) {
	onEachWithMail(t, func(t *testing.T, s *site, box *mailbox) {
		smtp := "--smtp-url=" + strings.TrimPrefix(box.setting, "LATCHKEY_SMTP_URL=")
		printed := s.does("mail", "preview", "activation", "--app-url", "https://app.example.com")
		for _, want := range []string{"Subject: Confirm your e-mail address", "https://app.example.com/activate#token=", "</html>"} {
			if !strings.Contains(printed, want) {
				t.Errorf("no %s in %s", want, printed)
			}
		}
		if german := s.does("mail", "preview", "de/activation"); !strings.Contains(german, `lang="de"`) {
			t.Errorf("not German: %s", german)
		}
		s.declines(`no letter "invoice"`, "mail", "preview", "invoice")
		s.declines(`no language "xx"`, "mail", "preview", "xx/activation")
		s.declines("needs the e-mail address", "mail", "test", smtp)
		s.declines("LATCHKEY_SMTP_URL is not set", "mail", "test", "mario@example.com")
		s.does("mail", "test", "mario@example.com", smtp)
		if l := s.letter(box, "mario@example.com"); l.From != `"Latchkey" <no-reply@localhost>` {
			t.Errorf("it comes from %s", l.From)
		}
		box.answer(550)
		s.declines("not sent: ", "mail", "test", "mario@example.com", smtp)
	})
}

// TestTemplatesOfOnesOwn replaces a mail, and stops the start when one is broken.
func TestTemplatesOfOnesOwn(t *testing.T) {
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
	onEachWithMail(t, func(t *testing.T, s *site, box *mailbox) {
		s.joined("mario", "mario@example.com")
		s.anonymous().ask(reminderMutation, vars{"e": "mario@example.com"}).ok()
		if l := s.letter(box, "mario@example.com"); l.Subject != "Hello from the club" || !strings.Contains(l.HTML, "You are mario.") {
			t.Fatalf("%s: %s", l.Subject, l.HTML)
		}
		own("Subject: Hello\n\nYou are {{.Nickname}}.\n")
		if why := s.refusesToStart(setting, "LATCHKEY_SECRET="+testSecret); !strings.Contains(why, "en/username-reminder.txt:3") {
			t.Fatalf("it says %s", why)
		}
		own(good)
	}, setting)
}

// TestWithoutAMailServer: the log has the mails in development, and nobody has them in production.
func TestWithoutAMailServer(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.joined("mario", "mario@example.com")
		s.anonymous().ask(requestResetMutation, vars{"e": "mario@example.com"}).ok()
		s.hears(`/reset-password#token=`, 1)
		production := s.another("LATCHKEY_MODE=production", "LATCHKEY_PUBLIC_URL=https://id.example.com")
		s.stop()
		s.clock.advance(time.Hour)
		production.anonymous().ask(requestResetMutation, vars{"e": "mario@example.com"}).ok()
		if said := production.log.String(); strings.Contains(said, "#token=") || !strings.Contains(said, "nothing delivers mails") {
			t.Fatalf("it says %s", said)
		}
	})
}
