// Package page implements pages of lists as in the Relay cursor connections specification. [Request.Cut] returns which
// part of a list a client requests, [NewConnection] returns a page of entries, and [Key] authenticates cursors.
//
// The package knows nothing of GraphQL, accounts, databases or the contents of a list.
package page

import "errors"

// The errors of Cut.
var (
	ErrBothEnds = errors.New("first and last are both given")
	ErrSize     = errors.New("the size of the page is out of range")
)

// Request is the arguments of a connection: the first entries after a cursor, or the last ones before one.
type Request struct {
	First  *int
	After  *string
	Last   *int
	Before *string
}

// Cut returns the size of the page, and whether the page is the end of the list between the cursors rather than its
// beginning. Without first and last the size is usual, and the page is the end only if before is given without after.
//
// Errors: ErrBothEnds; ErrSize unless the size is 0 to most.
func (r Request) Cut(usual, most int) (size int, fromEnd bool, err error) {
	size = usual
	switch {
	case r.First != nil && r.Last != nil:
		return 0, false, ErrBothEnds
	case r.First != nil:
		size = *r.First
	case r.Last != nil:
		size, fromEnd = *r.Last, true
	default:
		fromEnd = r.Before != nil && r.After == nil
	}
	if size < 0 || size > most {
		return 0, false, ErrSize
	}
	return size, fromEnd, nil
}

// Connection is a page of a list.
type Connection[T any] struct {
	Nodes       []T
	HasNext     bool
	HasPrevious bool
	cursor      func(T) string
}

// NewConnection returns a page whose entries have the cursors that the function returns.
func NewConnection[T any](nodes []T, cursor func(T) string) Connection[T] {
	return Connection[T]{Nodes: nodes, cursor: cursor}
}

// Edge is an entry of a page.
type Edge[T any] struct {
	Node   T
	cursor func(T) string
}

// Edges returns the entries of the page, each with its cursor.
func (c *Connection[T]) Edges() []*Edge[T] {
	edges := make([]*Edge[T], len(c.Nodes))
	for i, node := range c.Nodes {
		edges[i] = &Edge[T]{Node: node, cursor: c.cursor}
	}
	return edges
}

// Cursor returns the cursor of the entry.
func (e *Edge[T]) Cursor() string { return e.cursor(e.Node) }

// PageInfo returns the position of the page in the list.
func (c *Connection[T]) PageInfo() *Info {
	return &Info{HasNextPage: c.HasNext, HasPreviousPage: c.HasPrevious, page: c}
}

// Info is the position of a page in its list.
type Info struct {
	HasNextPage     bool
	HasPreviousPage bool
	page            interface{ cursorAt(last bool) *string }
}

// StartCursor returns the cursor of the first entry, or nil on an empty page.
func (i *Info) StartCursor() *string { return i.page.cursorAt(false) }

// EndCursor returns the cursor of the last entry, or nil on an empty page.
func (i *Info) EndCursor() *string { return i.page.cursorAt(true) }

// cursorAt returns the cursor of the first or the last entry, or nil.
func (c *Connection[T]) cursorAt(last bool) *string {
	if len(c.Nodes) == 0 {
		return nil
	}
	node := c.Nodes[0]
	if last {
		node = c.Nodes[len(c.Nodes)-1]
	}
	cursor := c.cursor(node)
	return &cursor
}
