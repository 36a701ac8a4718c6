package page

import (
	"errors"
	"slices"
	"strconv"
	"testing"
)

func ptr[T any](value T) *T { return &value }

func TestCut(t *testing.T) {
	cursor := ptr("cursor")
	for _, test := range []struct {
		request Request
		size    int
		fromEnd bool
		err     error
	}{
		{Request{}, 20, false, nil},
		{Request{First: ptr(0)}, 0, false, nil},
		{Request{First: ptr(100)}, 100, false, nil},
		{Request{First: ptr(101)}, 0, false, ErrSize},
		{Request{First: ptr(-1)}, 0, false, ErrSize},
		{Request{Last: ptr(0)}, 0, true, nil},
		{Request{Last: ptr(100)}, 100, true, nil},
		{Request{Last: ptr(101)}, 0, false, ErrSize},
		{Request{Last: ptr(-1)}, 0, false, ErrSize},
		{Request{First: ptr(1), Last: ptr(1)}, 0, false, ErrBothEnds},
		{Request{After: cursor}, 20, false, nil},
		{Request{Before: cursor}, 20, true, nil},
		{Request{After: cursor, Before: cursor}, 20, false, nil},
		{Request{First: ptr(5), Before: cursor}, 5, false, nil},
		{Request{Last: ptr(5), After: cursor}, 5, true, nil},
	} {
		size, fromEnd, err := test.request.Cut(20, 100)
		if size != test.size || fromEnd != test.fromEnd || !errors.Is(err, test.err) {
			t.Errorf("%+v: %d %t %v", test.request, size, fromEnd, err)
		}
	}
}

func TestConnection(t *testing.T) {
	c := NewConnection([]int{3, 4, 5}, func(n int) string { return "at " + strconv.Itoa(n) })
	c.HasNext = true
	var cursors []string
	for _, edge := range c.Edges() {
		cursors = append(cursors, edge.Cursor())
	}
	if !slices.Equal(cursors, []string{"at 3", "at 4", "at 5"}) {
		t.Errorf("the cursors are %q", cursors)
	}
	info := c.PageInfo()
	if *info.StartCursor() != "at 3" || *info.EndCursor() != "at 5" || !info.HasNextPage || info.HasPreviousPage {
		t.Errorf("%+v", info)
	}
	empty := NewConnection([]int{}, strconv.Itoa)
	if info := empty.PageInfo(); info.StartCursor() != nil || info.EndCursor() != nil || len(empty.Edges()) != 0 {
		t.Error("an empty page has cursors")
	}
}

// FuzzKey holds cursors to one text for each place, and to the list they were sealed for.
func FuzzKey(f *testing.F) {
	key := Key("0123456789abcdef0123456789abcdef")
	f.Add(key.List([]byte("list ")).Seal([]byte("place")), "list ", []byte("place"))
	f.Add("", "", []byte{})
	f.Fuzz(func(t *testing.T, cursor, list string, place []byte) {
		if opened, ok := key.List([]byte(list)).Open(cursor); ok && key.List([]byte(list)).Seal(opened) != cursor {
			t.Fatalf("%q opens as %q, which is sealed otherwise", cursor, opened)
		}
		if len(place) == 0 || len(place) > 600 {
			return
		}
		sealed := key.List([]byte(list)).Seal(place)
		if opened, ok := key.List([]byte(list)).Open(sealed); !ok || string(opened) != string(place) {
			t.Fatalf("%q opens as %q", place, opened)
		}
		if _, ok := key.List([]byte(list + "x")).Open(sealed); ok {
			t.Fatal("it opens in another list")
		}
		if _, ok := Key("another key").List([]byte(list)).Open(sealed); ok {
			t.Fatal("it opens with another key")
		}
	})
}
