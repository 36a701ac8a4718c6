package graph

import (
	"cmp"
	"context"
	"net/http"
	"net/netip"
	"strings"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"latchkey/internal/account"
	"latchkey/internal/auth"
)

type callerKey struct{}

// requestAuth is who makes a request, found out when a field first wants to know: public fields cost no look at the
// session.
type requestAuth struct {
	service *auth.Service
	headers []string // Authorization
	client  auth.ClientInfo
	cookies cookies
	cookie  *string             // a refresh token, or nil
	response  http.ResponseWriter // for its Set-Cookie headers

	mu     sync.Mutex
	field  *graphql.RootFieldContext // which asked last, in a mutation
	caller *account.Caller           // what it was told
	newSession *account.Caller           // who has signed in by this very request
	tokenUserID account.ID                // whose tokens the answer holds

	userError account.Code // the first that the answer tells of
}

// WithCaller keeps in each request's context who makes it: the caller that the bearer token speaks for (RFC 6750,
// section 2.1), the client it comes from and the refresh token it has as a cookie. X-Forwarded-For is believed as far
// as it was written by trusted proxies; whether cookies are secure is told by the server's public URL.
func WithCaller(svc *auth.Service, publicURL string, trusted []netip.Prefix, next http.Handler) http.Handler {
	cookies := newCookies(publicURL)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := context.WithValue(r.Context(), callerKey{}, &requestAuth{
			service: svc,
			headers: r.Header.Values("Authorization"),
			client: auth.ClientInfo{
				IPAddress: forwardedIP(r, trusted),
				UserAgent: r.UserAgent(),
				Languages: strings.Join(r.Header.Values("Accept-Language"), ","),
			},
			cookies: cookies,
			cookie:  cookies.token(r),
			response:  w,
		})
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// callerFrom returns whoever makes the request. The fields of a query share one look at the session; each field of a
// mutation takes its own, since those before it may have ended the session or changed the user.
func callerFrom(ctx context.Context) *account.Caller {
	var field *graphql.RootFieldContext
	if graphql.GetOperationContext(ctx).Operation.Operation == ast.Mutation {
		field = graphql.GetRootFieldContext(ctx)
	}
	who := ctx.Value(callerKey{}).(*requestAuth)
	who.mu.Lock()
	defer who.mu.Unlock()
	if who.caller == nil || who.field != field {
		who.caller, who.field = authenticate(ctx, who.service, who.headers), field
	}
	return who.caller
}

// authenticate finds the caller behind the Authorization headers. More than one header, or one of another scheme, is
// no proof of anything.
func authenticate(ctx context.Context, svc *auth.Service, headers []string) *account.Caller {
	if len(headers) == 0 {
		return &account.Caller{Reason: account.ReasonMissing}
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	if len(headers) > 1 || !strings.EqualFold(scheme, "Bearer") {
		return &account.Caller{Reason: account.ReasonInvalid}
	}
	return svc.Authenticate(ctx, token)
}

// clientFrom returns where the request comes from.
func clientFrom(ctx context.Context) auth.ClientInfo {
	return ctx.Value(callerKey{}).(*requestAuth).client
}

// recordSignIn notes who has signed in by this request, for what the answer and the log say of the viewer. It opens
// no field: the rest of the request is still the caller's.
func recordSignIn(ctx context.Context, user *account.User, tokens *account.TokenPair) *account.User {
	if tokens != nil {
		who := ctx.Value(callerKey{}).(*requestAuth)
		who.mu.Lock()
		defer who.mu.Unlock()
		who.newSession = &account.Caller{User: user, SessionID: tokens.SessionID}
	}
	return user
}

// recordUserError notes a mistake that the answer tells of as data.
func recordUserError(ctx context.Context, code account.Code) {
	if who, ok := ctx.Value(callerKey{}).(*requestAuth); ok {
		who.mu.Lock()
		defer who.mu.Unlock()
		who.userError = cmp.Or(who.userError, code)
	}
}

// firstUserError returns the code of the first mistake that the answer tells of, or "".
func firstUserError(ctx context.Context) account.Code {
	who, ok := ctx.Value(callerKey{}).(*requestAuth)
	if !ok {
		return ""
	}
	who.mu.Lock()
	defer who.mu.Unlock()
	return who.userError
}

// viewerFor returns who looks at what belongs to owner: the owner, if they have signed in by this request, else the
// caller.
func viewerFor(ctx context.Context, owner account.ID) *account.Caller {
	who := ctx.Value(callerKey{}).(*requestAuth)
	who.mu.Lock()
	signed := who.newSession
	who.mu.Unlock()
	if signed != nil && signed.User.ID == owner {
		return signed
	}
	return callerFrom(ctx)
}

// userID returns the user's ID for the log, or "" as long as nobody asked who the caller is or they are signed out.
func userID(ctx context.Context) string {
	who, ok := ctx.Value(callerKey{}).(*requestAuth)
	if !ok {
		return ""
	}
	who.mu.Lock()
	defer who.mu.Unlock()
	for _, caller := range []*account.Caller{who.newSession, who.caller} {
		if caller != nil && caller.User != nil {
			return string(caller.User.ID)
		}
	}
	return string(who.tokenUserID)
}

// clientIP returns the address that the request came from, or "" outside of WithCaller.
func clientIP(ctx context.Context) string {
	if who, ok := ctx.Value(callerKey{}).(*requestAuth); ok {
		return who.client.IPAddress
	}
	return ""
}

// forwardedIP returns the address of the right-most hop that is not a trusted proxy, or "" when the peer has none.
// What a trusted proxy wrote and is no address ends the search: the client then is that proxy. Empty elements count for
// nothing (RFC 9110, section 5.6.1.2).
func forwardedIP(r *http.Request, trusted []netip.Prefix) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	address := plain(peer.Addr())
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && isTrusted(address, trusted); i-- {
		text := strings.Trim(hops[i], " \t")
		if text == "" {
			continue
		}
		hop, err := parseHop(text)
		if err != nil {
			break
		}
		address = hop
	}
	return address.String()
}

// parseHop reads an address as proxies write it: bare, in brackets, or with a port.
func parseHop(text string) (netip.Addr, error) {
	if hop, err := netip.ParseAddrPort(text); err == nil {
		return plain(hop.Addr()), nil
	}
	if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
		text = text[1 : len(text)-1]
	}
	address, err := netip.ParseAddr(text)
	return plain(address), err
}

// plain returns an address without a zone, and an IPv4 one as such.
func plain(address netip.Addr) netip.Addr { return address.Unmap().WithZone("") }

func isTrusted(address netip.Addr, trusted []netip.Prefix) bool {
	for _, prefix := range trusted {
		if prefix.Contains(address) {
			return true
		}
	}
	return false
}
