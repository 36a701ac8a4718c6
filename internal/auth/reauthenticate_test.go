package auth

import (
	"errors"
	"slices"
	"testing"

	"latchkey/internal/account"
)

// TestReauthenticate authenticates a user again with right and wrong passwords.
func TestReauthenticate(t *testing.T) {
	e := newEnv(t, nil)
	caller := e.register("mario")

	auth, err := e.reauthenticate(t.Context(), caller, proof{password: rightPassword})
	if err != nil || auth.check() != nil || auth.User != caller.User.ID || !auth.At.Equal(e.now) {
		t.Errorf("right password: %+v, %v", auth, err)
	}
	e.emitted()

	auth, err = e.reauthenticate(t.Context(), caller, proof{password: "i-keep-falling"})
	failsWith(t, err, account.InvalidCredentials)
	if auth.check() == nil {
		t.Errorf("a wrong password authenticates: %+v", auth)
	}
	e.emitted("authn_login_fail USER current password wrong")

	if _, err := e.DeleteMe(t.Context(), account.ActorOf(caller), rightPassword, ClientInfo{}); err != nil {
		t.Fatal(err)
	}
	e.emitted("user_deleted USER")
	_, err = e.reauthenticate(t.Context(), caller, proof{password: rightPassword})
	failsWith(t, err, account.Unauthenticated)
}

// TestReauthenticateAnd returns the user errors of the password and of the new value together.
func TestReauthenticateAnd(t *testing.T) {
	e := newEnv(t, nil)
	caller := e.register("mario")
	invalid := func() *account.Error { return account.UserError(account.Invalid, "invalid") }
	valid := func() *account.Error { return nil }
	for _, test := range []struct {
		name, password string
		check          func() *account.Error
		fields         []string
	}{
		{"both right", rightPassword, valid, nil},
		{"wrong password", "i-keep-falling", valid, []string{"currentPassword"}},
		{"wrong value", rightPassword, invalid, []string{"newName"}},
		{"both wrong", "i-keep-falling", invalid, []string{"currentPassword", "newName"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := e.reauthenticateAnd(t.Context(), caller, proof{password: test.password}, "newName", test.check)
			var fields []string
			if userErrs, ok := errors.AsType[account.UserErrors](err); ok {
				for _, userErr := range userErrs {
					fields = append(fields, userErr.Field...)
				}
			} else if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(fields, test.fields) {
				t.Errorf("user errors at %q, want %q", fields, test.fields)
			}
		})
	}
}
