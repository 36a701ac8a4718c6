package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"

	"latchkey/internal/account"
	"latchkey/internal/token"
)

// UseTokens sets the client's tokens to those in the payload of a field.
func (c *Client) UseTokens(a *Response, field string) {
	c.T.Helper()
	c.AccessToken, c.RefreshToken = a.Text(field+".tokens.accessToken"), a.Text(field+".tokens.refreshToken")
}

// Refresh refreshes the client's tokens, and uses the new ones.
func (c *Client) Refresh() *Response {
	c.T.Helper()
	return c.RefreshWith(c.RefreshToken)
}

// RefreshWith refreshes with a given refresh token, and uses the new tokens if it is accepted.
func (c *Client) RefreshWith(refresh string) *Response {
	c.T.Helper()
	a := c.Ask(`mutation ($t: String) { refreshToken(input: {refreshToken: $t}) {
		tokens { accessToken refreshToken accessTokenExpiresAt refreshTokenExpiresAt } userErrors { code field message } } }`, Vars{"t": refresh})
	if a.Get("refreshToken.tokens") != nil {
		c.UseTokens(a, "refreshToken")
	}
	return a
}

// SignedIn reports whether the client's access token is accepted.
func (c *Client) SignedIn() bool {
	c.T.Helper()
	return c.Ask(`{ me { id } }`, nil).Get("me.id") != nil
}

// TryPassword signs in with a password, without using the tokens, and returns the result as [Response.Code] does.
func (c *Client) TryPassword(identifier, password string) (code string, wait int) {
	c.T.Helper()
	a := c.Ask(ObtainTokenMutation, Vars{"input": Vars{"identifier": identifier, "password": password}})
	return a.Code("obtainToken")
}

// TrySignIn signs in, and uses the tokens if the password is right.
func (c *Client) TrySignIn(identifier, password string) {
	c.T.Helper()
	a := c.Ask(`mutation ($n: String!, $p: String!) { obtainToken(input: {identifier: $n, password: $p}) {
		tokens { accessToken refreshToken } userErrors { code } } }`, Vars{"n": identifier, "p": password})
	if a.Get("obtainToken.tokens") != nil {
		c.UseTokens(a, "obtainToken")
	}
}

// SignOut ends the session of a refresh token or, for nil, of the client. It fails the test unless the response is that
// of every sign-out.
func (c *Client) SignOut(refresh any) {
	c.T.Helper()
	c.Ask(`mutation ($t: String) { signOut(input: {refreshToken: $t}) { signedOut } }`, Vars{"t": refresh}).Ok().
		Equals("signOut.signedOut", true)
}

// AssertSignedOut fails the test unless both tokens of the client are rejected.
func (c *Client) AssertSignedOut() {
	c.T.Helper()
	c.AssertRefreshRejected(c.RefreshToken)
	c.Ask(`{ me { id } }`, nil).FailsWith("UNAUTHENTICATED", "REVOKED")
}

// AssertRefreshRejected fails the test unless a refresh token gets the same response, byte for byte, as an invalid one.
func (env *Env) AssertRefreshRejected(refresh string) {
	env.T.Helper()
	nonsense, have := env.Anonymous().RefreshWith("nonsense"), env.Anonymous().RefreshWith(refresh)
	nonsense.HasUserErrors("refreshToken", "TOKEN_INVALID@refreshToken")
	if have.Status != nonsense.Status || !bytes.Equal(have.Body, nonsense.Body) {
		env.T.Fatalf("%.100q answers %d %s", refresh, have.Status, have.Body)
	}
}

// ChangePassword changes the client's password and uses the new tokens. It retries while too many passwords are being
// checked.
func (c *Client) ChangePassword(old, new string) {
	c.T.Helper()
	for {
		a := c.Ask(`mutation ($old: String!, $new: String!) { changePassword(input: {currentPassword: $old, newPassword: $new}) {
			tokens { accessToken refreshToken } userErrors { code field message } } }`, Vars{"old": old, "new": new})
		if len(a.Errors) > 0 && a.Errors[0].Extensions.Code == "RATE_LIMITED" {
			continue
		}
		c.UseTokens(a.Ok(), "changePassword")
		return
	}
}

// SessionID returns the ID of the session of the client's refresh token.
func (c *Client) SessionID() string {
	c.T.Helper()
	refresh, ok := token.ParseRefresh(c.RefreshToken)
	if !ok {
		c.T.Fatal("the client has no refresh token")
	}
	return string(account.IDOf(account.SessionKind, refresh.Session))
}

// SessionState is a row of the table of sessions. States can be compared with ==.
type SessionState struct {
	Generation, GraceReplays, refreshes int
	generationAt, lastUsedAt, expiresAt int64
	revokedAt                           int64
	Reason                              string
}

// SessionRow returns the row of the client's session.
func (c *Client) SessionRow() (r SessionState) {
	c.T.Helper()
	db := c.DB()
	defer db.Close()
	err := db.QueryRow(`SELECT generation, grace_replays, refreshes, generation_at, last_used_at, expires_at,
		COALESCE(revoked_at, 0), COALESCE(revoke_reason, '') FROM sessions WHERE id = $1`, c.SessionID()).Scan(
		&r.Generation, &r.GraceReplays, &r.refreshes, &r.generationAt, &r.lastUsedAt, &r.expiresAt, &r.revokedAt, &r.Reason)
	if err != nil {
		c.T.Fatal(err)
	}
	return r
}

// SigningKey returns the algorithm and the key ID in the header of the access token.
func (c *Client) SigningKey() (alg, kid string) {
	c.T.Helper()
	segment, _, _ := strings.Cut(c.AccessToken, ".")
	text, err := base64.RawURLEncoding.DecodeString(segment)
	var header struct{ Alg, Kid string }
	if err := errors.Join(err, json.Unmarshal(text, &header)); err != nil {
		c.T.Fatal(err)
	}
	return header.Alg, header.Kid
}

// KeyID returns the key ID in the header of the access token.
func (c *Client) KeyID() string {
	c.T.Helper()
	_, kid := c.SigningKey()
	return kid
}
