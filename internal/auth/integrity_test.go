package auth

import (
	"errors"
	"slices"
	"testing"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/store"
	"latchkey/internal/token"
)

// TestUserProblems finds what cannot be in a user's record.
func TestUserProblems(t *testing.T) {
	e := newEnv(t, nil)
	hash, err := e.passwords.Hash(t.Context(), rightPassword)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		change func(*store.UserRecord)
		want   []string
	}{
		{"nothing", func(*store.UserRecord) {}, nil},
		{"username", func(u *store.UserRecord) { u.Username = "Luigi" },
			[]string{"the canonical form of the username is wrong", "the username of the profile is not that of the account"}},
		{"control characters", func(u *store.UserRecord) { u.Username, u.UsernameKey, u.ProfileUsername = "a\n", "a\n", nil },
			[]string{"the username contains control characters"}},
		{"password", func(u *store.UserRecord) { u.PasswordHash = "hash" }, []string{"the password hash cannot be read"}},
		{"address key", func(u *store.UserRecord) { u.EmailKey = nil },
			[]string{"the canonical form of the email address is wrong"}},
		{"no address", func(u *store.UserRecord) { u.Email, u.EmailKey = nil, nil },
			[]string{"an email address is verified, but missing"}},
		{"pending address", func(u *store.UserRecord) { u.PendingEmail = new("luigi@example.com") },
			[]string{"the canonical form of the pending email address is wrong"}},
		{"pending", func(u *store.UserRecord) {
			u.Status, u.PendingEmailKey, u.EmailKey, u.HasDraft = account.Pending, u.EmailKey, nil, true
		}, []string{"the account is pending, but has a profile"}},
		{"draft", func(u *store.UserRecord) { u.HasDraft = true }, []string{"the profile draft does not match the status"}},
		{"description", func(u *store.UserRecord) { u.Description = new("Plumber") },
			[]string{"the canonical form of the profile's description or location is wrong"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			u := store.UserRecord{
				Username: "Mario", UsernameKey: "mario", Email: new("Mario@example.com"), EmailKey: new("mario@example.com"),
				EmailVerified: true, PasswordHash: hash, Status: account.Active,
				ProfileUsername: new("Mario"), ProfileKey: new("mario"),
				Description: new(""), DescriptionKey: new(""), Location: new("Brooklyn"), LocationKey: new("brooklyn"),
			}
			test.change(&u)
			if problems := userProblems(u); !slices.Equal(problems, test.want) {
				t.Errorf("%q, want %q", problems, test.want)
			}
		})
	}
}

// TestSessionProblem finds what cannot be in a session's record.
func TestSessionProblem(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name   string
		change func(*store.SessionRecord)
		ended  string
		want   string
	}{
		{"nothing", func(*store.SessionRecord) {}, "", ""},
		{"ended", func(r *store.SessionRecord) { r.CountsAsLive = false }, "revoked", ""},
		{"epoch", func(r *store.SessionRecord) { r.Session.UserEpoch = 1 }, "",
			"its epoch is later than that of its user"},
		{"counts as live", func(*store.SessionRecord) {}, "revoked", "it counts as live, but is revoked"},
		{"counts as ended", func(r *store.SessionRecord) { r.CountsAsLive = false }, "",
			"it counts as ended, but nothing has ended it"},
		{"salt", func(r *store.SessionRecord) { r.SaltSize-- }, "", "no refresh token can be computed"},
		{"generation", func(r *store.SessionRecord) { r.Generation = -1 }, "", "no refresh token can be computed"},
		{"times", func(r *store.SessionRecord) { r.Session.ExpiresAt = now.Add(-1) }, "", "it expires before it was created"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := store.SessionRecord{CountsAsLive: true, SaltSize: token.SaltSize}
			r.Session = account.Session{CreatedAt: now, ExpiresAt: now.Add(time.Hour)}
			test.change(&r)
			if problem := sessionProblem(r, test.ended); problem != test.want {
				t.Errorf("%q, want %q", problem, test.want)
			}
		})
	}
}

// TestVerifyIntegrity checks a sound database, and one whose signing key another secret has sealed.
func TestVerifyIntegrity(t *testing.T) {
	e := newEnv(t, nil)
	e.register("mario")
	var problems []string
	report := func(problem string) error { problems = append(problems, problem); return nil }
	var last IntegrityReport
	progress := func(total IntegrityReport) { last = total }
	total, err := e.VerifyIntegrity(t.Context(), report, progress)
	want := IntegrityReport{Keys: 1, Users: 1, Sessions: 1}
	if err != nil || total != want || last != want || len(problems) > 0 {
		t.Errorf("%+v, %v, %q", total, err, problems)
	}

	other, err := token.NewSecret("zyxwvutsrqponmlkjihgfedcba9876543210")
	if err != nil {
		t.Fatal(err)
	}
	e.secrets = token.Secrets{Current: other}
	total, err = e.VerifyIntegrity(t.Context(), report, progress)
	if err != nil || total.Problems != 1 || len(problems) != 1 || total.Users != 1 {
		t.Errorf("%+v, %v, %q", total, err, problems)
	}

	stop := errors.New("stop")
	total, err = e.VerifyIntegrity(t.Context(), func(string) error { return stop }, progress)
	if !errors.Is(err, stop) || total.Users != 0 {
		t.Errorf("%+v, %v", total, err)
	}
}
