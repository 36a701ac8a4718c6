package e2e

import (
	"time"

	"latchkey/internal/account"
	"latchkey/internal/store"
)

// Register registers a user with [Password] and returns a signed-in client.
func (env *Env) Register(username string) *Client {
	env.T.Helper()
	c := env.Anonymous()
	a := c.Ask(`mutation ($n: String!, $p: String!) { register(input: {username: $n, password: $p}) {
		user { id profile { id } } tokens { accessToken refreshToken } userErrors { code field message } } }`,
		Vars{"n": username, "p": Password}).Ok()
	c.UseTokens(a, "register")
	c.UserID, c.ProfileID = a.Text("register.user.id"), a.Text("register.user.profile.id")
	return c
}

// SignIn signs in with [Password] and returns the client of the new session.
func (env *Env) SignIn(identifier string) *Client {
	env.T.Helper()
	c := env.Anonymous()
	a := c.Ask(`mutation ($n: String!, $p: String!) { obtainToken(input: {identifier: $n, password: $p}) {
		user { id profile { id } } tokens { accessToken refreshToken } userErrors { code field message } } }`,
		Vars{"n": identifier, "p": Password}).Ok()
	c.UseTokens(a, "obtainToken")
	c.UserID = a.Text("obtainToken.user.id")
	return c
}

// RegisterWithEmail registers a user with an email address and returns the response.
func (env *Env) RegisterWithEmail(username, email string) *Response {
	env.T.Helper()
	return env.Anonymous().Ask(RegisterMutation, Vars{"input": Vars{"username": username, "email": email, "password": Password}}).Ok()
}

// RegisterAndSignIn registers a user with an email address and returns a signed-in client. Registration must not
// require confirmation of the address.
func (env *Env) RegisterAndSignIn(username, email string) *Client {
	env.T.Helper()
	c := env.Anonymous()
	a := env.RegisterWithEmail(username, email)
	c.UseTokens(a, "register")
	c.UserID = a.Text("register.user.id")
	return c
}

// ObtainToken signs in and returns the response.
func (env *Env) ObtainToken(identifier, password string) *Response {
	env.T.Helper()
	return env.Anonymous().Ask(ObtainTokenMutation, Vars{"input": Vars{"identifier": identifier, "password": password}})
}

// Redeem sends a one-time token to a field, such as activate, and returns the code of the error or user error, or "".
func (env *Env) Redeem(purpose, token string) string {
	env.T.Helper()
	query, variables := map[string]string{
		"activate": ActivateMutation, "resetPassword": ResetPasswordMutation, "confirmEmailChange": ConfirmEmailChangeMutation, "cancelEmailChange": CancelEmailChangeMutation,
	}[purpose], Vars{"t": token}
	if purpose == "resetPassword" {
		variables["p"] = NewPassword
	}
	a := env.Anonymous().Ask(query, variables)
	if len(a.Errors) > 0 {
		return a.Errors[0].Extensions.Code
	}
	code, _ := a.Get(purpose + ".userErrors.0.code").(string)
	return code
}

// Person is a user for a list of profiles.
type Person struct {
	Username, Description, Location string
	Organizer                       bool
	Joined                          time.Duration // since launch
}

// launch is when the first Person joined.
var launch = time.Date(2026, 5, 1, 12, 0, 0, 123456000, time.UTC)

// AddUsers inserts users with profiles without passwords, and returns a signed-in client without a profile. The n-th
// person has the n-th ID.
func (env *Env) AddUsers(people ...Person) *Client {
	env.T.Helper()
	for i, p := range people {
		env.AddUser(i, p)
	}
	reader := env.Register("reader")
	reader.Ask(`mutation ($id: ID!) { deleteProfile(id: $id) { userErrors { code } } }`, Vars{"id": reader.ProfileID}).Ok()
	return reader
}

// AddUser inserts a user with the n-th ID and a profile.
func (env *Env) AddUser(n int, p Person) {
	env.T.Helper()
	joined := launch.Add(p.Joined)
	user := &account.User{
		ID: nth(account.UserKind, n), Username: p.Username, Role: account.Member, Status: account.Active, CreatedAt: joined,
	}
	profile := &account.Profile{
		ID: nth(account.ProfileKind, n), UserID: user.ID, Description: p.Description, Location: p.Location,
		IsOrganizer: p.Organizer, DateJoined: joined, UpdatedOn: joined,
	}
	env.InStore(func(tx *store.Tx) error {
		if err := tx.InsertUser(env.T.Context(), user, ""); err != nil {
			return err
		}
		return tx.InsertProfile(env.T.Context(), profile)
	})
}

func nth(kind string, n int) account.ID {
	return account.IDOf(kind, [16]byte{6: 0x70, 8: 0x80, 14: byte(n >> 8), 15: byte(n)})
}
