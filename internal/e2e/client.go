package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"

	"latchkey/internal/account"
	"latchkey/internal/token"
)

// What guessing comes to, on two nodes that share a database.

// TryPassword tries a password and returns the code of what comes of it: OK, a mistake's or an error's, and for how many
// seconds to wait.
func (c *Client) TryPassword(identifier, password string) (code string, wait int) {
	c.T.Helper()
	a := c.Ask(ObtainTokenMutation, Vars{"input": Vars{"identifier": identifier, "password": password}})
	return a.Code("obtainToken")
}

// SigningKey returns the algorithm and the key ID that an access token names.
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

func (c *Client) KeyID() string {
	c.T.Helper()
	_, kid := c.SigningKey()
	return kid
}

// SignInWith signs in if the password is right, and takes over the pair.
func (c *Client) SignInWith(identifier, password string) {
	c.T.Helper()
	a := c.Ask(`mutation ($n: String!, $p: String!) { obtainToken(input: {identifier: $n, password: $p}) {
		tokens { accessToken refreshToken } userErrors { code } } }`, Vars{"n": identifier, "p": password})
	if a.Get("obtainToken.tokens") != nil {
		c.UseTokens(a, "obtainToken")
	}
}

// IsSignedOut demands that both of the client's tokens are dead.
func (c *Client) IsSignedOut() {
	c.T.Helper()
	c.RejectsRefresh(c.RefreshToken)
	c.Ask(`{ me { id } }`, nil).FailsWith("UNAUTHENTICATED", "REVOKED")
}

// SignOut ends the session of a refresh token or, for nil, of the client, and demands the one answer there is.
func (c *Client) SignOut(refresh any) {
	c.T.Helper()
	c.Ask(`mutation ($t: String) { signOut(input: {refreshToken: $t}) { signedOut } }`, Vars{"t": refresh}).Ok().
		Equals("signOut.signedOut", true)
}

// ChangePassword replaces the client's password and takes over the new pair. It asks again for as long as too many
// passwords are being checked.
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

// SessionID returns the session that the client's refresh token is of.
func (c *Client) SessionID() string {
	c.T.Helper()
	refresh, ok := token.ParseRefresh(c.RefreshToken)
	if !ok {
		c.T.Fatal("the client has no refresh token")
	}
	return string(account.IDOf(account.SessionKind, refresh.Session))
}

// Client is an application that talks to a site, signed in or not.
type Client struct {
	*Env
	AccessToken, RefreshToken string
	UserID                    string
	ProfileID                 string
}

// UseTokens takes over the tokens that a field answered.
func (c *Client) UseTokens(a *Response, field string) {
	c.T.Helper()
	c.AccessToken, c.RefreshToken = a.Text(field+".tokens.accessToken"), a.Text(field+".tokens.refreshToken")
}

// Refresh refreshes the client's tokens.
func (c *Client) Refresh() *Response {
	c.T.Helper()
	return c.Present(c.RefreshToken)
}

// Present sends a refresh token and, when it is accepted, takes over the pair.
func (c *Client) Present(refresh string) *Response {
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

type Vars map[string]any

// Ask sends an operation as JSON and returns what came back, whatever it is.
func (c *Client) Ask(query string, variables Vars) *Response {
	c.T.Helper()
	return c.AskWith(nil, query, variables)
}

// AskWith does so with more headers.
func (c *Client) AskWith(headers http.Header, query string, variables Vars) *Response {
	c.T.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		c.T.Fatal(err)
	}
	return c.postWith(headers, body)
}

// Post sends a body to /graphql as it is.
func (c *Client) Post(body []byte) *Response {
	c.T.Helper()
	return c.postWith(nil, body)
}

func (c *Client) postWith(headers http.Header, body []byte) *Response {
	c.T.Helper()
	return c.Send(c.Request(headers, body))
}

// Request returns one that posts a body to /graphql.
func (c *Client) Request(headers http.Header, body []byte) *http.Request {
	c.T.Helper()
	node := c.Env
	if c.Peer != nil && c.requests.Add(1)%2 == 0 {
		node = c.Peer
	}
	r, err := http.NewRequestWithContext(c.T.Context(), http.MethodPost, node.URL+"/graphql", bytes.NewReader(body))
	if err != nil {
		c.T.Fatal(err)
	}
	maps.Copy(r.Header, headers)
	r.Header.Set("Content-Type", "application/json")
	node.TrackSecrets(sentSecret, body)
	return r
}

func (c *Client) Send(r *http.Request) *Response {
	c.T.Helper()
	a, err := c.Exchange(r)
	if err != nil {
		c.T.Fatal(err)
	}
	return a
}

// Exchange sends a request and returns what came back, or an error when that is not a whole answer.
func (c *Client) Exchange(r *http.Request) (*Response, error) {
	if c.AccessToken != "" {
		r.Header.Set("Authorization", "Bearer "+c.AccessToken)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	a := &Response{T: c.T, Status: response.StatusCode, Header: response.Header}
	if a.Body, err = io.ReadAll(response.Body); err != nil {
		return nil, err
	}
	c.TrackSecrets(ReceivedSecret, a.Body)
	c.TrackSecrets(ReceivedSecret, []byte(strings.Join(a.Header.Values("Set-Cookie"), "\n")))
	if err := json.Unmarshal(a.Body, a); err != nil {
		return nil, fmt.Errorf("answer %d is not JSON: %s", a.Status, a.Body)
	}
	return a, nil
}
