// Package account defines the domain types: [User], [Profile], [Session], the [Caller] who reads and the [Actor] who
// changes something, which values are valid, and the one type of error, [Error]. It knows nothing of databases, tokens,
// HTTP or GraphQL.
package account

import "time"

// Role determines what a user may do beyond their own account.
type Role string

const (
	Member Role = "MEMBER"
	Staff  Role = "STAFF"
	Admin  Role = "ADMIN"
)

// Includes reports whether r has all permissions of least.
func (r Role) Includes(least Role) bool { return rank[r] >= rank[least] }

var rank = map[Role]int{Member: 1, Staff: 2, Admin: 3}

// Status is the status of an account.
type Status string

const (
	Active   Status = "ACTIVE"
	Pending  Status = "PENDING"
	Disabled Status = "DISABLED"
)

// Node is an object that can be fetched by its ID.
type Node interface{ IsNode() }

// User is the private part of an account, which only its owner and staff can see. It contains no credentials.
type User struct {
	ID            ID
	Username      string
	Email         *string
	PendingEmail  *string // not verified yet
	EmailVerified bool
	Name          string
	Role          Role
	Status        Status
	CreatedAt     time.Time
	LastLoginAt   *time.Time
	Profile       *Profile
}

// IsNode implements Node.
func (*User) IsNode() {}

// Profile is the public part of an account: any signed-in user may read it, only its owner may change it.
type Profile struct {
	ID          ID
	UserID      ID
	Username    string
	Description string
	Location    string
	IsOrganizer bool
	DateJoined  time.Time
	UpdatedOn   time.Time
}

// IsNode implements Node.
func (*Profile) IsNode() {}

// Session is one sign-in with its refresh tokens and access tokens.
type Session struct {
	ID         ID
	UserID     ID
	UserEpoch  int64
	DeviceName string
	UserAgent  string
	IPAddress  string
	CreatedAt  time.Time
	LastUsedAt time.Time
	ExpiresAt  time.Time
	RevokedAt  *time.Time
}

// IsNode implements Node.
func (*Session) IsNode() {}

// RefreshesPerMinute limits the refreshes of one session.
const RefreshesPerMinute = 60

// Liveness is what determines whether a session is live: the session, and the current state of its user.
type Liveness struct {
	Session     Session
	Epoch       int64
	Status      Status
	MinAuthTime time.Time
}

// Live reports whether the session is live at now.
func (s Liveness) Live(now time.Time, idle time.Duration) bool { return s.EndReason(now, idle) == "" }

// EndReason returns why the session has ended by now, as words for the log, or "" when it is live: it was revoked,
// reached its absolute limit, was not used for idle, its user's credentials or status changed, or all sessions were
// revoked.
func (s Liveness) EndReason(now time.Time, idle time.Duration) string {
	switch {
	case s.Session.RevokedAt != nil:
		return "revoked"
	case !now.Before(s.Session.ExpiresAt):
		return "past its absolute limit"
	case !now.Before(s.Session.LastUsedAt.Add(idle)):
		return "idle too long"
	case s.Session.UserEpoch != s.Epoch:
		return "from before a change of credentials"
	case s.Status != Active:
		return "of an account that is not active"
	case s.Session.CreatedAt.Before(s.MinAuthTime):
		return "from before the cut"
	}
	return ""
}

// TokenPair is the tokens of a signed-in client.
type TokenPair struct {
	AccessToken           string
	AccessTokenExpiresAt  time.Time
	RefreshToken          *string // nil when it was delivered as a cookie
	RefreshTokenExpiresAt time.Time
	TokenType             string

	// Not in responses:
	UserID    ID            // the user of the session
	SessionID ID            // the session of the tokens
	Delivery  TokenDelivery // how to deliver the refresh token
}

// TokenKind is the kind of a token.
type TokenKind string

const (
	AccessToken  TokenKind = "ACCESS"
	RefreshToken TokenKind = "REFRESH"
)

// TokenInfo is the result of verifying a token.
type TokenInfo struct {
	Valid     bool
	Kind      *TokenKind // nil when it is not valid
	ExpiresAt *time.Time // nil when it is not valid
}

// ServerInfo is what a client needs to render a sign-up form.
type ServerInfo struct {
	Registration      RegistrationMode
	EmailVerification bool
	Password          PasswordPolicy
}

// RegistrationMode determines who may register.
type RegistrationMode string

const (
	Open   RegistrationMode = "OPEN"
	Closed RegistrationMode = "CLOSED"
	Invite RegistrationMode = "INVITE"
)

// PasswordPolicy is the allowed length of a password, in code points.
type PasswordPolicy struct {
	MinLength int
	MaxLength int
}
