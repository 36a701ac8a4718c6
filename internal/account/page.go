package account

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"time"
)

// Sizes of a page of profiles.
const (
	DefaultPage = 20
	MaxPage     = 100
)

// ProfileOrderField is what profiles are put in order by.
type ProfileOrderField string

const (
	ByDateJoined ProfileOrderField = "DATE_JOINED"
	ByUsername   ProfileOrderField = "USERNAME"
)

// OrderDirection is which way an order runs.
type OrderDirection string

const (
	Ascending  OrderDirection = "ASC"
	Descending OrderDirection = "DESC"
)

// ProfileOrder is a total order of profiles. The zero value is the default order.
type ProfileOrder struct {
	Field     ProfileOrderField
	Direction OrderDirection
}

// ProfileFilter says which profiles to list. What is nil or empty does not narrow the list.
type ProfileFilter struct {
	IsOrganizer *bool
	Location    *string
	Search      *string
}

// ProfileQuery asks for a page of profiles.
type ProfileQuery struct {
	First   *int
	After   *string
	Last    *int
	Before  *string
	Filter  *ProfileFilter
	OrderBy *ProfileOrder
}

// Selection is which profiles a query lists and in which order, in canonical form.
type Selection struct {
	IsOrganizer *bool
	Location    string // canonical; empty for any
	Search      string // canonical; empty for any
	Order       ProfileOrder
}

// Position is the place of a profile in an order: its time or the canonical form of its username, and its ID.
type Position struct {
	DateJoined  time.Time
	UsernameKey string
	ID          ID
	Inclusive   bool // as a bound: what stands here counts as within
}

// Window is the part of a selection that a page is cut from: Limit profiles from its front, or, when Backward, from its
// back.
type Window struct {
	Selection     Selection
	After, Before *Position
	Limit         int
	Backward      bool
}

// Window returns what the query asks for, or BAD_USER_INPUT.
func (q ProfileQuery) Window(cursors CursorKey) (Window, error) {
	selection, err := q.selection()
	if err != nil {
		return Window{}, err
	}
	w := Window{Selection: selection, Limit: DefaultPage}
	switch {
	case q.First != nil && q.Last != nil:
		return Window{}, badInput("Give first or last, not both.")
	case q.First != nil:
		w.Limit = *q.First
	case q.Last != nil:
		w.Limit, w.Backward = *q.Last, true
	default:
		w.Backward = q.Before != nil && q.After == nil
	}
	if w.Limit < 0 || w.Limit > MaxPage {
		return Window{}, badInput("A page has 0 to %d entries.", MaxPage)
	}
	if w.After, err = cursors.open(q.After, selection); err != nil {
		return Window{}, err
	}
	w.Before, err = cursors.open(q.Before, selection)
	return w, err
}

func (q ProfileQuery) selection() (Selection, error) {
	s := Selection{Order: ProfileOrder{Field: ByDateJoined, Direction: Ascending}}
	if q.OrderBy != nil {
		s.Order = *q.OrderBy
	}
	if q.Filter == nil {
		return s, nil
	}
	s.IsOrganizer = q.Filter.IsOrganizer
	if location := q.Filter.Location; location != nil {
		if e := CheckLocation(*location); e != nil {
			return s, badInput("filter.location: %s", e.Message)
		}
		s.Location = Canonical(*location)
	}
	if search := q.Filter.Search; search != nil {
		if e := CheckSearch(*search); e != nil {
			return s, badInput("filter.search: %s", e.Message)
		}
		s.Search = Canonical(*search)
	}
	return s, nil
}

func badInput(format string, args ...any) error {
	return &Error{Code: BadUserInput, Message: fmt.Sprintf(format, args...)}
}

// ProfileConnection is a page of profiles, after the Relay cursor connections specification.
type ProfileConnection struct {
	Nodes       []*Profile
	Selection   Selection // whose number totalCount tells
	HasNext     bool
	HasPrevious bool
	cursors     CursorKey
}

// NewProfileConnection returns a page of a selection, whose cursors the key authenticates.
func NewProfileConnection(nodes []*Profile, selection Selection, cursors CursorKey) *ProfileConnection {
	return &ProfileConnection{Nodes: nodes, Selection: selection, cursors: cursors}
}

// ProfileEdge is a profile in a page.
type ProfileEdge struct {
	Node *Profile
	page *ProfileConnection
}

// PageInfo is where a page stands among the others.
type PageInfo struct {
	HasNextPage     bool
	HasPreviousPage bool
	page            *ProfileConnection
}

// Edges returns the page's profiles, each with its cursor.
func (c *ProfileConnection) Edges() []*ProfileEdge {
	edges := make([]*ProfileEdge, len(c.Nodes))
	for i, profile := range c.Nodes {
		edges[i] = &ProfileEdge{Node: profile, page: c}
	}
	return edges
}

// PageInfo returns where the page stands.
func (c *ProfileConnection) PageInfo() *PageInfo {
	return &PageInfo{HasNextPage: c.HasNext, HasPreviousPage: c.HasPrevious, page: c}
}

// Cursor returns the edge's place in the list, to go on from.
func (e *ProfileEdge) Cursor() string { return e.page.cursor(e.Node) }

// StartCursor returns the cursor of the first profile, or nil.
func (p *PageInfo) StartCursor() *string { return p.page.cursorAt(0) }

// EndCursor returns the cursor of the last profile, or nil.
func (p *PageInfo) EndCursor() *string { return p.page.cursorAt(len(p.page.Nodes) - 1) }

func (c *ProfileConnection) cursorAt(i int) *string {
	if len(c.Nodes) == 0 {
		return nil
	}
	cursor := c.cursor(c.Nodes[i])
	return &cursor
}

func (c *ProfileConnection) cursor(profile *Profile) string {
	return c.cursors.seal(profile.Position(), c.Selection)
}

// Position returns the profile's place in every order.
func (p *Profile) Position() Position {
	return Position{DateJoined: p.DateJoined, UsernameKey: UsernameKey(p.Username), ID: p.ID}
}

// CursorKey authenticates cursors, so that they can neither be made up nor moved to another selection.
type CursorKey []byte

const (
	macSize   = 16
	maxCursor = 1024 // bytes of text; a username's canonical form is the longest thing inside
)

// seal returns mac ‖ place as base64url, where the mac also covers the selection.
func (k CursorKey) seal(p Position, s Selection) string {
	place := make([]byte, 0, 64)
	if s.Order.Field == ByUsername {
		place = append(place, p.UsernameKey...)
	} else {
		place = binary.BigEndian.AppendUint64(place, uint64(p.DateJoined.UnixMicro()))
		place = append(place, p.ID...)
	}
	return base64.RawURLEncoding.EncodeToString(append(k.mac(place, s), place...))
}

func (k CursorKey) open(cursor *string, s Selection) (*Position, error) {
	if cursor == nil {
		return nil, nil
	}
	foreign := badInput("This cursor is not of this list: take one from an answer with the same filter and orderBy.")
	if len(*cursor) > maxCursor {
		return nil, foreign
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(*cursor)
	if err != nil || len(raw) <= macSize || base64.RawURLEncoding.EncodeToString(raw) != *cursor {
		return nil, foreign
	}
	mac, place := raw[:macSize], raw[macSize:]
	if !hmac.Equal(mac, k.mac(place, s)) {
		return nil, foreign
	}
	if s.Order.Field == ByUsername {
		return &Position{UsernameKey: string(place)}, nil
	}
	micros := int64(binary.BigEndian.Uint64(place))
	return &Position{DateJoined: time.UnixMicro(micros).UTC(), ID: ID(place[8:])}, nil
}

func (k CursorKey) mac(place []byte, s Selection) []byte {
	organizer := "any"
	if s.IsOrganizer != nil {
		organizer = fmt.Sprint(*s.IsOrganizer)
	}
	h := hmac.New(sha256.New, k)
	fmt.Fprintf(h, "%s %s %s %q %q ", s.Order.Field, s.Order.Direction, organizer, s.Location, s.Search)
	h.Write(place)
	return h.Sum(nil)[:macSize]
}
