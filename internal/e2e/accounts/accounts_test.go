package accounts

import (
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"

	"latchkey/internal/account"
	"latchkey/internal/auth"
	"latchkey/internal/e2e"
)

// TestProfileList checks that a signed-in user lists profiles.
func TestProfileList(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		mario := s.Register("mario")
		mario.Ask(`{ profiles { nodes { username } totalCount } }`, nil).Ok().
			Equals("profiles.nodes.0.username", "mario").Equals("profiles.totalCount", 1)
	})
}

// TestProfileListAnonymous checks that an anonymous caller lists no profiles.
func TestProfileListAnonymous(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		s.Register("mario")
		s.Anonymous().Ask(`{ profiles { nodes { username } } }`, nil).FailsWith("UNAUTHENTICATED", "MISSING")
	})
}

// TestProfileGet checks that a signed-in user reads a profile by its ID.
func TestProfileGet(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		mario, luigi := s.Register("mario"), s.Register("luigi")
		mario.Ask(`query ($id: ID!) { profile(id: $id) { id username viewerCanUpdate } }`, e2e.Vars{"id": luigi.ProfileID}).Ok().
			Equals("profile.username", "luigi").Equals("profile.viewerCanUpdate", false)
	})
}

// TestProfileUpdate checks that a user changes their own profile.
func TestProfileUpdate(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		mario := s.Register("mario")
		s.Clock.Advance(time.Hour)
		mario.AccessToken = s.SignIn("mario").AccessToken
		mario.Ask(`mutation ($id: ID!) { updateProfile(id: $id, input: {description: "A plumber", location: "Rome", isOrganizer: true}) {
			profile { description location isOrganizer dateJoined updatedOn viewerCanUpdate } userErrors { code } } }`, e2e.Vars{"id": mario.ProfileID}).Ok().
			Equals("updateProfile.profile.description", "A plumber").
			Equals("updateProfile.profile.updatedOn", s.Clock.Now().UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano)).
			Equals("updateProfile.profile.viewerCanUpdate", true)
		mario.Ask(`mutation ($id: ID!) { updateProfile(id: $id, input: {location: ""}) { profile { description location isOrganizer } userErrors { code } } }`,
			e2e.Vars{"id": mario.ProfileID}).Ok().
			Equals("updateProfile.profile.description", "A plumber").Equals("updateProfile.profile.location", "").Equals("updateProfile.profile.isOrganizer", true)
	})
}

// TestRegisterIdentifiers checks that a user registers with a username, an email address or both.
func TestRegisterIdentifiers(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		now := s.Clock.Now().UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano)
		a := s.Anonymous().Ask(e2e.RegisterMutation, e2e.Vars{"input": e2e.Vars{
			"username": "Mario", "email": "Mario@Example.com", "name": "Mario M.", "password": e2e.Password,
			"profile": e2e.Vars{"description": "Plumber\nin Rome", "location": "Rome", "isOrganizer": true},
		}}).Ok()
		a.Equals("register.user.username", "Mario").Equals("register.user.email", "Mario@Example.com").Equals("register.user.emailVerified", false).
			Equals("register.user.name", "Mario M.").Equals("register.user.role", "MEMBER").Equals("register.user.status", "ACTIVE").
			Equals("register.user.createdAt", now).Equals("register.user.lastLoginAt", now).
			Equals("register.user.profile.username", "Mario").Equals("register.user.profile.description", "Plumber\nin Rome").
			Equals("register.user.profile.location", "Rome").Equals("register.user.profile.isOrganizer", true).
			Equals("register.user.profile.dateJoined", now).Equals("register.user.profile.viewerCanUpdate", true).
			Equals("register.tokens.tokenType", "Bearer")
		byMail := s.Anonymous().Ask(e2e.RegisterMutation, e2e.Vars{"input": e2e.Vars{"email": "peach@example.com", "password": e2e.Password}}).Ok()
		made := byMail.Text("register.user.username")
		if !strings.HasPrefix(made, "user-") || strings.Contains(made, "peach") {
			t.Fatalf("made up %q", made)
		}
		byMail.Equals("register.user.profile.username", made).Equals("register.user.profile.location", "")
		byName := s.Anonymous().Ask(e2e.RegisterMutation, e2e.Vars{"input": e2e.Vars{"username": "toad", "password": e2e.Password}}).Ok()
		if byName.Get("register.user.email") != nil {
			t.Fatalf("an address from nowhere: %s", byName.Body)
		}
	})
}

// TestRegisterUserErrors checks that the response lists all user errors of an input at once.
func TestRegisterUserErrors(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		s.Register("mario")
		s.Anonymous().Ask(e2e.RegisterMutation, e2e.Vars{"input": e2e.Vars{
			"username": "MARIO", "email": "nowhere", "password": "password", "name": strings.Repeat("n", 151),
			"profile": e2e.Vars{"description": strings.Repeat("d", 10_001), "location": strings.Repeat("l", 31)},
		}}).HasUserErrors("register", "TAKEN@username", "INVALID@email", "PASSWORD_TOO_COMMON@password", "TOO_LONG@name",
			"TOO_LONG@profile.description", "TOO_LONG@profile.location")
		s.Anonymous().Ask(e2e.RegisterMutation, e2e.Vars{"input": e2e.Vars{"username": "princess.peach", "password": "Princess-Peach1"}}).
			HasUserErrors("register", "PASSWORD_TOO_SIMILAR@password")
		s.Anonymous().Ask(e2e.RegisterMutation, e2e.Vars{"input": e2e.Vars{"password": ""}}).HasUserErrors("register", "REQUIRED@username", "REQUIRED@password")
		s.Anonymous().Ask(`{ profiles { totalCount } }`, nil).FailsWith("UNAUTHENTICATED")
		s.SignIn("mario").Ask(`{ profiles { totalCount } }`, nil).Ok().Equals("profiles.totalCount", 1)
	})
}

// TestSignInNormalizesIdentifier checks that a user signs in with any spelling of their identifier that is equal after
// normalization.
func TestSignInNormalizesIdentifier(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		s.Anonymous().Ask(e2e.RegisterMutation, e2e.Vars{"input": e2e.Vars{"username": "Señor.Ünique", "email": "Señor@Bücher.example", "password": "ｐａｓｓ i-keep-é"}}).Ok()
		for _, identifier := range []string{
			"Señor.Ünique", "SEÑOR.ÜNIQUE", "sen\u0303or.u\u0308nique", "ｓｅñｏｒ.ünique",
			"Señor@Bücher.example", "SEN\u0303OR@BU\u0308CHER.EXAMPLE", "señor@xn--bcher-kva.example",
		} {
			s.Anonymous().Ask(e2e.ObtainTokenMutation, e2e.Vars{"input": e2e.Vars{"identifier": identifier, "password": "ｐａｓｓ i-keep-e\u0301"}}).Ok().
				Equals("obtainToken.user.username", "Señor.Ünique").Equals("obtainToken.user.profile.viewerCanUpdate", true)
		}
		for _, wrong := range []string{"ｐａｓｓ i-keep-É", "ｐａｓｓ i-keep-é ", "pass i-keep-é", "", strings.Repeat("x", 5000)} {
			s.Anonymous().Ask(e2e.ObtainTokenMutation, e2e.Vars{"input": e2e.Vars{"identifier": "señor.ünique", "password": wrong}}).
				HasUserErrors("obtainToken", "INVALID_CREDENTIALS")
		}
	})
}

// TestSignInHidesExistence checks that the response to a failed sign-in does not depend on whether the user exists.
func TestSignInHidesExistence(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		s.Register("mario")
		s.Register("luigi")
		s.Exec(`UPDATE users SET status = 'DISABLED' WHERE username = 'luigi'`)
		var bodies []string
		for _, in := range []e2e.Vars{
			{"identifier": "mario", "password": "not-his-password"},
			{"identifier": "nobody-here", "password": e2e.Password},
			{"identifier": "luigi", "password": e2e.Password},
			{"identifier": "not@an@address", "password": e2e.Password},
			{"identifier": "nul\x00", "password": e2e.Password},
			{"identifier": strings.Repeat("long", 5000), "password": e2e.Password},
			{"identifier": "", "password": e2e.Password},
		} {
			a := s.Anonymous().Ask(e2e.ObtainTokenMutation, e2e.Vars{"input": in})
			a.HasUserErrors("obtainToken", "INVALID_CREDENTIALS")
			bodies = append(bodies, string(a.Body))
		}
		for _, body := range bodies {
			if body != bodies[0] {
				t.Fatalf("%s is not %s", body, bodies[0])
			}
		}
	})
}

// TestMeUpdate checks that a user changes their own name.
func TestMeUpdate(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		const update = `mutation ($name: String) { updateMe(input: {name: $name}) { user { name } userErrors { code field } } }`
		mario := s.Register("mario")
		mario.Ask(update, e2e.Vars{"name": "Mario M."}).Ok().Equals("updateMe.user.name", "Mario M.")
		mario.Ask(`mutation { updateMe(input: {}) { user { name } userErrors { code } } }`, nil).Ok().Equals("updateMe.user.name", "Mario M.")
		mario.Ask(update, e2e.Vars{"name": "line\nbreak"}).HasUserErrors("updateMe", "INVALID@name")
		mario.Ask(update, e2e.Vars{"name": ""}).Ok()
		mario.Ask(`{ me { name } }`, nil).Ok().Equals("me.name", "")
	})
}

// TestMeDelete checks that a user deletes their own account with the current password.
func TestMeDelete(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		const deleteMe = `mutation ($p: String!) { deleteMe(input: {currentPassword: $p}) { deletedUserId userErrors { code field } } }`
		luigi, mario := s.Register("luigi"), s.Register("mario")
		elsewhere := s.SignIn("mario")
		mario.Ask(deleteMe, e2e.Vars{"p": "not-his-password"}).HasUserErrors("deleteMe", "INVALID_CREDENTIALS@currentPassword")
		mario.Ask(deleteMe, e2e.Vars{"p": e2e.Password}).Ok().Equals("deleteMe.deletedUserId", mario.UserID)
		for _, table := range []string{"users", "profiles", "sessions"} {
			if n := s.Count(table); n != 1 {
				t.Errorf("%d rows are left in %s, want luigi's alone", n, table)
			}
		}
		mario.Ask(`{ me { id } }`, nil).FailsWith("UNAUTHENTICATED", "REVOKED")
		elsewhere.Ask(`{ me { id } }`, nil).FailsWith("UNAUTHENTICATED", "REVOKED")
		elsewhere.Refresh().HasUserErrors("refreshToken", "TOKEN_INVALID@refreshToken")
		luigi.Ask(`query ($id: ID!) { profile(id: $id) { id } }`, e2e.Vars{"id": mario.ProfileID}).Ok().Equals("profile", nil)
		again := s.Register("mario")
		if again.UserID == mario.UserID || again.ProfileID == mario.ProfileID {
			t.Fatal("an id was used again")
		}
	})
}

// TestPasswordChange checks that a user changes their password and receives new tokens.
func TestPasswordChange(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		const change = `mutation ($old: String!, $new: String!) { changePassword(input: {currentPassword: $old, newPassword: $new}) {
			tokens { accessToken refreshToken } userErrors { code field } } }`
		mario := s.Register("mario")
		elsewhere, before := s.SignIn("mario"), *mario
		mario.Ask(change, e2e.Vars{"old": "wrong", "new": "mario"}).
			HasUserErrors("changePassword", "INVALID_CREDENTIALS@currentPassword", "TOO_SHORT@newPassword")
		mario.Ask(change, e2e.Vars{"old": e2e.Password, "new": "passw0rd"}).HasUserErrors("changePassword", "PASSWORD_TOO_COMMON@newPassword")
		if !mario.SignedIn() || !elsewhere.SignedIn() {
			t.Fatal("a refused change ended a session")
		}
		mario.UseTokens(mario.Ask(change, e2e.Vars{"old": e2e.Password, "new": "i-jump-higher-now"}).Ok(), "changePassword")
		if !mario.SignedIn() || elsewhere.SignedIn() || before.SignedIn() {
			t.Fatal("only the acting client goes on, with the new pair")
		}
		mario.Refresh().Ok()
		elsewhere.Refresh().HasUserErrors("refreshToken", "TOKEN_INVALID@refreshToken")
		before.Refresh().HasUserErrors("refreshToken", "TOKEN_INVALID@refreshToken")
		s.Anonymous().Ask(e2e.ObtainTokenMutation, e2e.Vars{"input": e2e.Vars{"identifier": "mario", "password": e2e.Password}}).HasUserErrors("obtainToken", "INVALID_CREDENTIALS")
		s.Anonymous().Ask(e2e.ObtainTokenMutation, e2e.Vars{"input": e2e.Vars{"identifier": "mario", "password": "i-jump-higher-now"}}).Ok()
	})
}

// TestUsernameChange checks that a user changes their username.
func TestUsernameChange(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		const change = `mutation ($p: String!, $n: String!) { changeUsername(input: {currentPassword: $p, newUsername: $n}) {
			user { username profile { username } } userErrors { code field } } }`
		s.Register("luigi")
		mario := s.Register("mario")
		mario.Ask(change, e2e.Vars{"p": "wrong", "n": "admin"}).HasUserErrors("changeUsername", "INVALID_CREDENTIALS@currentPassword", "RESERVED@newUsername")
		mario.Ask(change, e2e.Vars{"p": e2e.Password, "n": "LUIGI"}).HasUserErrors("changeUsername", "TAKEN@newUsername")
		mario.Ask(change, e2e.Vars{"p": e2e.Password, "n": "MARIO"}).Ok().Equals("changeUsername.user.username", "MARIO")
		mario.Ask(change, e2e.Vars{"p": e2e.Password, "n": "super.mario"}).Ok().
			Equals("changeUsername.user.username", "super.mario").Equals("changeUsername.user.profile.username", "super.mario")
		mario.Ask(`{ profiles(filter: {search: "super"}) { nodes { username } } }`, nil).Ok().Equals("profiles.nodes.0.username", "super.mario")
		s.SignIn("super.mario")
		s.Register("mario")
	})
}

// TestProfileCreateAndDelete checks that a user deletes their profile and creates it again.
func TestProfileCreateAndDelete(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		const create = `mutation { createProfile(input: {location: "Rome"}) { profile { id username location viewerCanUpdate } userErrors { code field } } }`
		const remove = `mutation ($id: ID!) { deleteProfile(id: $id) { deletedProfileId userErrors { code } } }`
		luigi, mario := s.Register("luigi"), s.Register("mario")
		mario.Ask(create, nil).HasUserErrors("createProfile", "ALREADY_EXISTS")
		luigi.Ask(remove, e2e.Vars{"id": mario.ProfileID}).FailsWith("FORBIDDEN")
		mario.Ask(remove, e2e.Vars{"id": mario.ProfileID}).Ok().Equals("deleteProfile.deletedProfileId", mario.ProfileID)
		mario.Ask(`{ me { profile { id } username } }`, nil).Ok().Equals("me.profile", nil).Equals("me.username", "mario")
		mario.Ask(remove, e2e.Vars{"id": mario.ProfileID}).FailsWith("NOT_FOUND")
		again := mario.Ask(create, nil).Ok().Equals("createProfile.profile.username", "mario").Equals("createProfile.profile.viewerCanUpdate", true)
		if again.Text("createProfile.profile.id") == mario.ProfileID {
			t.Fatal("an id was used again")
		}
	})
}

// TestTokenVerify checks that verifyToken reports whether an access token is valid.
func TestTokenVerify(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		const verify = `mutation ($t: String!) { verifyToken(input: {token: $t}) { valid kind expiresAt } }`
		mario := s.Register("mario")
		old := mario.RefreshToken
		mario.Ask(verify, e2e.Vars{"t": mario.AccessToken}).Ok().Equals("verifyToken.valid", true).Equals("verifyToken.kind", "ACCESS").
			Equals("verifyToken.expiresAt", s.Clock.Now().Add(5*time.Minute).UTC().Truncate(time.Second).Format(time.RFC3339))
		mario.Ask(verify, e2e.Vars{"t": mario.RefreshToken}).Ok().Equals("verifyToken.valid", true).Equals("verifyToken.kind", "REFRESH").
			Equals("verifyToken.expiresAt", s.Clock.Now().Add(168*time.Hour).UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano))
		mario.Refresh().Ok()
		s.Clock.Advance(time.Minute)
		for _, bad := range []string{"", "garbage", old, mario.AccessToken + "x", mario.RefreshToken[:20]} {
			s.Anonymous().Ask(verify, e2e.Vars{"t": bad}).Ok().Equals("verifyToken.valid", false).Equals("verifyToken.kind", nil).Equals("verifyToken.expiresAt", nil)
		}
		if mario.Refresh().Ok(); !mario.SignedIn() {
			t.Fatal("looking at an old token ended the session")
		}
		s.Anonymous().Ask(`mutation ($t: String) { signOut(input: {refreshToken: $t}) { signedOut } }`, e2e.Vars{"t": mario.RefreshToken}).Ok()
		for _, dead := range []string{mario.AccessToken, mario.RefreshToken} {
			s.Anonymous().Ask(verify, e2e.Vars{"t": dead}).Ok().Equals("verifyToken.valid", false)
		}
	})
}

// TestSignOut checks that signOut ends the session of the caller.
func TestSignOut(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		mario := s.Register("mario")
		phone := s.SignIn("mario")
		phone.Ask(`mutation { signOut(input: {}) { signedOut } }`, nil).Ok().Equals("signOut.signedOut", true)
		phone.Ask(`{ me { id } }`, nil).FailsWith("UNAUTHENTICATED", "REVOKED")
		phone.Refresh().HasUserErrors("refreshToken", "TOKEN_INVALID@refreshToken")
		if !mario.SignedIn() {
			t.Fatal("signing out on one device signed out on another")
		}
		tablet := s.SignIn("mario")
		s.Clock.Advance(time.Hour)
		tablet.Ask(`mutation { signOut(input: {}) { signedOut } }`, nil).Ok().Equals("signOut.signedOut", true)
		tablet.Refresh().HasUserErrors("refreshToken", "TOKEN_INVALID@refreshToken") // although the access token had expired
		mario.Refresh().Ok()
		s.Anonymous().Ask(`mutation { signOut(input: {}) { signedOut } }`, nil).Ok().Equals("signOut.signedOut", true)
		mario.Ask(`mutation { signOut(input: {refreshToken: "rt_garbage"}) { signedOut } }`, nil).Ok().Equals("signOut.signedOut", true)
		if !mario.SignedIn() {
			t.Fatal("an unknown token ended a session")
		}
	})
}

// TestSignOutReasons checks that an UNAUTHENTICATED error has the reason why the access token is not accepted.
func TestSignOutReasons(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		mario := s.Register("mario")
		intruder := s.Anonymous()
		intruder.Ask(`{ me { id } }`, nil).FailsWith("UNAUTHENTICATED", "MISSING")
		intruder.AccessToken = mario.AccessToken[:len(mario.AccessToken)-4] + "AAAA"
		intruder.Ask(`{ me { id } }`, nil).FailsWith("UNAUTHENTICATED", "INVALID")
		intruder.Ask(`{ serverInfo { registration } }`, nil).Ok().Equals("serverInfo.registration", "OPEN")
		s.Clock.Advance(5 * time.Minute)
		mario.Ask(`{ me { id } }`, nil).FailsWith("UNAUTHENTICATED", "EXPIRED")
		intruder.Ask(`{ me { id } }`, nil).FailsWith("UNAUTHENTICATED", "INVALID")
		mario.Refresh().Ok()
		if !mario.SignedIn() {
			t.Fatal("a client with a stale access token must be able to refresh")
		}
	})
}

// TestDisabledAtOnce checks that disabling an account takes effect with the next request.
func TestDisabledAtOnce(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		mario := s.Register("mario")
		s.Exec(`UPDATE users SET status = 'DISABLED'`)
		mario.Ask(`{ me { id } }`, nil).FailsWith("UNAUTHENTICATED", "REVOKED")
		mario.Refresh().HasUserErrors("refreshToken", "TOKEN_INVALID@refreshToken")
	})
}

// TestRegisterClosed checks that a setting closes registration.
func TestRegisterClosed(t *testing.T) {
	for _, mode := range []string{"closed", "invite"} {
		e2e.Each(t, func(t *testing.T, s *e2e.Env) {
			s.Anonymous().Ask(`{ serverInfo { registration } }`, nil).Ok().Equals("serverInfo.registration", strings.ToUpper(mode))
			s.Anonymous().Ask(e2e.RegisterMutation, e2e.Vars{"input": e2e.Vars{"username": "mario", "password": e2e.Password}}).
				HasUserErrors("register", "REGISTRATION_CLOSED")
			if n := s.Count("users"); n != 0 {
				t.Fatalf("%d users", n)
			}
		}, "LATCHKEY_REGISTRATION="+mode)
	}
}

// TestServerInfoPasswordPolicy checks that serverInfo returns the password policy.
func TestServerInfoPasswordPolicy(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		s.Anonymous().Ask(`{ serverInfo { emailVerification password { minLength maxLength } } }`, nil).Ok().
			Equals("serverInfo.password.minLength", 15).Equals("serverInfo.password.maxLength", 256).Equals("serverInfo.emailVerification", false)
		s.Anonymous().Ask(e2e.RegisterMutation, e2e.Vars{"input": e2e.Vars{"username": "mario", "password": e2e.Password}}).HasUserErrors("register", "TOO_SHORT@password")
	}, "LATCHKEY_PASSWORD_MIN_LENGTH=15")
}

// TestMutationSeesEarlierFields checks that a field of a mutation sees the changes of the fields before it.
func TestMutationSeesEarlierFields(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		mario := s.Register("mario")
		mario.Ask(`mutation ($id: ID!) {
			changeUsername(input: {currentPassword: "i-keep-jumping", newUsername: "jumpman"}) { userErrors { code } }
			renamed: updateMe(input: {name: "M."}) { user { username profile { username } } }
			deleteProfile(id: $id) { deletedProfileId }
			bare: updateMe(input: {}) { user { profile { id } } }
		}`, e2e.Vars{"id": mario.ProfileID}).Ok().
			Equals("renamed.user.username", "jumpman").Equals("renamed.user.profile.username", "jumpman").Equals("bare.user.profile", nil)
		a := mario.Ask(`mutation { signOut(input: {}) { signedOut } updateMe(input: {name: "after the end"}) { user { name } } }`, nil)
		if a.FailsWith("UNAUTHENTICATED", "REVOKED"); s.SignIn("jumpman").Ask(`{ me { name } }`, nil).Get("me.name") != "M." {
			t.Fatal("a session that had ended changed something")
		}
	})
}

// TestViewerAfterSignIn checks that a user in a response of register is shown as to themselves, and that no later field
// is authorized by it.
func TestViewerAfterSignIn(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		mario := s.Register("mario")
		mario.Ask(`mutation ($id: ID!) {
			register(input: {username: "luigi", password: "i-keep-jumping"}) { user { profile { viewerCanUpdate } } userErrors { code } }
			updateProfile(id: $id, input: {}) { profile { viewerCanUpdate } }
		}`, e2e.Vars{"id": mario.ProfileID}).Ok().
			Equals("register.user.profile.viewerCanUpdate", true).Equals("updateProfile.profile.viewerCanUpdate", true)
		a := s.Anonymous().Ask(`mutation { obtainToken(input: {identifier: "luigi", password: "i-keep-jumping"}) { userErrors { code } }
			updateMe(input: {name: "x"}) { user { id } } }`, nil)
		a.FailsWith("UNAUTHENTICATED", "MISSING")
	})
}

// TestPasswordChangeRacesSignOut checks that a password change fails if its session is ended while the password is
// checked.
func TestPasswordChangeRacesSignOut(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		mario := s.Register("mario")
		caller := s.Server.Service().Authenticate(t.Context(), mario.AccessToken)
		mario.Ask(`mutation { signOut(input: {}) { signedOut } }`, nil).Ok()
		in := account.ChangePasswordInput{CurrentPassword: e2e.Password, NewPassword: "i-jump-higher-now"}
		if tokens, err := s.Server.Service().ChangePassword(t.Context(), account.ActorOf(caller), in, auth.ClientInfo{}); tokens != nil || !account.IsCode(err, account.Unauthenticated) {
			t.Fatalf("%v %v", tokens, err)
		}
		s.SignIn("mario")
	})
}

// TestMeDeleteRacesSignIn checks that concurrent sign-ins and deletions of an account return no internal error.
func TestMeDeleteRacesSignIn(t *testing.T) {
	e2e.EachStrict(t, func(t *testing.T, s *e2e.Env) {
		for round := range 5 {
			name := fmt.Sprint("mario", round)
			mario := s.Register(name)
			e2e.Concurrently(5, func(i int) {
				if i == 0 {
					mario.Ask(`mutation { deleteMe(input: {currentPassword: "i-keep-jumping"}) { deletedUserId userErrors { code } } }`, nil).Ok()
					return
				}
				a := s.Anonymous().Ask(e2e.ObtainTokenMutation, e2e.Vars{"input": e2e.Vars{"identifier": name, "password": e2e.Password}})
				if len(a.Errors) > 0 {
					t.Errorf("%s", a.Body)
				}
			})
			if s.Count("users") != 0 || s.Count("sessions") != 0 {
				t.Fatal("something is left")
			}
		}
	})
}

// TestRegisterRacesForUsername checks that one of 32 concurrent registrations of a username, in several spellings,
// succeeds.
func TestRegisterRacesForUsername(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		other := s.AnotherNode()
		spellings := []string{"señor", "SEÑOR", "sen\u0303or", "Señor"}
		answers := make([]*e2e.Response, 32)
		var all sync.WaitGroup
		for i := range answers {
			all.Go(func() {
				node := []*e2e.Env{s, other}[i%2]
				answers[i] = node.Anonymous().Ask(e2e.RegisterMutation, e2e.Vars{"input": e2e.Vars{
					"username": spellings[i%4], "password": e2e.Password, "email": fmt.Sprintf("m%d@example.com", i),
				}})
			})
		}
		all.Wait()
		won := 0
		for _, a := range answers {
			switch {
			case a.Get("register.user") != nil:
				won++
			case len(a.Errors) > 0:
				a.FailsWith("RATE_LIMITED") // the queue for hashing was full
			default:
				a.HasUserErrors("register", "TAKEN@username")
			}
		}
		if won != 1 || s.Count("users") != 1 || s.Count("profiles") != 1 || s.Count("sessions") != 1 {
			t.Fatalf("%d won; %d users, %d profiles, %d sessions", won, s.Count("users"), s.Count("profiles"), s.Count("sessions"))
		}
	})
}

// TestPasswordRehash checks that signing in replaces a password hash that has weaker parameters than configured.
func TestPasswordRehash(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		s.Register("mario")
		encode := base64.RawStdEncoding.EncodeToString
		salt := []byte("0123456789abcdef")
		old := "$argon2id$v=19$m=8192,t=1,p=1$" + encode(salt) + "$" + encode(argon2.IDKey([]byte(e2e.Password), salt, 1, 8192, 1, 32))
		s.Exec("UPDATE users SET password_hash = '" + old + "'")
		hash := func() (hash string) {
			if err := s.DB().QueryRow(`SELECT password_hash FROM users`).Scan(&hash); err != nil {
				t.Fatal(err)
			}
			return hash
		}
		s.Anonymous().Ask(e2e.ObtainTokenMutation, e2e.Vars{"input": e2e.Vars{"identifier": "mario", "password": "not-his-password"}}).HasUserErrors("obtainToken", "INVALID_CREDENTIALS")
		if hash() != old {
			t.Fatal("renewed without the right password")
		}
		s.SignIn("mario")
		if renewed := hash(); !strings.HasPrefix(renewed, "$argon2id$v=19$m=19456,t=2,p=1$") {
			t.Fatalf("not renewed: %s", renewed)
		}
		s.SignIn("mario")
	})
}
