package account

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"latchkey/internal/page"
)

// Sizes of a page of profiles.
const (
	DefaultPage = 20
	MaxPage     = 100
)

// ProfileOrderField is the field to order profiles by.
type ProfileOrderField string

const (
	ByDateJoined ProfileOrderField = "DATE_JOINED"
	ByUsername   ProfileOrderField = "USERNAME"
)

// OrderDirection is the direction of an order.
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

// ProfileFilter selects the profiles to list. Nil and empty fields are no conditions.
type ProfileFilter struct {
	IsOrganizer *bool
	Location    *string
	Search      *string
}

// ProfileQuery is the query for a page of profiles.
type ProfileQuery struct {
	First   *int
	After   *string
	Last    *int
	Before  *string
	Filter  *ProfileFilter
	OrderBy *ProfileOrder
}

// Selection is the profiles that a query lists, and their order, in canonical form.
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
	Inclusive   bool // as a bound: includes the position itself
}

// Window is a part of a selection between two bounds, of which a page has the first Limit profiles or, when Backward,
// the last.
type Window struct {
	Selection     Selection
	After, Before *Position
	Limit         int
	Backward      bool
}

// Window returns the window of the query, or BAD_USER_INPUT.
func (q ProfileQuery) Window(cursors page.Key) (Window, error) {
	selection, err := q.selection()
	if err != nil {
		return Window{}, err
	}
	w := Window{Selection: selection}
	request := page.Request{First: q.First, After: q.After, Last: q.Last, Before: q.Before}
	w.Limit, w.Backward, err = request.Cut(DefaultPage, MaxPage)
	switch {
	case errors.Is(err, page.ErrBothEnds):
		return Window{}, badInput("Use first or last, not both.")
	case errors.Is(err, page.ErrSize):
		return Window{}, badInput("A page can have 0 to %d entries.", MaxPage)
	}
	if w.After, err = selection.openCursor(cursors, q.After); err != nil {
		return Window{}, err
	}
	w.Before, err = selection.openCursor(cursors, q.Before)
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

// ProfileConnection is a page of profiles.
type ProfileConnection struct {
	page.Connection[*Profile]
	Selection Selection // what totalCount counts
}

// ProfileEdge is a profile on a page.
type ProfileEdge = page.Edge[*Profile]

// PageInfo is the position of a page in its list.
type PageInfo = page.Info

// NewProfileConnection returns a page of a selection, with cursors that the key authenticates.
func NewProfileConnection(nodes []*Profile, selection Selection, cursors page.Key) *ProfileConnection {
	list := cursors.List(selection.name())
	cursor := func(p *Profile) string { return list.Seal(selection.place(p.Position())) }
	return &ProfileConnection{Connection: page.NewConnection(nodes, cursor), Selection: selection}
}

// Position returns the profile's place in every order.
func (p *Profile) Position() Position {
	return Position{DateJoined: p.DateJoined, UsernameKey: UsernameKey(p.Username), ID: p.ID}
}

// place returns a position in the selection's order, as a cursor holds it.
func (s Selection) place(p Position) []byte {
	place := make([]byte, 0, 64)
	if s.Order.Field == ByUsername {
		return append(place, p.UsernameKey...)
	}
	place = binary.BigEndian.AppendUint64(place, uint64(p.DateJoined.UnixMicro()))
	return append(place, p.ID...)
}

// openCursor returns the position that a cursor of the selection holds, nil without a cursor, or BAD_USER_INPUT.
func (s Selection) openCursor(cursors page.Key, cursor *string) (*Position, error) {
	if cursor == nil {
		return nil, nil
	}
	place, ok := cursors.List(s.name()).Open(*cursor)
	if !ok {
		return nil, badInput("This cursor is not valid for this list. " +
			"Use a cursor from a response with the same filter and orderBy.")
	}
	if s.Order.Field == ByUsername {
		return &Position{UsernameKey: string(place)}, nil
	}
	micros := int64(binary.BigEndian.Uint64(place))
	return &Position{DateJoined: time.UnixMicro(micros).UTC(), ID: ID(place[8:])}, nil
}

// name returns the name of the selection as a list, which no other selection has.
func (s Selection) name() []byte {
	organizer := "any"
	if s.IsOrganizer != nil {
		organizer = fmt.Sprint(*s.IsOrganizer)
	}
	return fmt.Appendf(nil, "%s %s %s %q %q ", s.Order.Field, s.Order.Direction, organizer, s.Location, s.Search)
}
