package accounts

import (
	"os"
	"strings"
	"testing"

	"latchkey/internal/e2e"
)

// TestAccessDirectives checks that each root field has exactly one access directive, and that the public fields are
// those of testdata/public-fields.txt.
func TestAccessDirectives(t *testing.T) {
	var public []string
	for _, field := range e2e.RootFields(e2e.LoadSchema(t)) {
		marks := 0
		for _, mark := range []string{"public", "auth", "owner"} {
			marks += len(field.Directives.ForNames(mark))
		}
		if marks != 1 {
			t.Errorf("%s has %d access marks", field.Name, marks)
		}
		if field.Directives.ForName("public") != nil {
			public = append(public, field.Name)
		}
	}
	golden, err := os.ReadFile("internal/e2e/testdata/public-fields.txt")
	if err != nil {
		t.Fatal(err)
	}
	if have := strings.Join(public, "\n") + "\n"; have != string(golden) {
		t.Errorf("the public fields are\n%swant\n%s", have, golden)
	}
}

// TestSchemaDescriptions checks that each type, field, argument and enum value of the schema has a description.
func TestSchemaDescriptions(t *testing.T) {
	s := e2e.LoadSchema(t)
	missing := func(what, description string) {
		if strings.TrimSpace(description) == "" {
			t.Errorf("%s has no description", what)
		}
	}
	for name, d := range s.Types {
		if d.BuiltIn || strings.HasPrefix(name, "__") {
			continue
		}
		missing(name, d.Description)
		for _, value := range d.EnumValues {
			missing(name+"."+value.Name, value.Description)
		}
		for _, field := range d.Fields {
			if strings.HasPrefix(field.Name, "__") {
				continue
			}
			missing(name+"."+field.Name, field.Description)
			for _, argument := range field.Arguments {
				missing(name+"."+field.Name+"."+argument.Name, argument.Description)
			}
		}
	}
	for _, d := range s.Directives {
		if d.Position == nil || d.Position.Src.BuiltIn {
			continue
		}
		missing("@"+d.Name, d.Description)
		for _, argument := range d.Arguments {
			missing("@"+d.Name+"."+argument.Name, argument.Description)
		}
	}
}

// TestAccessMatrix checks that each root field answers an anonymous caller, the owner, another member and staff as its
// directive says.
func TestAccessMatrix(t *testing.T) {
	const ok, null = "ok", "null"
	signedIn := [4]string{"UNAUTHENTICATED", ok, ok, ok}
	anyone := [4]string{ok, ok, ok, ok}
	owner := [4]string{"UNAUTHENTICATED", ok, "FORBIDDEN", "FORBIDDEN"}
	// The order matters: what is deleted is asked for last.
	matrix := []struct {
		field, query              string
		byStrangerOwnerOtherStaff [4]string
	}{
		{"serverInfo", `{ serverInfo { registration } }`, anyone},
		{"me", `{ me { id email } }`, signedIn},
		{"profile", `{ profile(id: "$profile") { id } }`, signedIn},
		{"profiles", `{ profiles { totalCount } }`, signedIn},
		{"node", `{ node(id: "$profile") { id } }`, signedIn},
		{"node", `{ node(id: "$user") { id ... on User { email } } }`, [4]string{"UNAUTHENTICATED", ok, null, ok}},
		{"node", `{ node(id: "session_0198c5a2-7f1e-7cc3-98c4-dc0c0c07398f") { id } }`, [4]string{"UNAUTHENTICATED", null, null, null}},
		{"verifyToken", `mutation { verifyToken(input: {token: "x"}) { valid } }`, anyone},
		{"signOut", `mutation { signOut(input: {refreshToken: "x"}) { signedOut } }`, anyone},
		{"refreshToken", `mutation { refreshToken(input: {refreshToken: "x"}) { userErrors { code } } }`, anyone},
		{"register", `mutation { register(input: {password: "x"}) { userErrors { code } } }`, anyone},
		{"obtainToken", `mutation { obtainToken(input: {identifier: "x", password: "x"}) { userErrors { code } } }`, anyone},
		{"me", `{ me { sessions { id } } }`, signedIn},
		{"node", `{ node(id: "$user") { ... on User { sessions { id isCurrent } } } }`, [4]string{"UNAUTHENTICATED", ok, null, ok}},
		{"node", `{ node(id: "$session") { id } }`, [4]string{"UNAUTHENTICATED", ok, null, ok}},
		{"revokeSession", `mutation { revokeSession(id: "session_0198c5a2-7f1e-7cc3-98c4-dc0c0c07398f") { revokedSessionId } }`,
			[4]string{"UNAUTHENTICATED", "NOT_FOUND", "NOT_FOUND", "NOT_FOUND"}},
		{"revokeSession", `mutation { revokeSession(id: "$spare") { revokedSessionId } }`, [4]string{"UNAUTHENTICATED", ok, "NOT_FOUND", "NOT_FOUND"}},
		{"signOutEverywhere", `mutation { signOutEverywhere(input: {}) { revokedCount } }`, signedIn},
		{"updateMe", `mutation { updateMe(input: {}) { user { id } } }`, signedIn},
		{"changeUsername", `mutation { changeUsername(input: {currentPassword: "x", newUsername: "x"}) { userErrors { code } } }`, signedIn},
		{"changePassword", `mutation { changePassword(input: {currentPassword: "x", newPassword: "x"}) { userErrors { code } } }`, signedIn},
		{"createProfile", `mutation { createProfile(input: {}) { userErrors { code } } }`, signedIn},
		{"updateProfile", `mutation { updateProfile(id: "$profile", input: {}) { profile { id } } }`, owner},
		{"activate", `mutation { activate(input: {token: "x"}) { userErrors { code } } }`, anyone},
		{"resendActivation", `mutation { resendActivation(input: {email: "x"}) { userErrors { code } } }`, anyone},
		{"requestPasswordReset", `mutation { requestPasswordReset(input: {email: "x"}) { userErrors { code } } }`, anyone},
		{"resetPassword", `mutation { resetPassword(input: {token: "x", newPassword: "x"}) { userErrors { code } } }`, anyone},
		{"requestUsernameReminder", `mutation { requestUsernameReminder(input: {email: "x"}) { userErrors { code } } }`, anyone},
		{"requestEmailChange", `mutation { requestEmailChange(input: {currentPassword: "x", newEmail: "x"}) { userErrors { code } } }`, signedIn},
		{"confirmEmailChange", `mutation { confirmEmailChange(input: {token: "x"}) { userErrors { code } } }`, anyone},
		{"cancelEmailChange", `mutation { cancelEmailChange(input: {token: "x"}) { userErrors { code } } }`, anyone},
		{"deleteMe", `mutation { deleteMe(input: {currentPassword: "x"}) { userErrors { code } } }`, signedIn},
		{"deleteProfile", `mutation { deleteProfile(id: "$profile") { deletedProfileId } }`, [4]string{"UNAUTHENTICATED", ok, "NOT_FOUND", "NOT_FOUND"}},
	}
	asked := map[string]bool{}
	for _, row := range matrix {
		asked[row.field] = true
	}
	for _, field := range e2e.RootFields(e2e.LoadSchema(t)) {
		if !asked[field.Name] {
			t.Errorf("no request uses %s", field.Name)
		}
	}
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		mario, luigi, toad := s.Register("mario"), s.Register("luigi"), s.Register("toad")
		s.Exec(`UPDATE users SET role = 'STAFF' WHERE username = 'toad'`)
		names := strings.NewReplacer("$profile", mario.ProfileID, "$user", mario.UserID,
			"$session", mario.SessionID(), "$spare", s.SignIn("mario").SessionID())
		for _, row := range matrix {
			for i, c := range []*e2e.Client{s.Anonymous(), mario, luigi, toad} {
				a := c.Ask(names.Replace(row.query), nil)
				have := ok
				if len(a.Errors) > 0 {
					have = a.Errors[0].Extensions.Code
				} else if a.Get(row.field) == nil {
					have = null
				}
				if want := row.byStrangerOwnerOtherStaff[i]; have != want {
					t.Errorf("%s as number %d: want %s, have %s", row.query, i, want, a.Body)
				}
			}
		}
	})
}

// TestAccessOwnerOfProfile checks that only its owner changes a profile: another user's is FORBIDDEN, an unknown one
// NOT_FOUND.
func TestAccessOwnerOfProfile(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		const update = `mutation ($id: ID!) { updateProfile(id: $id, input: {location: "Rome"}) { profile { id } } }`
		mario, luigi := s.Register("mario"), s.Register("luigi")
		luigi.Ask(update, e2e.Vars{"id": mario.ProfileID}).FailsWith("FORBIDDEN")
		if !s.LogContains(`"event":"authz_fail"`, luigi.UserID) {
			t.Fatal("the log does not contain the user")
		}
		luigi.Ask(update, e2e.Vars{"id": "profile_0198c5a2-7f1e-7cc3-98c4-dc0c0c07398f"}).FailsWith("NOT_FOUND")
		luigi.Ask(update, e2e.Vars{"id": mario.UserID}).FailsWith("NOT_FOUND")
		luigi.Ask(update, e2e.Vars{"id": strings.ToUpper(mario.ProfileID)}).FailsWith("BAD_USER_INPUT")
		luigi.Ask(update, e2e.Vars{"id": "1"}).FailsWith("BAD_USER_INPUT")
		s.Anonymous().Ask(update, e2e.Vars{"id": mario.ProfileID}).FailsWith("UNAUTHENTICATED", "MISSING")
		s.Anonymous().Ask(update, e2e.Vars{"id": "1"}).FailsWith("UNAUTHENTICATED", "MISSING")
		luigi.Ask(`query ($id: ID!) { profile(id: $id) { location } }`, e2e.Vars{"id": mario.ProfileID}).Ok().Equals("profile.location", "")
	})
}

// TestAccessOneCredentialPerRequest checks that a request has at most one field that issues tokens, also behind aliases
// and fragments.
func TestAccessOneCredentialPerRequest(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		s.Register("mario")
		const signIn = `obtainToken(input: {identifier: "mario", password: "i-keep-jumping"}) { user { id } }`
		for _, query := range []string{
			`mutation { a: ` + signIn + ` b: ` + signIn + ` }`,
			`mutation { a: ` + signIn + ` ... on Mutation { b: ` + signIn + ` } }`,
			`mutation { a: ` + signIn + ` ...F } fragment F on Mutation { b: ` + signIn + ` }`,
			`mutation { a: ` + signIn + ` ... @skip(if: true) { b: ` + signIn + ` } }`,
			`mutation { ` + signIn + ` register(input: {username: "luigi", password: "i-keep-jumping"}) { user { id } } }`,
		} {
			before := s.Count("sessions")
			s.Anonymous().Ask(query, nil).FailsWith("REQUEST_TOO_COSTLY")
			if s.Count("sessions") != before || s.Count("users") != 1 {
				t.Fatalf("%s: half done", query)
			}
		}
	})
}
