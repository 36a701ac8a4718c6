package graph

import (
	"context"
	"net/http"
	"strings"

	"latchkey/internal/account"
)

// cookies carry refresh tokens out of the reach of scripts.
type cookies struct {
	name   string
	secure bool
}

// newCookies returns the cookies of a server with the public URL. Over https the name has the prefix by which a browser
// accepts the cookie from this very host alone (RFC 6265bis, section 4.1.3.2); plain http, for development, has none.
func newCookies(publicURL string) cookies {
	if strings.HasPrefix(publicURL, "https:") {
		return cookies{name: "__Host-latchkey", secure: true}
	}
	return cookies{name: "latchkey"}
}

// token returns the refresh token that a request carries as a cookie, or nil.
func (c cookies) token(r *http.Request) *string {
	found := r.CookiesNamed(c.name)
	if len(found) == 0 {
		return nil
	}
	return &found[0].Value
}

// set writes a cookie that lives as long as the token, or, without one, ends the cookie there is.
func (c cookies) set(w http.ResponseWriter, tokens *account.TokenPair) {
	cookie := &http.Cookie{
		Name: c.name, Path: "/", Secure: c.secure, HttpOnly: true, SameSite: http.SameSiteStrictMode, MaxAge: -1,
	}
	if tokens != nil {
		cookie.Value, cookie.Expires, cookie.MaxAge = *tokens.RefreshToken, tokens.RefreshTokenExpiresAt, 0
	}
	http.SetCookie(w, cookie)
}

// writeTokens hands a pair over in the way it is to travel: what goes as a cookie does not go in the body as well, and what
// goes in the body ends the cookie that the request carried, which would only be out of date.
func writeTokens(ctx context.Context, tokens *account.TokenPair) *account.TokenPair {
	who := ctx.Value(callerKey{}).(*requestAuth)
	if tokens == nil {
		return nil
	}
	who.mu.Lock()
	who.tokenUserID = tokens.UserID
	who.mu.Unlock()
	switch {
	case tokens.Delivery == account.InCookie:
		who.cookies.set(who.response, tokens)
		bare := *tokens
		bare.RefreshToken = nil
		return &bare
	case who.cookie != nil:
		who.cookies.set(who.response, nil)
	}
	return tokens
}

// cookieFrom returns the refresh token that the request carries as a cookie, or nil.
func cookieFrom(ctx context.Context) *string {
	if who, ok := ctx.Value(callerKey{}).(*requestAuth); ok {
		return who.cookie
	}
	return nil
}

// clearCookie ends the cookie that the request carries, if any, once its session is over.
func clearCookie(ctx context.Context, err error) error {
	if who := ctx.Value(callerKey{}).(*requestAuth); err == nil && who.cookie != nil {
		who.cookies.set(who.response, nil)
	}
	return err
}
