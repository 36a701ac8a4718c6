package nodes

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/internal/e2e"
	"latchkey/internal/store/storetest"
)

// TestFailoverOfNodes checks that no acknowledged write is lost and no user is signed out when nodes are added, stopped
// and killed under load. Clients retry only failed connections. LATCHKEY_TEST_CHANGES is the number of changes.
func TestFailoverOfNodes(t *testing.T) {
	if testing.Short() {
		t.Skip("it needs PostgreSQL")
	}
	changes := testNumber(t, "LATCHKEY_TEST_CHANGES", 4)
	f := newFleet(t, storetest.Postgres(t))
	for range 3 {
		f.join()
	}
	stop := f.load()
	for i := range changes {
		f.until(15)
		f.leave(i%2 == 0)
		f.join()
	}
	f.until(15)
	stop()
	t.Logf("%d requests without an answer", f.unanswered.Load())
	f.audit()
}

// TestFailoverPostgresRestart checks that no acknowledged write is lost when all processes of PostgreSQL are killed
// under load and it restarts.
func TestFailoverPostgresRestart(t *testing.T) {
	if testing.Short() {
		t.Skip("it needs PostgreSQL")
	}
	server := storetest.NewServer(t)
	f := newFleet(t, server.URL())
	f.survives(server.Crash, server.Start)
}

// TestFailoverToStandby checks that no acknowledged write is lost when a standby replaces a primary that was killed
// under load.
func TestFailoverToStandby(t *testing.T) {
	if testing.Short() {
		t.Skip("it needs PostgreSQL")
	}
	primary := storetest.NewServer(t)
	standby := primary.Standby()
	f := newFleet(t, primary.URL(standby))
	f.survives(primary.Crash, standby.Promote)
}

// survives checks that no acknowledged change is lost when the database fails and, once every client has seen an error,
// recovers, and that each node then serves with all of its connections. It logs how long that takes.
func (f *fleet) survives(fall, rise func()) {
	f.t.Helper()
	f.mayFail = true
	f.join()
	f.join()
	mario := f.nodes[0].Register("mario")
	stop := f.load()
	f.until(30)
	f.calm.Lock()
	fall()
	e2e.WaitFor(f.t, "requests are answered without a database", func() bool {
		return f.unanswered.Load() >= int64(len(f.keepers))
	})
	rise()
	began := time.Now()
	for _, p := range f.nodes {
		for !serves(p, mario) {
			if time.Since(began) > e2e.Timeout {
				f.t.Fatal("the service does not come back")
			}
		}
	}
	f.t.Logf("full service after %s", time.Since(began))
	f.calm.Unlock()
	f.until(30)
	stop()
	f.t.Logf("%d requests without a good answer", f.unanswered.Load())
	deleteUser(f.nodes[0], mario)
	f.audit()
}

// serves reports whether a node answers as many requests at once as it has connections, of which half write.
func serves(p *e2e.Process, c *e2e.Client) bool {
	var failed atomic.Bool
	e2e.Concurrently(20, func(i int) {
		d := p.Anonymous()
		d.AccessToken = c.AccessToken
		query := `{ me { name } }`
		if i%2 == 0 {
			query = `mutation { updateMe(input: {name: "Mario"}) { userErrors { code } } }`
		}
		if a := d.Ask(query, nil); len(a.Errors) > 0 {
			a.FailsWith("INTERNAL_SERVER_ERROR")
			failed.Store(true)
		}
	})
	return !failed.Load()
}

func deleteUser(p *e2e.Process, c *e2e.Client) {
	p.T.Helper()
	c.Ask(`mutation ($p: String!) { deleteMe(input: {currentPassword: $p}) { userErrors { code } } }`,
		e2e.Vars{"p": e2e.Password}).Ok()
}

// fleet is nodes on one database that come and go, and keepers who ask whichever is there.
type fleet struct {
	t          testing.TB
	database   string
	book       *ledger
	keepers    []*ledgerClient
	mayFail    bool // the database may, so that nodes answer that something went wrong
	unanswered atomic.Int64
	started    int
	left       chan struct{} // closed when a keeper has stopped

	mu    sync.Mutex
	nodes []*e2e.Process
	calm  sync.RWMutex // held to look up the result of a request, and to interrupt requests
}

// newFleet returns clients whose choices LATCHKEY_TEST_SEED repeats.
func newFleet(t testing.TB, database string) *fleet {
	t.Helper()
	seed := testNumber(t.(*testing.T), "LATCHKEY_TEST_SEED", int(rand.Int32()))
	t.Logf("LATCHKEY_TEST_SEED=%d", seed)
	f := &fleet{t: t, database: database, book: newLedger(t)}
	for i := range 4 {
		f.keepers = append(f.keepers,
			&ledgerClient{ledger: f.book, number: i, rand: rand.New(rand.NewPCG(uint64(seed), uint64(i+1)))})
	}
	return f
}

// join starts a node, which PostgreSQL knows by its application name.
func (f *fleet) join() {
	f.t.Helper()
	f.started++
	p := e2e.StartProcess(f.t, f.database, "LATCHKEY_MAX_SESSIONS=1000", "LATCHKEY_REFRESH_GRACE=60s", "LATCHKEY_LIMIT_GUESSES=1000",
		"LATCHKEY_LIMIT_REGISTER=1000000/1h", "LATCHKEY_LIMIT_SIGN_IN=1000000/1h", "LATCHKEY_LIMIT_REFRESH=1000000/1m",
		fmt.Sprint("PGAPPNAME=node", f.started))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.nodes = append(f.nodes, p)
}

// leave ends the oldest node, which is killed or else asked to, and returns when PostgreSQL has noticed too.
func (f *fleet) leave(killed bool) {
	f.t.Helper()
	f.calm.Lock()
	defer f.calm.Unlock()
	p, name := f.nodes[0], fmt.Sprint("node", f.started-len(f.nodes)+1)
	if killed {
		p.Kill()
	} else {
		p.Terminate()
		if err := p.Command.Wait(); err != nil {
			f.t.Errorf("a node that was asked to end: %v", err)
		}
	}
	f.mu.Lock()
	f.nodes = f.nodes[1:]
	f.mu.Unlock()
	e2e.WaitFor(f.t, name+" is gone, and its connections are not", func() bool {
		return !slices.Contains(p.Values(`SELECT application_name FROM pg_stat_activity`), name)
	})
}

// any returns one of the nodes.
func (f *fleet) any(r *rand.Rand) *e2e.Process {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.nodes[r.IntN(len(f.nodes))]
}

// load has the keepers at work until stop is called.
func (f *fleet) load() (stop func()) {
	done, all := make(chan struct{}), new(sync.WaitGroup)
	f.left = make(chan struct{})
	leave := sync.OnceFunc(func() { close(f.left) })
	for _, k := range f.keepers {
		all.Go(func() {
			defer leave()
			k.roam(f, done)
		})
	}
	return func() {
		close(done)
		all.Wait()
	}
}

// until returns when the keepers have written down so many more facts.
func (f *fleet) until(facts int) {
	f.t.Helper()
	select {
	case <-f.book.expect(facts):
	case <-f.left:
		f.t.Fatal("a client has stopped")
	}
}

// roam sends requests to one node after the other until done is closed. After a request without a conclusive response,
// it looks up the result before the next one.
func (k *ledgerClient) roam(f *fleet, done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		default:
		}
		k.Client = f.any(k.rand).Anonymous()
		next := k.choose()
		a, err := k.perform(next)
		if err == nil && !(f.mayFail && errorCode(a) == "INTERNAL_SERVER_ERROR") {
			k.note(next.with(a.Ok()))
			continue
		}
		f.unanswered.Add(1)
		k.settleOn(f, next)
	}
}

// settleOn does so on nodes that stay.
func (k *ledgerClient) settleOn(f *fleet, unknown fact) {
	f.calm.RLock()
	defer f.calm.RUnlock()
	k.Client = f.any(k.rand).Anonymous()
	k.settle(unknown)
}

// audit checks that each node has all acknowledged changes, and that the database has no problem.
func (f *fleet) audit() {
	f.t.Helper()
	for _, p := range f.nodes {
		e2e.Concurrently(len(f.keepers), func(i int) { f.keepers[i].verify(p.Env) })
	}
	if f.t.Failed() {
		return
	}
	last := f.nodes[0]
	for _, p := range f.nodes {
		p.Kill()
	}
	audit(last, f.book.read())
	last.Clock = e2e.NewClock(time.Now())
	if said := last.Run("check"); !strings.HasPrefix(said, "No problems found") {
		f.t.Error(said)
	}
}
