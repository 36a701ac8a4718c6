package accounts

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
	"latchkey/internal/e2e"
	"latchkey/internal/store"
	"latchkey/internal/store/storetest"
)

// expel deletes one of the crowd.
func expel(s *e2e.Env, username string) {
	s.T.Helper()
	s.InStore(func(tx *store.Tx) error {
		found, err := tx.CredentialsByName(s.T.Context(), account.UsernameKey(username), "")
		if err != nil {
			return err
		}
		_, err = tx.DeleteUser(s.T.Context(), found.UserID, found.Epoch)
		return err
	})
}

// many are 30 users whose order by name differs from that by time, and of whom three join at a time.
func many() (people []e2e.Person) {
	for i := range 30 {
		people = append(people, e2e.Person{
			Username:  fmt.Sprintf("user%02d", i*7%30),
			Location:  []string{"Paris", "Rome", ""}[i%3],
			Organizer: i%2 == 0,
			Joined:    time.Duration(i/3) * time.Second,
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

// page asks for a page and demands that its parts agree.
func fetchPage(c *e2e.Client, arguments e2e.Vars) (p page) {
	c.T.Helper()
	a := c.Ask(e2e.ListProfilesQuery, arguments).Ok()
	edges, _ := a.Get("profiles.edges").([]any)
	nodes, _ := a.Get("profiles.nodes").([]any)
	if len(edges) != len(nodes) {
		c.T.Fatalf("%d edges and %d nodes", len(edges), len(nodes))
	}
	for i := range edges {
		if have := a.Get(fmt.Sprintf("profiles.edges.%d.node", i)); fmt.Sprint(have) != fmt.Sprint(nodes[i]) {
			c.T.Fatalf("edge %d is %v, node %v", i, have, nodes[i])
		}
		p.names = append(p.names, a.Text(fmt.Sprintf("profiles.nodes.%d.username", i)))
		p.cursors = append(p.cursors, a.Text(fmt.Sprintf("profiles.edges.%d.cursor", i)))
	}
	p.next, p.prev = a.Get("profiles.pageInfo.hasNextPage") == true, a.Get("profiles.pageInfo.hasPreviousPage") == true
	if len(edges) == 0 {
		a.Equals("profiles.pageInfo.startCursor", nil).Equals("profiles.pageInfo.endCursor", nil)
		return p
	}
	p.start, p.end = a.Text("profiles.pageInfo.startCursor"), a.Text("profiles.pageInfo.endCursor")
	if p.start != p.cursors[0] || p.end != p.cursors[len(edges)-1] {
		c.T.Fatalf("the page runs from %s to %s, its edges from %s to %s", p.start, p.end, p.cursors[0], p.cursors[len(edges)-1])
	}
	return p
}

// walk pages through a whole list, forward or backward, and returns the names in the list's order. Between two pages
// it does what interlude says, which knows the page just seen.
func walk(c *e2e.Client, size int, backward bool, arguments e2e.Vars, interlude func(page)) (names []string) {
	c.T.Helper()
	arguments = maps.Clone(arguments)
	if arguments == nil {
		arguments = e2e.Vars{}
	}
	arguments["first"] = size
	if backward {
		delete(arguments, "first")
		arguments["last"] = size
	}
	for begun := false; ; begun = true {
		p := fetchPage(c, arguments)
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
			c.T.Fatalf("there is something on the other side of the page %s %s: %t", end, arguments[end], beyond)
		}
		if !more {
			return names
		}
		if len(p.names) != size {
			c.T.Fatalf("a page of %d has %d, though there are more", size, len(p.names))
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

func names(people []e2e.Person) (names []string) {
	for _, p := range people {
		names = append(names, p.Username)
	}
	return names
}

var profileOrders = []e2e.Vars{
	{"field": "DATE_JOINED", "direction": "ASC"}, {"field": "DATE_JOINED", "direction": "DESC"},
	{"field": "USERNAME", "direction": "ASC"}, {"field": "USERNAME", "direction": "DESC"},
}

// TestProfilePagesComplete checks that pages in either direction hold each profile exactly once.
func TestProfilePagesComplete(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		people := many()
		reader := s.AddUsers(people...)
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
				same(t, what, walk(reader, size, false, e2e.Vars{"order": order}, nothing), want)
				same(t, what+" backward", walk(reader, size, true, e2e.Vars{"order": order}, nothing), want)
			}
		}
		same(t, "without an order", walk(reader, 100, false, nil, nothing), names(people))
		same(t, "an empty order", walk(reader, 100, false, e2e.Vars{"order": e2e.Vars{}}, nothing), names(people))
	})
}

// TestProfilePageSizes checks that the size of a page has a default and a maximum.
func TestProfilePageSizes(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		people := many()
		all := names(people)
		reader := s.AddUsers(people...)
		cursors := fetchPage(reader, e2e.Vars{"first": 30}).cursors
		for _, test := range []struct {
			arguments  e2e.Vars
			want       []string
			prev, next bool
		}{
			{nil, all[:20], false, true},
			{e2e.Vars{"first": nil, "last": nil, "after": nil, "before": nil, "filter": nil, "order": nil}, all[:20], false, true},
			{e2e.Vars{"after": cursors[4]}, all[5:25], true, true},
			{e2e.Vars{"after": cursors[9]}, all[10:], true, false},
			{e2e.Vars{"before": cursors[25]}, all[5:25], true, true},
			{e2e.Vars{"before": cursors[20]}, all[:20], false, true},
			{e2e.Vars{"first": 10}, all[:10], false, true},
			{e2e.Vars{"last": 10}, all[20:], true, false},
			{e2e.Vars{"first": 30}, all, false, false},
			{e2e.Vars{"last": 30}, all, false, false},
			{e2e.Vars{"first": 100}, all, false, false},
			{e2e.Vars{"last": 100}, all, false, false},
			{e2e.Vars{"first": 0}, nil, false, true},
			{e2e.Vars{"last": 0}, nil, true, false},
			{e2e.Vars{"first": 5, "after": cursors[29]}, nil, true, false},
			{e2e.Vars{"last": 5, "before": cursors[0]}, nil, false, true},
			{e2e.Vars{"first": 5, "after": cursors[24]}, all[25:], true, false},
			{e2e.Vars{"last": 5, "before": cursors[5]}, all[:5], false, true},
			{e2e.Vars{"first": 5, "after": cursors[4], "before": cursors[20]}, all[5:10], true, true},
			{e2e.Vars{"last": 5, "after": cursors[4], "before": cursors[20]}, all[15:20], true, true},
			{e2e.Vars{"filter": e2e.Vars{"location": "Nowhere"}}, nil, false, false},
			{e2e.Vars{"filter": e2e.Vars{"location": "Nowhere"}, "last": 5}, nil, false, false},
		} {
			p := fetchPage(reader, test.arguments)
			same(t, fmt.Sprint(test.arguments), p.names, test.want)
			if p.prev != test.prev || p.next != test.next {
				t.Errorf("%v: previous %t, next %t", test.arguments, p.prev, p.next)
			}
		}
		for _, bad := range []e2e.Vars{
			{"first": -1}, {"first": 101}, {"last": -1}, {"last": 101}, {"first": 1, "last": 1}, {"first": 0, "last": 0},
			{"first": 1 << 40}, {"first": "1"}, {"first": 1.5},
			{"order": e2e.Vars{"field": "PASSWORD"}}, {"order": e2e.Vars{"direction": "SIDEWAYS"}},
		} {
			reader.Ask(e2e.ListProfilesQuery, bad).FailsWith("BAD_USER_INPUT")
		}
		reader.Ask(`{ profiles(first: 101) { totalCount } }`, nil).FailsWith("BAD_USER_INPUT")
	})
}

// TestProfilePagesStable checks that profiles that are added or removed on either side of a page, or at its cursor, do
// not move the next page.
func TestProfilePagesStable(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		people := many()
		reader := s.AddUsers(people...)
		number := len(people)
		for _, backward := range []bool{false, true} {
			for _, order := range profileOrders {
				before := walk(reader, 100, false, e2e.Vars{"order": order}, nothing)
				rounds, gone, sofar := 0, map[string]bool{}, map[string]bool{}
				seen := walk(reader, 7, backward, e2e.Vars{"order": order}, func(p page) {
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
						expel(s, name)
					}
					for _, name := range []string{"a", "user1", "user2", "zz"} {
						number++
						s.AddUser(number, e2e.Person{Username: fmt.Sprint(name, number), Joined: time.Duration(number%30) * time.Second / 3})
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

// TestProfileFilters checks that a list holds the profiles that match the filter.
func TestProfileFilters(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		reader := s.AddUsers(
			e2e.Person{Username: "ada", Location: "Zürich", Description: "Visits the École normale.", Organizer: true},
			e2e.Person{Username: "Bob", Location: "zu\u0308rich", Description: "100% jumping, under_score"},
			e2e.Person{Username: "carl", Location: "Zürich West", Description: `back\slash and "quotes"`, Organizer: true},
			e2e.Person{Username: "Dóra", Location: "Paris", Description: "first line\nSecond line", Organizer: true},
			e2e.Person{Username: "eve", Location: "", Description: "Straße in PARIS"},
			e2e.Person{Username: "ЖАННА", Location: "Москва", Description: "100 percent under-score"},
			e2e.Person{Username: "greta", Location: "100%", Description: ""},
		)
		everyone := []string{"ada", "Bob", "carl", "Dóra", "eve", "ЖАННА", "greta"}
		for _, test := range []struct {
			filter e2e.Vars
			want   []string
		}{
			{nil, everyone},
			{e2e.Vars{}, everyone},
			{e2e.Vars{"isOrganizer": nil, "location": nil, "search": nil}, everyone},
			{e2e.Vars{"location": "", "search": ""}, everyone},
			{e2e.Vars{"isOrganizer": true}, []string{"ada", "carl", "Dóra"}},
			{e2e.Vars{"isOrganizer": false}, []string{"Bob", "eve", "ЖАННА", "greta"}},
			{e2e.Vars{"location": "zürich"}, []string{"ada", "Bob"}},
			{e2e.Vars{"location": "ZÜRICH"}, []string{"ada", "Bob"}},
			{e2e.Vars{"location": "ZU\u0308RICH"}, []string{"ada", "Bob"}},
			{e2e.Vars{"location": "Ｚürich"}, []string{"ada", "Bob"}},
			{e2e.Vars{"location": "zurich"}, nil},
			{e2e.Vars{"location": "zür"}, nil},
			{e2e.Vars{"location": "zürich "}, nil},
			{e2e.Vars{"location": "МОСКВА"}, []string{"ЖАННА"}},
			{e2e.Vars{"location": "100%"}, []string{"greta"}},
			{e2e.Vars{"location": "%"}, nil},
			{e2e.Vars{"search": "ÉCOLE"}, []string{"ada"}},
			{e2e.Vars{"search": "e\u0301cole"}, []string{"ada"}},
			{e2e.Vars{"search": "ecole"}, nil},
			{e2e.Vars{"search": "DÓR"}, []string{"Dóra"}},
			{e2e.Vars{"search": "bob"}, []string{"Bob"}},
			{e2e.Vars{"search": "жан"}, []string{"ЖАННА"}},
			{e2e.Vars{"search": "STRASSE"}, []string{"eve"}},
			{e2e.Vars{"search": "straße"}, []string{"eve"}},
			{e2e.Vars{"search": "paris"}, []string{"Dóra", "eve"}},
			{e2e.Vars{"search": "second"}, []string{"Dóra"}},
			{e2e.Vars{"search": "100%"}, []string{"Bob", "greta"}},
			{e2e.Vars{"search": "%"}, []string{"Bob", "greta"}},
			{e2e.Vars{"search": "under_score"}, []string{"Bob"}},
			{e2e.Vars{"search": "_"}, []string{"Bob"}},
			{e2e.Vars{"search": `\`}, []string{"carl"}},
			{e2e.Vars{"search": `k\s`}, []string{"carl"}},
			{e2e.Vars{"search": `\%`}, nil},
			{e2e.Vars{"search": `"`}, []string{"carl"}},
			{e2e.Vars{"search": `'; DROP TABLE profiles; --`}, nil},
			{e2e.Vars{"search": strings.Repeat("é", 100)}, nil},
			{e2e.Vars{"search": "zürich", "isOrganizer": true}, []string{"ada", "carl"}},
			{e2e.Vars{"location": "Zürich", "isOrganizer": true}, []string{"ada"}},
			{e2e.Vars{"location": "Zürich", "isOrganizer": false, "search": "JUMP"}, []string{"Bob"}},
			{e2e.Vars{"location": "Paris", "isOrganizer": false}, nil},
		} {
			what := fmt.Sprint(test.filter)
			same(t, what, walk(reader, 2, false, e2e.Vars{"filter": test.filter}, nothing), test.want)
			same(t, what+" backward", walk(reader, 2, true, e2e.Vars{"filter": test.filter}, nothing), test.want)
			byName := slices.Clone(test.want)
			slices.SortFunc(byName, func(a, b string) int { return cmp.Compare(account.UsernameKey(a), account.UsernameKey(b)) })
			same(t, what+" by name", walk(reader, 2, false, e2e.Vars{"filter": test.filter, "order": profileOrders[2]}, nothing), byName)
			reader.Ask(`query ($f: ProfileFilter) { profiles(first: 1, filter: $f) { totalCount } }`, e2e.Vars{"f": test.filter}).
				Ok().Equals("profiles.totalCount", len(test.want))
		}
		for _, bad := range []e2e.Vars{
			{"search": strings.Repeat("é", 101)}, {"location": strings.Repeat("é", 31)},
			{"search": "a\x00b"}, {"location": "a\nb"}, {"search": "\ufffd"}, {"isOrganizer": "yes"},
		} {
			reader.Ask(e2e.ListProfilesQuery, e2e.Vars{"filter": bad}).FailsWith("BAD_USER_INPUT")
		}
		reader.Ask(e2e.ListProfilesQuery, e2e.Vars{"filter": e2e.Vars{"password": "x"}}).FailsWith("GRAPHQL_VALIDATION_FAILED")
	})
}

// TestProfileCursorOfAnotherList checks that a list rejects cursors that it did not issue.
func TestProfileCursorOfAnotherList(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		reader := s.AddUsers(many()...)
		arguments := e2e.Vars{"first": 3, "order": profileOrders[0], "filter": e2e.Vars{"isOrganizer": true, "search": "user"}}
		cursor := fetchPage(reader, arguments).end
		use := func(cursor string, change e2e.Vars) *e2e.Response {
			changed := maps.Clone(arguments)
			maps.Copy(changed, change)
			changed["after"] = cursor
			return reader.Ask(e2e.ListProfilesQuery, changed)
		}
		use(cursor, nil).Ok()
		use(cursor, e2e.Vars{"first": 5}).Ok()
		use(cursor, e2e.Vars{"filter": e2e.Vars{"isOrganizer": true, "search": "USER", "location": ""}}).Ok()
		for _, change := range []e2e.Vars{
			{"order": profileOrders[1]}, {"order": profileOrders[2]}, {"order": profileOrders[3]},
			{"filter": nil}, {"filter": e2e.Vars{"isOrganizer": true}}, {"filter": e2e.Vars{"isOrganizer": false, "search": "user"}},
			{"filter": e2e.Vars{"search": "user"}}, {"filter": e2e.Vars{"isOrganizer": true, "location": "user"}},
			{"filter": e2e.Vars{"isOrganizer": true, "search": "users"}},
			{"filter": e2e.Vars{"isOrganizer": true, "search": "user", "location": "Paris"}},
		} {
			use(cursor, change).FailsWith("BAD_USER_INPUT")
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
			use(cursor, nil).FailsWith("BAD_USER_INPUT")
			reader.Ask(`query ($c: String) { profiles(before: $c) { totalCount } }`, e2e.Vars{"c": cursor}).FailsWith("BAD_USER_INPUT")
		}
		use(strings.Repeat("A", 1<<20), nil).FailsWith("BAD_USER_INPUT")

		database := storetest.SQLite(t)
		if strings.HasPrefix(s.Database, "postgres:") {
			database = storetest.Postgres(t)
		}
		other := e2e.Start(t, database, "LATCHKEY_SECRET="+strings.Repeat("another secret ", 3))
		stranger := fetchPage(other.AddUsers(many()...), arguments).end
		use(stranger, nil).FailsWith("BAD_USER_INPUT")
	})
}

// TestProfileCursorLasts checks that a cursor stays valid when its profile is deleted and the server restarts.
func TestProfileCursorLasts(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		people := many()
		reader := s.AddUsers(people...)
		for _, order := range profileOrders {
			arguments := e2e.Vars{"order": order, "first": 5}
			first := fetchPage(reader, arguments)
			arguments["after"] = first.end
			want := fetchPage(reader, arguments)
			expel(s, first.names[4])
			again := func(what string) {
				t.Helper()
				p := fetchPage(reader, arguments)
				same(t, what, p.names, want.names)
				if !slices.Equal(p.cursors, want.cursors) || !p.prev || !p.next {
					t.Errorf("%s, it has become %+v, from %+v", what, p, want)
				}
			}
			again("after its profile is deleted")
			reader.Env = s.AnotherNode()
			again("on another node")
			reader.Env = s
			gone := slices.Index(names(people), first.names[4])
			s.AddUser(gone, people[gone])
			again("after the profile has come back")
		}
		arguments := e2e.Vars{"first": 5, "after": fetchPage(reader, e2e.Vars{"first": 5}).end}
		want := fetchPage(reader, arguments)
		s.Stop()
		reader.Env = s.AnotherNode()
		same(t, "after a restart", fetchPage(reader, arguments).names, want.names)
	})
}

// TestProfileTotalCountOnRequest checks that the server counts profiles only for requests with totalCount: COUNT fails
// in the database of this test.
func TestProfileTotalCountOnRequest(t *testing.T) {
	database := storetest.Postgres(t)
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	query.Set("search_path", "public,pg_catalog")
	u.RawQuery = query.Encode()
	s := e2e.Start(t, u.String())
	reader := s.AddUsers(many()...)
	counted := `query ($n: Int) { profiles(first: $n) { nodes { id } totalCount } }`
	reader.Ask(counted, e2e.Vars{"n": 3}).Ok().Equals("profiles.totalCount", 30)
	reader.Ask(counted, e2e.Vars{"n": 0}).Ok().Equals("profiles.totalCount", 30)
	s.Exec(`CREATE FUNCTION trap(bigint) RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''counted''; END'`)
	s.Exec(`CREATE AGGREGATE public.count(*) (sfunc = trap, stype = bigint, initcond = '0')`)
	reader.Ask(counted, e2e.Vars{"n": 3}).FailsWith("INTERNAL_SERVER_ERROR")
	same(t, "without the count", fetchPage(reader, e2e.Vars{"first": 3}).names, names(many())[:3])
	reader.Ask(`query ($no: Boolean!) { profiles { nodes { id } totalCount @include(if: $no) } }`, e2e.Vars{"no": false}).Ok()
}

// TestProfileOrderOnBothEngines checks that SQLite and PostgreSQL sort names alike, although the locale of PostgreSQL
// sorts like a dictionary.
func TestProfileOrderOnBothEngines(t *testing.T) {
	var people []e2e.Person
	for i, name := range strings.Fields(`ada Adam ADELE a-b a.b a_b a+b ab a1 a10 a2 1a 10 9 -x _x .x +x Zoë zoe ZOF Ångström angel
		ärger aerger éclair eclair Éa ñandú nandu nz øre ore œuvre oeuvre ßa ssb straße street Ω.α αβγ Ψυχή жук Жаба ёж еж ельник
		名前 日本 あい アイ ｱｳ 한글 하늘 אב بيت नमस्ते กข ქართული Հայ 𠀀 ｚｚ`) {
		people = append(people, e2e.Person{Username: name, Joined: time.Duration(i/4) * time.Second, Location: name})
	}
	if len(people) < 60 {
		t.Fatal("only", len(people))
	}
	lite := e2e.Start(t, storetest.SQLite(t))
	post := e2e.Start(t, dictionary(t))
	readers := map[*e2e.Env]*e2e.Client{lite: lite.AddUsers(people...), post: post.AddUsers(people...)}
	for _, order := range profileOrders {
		for _, filter := range []e2e.Vars{nil, {"search": "a"}, {"search": "Ä"}, {"location": "STRASSE"}, {"isOrganizer": false}} {
			arguments := e2e.Vars{"order": order, "filter": filter}
			have := map[*e2e.Env][]string{}
			for s, reader := range readers {
				have[s] = walk(reader, 9, false, arguments, nothing)
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
	base := e2e.NewEnv(t, storetest.Postgres(t), nil)
	u, err := url.Parse(base.Database)
	if err != nil {
		t.Fatal(err)
	}
	u.Path += "_icu"
	name := strings.TrimPrefix(u.Path, "/")
	base.Exec("CREATE DATABASE " + name + " TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'")
	t.Cleanup(func() { base.Exec("DROP DATABASE " + name + " WITH (FORCE)") })
	return u.String()
}

// TestProfilePageInfoOfEmptyPage checks that hasNextPage and hasPreviousPage are right for an empty page, with and
// without the profile of its cursor.
func TestProfilePageInfoOfEmptyPage(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		reader := s.Register("luigi")
		for i, name := range []string{"daisy", "mario", "toad"} {
			s.AddUser(i, e2e.Person{Username: name})
		}
		a := reader.Ask(`{ profiles(orderBy: {field: USERNAME}) { edges { cursor } } }`, nil).Ok()
		cursor := func(i int) string { return strconv.Quote(a.Text(fmt.Sprintf("profiles.edges.%d.cursor", i))) }
		daisy, luigi, toad := cursor(0), cursor(1), cursor(3)
		empty := func(arguments string, previous, next bool) {
			t.Helper()
			reader.Ask(`{ profiles(`+arguments+`, orderBy: {field: USERNAME}) { nodes { id } pageInfo { hasPreviousPage hasNextPage } } }`, nil).Ok().
				Equals("profiles.nodes.0", nil).Equals("profiles.pageInfo.hasPreviousPage", previous).Equals("profiles.pageInfo.hasNextPage", next)
		}
		empty(`first: 0`, false, true)
		empty(`first: 0, after: `+daisy, true, true)
		empty(`last: 0, before: `+toad, true, true)
		empty(`first: 5, after: `+toad, true, false)
		empty(`last: 5, before: `+daisy, false, true)
		empty(`first: 5, after: `+daisy+`, before: `+luigi, true, true)
		expel(s, "daisy")
		expel(s, "toad")
		empty(`first: 0, after: `+daisy, false, true)
		empty(`last: 0, before: `+toad, true, false)
		empty(`first: 5, after: `+toad, true, false)
		empty(`first: 5, after: `+daisy+`, before: `+luigi, false, true)
	})
}
