package nodes

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/e2e"
	"latchkey/internal/store/storetest"
	"latchkey/internal/token"
)

// TestKillKeepsAcknowledgedWrites checks that each write that a killed server acknowledged is there after its restart.
// LATCHKEY_TEST_KILLS is the number of kills, LATCHKEY_TEST_SEED repeats the clients' choices.
func TestKillKeepsAcknowledgedWrites(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts many servers")
	}
	kills, seed := testNumber(t, "LATCHKEY_TEST_KILLS", 5), testNumber(t, "LATCHKEY_TEST_SEED", int(rand.Int32()))
	e2e.EachDatabase(t, func(t *testing.T, database string) {
		t.Logf("LATCHKEY_TEST_SEED=%d", seed)
		restart := func() *e2e.Process {
			return e2e.StartProcess(t, database, "LATCHKEY_MAX_SESSIONS=1000", "LATCHKEY_REFRESH_GRACE=60s",
				"LATCHKEY_ACCESS_TOKEN_TTL=15m", "LATCHKEY_LIMIT_GUESSES=1000", "LATCHKEY_LIMIT_REGISTER=1000000/1h",
				"LATCHKEY_LIMIT_SIGN_IN=1000000/1h", "LATCHKEY_LIMIT_REFRESH=1000000/1m")
		}
		book := newLedger(t)
		choices := rand.New(rand.NewPCG(uint64(seed), 0))
		keepers := make([]*ledgerClient, 4)
		for i := range keepers {
			keepers[i] = &ledgerClient{ledger: book, number: i, rand: rand.New(rand.NewPCG(uint64(seed), uint64(i+1)))}
		}
		slowest, unanswered := time.Duration(0), map[string]int{}
		p := restart()
		for range kills {
			enough := book.expect(1 + choices.IntN(20))
			var all sync.WaitGroup
			for _, k := range keepers {
				all.Go(func() { k.live(p.Env) })
			}
			gone := make(chan struct{})
			go func() {
				all.Wait()
				close(gone)
			}()
			select {
			case <-enough:
			case <-gone:
				t.Fatal("the clients went before the server was killed")
			}
			p.Kill()
			<-gone

			began := time.Now()
			p = restart()
			slowest = max(slowest, time.Since(began))
			facts := book.read()
			e2e.Concurrently(len(keepers), func(i int) {
				k := keepers[i]
				k.remember(facts)
				k.verify(p.Env)
			})
			for _, k := range keepers {
				if k.attempt != nil {
					unanswered[k.attempt.Kind]++
				}
				k.attempt = nil
			}
			if t.Failed() {
				return
			}
		}
		p.Kill()
		facts := book.read()
		audit(p, facts)
		kinds := map[string]int{}
		for _, f := range facts {
			kinds[f.Kind]++
		}
		t.Logf("%d kills, %d facts %v, unanswered %v, slowest start %s", kills, len(facts), kinds, unanswered, slowest)
	})
}

func testNumber(t *testing.T, variable string, otherwise int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return n
}

// fact is an acknowledged mutation with its input and the tokens in its response.
type fact struct {
	Keeper                    int
	Kind                      string
	User, Profile             string
	Session                   string // which was signed out
	Password, Text            string // from now on
	Access, Refresh, Presents string
}

// ledger is the facts in a file.
type ledger struct {
	t      testing.TB
	mu     sync.Mutex
	file   *os.File
	wanted int // facts until there are enough
	enough chan struct{}
}

func newLedger(t testing.TB) *ledger {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "ledger"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return &ledger{t: t, file: file}
}

// expect returns a channel that is closed when so many more facts have been written.
func (l *ledger) expect(facts int) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wanted, l.enough = facts, make(chan struct{})
	return l.enough
}

// write keeps a fact. It is on the disk when write returns.
func (l *ledger) write(f fact) {
	l.t.Helper()
	line, err := json.Marshal(f)
	if err != nil {
		l.t.Fatal(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := l.file.Write(append(line, '\n')); err != nil {
		l.t.Fatal(err)
	}
	if err := l.file.Sync(); err != nil {
		l.t.Fatal(err)
	}
	if l.wanted--; l.wanted == 0 {
		close(l.enough)
	}
}

func (l *ledger) read() (facts []fact) {
	l.t.Helper()
	text, err := os.ReadFile(l.file.Name())
	if err != nil {
		l.t.Fatal(err)
	}
	for lines := bufio.NewScanner(strings.NewReader(string(text))); lines.Scan(); {
		var f fact
		if err := json.Unmarshal(lines.Bytes(), &f); err != nil {
			l.t.Fatal(err)
		}
		facts = append(facts, f)
	}
	return facts
}

// resident is a user as the ledger has them.
type resident struct {
	name, profile  string
	password, text string
	gone           bool
	sessions       map[string]*sitting
}

// sitting is a session as the ledger has it.
type sitting struct {
	access, refresh string          // the newest
	handed          map[string]bool // every refresh token so far
	over            bool
}

// enter makes a fact part of what is known of the resident.
func (r *resident) enter(f fact) {
	switch f.Kind {
	case "register":
		*r = resident{f.User, f.Profile, f.Password, f.Text, false, map[string]*sitting{}}
	case "signOut":
		r.sessions[f.Session].over = true
	case "updateProfile":
		r.text = f.Text
	case "changePassword", "deleteMe":
		for _, s := range r.sessions {
			s.over = true
		}
		r.password, r.gone = f.Password, f.Kind == "deleteMe"
	}
	if f.Refresh == "" {
		return
	}
	token, _ := token.ParseRefresh(f.Refresh)
	id := string(account.IDOf(account.SessionKind, token.Session))
	if r.sessions[id] == nil {
		r.sessions[id] = &sitting{handed: map[string]bool{}}
	}
	s := r.sessions[id]
	s.access, s.refresh = f.Access, f.Refresh
	s.handed[f.Refresh] = true
}

// residents returns what facts come to, by name.
func residents(facts []fact) map[string]*resident {
	known := map[string]*resident{}
	for _, f := range facts {
		if known[f.User] == nil {
			known[f.User] = new(resident)
		}
		known[f.User].enter(f)
	}
	return known
}

// ledgerClient is a client with a ledger and users of its own. It takes the next step when the last one is in the
// ledger.
type ledgerClient struct {
	*e2e.Client
	ledger  *ledger
	number  int
	rand    *rand.Rand
	known   map[string]*resident
	made    int   // names so far
	attempt *fact // what the server has been asked for and has not answered
}

// remember sets the expected state of the users to what the ledger contains.
func (k *ledgerClient) remember(facts []fact) {
	k.known = residents(slices.DeleteFunc(slices.Clone(facts), func(f fact) bool { return f.Keeper != k.number }))
}

// note writes a fact down and knows it.
func (k *ledgerClient) note(f fact) {
	f.Keeper = k.number
	k.ledger.write(f)
	if k.known == nil {
		k.known = map[string]*resident{}
	}
	if k.known[f.User] == nil {
		k.known[f.User] = new(resident)
	}
	k.known[f.User].enter(f)
}

// live asks one thing after the other of a server, until that does not answer any more.
func (k *ledgerClient) live(s *e2e.Env) {
	k.Client = s.Anonymous()
	for {
		f := k.choose()
		k.attempt = &f
		a, err := k.perform(f)
		if err != nil {
			return
		}
		k.note(f.with(a.Ok()))
		k.attempt = nil
	}
}

// with returns the fact with the data of its response.
func (f fact) with(a *e2e.Response) fact {
	f.Access, _ = a.Get(f.Kind + ".tokens.accessToken").(string)
	f.Refresh, _ = a.Get(f.Kind + ".tokens.refreshToken").(string)
	if f.Kind == "register" {
		f.Profile = a.Text("register.user.profile.id")
	}
	return f
}

// choose returns what to ask for next.
func (k *ledgerClient) choose() fact {
	var here []string
	for _, name := range slices.Sorted(maps.Keys(k.known)) {
		if !k.known[name].gone {
			here = append(here, name)
		}
	}
	k.made++
	fresh := fmt.Sprintf("keeper%d.%d", k.number, k.made)
	chance := k.rand.IntN(100)
	if len(here) == 0 || chance < 8 {
		return fact{Kind: "register", User: fresh, Password: "i-keep-jumping-" + fresh, Text: "begins as " + fresh}
	}
	r := k.known[here[k.rand.IntN(len(here))]]
	f := fact{User: r.name, Profile: r.profile, Password: r.password, Text: r.text}
	var open []string
	for _, id := range slices.Sorted(maps.Keys(r.sessions)) {
		if !r.sessions[id].over {
			open = append(open, id)
		}
	}
	if len(open) == 0 || chance < 25 {
		f.Kind = "obtainToken"
		return f
	}
	id := open[k.rand.IntN(len(open))]
	s := r.sessions[id]
	f.Session, f.Access, f.Presents = id, s.access, s.refresh
	const worn = 30 // half of what a minute allows
	switch {
	case chance < 37, len(s.handed) > worn:
		f.Kind = "signOut"
	case chance < 65:
		f.Kind = "refreshToken"
	case chance < 83:
		f.Kind, f.Text = "updateProfile", "goes on as "+fresh
	case chance < 97:
		f.Kind, f.Password = "changePassword", "i-keep-jumping-"+fresh
	default:
		f.Kind = "deleteMe"
	}
	return f
}

// ledgerOperations are the mutations that the ledger knows. One text goes to two fields of a profile.
var ledgerOperations = map[string]string{
	"register": `mutation ($user: String!, $password: String!, $text: String!, $place: String!) {
		register(input: {username: $user, password: $password, profile: {description: $text, location: $place}}) {
		user { profile { id } } tokens { accessToken refreshToken } userErrors { code } } }`,
	"obtainToken": `mutation ($user: String!, $password: String!) {
		obtainToken(input: {identifier: $user, password: $password}) {
		user { profile { id description location } } tokens { accessToken refreshToken } userErrors { code } } }`,
	"refreshToken": `mutation ($presents: String!) { refreshToken(input: {refreshToken: $presents}) {
		tokens { accessToken refreshToken } userErrors { code } } }`,
	"signOut": `mutation ($presents: String!) { signOut(input: {refreshToken: $presents}) { signedOut } }`,
	"updateProfile": `mutation ($profile: ID!, $text: String!, $place: String!) {
		updateProfile(id: $profile, input: {description: $text, location: $place}) { userErrors { code } } }`,
	"changePassword": `mutation ($now: String!, $password: String!) {
		changePassword(input: {currentPassword: $now, newPassword: $password}) {
		tokens { accessToken refreshToken } userErrors { code } } }`,
	"deleteMe": `mutation ($now: String!) { deleteMe(input: {currentPassword: $now}) { userErrors { code } } }`,
}

// place returns a text for a field of at most thirty characters.
func place(text string) string { return text[max(0, len(text)-30):] }

// perform sends a request that becomes a fact. It fails if the server dies meanwhile.
func (k *ledgerClient) perform(f fact) (*e2e.Response, error) {
	query := ledgerOperations[f.Kind]
	all := e2e.Vars{
		"user": f.User, "profile": f.Profile, "password": f.Password, "presents": f.Presents,
		"text": f.Text, "place": place(f.Text),
	}
	if r := k.known[f.User]; r != nil {
		all["now"] = r.password
	}
	used := e2e.Vars{}
	for name, value := range all {
		if strings.Contains(query, "$"+name) {
			used[name] = value
		}
	}
	body, err := json.Marshal(e2e.Vars{"query": query, "variables": used})
	if err != nil {
		return nil, err
	}
	c := k.Anonymous()
	if f.Kind == "updateProfile" || f.Kind == "changePassword" || f.Kind == "deleteMe" {
		c.AccessToken = f.Access
	}
	for {
		a, err := c.Exchange(c.Request(nil, body))
		if err != nil || len(a.Errors) == 0 || a.Errors[0].Extensions.Code != "RATE_LIMITED" {
			return a, err
		}
	}
}

// must is perform for a server that lives.
func (k *ledgerClient) must(f fact) *e2e.Response {
	k.T.Helper()
	a, err := k.perform(f)
	if err != nil {
		k.T.Fatal(err)
	}
	return a
}

// verify checks that the server has everything in the ledger, and each unacknowledged change completely or not at all.
func (k *ledgerClient) verify(s *e2e.Env) {
	k.Client = s.Anonymous()
	if k.attempt != nil {
		k.settle(*k.attempt)
	}
	for _, name := range slices.Sorted(maps.Keys(k.known)) {
		r := k.known[name]
		if !r.gone {
			a := k.must(fact{Kind: "obtainToken", User: r.name, Password: r.password}).Ok()
			a.Equals("obtainToken.user.profile.id", r.profile).Equals("obtainToken.user.profile.description", r.text).
				Equals("obtainToken.user.profile.location", place(r.text))
		}
		for _, id := range slices.Sorted(maps.Keys(r.sessions)) {
			s := r.sessions[id]
			c := k.Anonymous()
			c.AccessToken, c.RefreshToken = s.access, s.refresh
			if s.over {
				c.Anonymous().RefreshWith(s.refresh).HasUserErrors("refreshToken", "TOKEN_INVALID@refreshToken")
				c.Ask(`{ me { id } }`, nil).FailsWith("UNAUTHENTICATED", "REVOKED")
				continue
			}
			if !c.SignedIn() {
				k.T.Fatalf("a session of %s does not live", name)
			}
			f := fact{Kind: "refreshToken", User: name, Presents: s.refresh}
			k.note(f.with(k.must(f).Ok()))
		}
	}
}

// settle finds out whether what was not acknowledged has happened, and notes it if so. The rest of verify then sees
// whether it has happened wholly, or not at all.
func (k *ledgerClient) settle(f fact) {
	signIn := fact{Kind: "obtainToken", User: f.User, Password: f.Password}
	switch f.Kind {
	case "register":
		if a := k.must(f); a.Get("register.tokens") != nil {
			k.note(f.with(a.Ok()))
			return
		}
		a := k.must(signIn).Ok()
		signIn = signIn.with(a)
		f.Access, f.Refresh, f.Profile = signIn.Access, signIn.Refresh, a.Text("obtainToken.user.profile.id")
		k.note(f)
	case "changePassword":
		if a := k.must(signIn); a.Get("obtainToken.tokens") != nil {
			signIn = signIn.with(a)
			f.Access, f.Refresh = signIn.Access, signIn.Refresh
			k.note(f)
		}
	case "updateProfile":
		if a := k.must(signIn).Ok(); a.Text("obtainToken.user.profile.description") == f.Text {
			k.note(f)
		}
	case "refreshToken":
		k.note(f.with(k.must(f).Ok()))
	case "signOut":
		now := fact{Kind: "refreshToken", User: f.User, Presents: f.Presents}
		if a := k.must(now); a.Get("refreshToken.tokens") != nil {
			k.note(now.with(a))
			return
		}
		k.note(f)
	case "deleteMe":
		if a := k.must(signIn); a.Get("obtainToken.tokens") == nil {
			k.note(f)
		}
	}
}

// audit checks the invariants of a stopped server's database, and the ledger.
func audit(p *e2e.Process, facts []fact) {
	p.T.Helper()
	db := p.DB()
	p.Run("check")
	for what, query := range map[string]string{
		"names that are not unique": `SELECT username_key FROM users GROUP BY username_key HAVING COUNT(*) > 1`,
		"users without a profile":   `SELECT id FROM users WHERE id NOT IN (SELECT user_id FROM profiles)`,
		"things without their user": `SELECT id FROM profiles WHERE user_id NOT IN (SELECT id FROM users)
			UNION SELECT id FROM sessions WHERE user_id NOT IN (SELECT id FROM users)`,
	} {
		if found := p.Values(query); len(found) > 0 {
			p.T.Errorf("%s: %v", what, found)
		}
	}
	var here []string
	for name, r := range residents(facts) {
		if r.gone {
			continue
		}
		here = append(here, name)
		for id, s := range r.sessions {
			generation := -1
			if err := db.QueryRow(`SELECT generation FROM sessions WHERE id = $1`, id).Scan(&generation); err != nil {
				p.T.Fatal(err)
			}
			if len(s.handed) != generation+1 {
				p.T.Errorf("%d refresh tokens were handed out in a session at generation %d", len(s.handed), generation)
			}
		}
	}
	slices.Sort(here)
	found := p.Values(`SELECT username_key FROM users`)
	slices.Sort(found)
	if !slices.Equal(found, here) {
		p.T.Errorf("the users are %v, and should be %v", found, here)
	}
}

// TestCommitSyncsToDisk checks that SQLite syncs its write-ahead log to the disk for each acknowledged write.
func TestCommitSyncsToDisk(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("no strace to count with")
	}
	p := e2e.StartProcess(t, storetest.SQLite(t))
	mario := p.Register("mario")
	calls := filepath.Join(t.TempDir(), "calls")
	counter := exec.Command(strace, "-f", "-y", "-e", "trace=fdatasync,fsync", "-o", calls,
		"-p", fmt.Sprint(p.Command.Process.Pid))
	stderr, err := counter.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := counter.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	if !lines.Scan() || !strings.Contains(lines.Text(), "attached") {
		counter.Wait()
		t.Skip("strace may not count:", lines.Text())
	}
	const rounds = 10
	for i := range rounds {
		mario.Ask(`mutation ($id: ID!, $text: String!) { updateProfile(id: $id, input: {description: $text}) {
			userErrors { code } } }`, e2e.Vars{"id": mario.ProfileID, "text": fmt.Sprint(i)}).Ok()
		mario.Ask(`mutation ($text: String!) { updateMe(input: {name: $text}) { userErrors { code } } }`,
			e2e.Vars{"text": fmt.Sprint(i)}).Ok()
		mario.Refresh().Ok()
		p.SignIn("mario").SignOut(nil)
	}
	p.Kill()
	counter.Wait()
	text, err := os.ReadFile(calls)
	if err != nil {
		t.Fatal(err)
	}
	if have, want := strings.Count(string(text), "-wal>"), 5*rounds; have < want {
		t.Errorf("%d changes were answered after %d writes to the disk", want, have)
	}
}
