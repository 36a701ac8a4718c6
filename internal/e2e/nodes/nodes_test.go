package nodes

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"testing"
	"time"

	"latchkey/internal/e2e"
	"latchkey/internal/store/storetest"
)

// TestNodesThreeEquivalent checks that three nodes answer a random stream of requests like one node, on each engine.
// LATCHKEY_TEST_SEED repeats the stream, LATCHKEY_TEST_REQUESTS is its length.
func TestNodesThreeEquivalent(t *testing.T) {
	seed, requests := testNumber(t, "LATCHKEY_TEST_SEED", int(rand.Int32())), testNumber(t, "LATCHKEY_TEST_REQUESTS", 150)
	t.Logf("LATCHKEY_TEST_SEED=%d", seed)
	begin := time.Now()
	alone := e2e.StartAt(t, storetest.SQLite(t), e2e.NewClock(begin))
	want := newStream(t, seed, alone).run(requests)
	e2e.EachDatabaseStrict(t, func(t *testing.T, database string) {
		one := e2e.StartAt(t, database, e2e.NewClock(begin))
		newStream(t, seed, one, one.AnotherNode(), one.AnotherNode()).run(requests).equals(t, want)
	})
}

// TestNodesProcessesEquivalent checks that two processes with one SQLite file and the real clock answer a random stream
// of requests like one.
func TestNodesProcessesEquivalent(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts many servers")
	}
	seed, requests := testNumber(t, "LATCHKEY_TEST_SEED", int(rand.Int32())), testNumber(t, "LATCHKEY_TEST_REQUESTS", 80)
	t.Logf("LATCHKEY_TEST_SEED=%d", seed)
	transcriptOf := func(count int) transcript {
		database, nodes := storetest.SQLite(t), []*e2e.Env{}
		for range count {
			nodes = append(nodes, e2e.StartProcess(t, database, "LATCHKEY_ACCESS_TOKEN_TTL=15m").Env)
		}
		s := newStream(t, seed, nodes...)
		s.real = true
		return s.run(requests)
	}
	want := transcriptOf(1)
	transcriptOf(2).equals(t, want)
}

// TestNodesWithNewerSchema checks that running nodes keep serving after a newer program has migrated the database, and
// no old node starts any more.
func TestNodesWithNewerSchema(t *testing.T) {
	e2e.EachOnTwoNodes(t, func(t *testing.T, s *e2e.Env) {
		mario := s.Register("mario")
		useAPI(mario)
		s.Exec(`ALTER TABLE users ADD COLUMN nickname TEXT NOT NULL DEFAULT ''`)
		s.Exec(`ALTER TABLE sessions ADD COLUMN place TEXT`)
		s.Exec(`CREATE TABLE things (user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE)`)
		s.Exec(`INSERT INTO schema_migrations SELECT MAX(version) + 1, 'later', '', 0 FROM schema_migrations`)
		for range 3 {
			useAPI(mario)
			s.SignIn("mario").SignOut(nil)
		}
		s.RunFails("use a newer program", "serve", "--listen", "127.0.0.1:0")
		s.RunFails("use a newer program", "migrate", "up")
	})
}

// useAPI sends typical requests of a client.
func useAPI(c *e2e.Client) {
	c.T.Helper()
	c.Refresh().Ok()
	c.Ask(`{ me { username sessions { id } } }`, nil).Ok()
	c.Ask(`mutation ($id: ID!) { updateProfile(id: $id, input: {description: "jumps"}) {
		profile { id } userErrors { code } } }`, e2e.Vars{"id": c.ProfileID}).Ok().Equals("updateProfile.profile.id", c.ProfileID)
	c.Ask(`{ profiles(first: 5, filter: {search: "jump"}) { totalCount nodes { id } } }`, nil).Ok()
}

// TestNodesBehindPgBouncer checks that 32 concurrent users and the migration work through PgBouncer in transaction mode
// with five connections.
func TestNodesBehindPgBouncer(t *testing.T) {
	if testing.Short() {
		t.Skip("it needs PostgreSQL")
	}
	s := e2e.Start(t, storetest.Pooled(t, storetest.Postgres(t)), "LATCHKEY_LIMIT_REGISTER=1000/1h")
	crowd := make([]*e2e.Client, 32)
	e2e.Concurrently(4, func(first int) { // for a hash takes its time
		for i := first; i < len(crowd); i += 4 {
			crowd[i] = s.Register(fmt.Sprint("mario", i))
		}
	})
	e2e.Concurrently(len(crowd), func(i int) {
		for range 3 {
			useAPI(crowd[i])
		}
		crowd[i].SignOut(crowd[i].RefreshToken)
		crowd[i].AssertSignedOut()
	})
	if !s.SignIn("mario7").SignedIn() {
		t.Error("a sign-in does not last")
	}
	used := 0
	if err := s.DB().QueryRow(`SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database()
		AND backend_type = 'client backend'`).Scan(&used); err != nil || used > 5 {
		t.Errorf("%d connections, %v", used, err)
	}
}

// stream sends the requests of several users one after the other, each to a random node. Its choices depend only on the
// seed and the responses so far.
type stream struct {
	t      testing.TB
	nodes  []*e2e.Env
	choose *rand.Rand // what is asked
	spread *rand.Rand // of whom
	real   bool       // the nodes' clock is the real one, on which nothing may depend
	people []*streamUser
	made   int
	known  map[string]string // IDs, tokens and cursors that have been seen, as the transcript has them
	said   transcript
}

// transcript is what was asked and answered, without what differs from one telling to another.
type transcript []string

// streamUser is a user of a stream, registered or not.
type streamUser struct {
	name, password  string
	access          string
	refresh         []string // of the present session, newest last
	userID, profile string
	mistaken        bool // their last password was wrong
}

func newStream(t testing.TB, seed int, nodes ...*e2e.Env) *stream {
	return &stream{
		t: t, nodes: nodes, known: map[string]string{},
		choose: rand.New(rand.NewPCG(uint64(seed), 1)), spread: rand.New(rand.NewPCG(uint64(seed), 2)),
	}
}

// run sends so many requests and returns the transcript.
func (s *stream) run(requests int) transcript {
	s.t.Helper()
	for len(s.said) < requests {
		s.step()
		if !s.real {
			s.nodes[0].Clock.Advance(time.Second + time.Duration(s.choose.IntN(4))*3*time.Second)
		}
	}
	return s.said
}

// equals checks that two transcripts are the same.
func (have transcript) equals(t testing.TB, want transcript) {
	t.Helper()
	for i := range min(len(have), len(want)) {
		if have[i] != want[i] {
			t.Fatalf("request %d:\nhave %s\nwant %s", i, have[i], want[i])
		}
	}
	if len(have) != len(want) {
		t.Fatalf("%d answers, want %d", len(have), len(want))
	}
}

// differs matches what no two tellings have in common.
var (
	differs = regexp.MustCompile(`(?:user|profile|session)_[0-9a-f]{8}-[0-9a-f-]{27}|\brt_[\w.-]+|` +
		`\beyJ[\w-]+\.[\w-]+\.[\w-]+|` + `"(?:cursor|startCursor|endCursor)":"[^"]+"`)
	moments = regexp.MustCompile(`\d{4}-\d\d-\d\dT[\d:.]+Z`)
)

// plain returns a text with IDs, tokens and cursors numbered in the order of their appearance.
func (s *stream) plain(text []byte) string {
	named := differs.ReplaceAllStringFunc(string(text), func(found string) string {
		if s.known[found] == "" {
			s.known[found] = fmt.Sprint("#", len(s.known))
		}
		return s.known[found]
	})
	return moments.ReplaceAllString(named, "then")
}

// ask sends a request of a user to a node.
func (s *stream) ask(v *streamUser, query string, variables e2e.Vars) *e2e.Response {
	s.t.Helper()
	c := s.nodes[s.spread.IntN(len(s.nodes))].Anonymous()
	c.AccessToken = v.access
	a := c.Ask(query, variables)
	s.said = append(s.said, fmt.Sprintf("%s asks %s\n  %d %s", v.name, query, a.Status, s.plain(a.Body)))
	return a
}

// begins notes the session that a field's answer began or continued, if it did.
func (v *streamUser) begins(a *e2e.Response, field string) {
	access, _ := a.Get(field + ".tokens.accessToken").(string)
	refresh, _ := a.Get(field + ".tokens.refreshToken").(string)
	if access != "" {
		v.access, v.refresh = access, append(v.refresh, refresh)
	}
}

// anyone returns a guest; the first of several is chosen most, and has the longest story.
func (s *stream) anyone() *streamUser {
	return s.people[min(s.choose.IntN(len(s.people)), s.choose.IntN(len(s.people)))]
}

// step sends the next request.
func (s *stream) step() {
	s.t.Helper()
	chance := s.choose.IntN(100)
	if len(s.people) < 2 || chance < 5 {
		s.join()
		return
	}
	v, other := s.anyone(), s.anyone()
	switch {
	case chance < 13 || v.refresh == nil && chance < 45:
		s.signIn(v)
	case chance < 33:
		s.renew(v)
	case chance < 47:
		s.ask(v, `{ me { id username name role status lastLoginAt profile { id description location isOrganizer updatedOn }
			sessions { id deviceName createdAt lastUsedAt isCurrent } } }`, nil)
	case chance < 57:
		whose := v
		if chance < 50 {
			whose = other
		}
		s.ask(v, `mutation ($id: ID!, $d: String!, $l: String!) {
			updateProfile(id: $id, input: {description: $d, location: $l}) {
			profile { id description location updatedOn viewerCanUpdate } userErrors { code field message } } }`,
			e2e.Vars{"id": whose.profile, "d": fmt.Sprint("text ", chance, len(s.said)),
				"l": []string{"Rome", "rome", "Oslo"}[chance%3]})
	case chance < 70:
		s.list(v)
	case chance < 75:
		s.ask(v, `query ($u: ID!, $p: ID!) { node(id: $u) { id } profile(id: $p) { id username description isOrganizer } }`,
			e2e.Vars{"u": v.userID, "p": other.profile})
	case chance < 79:
		s.ask(v, `mutation ($n: String!) { updateMe(input: {name: $n}) { user { name } userErrors { code field message } } }`,
			e2e.Vars{"n": []string{"Mario", "Ma\u0000rio", "", "Màrio"}[chance%4]})
	case chance < 82:
		s.ask(v, `mutation ($t: String!) { verifyToken(input: {token: $t}) { valid } }`, e2e.Vars{"t": v.access})
	case chance < 86:
		s.ask(v, `mutation { signOut(input: {}) { signedOut } }`, nil)
	case chance < 89:
		s.ask(v, `mutation { signOutEverywhere(input: {keepCurrent: true}) { revokedCount } }`, nil)
	case chance < 92:
		a := s.ask(v, `mutation ($id: ID!) { deleteProfile(id: $id) { deletedProfileId userErrors { code } } }`,
			e2e.Vars{"id": v.profile})
		if a.Get("deleteProfile.deletedProfileId") != nil {
			b := s.ask(v, `mutation { createProfile(input: {location: "Rome", isOrganizer: true}) {
				profile { id location } userErrors { code } } }`, nil)
			v.profile, _ = b.Get("createProfile.profile.id").(string)
		}
	case chance < 94:
		s.changePassword(v)
	case chance < 96:
		s.ask(v, `mutation ($p: String!, $n: String!) { changeUsername(input: {currentPassword: $p, newUsername: $n}) {
			user { username } userErrors { code field message } } }`, e2e.Vars{"p": v.password, "n": other.name})
	case chance < 98:
		s.ask(v, `{ me { nothing } }`, nil)
	default:
		s.ask(v, `{ profiles(first: 1000) { totalCount } }`, nil)
	}
}

// join registers a user, every third time with a username that is taken.
func (s *stream) join() {
	s.t.Helper()
	s.made++
	v := &streamUser{name: fmt.Sprint("mario", s.made), password: e2e.Password}
	asked := v.name
	if s.made%3 == 0 {
		asked = s.people[0].name
	}
	a := s.ask(v, e2e.RegisterMutation, e2e.Vars{"input": e2e.Vars{"username": asked, "password": e2e.Password}})
	if v.userID, _ = a.Get("register.user.id").(string); v.userID != "" {
		v.profile = a.Text("register.user.profile.id")
		v.begins(a, "register")
		s.people = append(s.people, v)
	}
}

// signIn starts another session of a user, sometimes with a wrong password, but never so often in a row that the delay
// matters.
func (s *stream) signIn(v *streamUser) {
	s.t.Helper()
	used := v.password
	if v.mistaken = !v.mistaken && s.choose.IntN(4) == 0; v.mistaken {
		used = "i-keep-falling"
	}
	a := s.ask(v, e2e.ObtainTokenMutation, e2e.Vars{"input": e2e.Vars{"identifier": v.name, "password": used}})
	if a.Get("obtainToken.tokens") != nil {
		v.refresh = nil
		v.begins(a, "obtainToken")
	}
}

// renew refreshes with the newest refresh token of a user, or an older one. Whether the last but one is
// accepted depends on the time.
func (s *stream) renew(v *streamUser) {
	s.t.Helper()
	if len(v.refresh) == 0 {
		return
	}
	back, most := 0, len(v.refresh)-1
	if s.choose.IntN(5) == 0 {
		back = min(1+s.choose.IntN(2), most)
	}
	if s.real && back == 1 {
		back = 0
	}
	presented := v.refresh[most-back]
	a := s.ask(v, `mutation ($t: String) { refreshToken(input: {refreshToken: $t}) {
		tokens { accessToken refreshToken } userErrors { code field message } } }`, e2e.Vars{"t": presented})
	if next, _ := a.Get("refreshToken.tokens.refreshToken").(string); !slices.Contains(v.refresh, next) {
		v.begins(a, "refreshToken")
	}
}

// list asks for a page of profiles, and the next one.
func (s *stream) list(v *streamUser) {
	s.t.Helper()
	const query = `query ($first: Int, $after: String, $filter: ProfileFilter, $order: ProfileOrder) {
		profiles(first: $first, after: $after, filter: $filter, orderBy: $order) { totalCount
		edges { cursor node { id username location dateJoined } } pageInfo { hasNextPage endCursor } } }`
	asked := e2e.Vars{
		"first":  1 + s.choose.IntN(3),
		"filter": []e2e.Vars{nil, {"location": "ROME"}, {"search": "text"}, {"isOrganizer": true}}[s.choose.IntN(4)],
		"order": e2e.Vars{"field": []string{"DATE_JOINED", "USERNAME"}[s.choose.IntN(2)],
			"direction": []string{"ASC", "DESC"}[s.choose.IntN(2)]},
	}
	if next := s.ask(v, query, asked).Get("profiles.pageInfo.endCursor"); next != nil {
		asked["after"] = next
		s.ask(v, query, asked)
	}
}

func (s *stream) changePassword(v *streamUser) {
	s.t.Helper()
	next := fmt.Sprint("i-keep-jumping-", len(s.said))
	a := s.ask(v, `mutation ($p: String!, $q: String!) { changePassword(input: {currentPassword: $p, newPassword: $q}) {
		tokens { accessToken refreshToken } userErrors { code field message } } }`, e2e.Vars{"p": v.password, "q": next})
	if a.Get("changePassword.tokens") != nil {
		v.password, v.refresh = next, nil
		v.begins(a, "changePassword")
	}
}
