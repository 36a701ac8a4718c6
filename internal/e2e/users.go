package e2e

import (
	"time"

	"latchkey/internal/account"
	"latchkey/internal/store"
)

// Person is a user to be listed.
type Person struct {
	Username, Description, Location string
	Organizer                       bool
	Joined                          time.Duration // since launch
}

// launch is when the first of a crowd joined.
var launch = time.Date(2026, 5, 1, 12, 0, 0, 123456000, time.UTC)

// AddUsers adds users with profiles without the cost of passwords, and returns somebody signed in who is not listed. The
// n-th of the crowd has the n-th id.
func (s *Env) AddUsers(people ...Person) *Client {
	s.T.Helper()
	for i, p := range people {
		s.AddUser(i, p)
	}
	reader := s.Register("reader")
	reader.Ask(`mutation ($id: ID!) { deleteProfile(id: $id) { userErrors { code } } }`, Vars{"id": reader.ProfileID}).Ok()
	return reader
}

// AddUser adds a user with the n-th id and a profile.
func (s *Env) AddUser(n int, p Person) {
	s.T.Helper()
	joined := launch.Add(p.Joined)
	user := &account.User{
		ID: nth(account.UserKind, n), Username: p.Username, Role: account.Member, Status: account.Active, CreatedAt: joined,
	}
	profile := &account.Profile{
		ID: nth(account.ProfileKind, n), UserID: user.ID, Description: p.Description, Location: p.Location,
		IsOrganizer: p.Organizer, DateJoined: joined, UpdatedOn: joined,
	}
	s.InStore(func(tx *store.Store) error {
		if err := tx.InsertUser(s.T.Context(), user, ""); err != nil {
			return err
		}
		return tx.InsertProfile(s.T.Context(), profile)
	})
}

// InStore does something to the database as another process would.
func (s *Env) InStore(f func(tx *store.Store) error) {
	s.T.Helper()
	st, err := store.Open(s.T.Context(), s.Database)
	if err != nil {
		s.T.Fatal(err)
	}
	defer st.Close()
	if err := st.InTx(s.T.Context(), f); err != nil {
		s.T.Fatal(err)
	}
}

func nth(kind string, n int) account.ID {
	return account.IDOf(kind, [16]byte{6: 0x70, 8: 0x80, 14: byte(n >> 8), 15: byte(n)})
}

const ListProfiles = `query ($first: Int, $after: String, $last: Int, $before: String, $filter: ProfileFilter, $order: ProfileOrder) {
	profiles(first: $first, after: $after, last: $last, before: $before, filter: $filter, orderBy: $order) {
		edges { cursor node { id username } } nodes { id username } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }`
