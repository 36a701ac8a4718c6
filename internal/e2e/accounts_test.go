package e2e

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
)

const registerMutation = `mutation ($input: RegisterInput!) { register(input: $input) {
	user { id username email emailVerified name role status createdAt lastLoginAt
		profile { id username description location isOrganizer dateJoined updatedOn viewerCanUpdate } }
	tokens { accessToken accessTokenExpiresAt refreshToken refreshTokenExpiresAt tokenType }
	userErrors { code field message } } }`

const obtainTokenMutation = `mutation ($input: ObtainTokenInput!) { obtainToken(input: $input) {
	user { id username lastLoginAt profile { viewerCanUpdate } } tokens { accessToken refreshToken } userErrors { code field message } } }`

// The ancestors' own four tests: list signed in, list signed out, retrieve a profile, fill in the profile that was
// made by itself.

func TestMarioListsProfiles(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		mario := s.register("mario")
		mario.ask(`{ profiles { nodes { username } totalCount } }`, nil).ok().
			is("profiles.nodes.0.username", "mario").is("profiles.totalCount", 1)
	})
}

func TestStrangersDoNotListProfiles(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.register("mario")
		s.anonymous().ask(`{ profiles { nodes { username } } }`, nil).fails("UNAUTHENTICATED", "MISSING")
	})
}

func TestMarioRetrievesAProfile(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		mario, luigi := s.register("mario"), s.register("luigi")
		mario.ask(`query ($id: ID!) { profile(id: $id) { id username viewerCanUpdate } }`, vars{"id": luigi.profileID}).ok().
			is("profile.username", "luigi").is("profile.viewerCanUpdate", false)
	})
}

func TestMarioFillsInHisProfile(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		mario := s.register("mario")
		s.clock.advance(time.Hour)
		mario.access = s.signIn("mario").access
		mario.ask(`mutation ($id: ID!) { updateProfile(id: $id, input: {description: "A plumber", location: "Rome", isOrganizer: true}) {
			profile { description location isOrganizer dateJoined updatedOn viewerCanUpdate } userErrors { code } } }`, vars{"id": mario.profileID}).ok().
			is("updateProfile.profile.description", "A plumber").
			is("updateProfile.profile.updatedOn", s.clock.Now().UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano)).
			is("updateProfile.profile.viewerCanUpdate", true)
		mario.ask(`mutation ($id: ID!) { updateProfile(id: $id, input: {location: ""}) { profile { description location isOrganizer } userErrors { code } } }`,
			vars{"id": mario.profileID}).ok().
			is("updateProfile.profile.description", "A plumber").is("updateProfile.profile.location", "").is("updateProfile.profile.isOrganizer", true)
	})
}

func TestRegisterByUsernameByEmailOrByBoth(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		now := s.clock.Now().UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano)
		a := s.anonymous().ask(registerMutation, vars{"input": vars{
			"username": "Mario", "email": "Mario@Example.com", "name": "Mario M.", "password": password,
			"profile": vars{"description": "Plumber\nin Rome", "location": "Rome", "isOrganizer": true},
		}}).ok()
		a.is("register.user.username", "Mario").is("register.user.email", "Mario@Example.com").is("register.user.emailVerified", false).
			is("register.user.name", "Mario M.").is("register.user.role", "MEMBER").is("register.user.status", "ACTIVE").
			is("register.user.createdAt", now).is("register.user.lastLoginAt", now).
			is("register.user.profile.username", "Mario").is("register.user.profile.description", "Plumber\nin Rome").
			is("register.user.profile.location", "Rome").is("register.user.profile.isOrganizer", true).
			is("register.user.profile.dateJoined", now).is("register.user.profile.viewerCanUpdate", true).
			is("register.tokens.tokenType", "Bearer")
		byMail := s.anonymous().ask(registerMutation, vars{"input": vars{"email": "peach@example.com", "password": password}}).ok()
		made := byMail.text("register.user.username")
		if !strings.HasPrefix(made, "user-") || strings.Contains(made, "peach") {
			t.Fatalf("made up %q", made)
		}
		byMail.is("register.user.profile.username", made).is("register.user.profile.location", "")
		byName := s.anonymous().ask(registerMutation, vars{"input": vars{"username": "toad", "password": password}}).ok()
		if byName.get("register.user.email") != nil {
			t.Fatalf("an address from nowhere: %s", byName.Body)
		}
	})
}

func TestEveryMistakeAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.register("mario")
		s.anonymous().ask(registerMutation, vars{"input": vars{
			"username": "MARIO", "email": "nowhere", "password": "password", "name": strings.Repeat("n", 151),
			"profile": vars{"description": strings.Repeat("d", 10_001), "location": strings.Repeat("l", 31)},
		}}).mistakes("register", "TAKEN@username", "INVALID@email", "PASSWORD_TOO_COMMON@password", "TOO_LONG@name",
			"TOO_LONG@profile.description", "TOO_LONG@profile.location")
		s.anonymous().ask(registerMutation, vars{"input": vars{"username": "princess.peach", "password": "Princess-Peach1"}}).
			mistakes("register", "PASSWORD_TOO_SIMILAR@password")
		s.anonymous().ask(registerMutation, vars{"input": vars{"password": ""}}).mistakes("register", "REQUIRED@username", "REQUIRED@password")
		s.anonymous().ask(`{ profiles { totalCount } }`, nil).fails("UNAUTHENTICATED")
		s.signIn("mario").ask(`{ profiles { totalCount } }`, nil).ok().is("profiles.totalCount", 1)
	})
}

func TestSignInInAnyCaseAndForm(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.anonymous().ask(registerMutation, vars{"input": vars{"username": "Señor.Ünique", "email": "Señor@Bücher.example", "password": "ｐａｓｓ i-keep-é"}}).ok()
		for _, identifier := range []string{
			"Señor.Ünique", "SEÑOR.ÜNIQUE", "sen\u0303or.u\u0308nique", "ｓｅñｏｒ.ünique",
			"Señor@Bücher.example", "SEN\u0303OR@BU\u0308CHER.EXAMPLE", "señor@xn--bcher-kva.example",
		} {
			s.anonymous().ask(obtainTokenMutation, vars{"input": vars{"identifier": identifier, "password": "ｐａｓｓ i-keep-e\u0301"}}).ok().
				is("obtainToken.user.username", "Señor.Ünique").is("obtainToken.user.profile.viewerCanUpdate", true)
		}
		for _, wrong := range []string{"ｐａｓｓ i-keep-É", "ｐａｓｓ i-keep-é ", "pass i-keep-é", "", strings.Repeat("x", 5000)} {
			s.anonymous().ask(obtainTokenMutation, vars{"input": vars{"identifier": "señor.ünique", "password": wrong}}).
				mistakes("obtainToken", "INVALID_CREDENTIALS")
		}
	})
}

func TestNobodyIsToldWhoIsRegistered(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.register("mario")
		s.register("luigi")
		s.execute(`UPDATE users SET status = 'DISABLED' WHERE username = 'luigi'`)
		var bodies []string
		for _, in := range []vars{
			{"identifier": "mario", "password": "not-his-password"},
			{"identifier": "nobody-here", "password": password},
			{"identifier": "luigi", "password": password},
			{"identifier": "not@an@address", "password": password},
			{"identifier": "nul\x00", "password": password},
			{"identifier": strings.Repeat("long", 5000), "password": password},
			{"identifier": "", "password": password},
		} {
			a := s.anonymous().ask(obtainTokenMutation, vars{"input": in})
			a.mistakes("obtainToken", "INVALID_CREDENTIALS")
			bodies = append(bodies, string(a.Body))
		}
		for _, body := range bodies {
			if body != bodies[0] {
				t.Fatalf("%s is not %s", body, bodies[0])
			}
		}
	})
}

func TestUpdateMe(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		const update = `mutation ($name: String) { updateMe(input: {name: $name}) { user { name } userErrors { code field } } }`
		mario := s.register("mario")
		mario.ask(update, vars{"name": "Mario M."}).ok().is("updateMe.user.name", "Mario M.")
		mario.ask(`mutation { updateMe(input: {}) { user { name } userErrors { code } } }`, nil).ok().is("updateMe.user.name", "Mario M.")
		mario.ask(update, vars{"name": "line\nbreak"}).mistakes("updateMe", "INVALID@name")
		mario.ask(update, vars{"name": ""}).ok()
		mario.ask(`{ me { name } }`, nil).ok().is("me.name", "")
	})
}

func TestDeleteMe(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		const deleteMe = `mutation ($p: String!) { deleteMe(input: {currentPassword: $p}) { deletedUserId userErrors { code field } } }`
		luigi, mario := s.register("luigi"), s.register("mario")
		elsewhere := s.signIn("mario")
		mario.ask(deleteMe, vars{"p": "not-his-password"}).mistakes("deleteMe", "INVALID_CREDENTIALS@currentPassword")
		mario.ask(deleteMe, vars{"p": password}).ok().is("deleteMe.deletedUserId", mario.userID)
		for _, table := range []string{"users", "profiles", "sessions"} {
			if n := s.count(table); n != 1 {
				t.Errorf("%d rows are left in %s, want luigi's alone", n, table)
			}
		}
		mario.ask(`{ me { id } }`, nil).fails("UNAUTHENTICATED", "REVOKED")
		elsewhere.ask(`{ me { id } }`, nil).fails("UNAUTHENTICATED", "REVOKED")
		elsewhere.renew().mistakes("refreshToken", "TOKEN_INVALID@refreshToken")
		luigi.ask(`query ($id: ID!) { profile(id: $id) { id } }`, vars{"id": mario.profileID}).ok().is("profile", nil)
		again := s.register("mario")
		if again.userID == mario.userID || again.profileID == mario.profileID {
			t.Fatal("an id was used again")
		}
	})
}

func TestChangePassword(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		const change = `mutation ($old: String!, $new: String!) { changePassword(input: {currentPassword: $old, newPassword: $new}) {
			tokens { accessToken refreshToken } userErrors { code field } } }`
		mario := s.register("mario")
		elsewhere, before := s.signIn("mario"), *mario
		mario.ask(change, vars{"old": "wrong", "new": "mario"}).
			mistakes("changePassword", "INVALID_CREDENTIALS@currentPassword", "TOO_SHORT@newPassword")
		mario.ask(change, vars{"old": password, "new": "passw0rd"}).mistakes("changePassword", "PASSWORD_TOO_COMMON@newPassword")
		if !mario.alive() || !elsewhere.alive() {
			t.Fatal("a refused change ended a session")
		}
		mario.keep(mario.ask(change, vars{"old": password, "new": "i-jump-higher-now"}).ok(), "changePassword")
		if !mario.alive() || elsewhere.alive() || before.alive() {
			t.Fatal("only the acting client goes on, with the new pair")
		}
		mario.renew().ok()
		elsewhere.renew().mistakes("refreshToken", "TOKEN_INVALID@refreshToken")
		before.renew().mistakes("refreshToken", "TOKEN_INVALID@refreshToken")
		s.anonymous().ask(obtainTokenMutation, vars{"input": vars{"identifier": "mario", "password": password}}).mistakes("obtainToken", "INVALID_CREDENTIALS")
		s.anonymous().ask(obtainTokenMutation, vars{"input": vars{"identifier": "mario", "password": "i-jump-higher-now"}}).ok()
	})
}

func TestChangeUsername(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		const change = `mutation ($p: String!, $n: String!) { changeUsername(input: {currentPassword: $p, newUsername: $n}) {
			user { username profile { username } } userErrors { code field } } }`
		s.register("luigi")
		mario := s.register("mario")
		mario.ask(change, vars{"p": "wrong", "n": "admin"}).mistakes("changeUsername", "INVALID_CREDENTIALS@currentPassword", "RESERVED@newUsername")
		mario.ask(change, vars{"p": password, "n": "LUIGI"}).mistakes("changeUsername", "TAKEN@newUsername")
		mario.ask(change, vars{"p": password, "n": "MARIO"}).ok().is("changeUsername.user.username", "MARIO")
		mario.ask(change, vars{"p": password, "n": "super.mario"}).ok().
			is("changeUsername.user.username", "super.mario").is("changeUsername.user.profile.username", "super.mario")
		mario.ask(`{ profiles(filter: {search: "super"}) { nodes { username } } }`, nil).ok().is("profiles.nodes.0.username", "super.mario")
		s.signIn("super.mario")
		s.register("mario")
	})
}

func TestProfileComesAndGoes(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		const create = `mutation { createProfile(input: {location: "Rome"}) { profile { id username location viewerCanUpdate } userErrors { code field } } }`
		const remove = `mutation ($id: ID!) { deleteProfile(id: $id) { deletedProfileId userErrors { code } } }`
		luigi, mario := s.register("luigi"), s.register("mario")
		mario.ask(create, nil).mistakes("createProfile", "ALREADY_EXISTS")
		luigi.ask(remove, vars{"id": mario.profileID}).fails("FORBIDDEN")
		mario.ask(remove, vars{"id": mario.profileID}).ok().is("deleteProfile.deletedProfileId", mario.profileID)
		mario.ask(`{ me { profile { id } username } }`, nil).ok().is("me.profile", nil).is("me.username", "mario")
		mario.ask(remove, vars{"id": mario.profileID}).fails("NOT_FOUND")
		again := mario.ask(create, nil).ok().is("createProfile.profile.username", "mario").is("createProfile.profile.viewerCanUpdate", true)
		if again.text("createProfile.profile.id") == mario.profileID {
			t.Fatal("an id was used again")
		}
	})
}

func TestVerifyToken(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		const verify = `mutation ($t: String!) { verifyToken(input: {token: $t}) { valid kind expiresAt } }`
		mario := s.register("mario")
		old := mario.refresh
		mario.ask(verify, vars{"t": mario.access}).ok().is("verifyToken.valid", true).is("verifyToken.kind", "ACCESS").
			is("verifyToken.expiresAt", s.clock.Now().Add(5*time.Minute).UTC().Truncate(time.Second).Format(time.RFC3339))
		mario.ask(verify, vars{"t": mario.refresh}).ok().is("verifyToken.valid", true).is("verifyToken.kind", "REFRESH").
			is("verifyToken.expiresAt", s.clock.Now().Add(168*time.Hour).UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano))
		mario.renew().ok()
		s.clock.advance(time.Minute)
		for _, bad := range []string{"", "garbage", old, mario.access + "x", mario.refresh[:20]} {
			s.anonymous().ask(verify, vars{"t": bad}).ok().is("verifyToken.valid", false).is("verifyToken.kind", nil).is("verifyToken.expiresAt", nil)
		}
		if mario.renew().ok(); !mario.alive() {
			t.Fatal("looking at an old token ended the session")
		}
		s.anonymous().ask(`mutation ($t: String) { signOut(input: {refreshToken: $t}) { signedOut } }`, vars{"t": mario.refresh}).ok()
		for _, dead := range []string{mario.access, mario.refresh} {
			s.anonymous().ask(verify, vars{"t": dead}).ok().is("verifyToken.valid", false)
		}
	})
}

func TestSignOut(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		mario := s.register("mario")
		phone := s.signIn("mario")
		phone.ask(`mutation { signOut(input: {}) { signedOut } }`, nil).ok().is("signOut.signedOut", true)
		phone.ask(`{ me { id } }`, nil).fails("UNAUTHENTICATED", "REVOKED")
		phone.renew().mistakes("refreshToken", "TOKEN_INVALID@refreshToken")
		if !mario.alive() {
			t.Fatal("signing out on one device signed out on another")
		}
		tablet := s.signIn("mario")
		s.clock.advance(time.Hour)
		tablet.ask(`mutation { signOut(input: {}) { signedOut } }`, nil).ok().is("signOut.signedOut", true)
		tablet.renew().mistakes("refreshToken", "TOKEN_INVALID@refreshToken") // although the access token had expired
		mario.renew().ok()
		s.anonymous().ask(`mutation { signOut(input: {}) { signedOut } }`, nil).ok().is("signOut.signedOut", true)
		mario.ask(`mutation { signOut(input: {refreshToken: "rt_garbage"}) { signedOut } }`, nil).ok().is("signOut.signedOut", true)
		if !mario.alive() {
			t.Fatal("a token that is nobody's ended somebody's session")
		}
	})
}

func TestWhyACallerCountsAsSignedOut(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		mario := s.register("mario")
		intruder := s.anonymous()
		intruder.ask(`{ me { id } }`, nil).fails("UNAUTHENTICATED", "MISSING")
		intruder.access = mario.access[:len(mario.access)-4] + "AAAA"
		intruder.ask(`{ me { id } }`, nil).fails("UNAUTHENTICATED", "INVALID")
		intruder.ask(`{ serverInfo { registration } }`, nil).ok().is("serverInfo.registration", "OPEN")
		s.clock.advance(5 * time.Minute)
		mario.ask(`{ me { id } }`, nil).fails("UNAUTHENTICATED", "EXPIRED")
		intruder.ask(`{ me { id } }`, nil).fails("UNAUTHENTICATED", "INVALID")
		mario.renew().ok()
		if !mario.alive() {
			t.Fatal("a client with a stale access token must be able to refresh")
		}
	})
}

func TestDisablingActsAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		mario := s.register("mario")
		s.execute(`UPDATE users SET status = 'DISABLED'`)
		mario.ask(`{ me { id } }`, nil).fails("UNAUTHENTICATED", "REVOKED")
		mario.renew().mistakes("refreshToken", "TOKEN_INVALID@refreshToken")
	})
}

func TestRegistrationCanBeClosed(t *testing.T) {
	for _, mode := range []string{"closed", "invite"} {
		onEach(t, func(t *testing.T, s *site) {
			s.anonymous().ask(`{ serverInfo { registration } }`, nil).ok().is("serverInfo.registration", strings.ToUpper(mode))
			s.anonymous().ask(registerMutation, vars{"input": vars{"username": "mario", "password": password}}).
				mistakes("register", "REGISTRATION_CLOSED")
			if n := s.count("users"); n != 0 {
				t.Fatalf("%d users", n)
			}
		}, "LATCHKEY_REGISTRATION="+mode)
	}
}

func TestServerInfoTellsThePasswordPolicy(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.anonymous().ask(`{ serverInfo { emailVerification password { minLength maxLength } } }`, nil).ok().
			is("serverInfo.password.minLength", 15).is("serverInfo.password.maxLength", 256).is("serverInfo.emailVerification", false)
		s.anonymous().ask(registerMutation, vars{"input": vars{"username": "mario", "password": password}}).mistakes("register", "TOO_SHORT@password")
	}, "LATCHKEY_PASSWORD_MIN_LENGTH=15")
}

// TestAMutationSeesWhatItHasDone asks for several things in one request: each field finds what those before it left.
func TestAMutationSeesWhatItHasDone(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		mario := s.register("mario")
		mario.ask(`mutation ($id: ID!) {
			changeUsername(input: {currentPassword: "i-keep-jumping", newUsername: "jumpman"}) { userErrors { code } }
			renamed: updateMe(input: {name: "M."}) { user { username profile { username } } }
			deleteProfile(id: $id) { deletedProfileId }
			bare: updateMe(input: {}) { user { profile { id } } }
		}`, vars{"id": mario.profileID}).ok().
			is("renamed.user.username", "jumpman").is("renamed.user.profile.username", "jumpman").is("bare.user.profile", nil)
		a := mario.ask(`mutation { signOut(input: {}) { signedOut } updateMe(input: {name: "after the end"}) { user { name } } }`, nil)
		if a.fails("UNAUTHENTICATED", "REVOKED"); s.signIn("jumpman").ask(`{ me { name } }`, nil).get("me.name") != "M." {
			t.Fatal("a session that had ended changed something")
		}
	})
}

// TestTheViewerOfAnAnswer is whoever has signed in by the request, for what is theirs, and the caller otherwise.
func TestTheViewerOfAnAnswer(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		mario := s.register("mario")
		mario.ask(`mutation ($id: ID!) {
			register(input: {username: "luigi", password: "i-keep-jumping"}) { user { profile { viewerCanUpdate } } userErrors { code } }
			updateProfile(id: $id, input: {}) { profile { viewerCanUpdate } }
		}`, vars{"id": mario.profileID}).ok().
			is("register.user.profile.viewerCanUpdate", true).is("updateProfile.profile.viewerCanUpdate", true)
		a := s.anonymous().ask(`mutation { obtainToken(input: {identifier: "luigi", password: "i-keep-jumping"}) { userErrors { code } }
			updateMe(input: {name: "x"}) { user { id } } }`, nil)
		a.fails("UNAUTHENTICATED", "MISSING")
	})
}

// TestAPasswordChangeDoesNotUndoASignOut lets the sign-out be complete while the password is still being checked.
func TestAPasswordChangeDoesNotUndoASignOut(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		mario := s.register("mario")
		caller := s.server.Service().Authenticate(t.Context(), mario.access)
		mario.ask(`mutation { signOut(input: {}) { signedOut } }`, nil).ok()
		in := account.ChangePasswordInput{CurrentPassword: password, NewPassword: "i-jump-higher-now"}
		if tokens, err := s.server.Service().ChangePassword(t.Context(), account.ActorOf(caller), in, auth.ClientInfo{}); tokens != nil || !account.IsCode(err, account.Unauthenticated) {
			t.Fatalf("%v %v", tokens, err)
		}
		s.signIn("mario")
	})
}

// TestDeletionRacesSignIn has nobody see an error that is not theirs to mend.
func TestDeletionRacesSignIn(t *testing.T) {
	onEachStrict(t, func(t *testing.T, s *site) {
		for round := range 5 {
			name := fmt.Sprint("mario", round)
			mario := s.register(name)
			together(5, func(i int) {
				if i == 0 {
					mario.ask(`mutation { deleteMe(input: {currentPassword: "i-keep-jumping"}) { deletedUserId userErrors { code } } }`, nil).ok()
					return
				}
				a := s.anonymous().ask(obtainTokenMutation, vars{"input": vars{"identifier": name, "password": password}})
				if len(a.Errors) > 0 {
					t.Errorf("%s", a.Body)
				}
			})
			if s.count("users") != 0 || s.count("sessions") != 0 {
				t.Fatal("something is left")
			}
		}
	})
}

// TestOneNameManyRegistrations has 32 clients ask for one name at once, in several spellings.
func TestOneNameManyRegistrations(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		other := s.another()
		spellings := []string{"señor", "SEÑOR", "sen\u0303or", "Señor"}
		answers := make([]*answer, 32)
		var all sync.WaitGroup
		for i := range answers {
			all.Go(func() {
				node := []*site{s, other}[i%2]
				answers[i] = node.anonymous().ask(registerMutation, vars{"input": vars{
					"username": spellings[i%4], "password": password, "email": fmt.Sprintf("m%d@example.com", i),
				}})
			})
		}
		all.Wait()
		won := 0
		for _, a := range answers {
			switch {
			case a.get("register.user") != nil:
				won++
			case len(a.Errors) > 0:
				a.fails("RATE_LIMITED") // the queue for hashing was full
			default:
				a.mistakes("register", "TAKEN@username")
			}
		}
		if won != 1 || s.count("users") != 1 || s.count("profiles") != 1 || s.count("sessions") != 1 {
			t.Fatalf("%d won; %d users, %d profiles, %d sessions", won, s.count("users"), s.count("profiles"), s.count("sessions"))
		}
	})
}

// TestOldHashesAreRenewed signs in with a hash of cheaper parameters, as an earlier configuration would have left it.
func TestOldHashesAreRenewed(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.register("mario")
		encode := base64.RawStdEncoding.EncodeToString
		salt := []byte("0123456789abcdef")
		old := "$argon2id$v=19$m=8192,t=1,p=1$" + encode(salt) + "$" + encode(argon2.IDKey([]byte(password), salt, 1, 8192, 1, 32))
		s.execute("UPDATE users SET password_hash = '" + old + "'")
		hash := func() (hash string) {
			if err := s.db().QueryRow(`SELECT password_hash FROM users`).Scan(&hash); err != nil {
				t.Fatal(err)
			}
			return hash
		}
		s.anonymous().ask(obtainTokenMutation, vars{"input": vars{"identifier": "mario", "password": "not-his-password"}}).mistakes("obtainToken", "INVALID_CREDENTIALS")
		if hash() != old {
			t.Fatal("renewed without the right password")
		}
		s.signIn("mario")
		if renewed := hash(); !strings.HasPrefix(renewed, "$argon2id$v=19$m=19456,t=2,p=1$") {
			t.Fatalf("not renewed: %s", renewed)
		}
		s.signIn("mario")
	})
}
