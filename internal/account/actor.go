package account

// ActorKind is the kind of an Actor.
type ActorKind string

// The kinds of Actor. The zero value is none of them and may do nothing.
const (
	AnonymousActor ActorKind = "ANONYMOUS" // a caller who is not signed in
	UserActor      ActorKind = "USER"
	OperatorActor  ActorKind = "OPERATOR"
	SystemActor    ActorKind = "SYSTEM"
)

// Actor is who changes something: a caller of the API, an operator with a command, or the server itself. Methods that
// only read take a Caller instead.
type Actor struct {
	kind   ActorKind
	caller *Caller
}

var (
	// Anonymous is a caller whose credentials, if any, are part of the input.
	Anonymous = ActorOf(&Caller{Reason: ReasonMissing})
	// Operator acts with the database and the secret, and needs no role.
	Operator = Actor{kind: OperatorActor}
	// System is the server itself.
	System = Actor{kind: SystemActor}
)

// ActorOf returns the caller as an actor.
func ActorOf(c *Caller) Actor {
	if c.User == nil {
		return Actor{kind: AnonymousActor, caller: c}
	}
	return Actor{kind: UserActor, caller: c}
}

// Kind returns the kind of the actor.
func (a Actor) Kind() ActorKind { return a.kind }

// Session returns the session of the caller's access token and its user, also when the token has expired; empty IDs
// without an access token. The error is that of authenticating the caller.
func (a Actor) Session() (session, user ID, err error) {
	if a.caller == nil {
		return "", "", nil
	}
	return a.caller.SessionID, a.caller.Subject, a.caller.Err
}

// RequireUser returns the caller when the actor is a user, whose Caller.User is not nil. Errors: UNAUTHENTICATED for a
// caller who is not signed in; FORBIDDEN for an operator and for the server, who have no account of their own.
func (a Actor) RequireUser() (*Caller, error) {
	if a.caller == nil {
		return nil, &Error{Code: Forbidden, Message: "Only a user can do this."}
	}
	return a.caller, a.caller.RequireRole(Member)
}

// RequireOperator returns nil for an operator and for the server itself. Errors: FORBIDDEN for every caller of the API.
func (a Actor) RequireOperator() error {
	if a.kind != OperatorActor && a.kind != SystemActor {
		return &Error{Code: Forbidden, Message: "Only an operator can do this."}
	}
	return nil
}
