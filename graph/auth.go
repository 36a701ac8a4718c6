package graph

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"latchkey/internal/account"
	"latchkey/internal/auth"
	"latchkey/internal/middleware"
)

type callerKey struct{}

// requestAuth authenticates a request when a field first needs the caller: public fields do not read the session.
type requestAuth struct {
	service  *auth.Service
	headers  []string // Authorization
	client   auth.ClientInfo
	cookies  cookies
	cookie   *string             // a refresh token, or nil
	response http.ResponseWriter // for its Set-Cookie headers

	mu          sync.Mutex
	field       *graphql.RootFieldContext // the field of a mutation for which caller was authenticated
	caller      *account.Caller
	newSession  *account.Caller // the user who has signed in with this request
	tokenUserID account.ID      // the user whose tokens the response holds
	userError   account.Code    // the first in the response
}

// WithCaller stores in each request's context who makes it: the caller whose bearer token it carries (RFC 6750, section
// 2.1), the client, and the refresh token that it carries as a cookie. It belongs inside [middleware.ClientIP]. Cookies
// are secure if the public URL is https.
func WithCaller(svc *auth.Service, publicURL string, next http.Handler) http.Handler {
	cookies := newCookies(publicURL)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := context.WithValue(r.Context(), callerKey{}, &requestAuth{
			service: svc,
			headers: r.Header.Values("Authorization"),
			client: auth.ClientInfo{
				IPAddress: middleware.ClientIPFrom(r.Context()),
				UserAgent: r.UserAgent(),
				Languages: strings.Join(r.Header.Values("Accept-Language"), ","),
			},
			cookies:  cookies,
			cookie:   cookies.token(r),
			response: w,
		})
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// requestAuthFrom returns what [WithCaller] has stored, or nil outside of it.
func requestAuthFrom(ctx context.Context) *requestAuth {
	ra, _ := ctx.Value(callerKey{}).(*requestAuth)
	return ra
}

// callerFrom returns the caller. The fields of a query share one authentication; each field of a mutation has its own,
// because the fields before it may have revoked the session or changed the user.
func callerFrom(ctx context.Context) *account.Caller {
	var field *graphql.RootFieldContext
	if graphql.GetOperationContext(ctx).Operation.Operation == ast.Mutation {
		field = graphql.GetRootFieldContext(ctx)
	}
	ra := requestAuthFrom(ctx)
	ra.mu.Lock()
	defer ra.mu.Unlock()
	if ra.caller == nil || ra.field != field {
		ra.caller, ra.field = authenticate(ctx, ra.service, ra.headers), field
	}
	return ra.caller
}

// actorFrom returns the caller as an actor.
func actorFrom(ctx context.Context) account.Actor { return account.ActorOf(callerFrom(ctx)) }

// authenticate returns the caller whose token the Authorization headers carry. More than one header, or one of another
// scheme, authenticates no one.
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

// clientFrom returns the client of the request.
func clientFrom(ctx context.Context) auth.ClientInfo {
	return requestAuthFrom(ctx).client
}

// recordSignIn records the user who has signed in with this request, for what the response and the log say about the
// viewer. It authorizes nothing: the other fields of the request still belong to the caller.
func recordSignIn(ctx context.Context, user *account.User, tokens *account.TokenPair) *account.User {
	if tokens != nil {
		ra := requestAuthFrom(ctx)
		ra.mu.Lock()
		defer ra.mu.Unlock()
		ra.newSession = &account.Caller{User: user, SessionID: tokens.SessionID}
	}
	return user
}

// recordUserError records the code of a user error in the response.
func recordUserError(ctx context.Context, code account.Code) {
	if ra := requestAuthFrom(ctx); ra != nil {
		ra.mu.Lock()
		defer ra.mu.Unlock()
		ra.userError = cmp.Or(ra.userError, code)
	}
}

// firstUserError returns the code of the first user error in the response, or "".
func firstUserError(ctx context.Context) account.Code {
	ra := requestAuthFrom(ctx)
	if ra == nil {
		return ""
	}
	ra.mu.Lock()
	defer ra.mu.Unlock()
	return ra.userError
}

// viewerFor returns who views what belongs to owner: the owner, if they have signed in with this request, else the
// caller.
func viewerFor(ctx context.Context, owner account.ID) *account.Caller {
	ra := requestAuthFrom(ctx)
	ra.mu.Lock()
	newSession := ra.newSession
	ra.mu.Unlock()
	if newSession != nil && newSession.User.ID == owner {
		return newSession
	}
	return callerFrom(ctx)
}

// userID returns the user's ID for the log, or "" if no field has needed the caller or the caller is signed out.
func userID(ctx context.Context) string {
	ra := requestAuthFrom(ctx)
	if ra == nil {
		return ""
	}
	ra.mu.Lock()
	defer ra.mu.Unlock()
	for _, caller := range []*account.Caller{ra.newSession, ra.caller} {
		if caller != nil && caller.User != nil {
			return string(caller.User.ID)
		}
	}
	return string(ra.tokenUserID)
}
