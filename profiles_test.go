package main

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/store"
	"latchkey/internal/store/storetest"
)

// someone is a user to be listed.
type someone struct {
	username, description, location string
	organizer                       bool
	joined                          time.Duration // since launch
}

// launch is when the first of a crowd joined.
var launch = time.Date(2026, 5, 1, 12, 0, 0, 123456000, time.UTC)

// crowd adds users with profiles without the cost of passwords, and returns somebody signed in who is not listed. The
// n-th of the crowd has the n-th id.
func (s *site) crowd(people ...someone) *client {
	s.t.Helper()
	for i, p := range people {
		s.admit(i, p)
	}
	reader := s.register("reader")
	reader.ask(`mutation ($id: ID!) { deleteProfile(id: $id) { userErrors { code } } }`, vars{"id": reader.profileID}).ok()
	return reader
}

// admit adds a user with the n-th id and a profile.
func (s *site) admit(n int, p someone) {
	s.t.Helper()
	joined := launch.Add(p.joined)
	user := &account.User{
		ID: nth(account.UserKind, n), Username: p.username, Role: account.Member, Status: account.Active, CreatedAt: joined,
	}
	profile := &account.Profile{
		ID: nth(account.ProfileKind, n), UserID: user.ID, Description: p.description, Location: p.location,
		IsOrganizer: p.organizer, DateJoined: joined, UpdatedOn: joined,
	}
	s.aside(func(tx *store.Tx) error {
		if err := tx.InsertUser(s.t.Context(), user, ""); err != nil {
			return err
		}
		return tx.InsertProfile(s.t.Context(), profile)
	})
}

// expel deletes one of the crowd.
func (s *site) expel(username string) {
	s.t.Helper()
	s.aside(func(tx *store.Tx) error {
		found, err := tx.CredentialsByName(s.t.Context(), account.UsernameKey(username), "")
		if err != nil {
			return err
		}
		_, err = tx.DeleteUser(s.t.Context(), found.UserID, found.Epoch)
		return err
	})
}

// aside does something to the database as another process would.
func (s *site) aside(f func(tx *store.Tx) error) {
	s.t.Helper()
	st, err := store.Open(s.t.Context(), s.database)
	if err != nil {
		s.t.Fatal(err)
	}
	defer st.Close()
	if err := st.InTx(s.t.Context(), f); err != nil {
		s.t.Fatal(err)
	}
}

func nth(kind string, n int) account.ID {
	return account.IDOf(kind, [16]byte{6: 0x70, 8: 0x80, 14: byte(n >> 8), 15: byte(n)})
}

// many are 30 users whose order by name differs from that by time, and of whom three join at a time.
func many() (people []someone) {
	for i := range 30 {
		people = append(people, someone{
			username:  fmt.Sprintf("user%02d", i*7%30),
			location:  []string{"Paris", "Rome", ""}[i%3],
			organizer: i%2 == 0,
			joined:    time.Duration(i/3) * time.Second,
		})
	}
	return people
}

// page is a page of profiles as it came back.
type page struct {
	names      []string
	cursors    []string
	start, end string
	next, prev bool
}

const listing = `query ($first: Int, $after: String, $last: Int, $before: String, $filter: ProfileFilter, $order: ProfileOrder) {
	profiles(first: $first, after: $after, last: $last, before: $before, filter: $filter, orderBy: $order) {
		edges { cursor node { id username } } nodes { id username } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }`

// page asks for a page and demands that its parts agree.
func (c *client) page(arguments vars) (p page) {
	c.t.Helper()
	a := c.ask(listing, arguments).ok()
	edges, _ := a.get("profiles.edges").([]any)
	nodes, _ := a.get("profiles.nodes").([]any)
	if len(edges) != len(nodes) {
		c.t.Fatalf("%d edges and %d nodes", len(edges), len(nodes))
	}
	for i := range edges {
		if have := a.get(fmt.Sprintf("profiles.edges.%d.node", i)); fmt.Sprint(have) != fmt.Sprint(nodes[i]) {
			c.t.Fatalf("edge %d is %v, node %v", i, have, nodes[i])
		}
		p.names = append(p.names, a.text(fmt.Sprintf("profiles.nodes.%d.username", i)))
		p.cursors = append(p.cursors, a.text(fmt.Sprintf("profiles.edges.%d.cursor", i)))
	}
	p.next, p.prev = a.get("profiles.pageInfo.hasNextPage") == true, a.get("profiles.pageInfo.hasPreviousPage") == true
	if len(edges) == 0 {
		a.is("profiles.pageInfo.startCursor", nil).is("profiles.pageInfo.endCursor", nil)
		return p
	}
	p.start, p.end = a.text("profiles.pageInfo.startCursor"), a.text("profiles.pageInfo.endCursor")
	if p.start != p.cursors[0] || p.end != p.cursors[len(edges)-1] {
		c.t.Fatalf("the page runs from %s to %s, its edges from %s to %s", p.start, p.end, p.cursors[0], p.cursors[len(edges)-1])
	}
	return p
}

// walk pages through a whole list, forward or backward, and returns the names in the list's order. Between two pages
// it does what interlude says, which knows the page just seen.
func (c *client) walk(size int, backward bool, arguments vars, interlude func(page)) (names []string) {
	c.t.Helper()
	arguments = maps.Clone(arguments)
	if arguments == nil {
		arguments = vars{}
	}
	arguments["first"] = size
	if backward {
		delete(arguments, "first")
		arguments["last"] = size
	}
	for begun := false; ; begun = true {
		p := c.page(arguments)
		names = slices.Concat(names, p.names)
		more, beyond, end := p.next, p.prev, "after"
		arguments["after"] = p.end
		if backward {
			names = slices.Concat(p.names, names[:len(names)-len(p.names)])
			more, beyond, end = p.prev, p.next, "before"
			delete(arguments, "after")
			arguments["before"] = p.start
		}
		if beyond != begun {
			c.t.Fatalf("there is something on the other side of the page %s %s: %t", end, arguments[end], beyond)
		}
		if !more {
			return names
		}
		if len(p.names) != size {
			c.t.Fatalf("a page of %d has %d, though there are more", size, len(p.names))
		}
		interlude(p)
	}
}

func nothing(page) {}

func same(t *testing.T, what string, have, want []string) {
	t.Helper()
	if !slices.Equal(have, want) {
		t.Fatalf("%s:\nhave %q\nwant %q", what, have, want)
	}
}

func reversed(names []string) []string {
	names = slices.Clone(names)
	slices.Reverse(names)
	return names
}

func names(people []someone) (names []string) {
	for _, p := range people {
		names = append(names, p.username)
	}
	return names
}

var profileOrders = []vars{
	{"field": "DATE_JOINED", "direction": "ASC"}, {"field": "DATE_JOINED", "direction": "DESC"},
	{"field": "USERNAME", "direction": "ASC"}, {"field": "USERNAME", "direction": "DESC"},
}

func TestPagesHoldEachProfileOnce(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		people := many()
		reader := s.crowd(people...)
		for _, order := range profileOrders {
			want := names(people)
			if order["field"] == "USERNAME" {
				slices.Sort(want)
			}
			if order["direction"] == "DESC" {
				want = reversed(want)
			}
			for _, size := range []int{1, 7, 10, 29, 30, 31, 100} {
				what := fmt.Sprintf("pages of %d by %v", size, order)
				same(t, what, reader.walk(size, false, vars{"order": order}, nothing), want)
				same(t, what+" backward", reader.walk(size, true, vars{"order": order}, nothing), want)
			}
		}
		same(t, "without an order", reader.walk(100, false, nil, nothing), names(people))
		same(t, "an empty order", reader.walk(100, false, vars{"order": vars{}}, nothing), names(people))
	})
}

func TestSizesOfPages(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		people := many()
		all := names(people)
		reader := s.crowd(people...)
		cursors := reader.page(vars{"first": 30}).cursors
		for _, test := range []struct {
			arguments  vars
			want       []string
			prev, next bool
		}{
			{nil, all[:20], false, true},
			{vars{"first": nil, "last": nil, "after": nil, "before": nil, "filter": nil, "order": nil}, all[:20], false, true},
			{vars{"after": cursors[4]}, all[5:25], true, true},
			{vars{"after": cursors[9]}, all[10:], true, false},
			{vars{"before": cursors[25]}, all[5:25], true, true},
			{vars{"before": cursors[20]}, all[:20], false, true},
			{vars{"first": 10}, all[:10], false, true},
			{vars{"last": 10}, all[20:], true, false},
			{vars{"first": 30}, all, false, false},
			{vars{"last": 30}, all, false, false},
			{vars{"first": 100}, all, false, false},
			{vars{"last": 100}, all, false, false},
			{vars{"first": 0}, nil, false, true},
			{vars{"last": 0}, nil, true, false},
			{vars{"first": 5, "after": cursors[29]}, nil, true, false},
			{vars{"last": 5, "before": cursors[0]}, nil, false, true},
			{vars{"first": 5, "after": cursors[24]}, all[25:], true, false},
			{vars{"last": 5, "before": cursors[5]}, all[:5], false, true},
			{vars{"first": 5, "after": cursors[4], "before": cursors[20]}, all[5:10], true, true},
			{vars{"last": 5, "after": cursors[4], "before": cursors[20]}, all[15:20], true, true},
			{vars{"filter": vars{"location": "Nowhere"}}, nil, false, false},
			{vars{"filter": vars{"location": "Nowhere"}, "last": 5}, nil, false, false},
		} {
			p := reader.page(test.arguments)
			same(t, fmt.Sprint(test.arguments), p.names, test.want)
			if p.prev != test.prev || p.next != test.next {
				t.Errorf("%v: previous %t, next %t", test.arguments, p.prev, p.next)
			}
		}
		for _, bad := range []vars{
			{"first": -1}, {"first": 101}, {"last": -1}, {"last": 101}, {"first": 1, "last": 1}, {"first": 0, "last": 0},
			{"first": 1 << 40}, {"first": "1"}, {"first": 1.5},
			{"order": vars{"field": "PASSWORD"}}, {"order": vars{"direction": "SIDEWAYS"}},
		} {
			reader.ask(listing, bad).fails("BAD_USER_INPUT")
		}
		reader.ask(`{ profiles(first: 101) { totalCount } }`, nil).fails("BAD_USER_INPUT")
	})
}

// TestPagesStayPutWhileProfilesComeAndGo adds and removes profiles on both sides of each page, and the one that the
// cursor names.
func TestPagesStayPutWhileProfilesComeAndGo(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		people := many()
		reader := s.crowd(people...)
		number := len(people)
		for _, backward := range []bool{false, true} {
			for _, order := range profileOrders {
				before := reader.walk(100, false, vars{"order": order}, nothing)
				rounds, gone, sofar := 0, map[string]bool{}, map[string]bool{}
				seen := reader.walk(7, backward, vars{"order": order}, func(p page) {
					rounds++
					for _, name := range p.names {
						sofar[name] = true
					}
					victims := []string{p.names[0], p.names[3], p.names[6]}
					if i := slices.IndexFunc(before, func(name string) bool { return !sofar[name] && !gone[name] }); i >= 0 {
						victims = append(victims, before[i])
					}
					for _, name := range victims {
						gone[name] = true
						s.expel(name)
					}
					for _, name := range []string{"a", "user1", "user2", "zz"} {
						number++
						s.admit(number, someone{username: fmt.Sprint(name, number), joined: time.Duration(number%30) * time.Second / 3})
					}
				})
				if rounds < 3 {
					t.Fatal("that was too few pages")
				}
				for i, name := range seen {
					if slices.Contains(seen[:i], name) {
						t.Errorf("%v, backward %t: %s comes twice", order, backward, name)
					}
				}
				for _, name := range before {
					if !gone[name] && !slices.Contains(seen, name) {
						t.Errorf("%v, backward %t: %s is missing", order, backward, name)
					}
				}
			}
		}
	})
}

func TestFilters(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		reader := s.crowd(
			someone{username: "ada", location: "Zürich", description: "Visits the École normale.", organizer: true},
			someone{username: "Bob", location: "zu\u0308rich", description: "100% jumping, under_score"},
			someone{username: "carl", location: "Zürich West", description: `back\slash and "quotes"`, organizer: true},
			someone{username: "Dóra", location: "Paris", description: "first line\nSecond line", organizer: true},
			someone{username: "eve", location: "", description: "Straße in PARIS"},
			someone{username: "ЖАННА", location: "Москва", description: "100 percent under-score"},
			someone{username: "greta", location: "100%", description: ""},
		)
		everyone := []string{"ada", "Bob", "carl", "Dóra", "eve", "ЖАННА", "greta"}
		for _, test := range []struct {
			filter vars
			want   []string
		}{
			{nil, everyone},
			{vars{}, everyone},
			{vars{"isOrganizer": nil, "location": nil, "search": nil}, everyone},
			{vars{"location": "", "search": ""}, everyone},
			{vars{"isOrganizer": true}, []string{"ada", "carl", "Dóra"}},
			{vars{"isOrganizer": false}, []string{"Bob", "eve", "ЖАННА", "greta"}},
			{vars{"location": "zürich"}, []string{"ada", "Bob"}},
			{vars{"location": "ZÜRICH"}, []string{"ada", "Bob"}},
			{vars{"location": "ZU\u0308RICH"}, []string{"ada", "Bob"}},
			{vars{"location": "Ｚürich"}, []string{"ada", "Bob"}},
			{vars{"location": "zurich"}, nil},
			{vars{"location": "zür"}, nil},
			{vars{"location": "zürich "}, nil},
			{vars{"location": "МОСКВА"}, []string{"ЖАННА"}},
			{vars{"location": "100%"}, []string{"greta"}},
			{vars{"location": "%"}, nil},
			{vars{"search": "ÉCOLE"}, []string{"ada"}},
			{vars{"search": "e\u0301cole"}, []string{"ada"}},
			{vars{"search": "ecole"}, nil},
			{vars{"search": "DÓR"}, []string{"Dóra"}},
			{vars{"search": "bob"}, []string{"Bob"}},
			{vars{"search": "жан"}, []string{"ЖАННА"}},
			{vars{"search": "STRASSE"}, []string{"eve"}},
			{vars{"search": "straße"}, []string{"eve"}},
			{vars{"search": "paris"}, []string{"Dóra", "eve"}},
			{vars{"search": "second"}, []string{"Dóra"}},
			{vars{"search": "100%"}, []string{"Bob", "greta"}},
			{vars{"search": "%"}, []string{"Bob", "greta"}},
			{vars{"search": "under_score"}, []string{"Bob"}},
			{vars{"search": "_"}, []string{"Bob"}},
			{vars{"search": `\`}, []string{"carl"}},
			{vars{"search": `k\s`}, []string{"carl"}},
			{vars{"search": `\%`}, nil},
			{vars{"search": `"`}, []string{"carl"}},
			{vars{"search": `'; DROP TABLE profiles; --`}, nil},
			{vars{"search": strings.Repeat("é", 100)}, nil},
			{vars{"search": "zürich", "isOrganizer": true}, []string{"ada", "carl"}},
			{vars{"location": "Zürich", "isOrganizer": true}, []string{"ada"}},
			{vars{"location": "Zürich", "isOrganizer": false, "search": "JUMP"}, []string{"Bob"}},
			{vars{"location": "Paris", "isOrganizer": false}, nil},
		} {
			what := fmt.Sprint(test.filter)
			same(t, what, reader.walk(2, false, vars{"filter": test.filter}, nothing), test.want)
			same(t, what+" backward", reader.walk(2, true, vars{"filter": test.filter}, nothing), test.want)
			byName := slices.Clone(test.want)
			slices.SortFunc(byName, func(a, b string) int { return cmp.Compare(account.UsernameKey(a), account.UsernameKey(b)) })
			same(t, what+" by name", reader.walk(2, false, vars{"filter": test.filter, "order": profileOrders[2]}, nothing), byName)
			reader.ask(`query ($f: ProfileFilter) { profiles(first: 1, filter: $f) { totalCount } }`, vars{"f": test.filter}).
				ok().is("profiles.totalCount", len(test.want))
		}
		for _, bad := range []vars{
			{"search": strings.Repeat("é", 101)}, {"location": strings.Repeat("é", 31)},
			{"search": "a\x00b"}, {"location": "a\nb"}, {"search": "\ufffd"}, {"isOrganizer": "yes"},
		} {
			reader.ask(listing, vars{"filter": bad}).fails("BAD_USER_INPUT")
		}
		reader.ask(listing, vars{"filter": vars{"password": "x"}}).fails("GRAPHQL_VALIDATION_FAILED")
	})
}

func TestForeignCursors(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		reader := s.crowd(many()...)
		arguments := vars{"first": 3, "order": profileOrders[0], "filter": vars{"isOrganizer": true, "search": "user"}}
		cursor := reader.page(arguments).end
		use := func(cursor string, change vars) *answer {
			changed := maps.Clone(arguments)
			maps.Copy(changed, change)
			changed["after"] = cursor
			return reader.ask(listing, changed)
		}
		use(cursor, nil).ok()
		use(cursor, vars{"first": 5}).ok()
		use(cursor, vars{"filter": vars{"isOrganizer": true, "search": "USER", "location": ""}}).ok()
		for _, change := range []vars{
			{"order": profileOrders[1]}, {"order": profileOrders[2]}, {"order": profileOrders[3]},
			{"filter": nil}, {"filter": vars{"isOrganizer": true}}, {"filter": vars{"isOrganizer": false, "search": "user"}},
			{"filter": vars{"search": "user"}}, {"filter": vars{"isOrganizer": true, "location": "user"}},
			{"filter": vars{"isOrganizer": true, "search": "users"}},
			{"filter": vars{"isOrganizer": true, "search": "user", "location": "Paris"}},
		} {
			use(cursor, change).fails("BAD_USER_INPUT")
		}
		bad := []string{"", "garbage", "====", "💥", cursor + "A", cursor + "=", " " + cursor, strings.Repeat("A", 200<<10)}
		for i := range cursor {
			bad = append(bad, cursor[:i])
		}
		raw, err := base64.RawURLEncoding.DecodeString(cursor)
		if err != nil {
			t.Fatal(err)
		}
		for i := range raw {
			flipped := slices.Clone(raw)
			flipped[i] ^= 1 << (i % 8)
			bad = append(bad, base64.RawURLEncoding.EncodeToString(flipped))
		}
		for _, cursor := range bad {
			use(cursor, nil).fails("BAD_USER_INPUT")
			reader.ask(`query ($c: String) { profiles(before: $c) { totalCount } }`, vars{"c": cursor}).fails("BAD_USER_INPUT")
		}
		use(strings.Repeat("A", 1<<20), nil).fails("BAD_USER_INPUT")

		database := storetest.SQLite(t)
		if strings.HasPrefix(s.database, "postgres:") {
			database = storetest.Postgres(t)
		}
		other := serve(t, database, "LATCHKEY_SECRET="+strings.Repeat("another secret ", 3))
		stranger := other.crowd(many()...).page(arguments).end
		use(stranger, nil).fails("BAD_USER_INPUT")
	})
}

func TestACursorOutlivesItsProfileAndItsServer(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		people := many()
		reader := s.crowd(people...)
		for _, order := range profileOrders {
			arguments := vars{"order": order, "first": 5}
			first := reader.page(arguments)
			arguments["after"] = first.end
			want := reader.page(arguments)
			s.expel(first.names[4])
			again := func(what string) {
				t.Helper()
				p := reader.page(arguments)
				same(t, what, p.names, want.names)
				if !slices.Equal(p.cursors, want.cursors) || !p.prev || !p.next {
					t.Errorf("%s, it has become %+v, from %+v", what, p, want)
				}
			}
			again("after its profile is deleted")
			reader.site = s.another()
			again("on another node")
			reader.site = s
			gone := slices.Index(names(people), first.names[4])
			s.admit(gone, people[gone])
			again("after the profile has come back")
		}
		arguments := vars{"first": 5, "after": reader.page(vars{"first": 5}).end}
		want := reader.page(arguments)
		s.stop()
		reader.site = s.another()
		same(t, "after a restart", reader.page(arguments).names, want.names)
	})
}

// TestTotalCountIsCountedOnlyWhenAskedFor puts an aggregate that fails in the place of PostgreSQL's own COUNT.
func TestTotalCountIsCountedOnlyWhenAskedFor(t *testing.T) {
	database := storetest.Postgres(t)
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	query.Set("search_path", "public,pg_catalog")
	u.RawQuery = query.Encode()
	s := serve(t, u.String())
	reader := s.crowd(many()...)
	counted := `query ($n: Int) { profiles(first: $n) { nodes { id } totalCount } }`
	reader.ask(counted, vars{"n": 3}).ok().is("profiles.totalCount", 30)
	reader.ask(counted, vars{"n": 0}).ok().is("profiles.totalCount", 30)
	s.execute(`CREATE FUNCTION trap(bigint) RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''counted''; END'`)
	s.execute(`CREATE AGGREGATE public.count(*) (sfunc = trap, stype = bigint, initcond = '0')`)
	reader.ask(counted, vars{"n": 3}).fails("INTERNAL_SERVER_ERROR")
	same(t, "without the count", reader.page(vars{"first": 3}).names, names(many())[:3])
	reader.ask(`query ($no: Boolean!) { profiles { nodes { id } totalCount @include(if: $no) } }`, vars{"no": false}).ok()
}

// TestBothEnginesPutNamesInOneOrder compares them, PostgreSQL with a locale that sorts like a dictionary.
func TestBothEnginesPutNamesInOneOrder(t *testing.T) {
	var people []someone
	for i, name := range strings.Fields(`ada Adam ADELE a-b a.b a_b a+b ab a1 a10 a2 1a 10 9 -x _x .x +x Zoë zoe ZOF Ångström angel
		ärger aerger éclair eclair Éa ñandú nandu nz øre ore œuvre oeuvre ßa ssb straße street Ω.α αβγ Ψυχή жук Жаба ёж еж ельник
		名前 日本 あい アイ ｱｳ 한글 하늘 אב بيت नमस्ते กข ქართული Հայ 𠀀 ｚｚ`) {
		people = append(people, someone{username: name, joined: time.Duration(i/4) * time.Second, location: name})
	}
	if len(people) < 60 {
		t.Fatal("only", len(people))
	}
	lite := serve(t, storetest.SQLite(t))
	post := serve(t, dictionary(t))
	sites := map[*site]*client{lite: lite.crowd(people...), post: post.crowd(people...)}
	for _, order := range profileOrders {
		for _, filter := range []vars{nil, {"search": "a"}, {"search": "Ä"}, {"location": "STRASSE"}, {"isOrganizer": false}} {
			arguments := vars{"order": order, "filter": filter}
			have := map[*site][]string{}
			for s, reader := range sites {
				have[s] = reader.walk(9, false, arguments, nothing)
			}
			same(t, fmt.Sprint(arguments), have[post], have[lite])
			if filter == nil && len(have[lite]) != len(people) {
				t.Errorf("%v: %d of %d", order, len(have[lite]), len(people))
			}
		}
	}
}

// dictionary returns the URL of a PostgreSQL database whose own order of texts is not that of their bytes.
func dictionary(t *testing.T) string {
	t.Helper()
	base := &site{t: t, database: storetest.Postgres(t)}
	u, err := url.Parse(base.database)
	if err != nil {
		t.Fatal(err)
	}
	u.Path += "_icu"
	name := strings.TrimPrefix(u.Path, "/")
	base.execute("CREATE DATABASE " + name + " TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'")
	t.Cleanup(func() { base.execute("DROP DATABASE " + name + " WITH (FORCE)") })
	return u.String()
}

// TestFlagsOfAnEmptyPage asks at cursors whose profiles are there, and then gone.
func TestFlagsOfAnEmptyPage(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		reader := s.register("luigi")
		for i, name := range []string{"daisy", "mario", "toad"} {
			s.admit(i, someone{username: name})
		}
		a := reader.ask(`{ profiles(orderBy: {field: USERNAME}) { edges { cursor } } }`, nil).ok()
		cursor := func(i int) string { return strconv.Quote(a.text(fmt.Sprintf("profiles.edges.%d.cursor", i))) }
		daisy, luigi, toad := cursor(0), cursor(1), cursor(3)
		empty := func(arguments string, previous, next bool) {
			t.Helper()
			reader.ask(`{ profiles(`+arguments+`, orderBy: {field: USERNAME}) { nodes { id } pageInfo { hasPreviousPage hasNextPage } } }`, nil).ok().
				is("profiles.nodes.0", nil).is("profiles.pageInfo.hasPreviousPage", previous).is("profiles.pageInfo.hasNextPage", next)
		}
		empty(`first: 0`, false, true)
		empty(`first: 0, after: `+daisy, true, true)
		empty(`last: 0, before: `+toad, true, true)
		empty(`first: 5, after: `+toad, true, false)
		empty(`last: 5, before: `+daisy, false, true)
		empty(`first: 5, after: `+daisy+`, before: `+luigi, true, true)
		s.expel("daisy")
		s.expel("toad")
		empty(`first: 0, after: `+daisy, false, true)
		empty(`last: 0, before: `+toad, true, false)
		empty(`first: 5, after: `+toad, true, false)
		empty(`first: 5, after: `+daisy+`, before: `+luigi, false, true)
	})
}
