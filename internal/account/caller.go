package account

// Caller makes a request: a user in a live session, or an anonymous caller with the reason.
type Caller struct {
	User      *User  // nil when signed out
	Subject   ID     // the user of the access token, and
	SessionID ID     // its session, also when the token has expired
	Reason    Reason // why the caller is anonymous
	Err       error  // why authentication failed with an internal error; such a caller may do nothing
}

// RequireRole returns nil when the caller is signed in with at least the role. Errors: UNAUTHENTICATED; FORBIDDEN.
func (c *Caller) RequireRole(least Role) error {
	if c.Err != nil {
		return c.Err
	}
	if c.User == nil {
		return SignedOut(c.Reason)
	}
	if !c.User.Role.Includes(least) {
		return &Error{Code: Forbidden, Message: "Your role does not allow this."}
	}
	return nil
}

// RequireOwner returns nil when the caller is signed in and is the owner. Errors: UNAUTHENTICATED; FORBIDDEN.
func (c *Caller) RequireOwner(owner ID) error {
	if err := c.RequireRole(Member); err != nil {
		return err
	}
	if c.User.ID != owner {
		return &Error{Code: Forbidden, Message: "Only the owner can change this."}
	}
	return nil
}

// RequireSessionOwner returns nil when the caller is signed in and the session is theirs. Errors: UNAUTHENTICATED;
// NOT_FOUND, which does not reveal the sessions of other users.
func (c *Caller) RequireSessionOwner(session *Session) error {
	if err := c.RequireRole(Member); err != nil {
		return err
	}
	if session == nil || c.User.ID != session.UserID {
		return &Error{Code: NotFound, Message: "You have no session with this ID."}
	}
	return nil
}

// CanSee reports whether the caller may see the private part of a user's account.
func (c *Caller) CanSee(user ID) bool {
	return c.User != nil && (c.User.ID == user || c.User.Role.Includes(Staff))
}

// CanUpdate reports whether the caller may update the profile.
func (c *Caller) CanUpdate(profile *Profile) bool { return c.RequireOwner(profile.UserID) == nil }

// SignedOut returns UNAUTHENTICATED with a reason.
func SignedOut(reason Reason) error {
	return &Error{Code: Unauthenticated, Reason: reason, Message: explain[reason]}
}

var explain = map[Reason]string{
	ReasonMissing: "Sign in and send the access token in the Authorization header.",
	ReasonInvalid: "The access token is not valid.",
	ReasonExpired: "The access token has expired. Get a new one with refreshToken.",
	ReasonRevoked: "The session has ended. Sign in again.",
}
