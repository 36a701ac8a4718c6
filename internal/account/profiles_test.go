package account

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"latchkey/internal/page"
)

var (
	cursors = page.Key("0123456789abcdef0123456789abcdef")
	mario   = Position{
		DateJoined:  time.Date(2026, 5, 1, 12, 0, 0, 123456000, time.UTC),
		UsernameKey: "mario",
		ID:          "profile_0198c5a2-7f1e-7cc3-98c4-dc0c0c07398f",
	}
)

// seal returns the cursor of a position in a selection.
func seal(s Selection, p Position) string { return cursors.List(s.name()).Seal(s.place(p)) }

// selections are pairwise different, though some differ only in where one text ends and the next begins.
func selections() (all []Selection) {
	yes, no := true, false
	for _, field := range []ProfileOrderField{ByDateJoined, ByUsername} {
		for _, direction := range []OrderDirection{Ascending, Descending} {
			order := ProfileOrder{field, direction}
			all = append(all,
				Selection{Order: order},
				Selection{Order: order, IsOrganizer: &yes},
				Selection{Order: order, IsOrganizer: &no},
				Selection{Order: order, Location: "paris"},
				Selection{Order: order, Search: "paris"},
				Selection{Order: order, Location: "pa", Search: "ris"},
				Selection{Order: order, Location: `pa" "ris`},
				Selection{Order: order, Location: `pa`, Search: `" "ris`},
				Selection{Order: order, Location: "pa ris"},
				Selection{Order: order, Location: "pa", Search: "ris "},
			)
		}
	}
	return all
}

func TestACursorOpensItsOwnSelectionOnly(t *testing.T) {
	for i, sealed := range selections() {
		cursor := seal(sealed, mario)
		for j, opened := range selections() {
			position, err := opened.openCursor(cursors, &cursor)
			if i != j {
				if position != nil || !IsCode(err, BadUserInput) {
					t.Errorf("a cursor of %+v opens as %+v in %+v", sealed, position, opened)
				}
				continue
			}
			want := Position{DateJoined: mario.DateJoined, ID: mario.ID}
			if sealed.Order.Field == ByUsername {
				want = Position{UsernameKey: "mario"}
			}
			if err != nil || *position != want {
				t.Errorf("a cursor of %+v opens as %+v: %v", sealed, position, err)
			}
		}
		if _, err := sealed.openCursor(page.Key("another key"), &cursor); !IsCode(err, BadUserInput) {
			t.Errorf("another key opens %s: %v", cursor, err)
		}
	}
}

func TestALongUsernameFitsIntoACursor(t *testing.T) {
	name := strings.Repeat("𠀀", MaxUsername)
	if e := CheckUsername(name); e != nil {
		t.Fatal(e)
	}
	selection := Selection{Order: ProfileOrder{ByUsername, Ascending}}
	cursor := seal(selection, Position{UsernameKey: UsernameKey(name)})
	if position, err := selection.openCursor(cursors, &cursor); err != nil || position.UsernameKey != name {
		t.Errorf("%d bytes of cursor do not open: %v", len(cursor), err)
	}
}

func TestBadCursors(t *testing.T) {
	selection := Selection{Order: ProfileOrder{ByDateJoined, Ascending}}
	good := seal(selection, mario)
	bad := []string{"", "x", "====", "%", good + "A", good + "=", good + "\n", "\n" + good, strings.Repeat("A", 1<<20),
		base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("\xff", 60)))}
	for i := range good {
		bad = append(bad, good[:i], good[i+1:])
	}
	raw, err := base64.RawURLEncoding.DecodeString(good)
	if err != nil {
		t.Fatal(err)
	}
	for bit := range 8 * len(raw) {
		raw[bit/8] ^= 1 << (bit % 8)
		bad = append(bad, base64.RawURLEncoding.EncodeToString(raw))
		raw[bit/8] ^= 1 << (bit % 8)
	}
	for _, cursor := range bad {
		if position, err := selection.openCursor(cursors, &cursor); position != nil || !IsCode(err, BadUserInput) {
			t.Errorf("%.80q opens as %+v (%v)", cursor, position, err)
		}
	}
}

func TestWindows(t *testing.T) {
	ptr := func(n int) *int { return &n }
	cursor := seal(Selection{Order: ProfileOrder{ByDateJoined, Ascending}}, mario)
	for _, test := range []struct {
		query    ProfileQuery
		limit    int
		backward bool
	}{
		{ProfileQuery{}, 20, false},
		{ProfileQuery{First: ptr(0)}, 0, false},
		{ProfileQuery{First: ptr(100)}, 100, false},
		{ProfileQuery{Last: ptr(0)}, 0, true},
		{ProfileQuery{Last: ptr(100)}, 100, true},
		{ProfileQuery{After: &cursor}, 20, false},
		{ProfileQuery{Before: &cursor}, 20, true},
		{ProfileQuery{After: &cursor, Before: &cursor}, 20, false},
		{ProfileQuery{First: ptr(5), Before: &cursor}, 5, false},
		{ProfileQuery{Last: ptr(5), After: &cursor}, 5, true},
	} {
		w, err := test.query.Window(cursors)
		if err != nil || w.Limit != test.limit || w.Backward != test.backward {
			t.Errorf("%+v is %+v: %v", test.query, w, err)
		}
		if (w.After != nil) != (test.query.After != nil) || (w.Before != nil) != (test.query.Before != nil) {
			t.Errorf("%+v has the bounds %+v and %+v", test.query, w.After, w.Before)
		}
	}
	for _, bad := range []ProfileQuery{
		{First: ptr(-1)}, {First: ptr(101)}, {Last: ptr(-1)}, {Last: ptr(101)}, {First: ptr(1), Last: ptr(1)},
	} {
		if w, err := bad.Window(cursors); !IsCode(err, BadUserInput) {
			t.Errorf("%+v is %+v (%v)", bad, w, err)
		}
	}
}

func FuzzCursor(f *testing.F) {
	for i, selection := range selections() {
		f.Add(seal(selection, mario), uint8(i), mario.DateJoined.UnixMicro(), "mario")
	}
	f.Add("", uint8(0), int64(0), "")
	f.Add("AAAA", uint8(9), int64(-1), "é")
	f.Fuzz(func(t *testing.T, text string, which uint8, micros int64, key string) {
		all := selections()
		selection := all[int(which)%len(all)]
		if position, err := selection.openCursor(cursors, &text); err == nil {
			if again := seal(selection, *position); again != text {
				t.Fatalf("%q opens as %+v, which is sealed as %q", text, position, again)
			}
		} else if position != nil || !IsCode(err, BadUserInput) {
			t.Fatalf("%q opens as %+v with %v", text, position, err)
		}
		if key == "" || len(key) > 600 {
			return
		}
		place := Position{DateJoined: time.UnixMicro(micros).UTC(), UsernameKey: key, ID: mario.ID}
		cursor := seal(selection, place)
		position, err := selection.openCursor(cursors, &cursor)
		if err != nil {
			t.Fatalf("%+v is sealed as %q, which does not open: %v", place, cursor, err)
		}
		if again := seal(selection, *position); again != cursor {
			t.Fatalf("%+v comes back as %+v", place, position)
		}
	})
}
