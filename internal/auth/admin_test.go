package auth

import (
	"testing"

	"latchkey/internal/account"
)

// TestOnlyOperators calls the methods for operators as others.
func TestOnlyOperators(t *testing.T) {
	e := newEnv(t, nil)
	caller := e.register("mario")
	id := caller.User.ID
	admin := *caller
	admin.User = &account.User{ID: id, Role: account.Admin, Status: account.Active}
	for _, actor := range []account.Actor{{}, account.Anonymous, account.ActorOf(caller), account.ActorOf(&admin)} {
		for name, call := range map[string]func() error{
			"CreateUser": func() error {
				_, err := e.CreateUser(t.Context(), actor, account.RegisterInput{}, account.Admin)
				return err
			},
			"DisableUser":       func() error { _, err := e.DisableUser(t.Context(), actor, id); return err },
			"EnableUser":        func() error { _, err := e.EnableUser(t.Context(), actor, id); return err },
			"SetRole":           func() error { _, err := e.SetRole(t.Context(), actor, id, account.Admin); return err },
			"MailPasswordReset": func() error { _, err := e.MailPasswordReset(t.Context(), actor, id); return err },
			"RevokeSessionsOf":  func() error { _, err := e.RevokeSessionsOf(t.Context(), actor, id); return err },
			"RevokeSessionByID": func() error { return e.RevokeSessionByID(t.Context(), actor, caller.SessionID) },
			"RevokeAllSessions": func() error { _, err := e.RevokeAllSessions(t.Context(), actor); return err },
			"RemoveUser":        func() error { _, err := e.RemoveUser(t.Context(), actor, id); return err },
			"PurgeExpired":      func() error { _, err := e.PurgeExpired(t.Context(), actor); return err },
		} {
			if err := call(); !account.IsCode(err, account.Forbidden) {
				t.Errorf("%s by %q: %v", name, actor.Kind(), err)
			}
		}
	}
	e.emitted()
	user, err := e.FindUser(t.Context(), "mario")
	if err != nil || user.Status != account.Active || user.Role != account.Member {
		t.Errorf("%+v %v", user, err)
	}
}

// TestOnlyUsers calls the methods for one's own account as others.
func TestOnlyUsers(t *testing.T) {
	e := newEnv(t, nil)
	for actor, code := range map[account.Actor]account.Code{
		account.Anonymous: account.Unauthenticated,
		account.Operator:  account.Forbidden,
		account.System:    account.Forbidden,
	} {
		for name, call := range map[string]func() error{
			"UpdateMe": func() error { _, err := e.UpdateMe(t.Context(), actor, account.UpdateMeInput{}); return err },
			"DeleteMe": func() error { _, err := e.DeleteMe(t.Context(), actor, rightPassword, ClientInfo{}); return err },
			"ChangePassword": func() error {
				_, err := e.ChangePassword(t.Context(), actor, account.ChangePasswordInput{}, ClientInfo{})
				return err
			},
			"ChangeUsername": func() error {
				_, err := e.ChangeUsername(t.Context(), actor, account.ChangeUsernameInput{}, ClientInfo{})
				return err
			},
			"RequestEmailChange": func() error {
				_, err := e.RequestEmailChange(t.Context(), actor, account.RequestEmailChangeInput{}, ClientInfo{})
				return err
			},
			"RevokeSession":     func() error { _, err := e.RevokeSession(t.Context(), actor, ""); return err },
			"SignOutEverywhere": func() error { _, err := e.SignOutEverywhere(t.Context(), actor, false); return err },
			"CreateProfile": func() error {
				_, err := e.CreateProfile(t.Context(), actor, account.ProfileInput{})
				return err
			},
			"UpdateProfile": func() error {
				_, err := e.UpdateProfile(t.Context(), actor, "", account.ProfileInput{})
				return err
			},
			"DeleteProfile": func() error { _, err := e.DeleteProfile(t.Context(), actor, ""); return err },
		} {
			if err := call(); !account.IsCode(err, code) {
				t.Errorf("%s by %s: %v, want %s", name, actor.Kind(), err, code)
			}
		}
	}
	e.emitted()
}

// TestLastAdmin keeps one active administrator.
func TestLastAdmin(t *testing.T) {
	e := newEnv(t, nil)
	mario, luigi := e.register("mario"), e.register("luigi")
	setRole := func(id account.ID, role account.Role, code account.Code) {
		t.Helper()
		_, err := e.SetRole(t.Context(), account.Operator, id, role)
		failsWith(t, err, code)
	}
	setRole(mario.User.ID, account.Admin, "")
	e.emitted("privilege_permissions_changed OPERATOR")
	setRole(mario.User.ID, account.Member, account.Forbidden)
	setRole(mario.User.ID, account.Admin, "")
	e.emitted()

	_, err := e.DisableUser(t.Context(), account.Operator, mario.User.ID)
	failsWith(t, err, account.Forbidden)
	_, err = e.RemoveUser(t.Context(), account.Operator, mario.User.ID)
	failsWith(t, err, account.Forbidden)
	_, tokens, err := e.signIn("mario", rightPassword)
	if err != nil {
		t.Fatal(err)
	}
	e.events = nil
	admin := account.ActorOf(e.Authenticate(t.Context(), tokens.AccessToken))
	_, err = e.DeleteMe(t.Context(), admin, rightPassword, ClientInfo{})
	failsWith(t, err, account.Forbidden)
	e.emitted()

	setRole(luigi.User.ID, account.Admin, "")
	_, err = e.DisableUser(t.Context(), account.Operator, luigi.User.ID)
	failsWith(t, err, "")
	setRole(mario.User.ID, account.Staff, account.Forbidden) // a disabled administrator does not count
	_, err = e.EnableUser(t.Context(), account.Operator, luigi.User.ID)
	failsWith(t, err, "")
	e.emitted("privilege_permissions_changed OPERATOR", "user_archived OPERATOR", "user_updated OPERATOR enabled")
	_, err = e.DeleteMe(t.Context(), admin, rightPassword, ClientInfo{})
	failsWith(t, err, "")
	e.emitted("user_deleted USER")
}
