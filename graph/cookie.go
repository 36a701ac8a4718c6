package graph

import (
	"context"
	"net/http"
	"strings"

	"latchkey/internal/account"
)

// cookies carry refresh tokens where scripts cannot read them.
type cookies struct {
	name   string
	secure bool
}

// newCookies returns the cookies of a server with the public URL. Over https the name has the prefix with which a
// browser accepts the cookie only from this host (RFC 6265bis, section 4.1.3.2); plain http, for development, has none.
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

// set sets a cookie that expires with the refresh token, or, if tokens is nil, clears the cookie.
func (c cookies) set(w http.ResponseWriter, tokens *account.TokenPair) {
	cookie := &http.Cookie{
		Name: c.name, Path: "/", Secure: c.secure, HttpOnly: true, SameSite: http.SameSiteStrictMode, MaxAge: -1,
	}
	if tokens != nil {
		cookie.Value, cookie.Expires, cookie.MaxAge = *tokens.RefreshToken, tokens.RefreshTokenExpiresAt, 0
	}
	http.SetCookie(w, cookie)
}

// writeTokens returns a pair as the response holds it and sets cookies as the delivery demands: a refresh token in a
// cookie is not in the body as well, and one in the body clears the cookie of the request, which is out of date.
func writeTokens(ctx context.Context, tokens *account.TokenPair) *account.TokenPair {
	if tokens == nil {
		return nil
	}
	ra := requestAuthFrom(ctx)
	ra.mu.Lock()
	ra.tokenUserID = tokens.UserID
	ra.mu.Unlock()
	switch {
	case tokens.Delivery == account.InCookie:
		ra.cookies.set(ra.response, tokens)
		bare := *tokens
		bare.RefreshToken = nil
		return &bare
	case ra.cookie != nil:
		ra.cookies.set(ra.response, nil)
	}
	return tokens
}

// cookieFrom returns the refresh token that the request carries as a cookie, or nil.
func cookieFrom(ctx context.Context) *string {
	if ra := requestAuthFrom(ctx); ra != nil {
		return ra.cookie
	}
	return nil
}

// clearCookie clears the cookie of the request, if any, unless err reports that its session was not revoked. It returns
// err.
func clearCookie(ctx context.Context, err error) error {
	if ra := requestAuthFrom(ctx); err == nil && ra.cookie != nil {
		ra.cookies.set(ra.response, nil)
	}
	return err
}
