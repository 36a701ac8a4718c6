// Package account holds the nouns of the house: users, profiles, sessions and the callers who act on them; which
// values are valid; and how things can fail. It knows nothing of databases, tokens, HTTP or GraphQL.
package account

import "time"

// Role is what a user may do beyond their own account.
type Role string

const (
	Member Role = "MEMBER"
	Staff  Role = "STAFF"
	Admin  Role = "ADMIN"
)

// Includes reports whether r may do all that least may do.
func (r Role) Includes(least Role) bool { return rank[r] >= rank[least] }

var rank = map[Role]int{Member: 1, Staff: 2, Admin: 3}

// Status is where an account stands in its life.
type Status string

const (
	Active   Status = "ACTIVE"
	Pending  Status = "PENDING"
	Disabled Status = "DISABLED"
)

// Node is a thing that can be fetched again by its ID alone.
type Node interface{ IsNode() }

// User is the private half of an account, seen by its owner and by staff alone. Credentials are not part of it.
type User struct {
	ID            ID
	Username      string
	Email         *string
	PendingEmail  *string // waits for confirmation
	EmailVerified bool
	Name          string
	Role          Role
	Status        Status
	CreatedAt     time.Time
	LastLoginAt   *time.Time
	Profile       *Profile
}

// IsNode marks User as a node of the graph.
func (*User) IsNode() {}

// Profile is the public half of an account: any signed-in caller may read it, only its owner may change it.
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

// IsNode marks Profile as a node of the graph.
func (*Profile) IsNode() {}

// Session is one sign-in: one family of refresh tokens and the access tokens issued with them.
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

// IsNode marks Session as a node of the graph.
func (*Session) IsNode() {}

// RefreshesPerMinute is how often one session may refresh.
const RefreshesPerMinute = 60

// Liveness is what decides whether a session still lives: the session itself and its user as they are now.
type Liveness struct {
	Session     Session
	Epoch       int64
	Status      Status
	MinAuthTime time.Time
}

// Live reports whether the session counts at now: it does unless something has ended it.
func (s Liveness) Live(now time.Time, idle time.Duration) bool { return s.EndReason(now, idle) == "" }

// EndReason returns, in words for the log, what has ended the session by now: itself, its absolute limit, not having been
// used for idle, a change of its user's credentials or status, or the installation's global cut; "" when it lives.
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

// TokenPair is what a client holds while it is signed in.
type TokenPair struct {
	AccessToken           string
	AccessTokenExpiresAt  time.Time
	RefreshToken          *string // nil when it was delivered as a cookie
	RefreshTokenExpiresAt time.Time
	TokenType             string

	// Not shown to clients:
	UserID    ID            // whose pair it is
	SessionID ID            // the session the pair belongs to
	Delivery  TokenDelivery // how the refresh token is to reach the client
}

// TokenKind is what a token is for.
type TokenKind string

const (
	AccessToken  TokenKind = "ACCESS"
	RefreshToken TokenKind = "REFRESH"
)

// TokenInfo is what the server thinks of a token.
type TokenInfo struct {
	Valid     bool
	Kind      *TokenKind // nil when it is not valid
	ExpiresAt *time.Time // nil when it is not valid
}

// ServerInfo is what a client must know before it draws a sign-up form.
type ServerInfo struct {
	Registration      RegistrationMode
	EmailVerification bool
	Password          PasswordPolicy
}

// RegistrationMode is who may register.
type RegistrationMode string

const (
	Open   RegistrationMode = "OPEN"
	Closed RegistrationMode = "CLOSED"
	Invite RegistrationMode = "INVITE"
)

// PasswordPolicy is how long a password may be, in code points.
type PasswordPolicy struct {
	MinLength int
	MaxLength int
}
