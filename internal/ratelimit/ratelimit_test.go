package ratelimit

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/audit"
	"latchkey/internal/store"
	"latchkey/internal/store/storetest"
)

const (
	home      = "192.0.2.1"
	elsewhere = "198.51.100.7"
)

// limits are small, so that few attempts reach them.
var limits = Limits{
	Passwords: PasswordAttempts{Free: 2, Max: 5},
	SignIn:    account.Limit{Max: 100, Window: time.Hour},
	Register:  account.Limit{Max: 3, Window: time.Minute},
	Refresh:   account.Limit{Max: 3, Window: time.Minute},
	Mail:      account.Limit{Max: 3, Window: time.Minute},
}

// node is a limiter of one node, with a clock that stands still and the events that it has recorded.
type node struct {
	*Limiter
	t      *testing.T
	store  *store.Store
	clock  *atomic.Int64 // microseconds; shared by all nodes
	mu     sync.Mutex
	events []string
}

func newNode(t *testing.T, url string, limits Limits) *node {
	t.Helper()
	clock := new(atomic.Int64)
	clock.Store(time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC).UnixMicro())
	n := join(t, url, limits, clock)
	if _, err := n.store.Migrate(t.Context(), n.now); err != nil {
		t.Fatal(err)
	}
	return n
}

// join returns a node on a database that has its schema.
func join(t *testing.T, url string, limits Limits, clock *atomic.Int64) *node {
	t.Helper()
	st, err := store.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	n := &node{t: t, store: st, clock: clock}
	n.Limiter = New(st, Options{
		Limits: limits,
		Key:    []byte("key"),
		Now:    func() time.Time { return time.UnixMicro(clock.Load()).UTC() },
		Audit: audit.Sinks{func(_ context.Context, e audit.Event) {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.events = append(n.events, string(e.Kind))
		}},
	})
	return n
}

func (n *node) advance(d time.Duration) { n.clock.Add(d.Microseconds()) }

// recorded returns the events since the last call.
func (n *node) recorded() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	events := n.events
	n.events = nil
	return events
}

// user adds a user who has signed in from home.
func (n *node) user() account.ID {
	n.t.Helper()
	user := &account.User{
		ID:        account.NewID(account.UserKind, n.now()),
		Username:  "mario",
		Role:      account.Member,
		Status:    account.Active,
		CreatedAt: n.now(),
	}
	err := n.store.InTx(n.t.Context(), func(tx *store.Tx) error {
		if err := tx.InsertUser(n.t.Context(), user, "hash"); err != nil {
			return err
		}
		_, _, err := tx.RecordDevice(n.t.Context(), user.ID, "agent", account.Network(home), n.now())
		return err
	})
	if err != nil {
		n.t.Fatal(err)
	}
	return user.ID
}

// try makes an attempt with a password that is right or wrong. It returns how long to wait if the attempt is refused,
// and reports whether the password was verified.
func (n *node) try(user account.ID, name, ip string, right bool) (wait time.Duration, verified bool) {
	n.t.Helper()
	attempt, err := n.Attempt(n.t.Context(), user, name, ip)
	if err != nil {
		n.t.Fatal(err)
	}
	return n.verify(attempt, right)
}

func (n *node) verify(attempt *Attempt, right bool) (wait time.Duration, verified bool) {
	n.t.Helper()
	ok, err := attempt.Verify(n.t.Context(), func() (bool, error) {
		verified = true
		return right, nil
	})
	if err == nil && ok {
		err = attempt.Succeeded(n.t.Context(), n.store)
	}
	return n.wait(err), verified
}

// wait returns the time of a RATE_LIMITED error, and 0 for none.
func (n *node) wait(err error) time.Duration {
	n.t.Helper()
	if err == nil {
		return 0
	}
	limited, ok := errors.AsType[*account.Error](err)
	if !ok || limited.Code != account.RateLimited {
		n.t.Fatal(err)
	}
	return limited.RetryAfter
}

func TestDelay(t *testing.T) {
	p := PasswordAttempts{Free: 4, Max: 100}
	for failures, want := range map[int]time.Duration{
		0: 0, 4: 0, 5: time.Second, 6: 2 * time.Second, 14: 512 * time.Second, 15: 15 * time.Minute, 99: 15 * time.Minute,
	} {
		if have := p.delay(failures); have != want {
			t.Errorf("after %d failures %s, want %s", failures, have, want)
		}
	}
	for _, failures := range []int{100, 101} {
		if have := p.delay(failures); have < 100*365*24*time.Hour {
			t.Errorf("after %d failures %s, want forever", failures, have)
		}
	}
}

func FuzzBucket(f *testing.F) {
	f.Add([]byte("key"), "mario")
	f.Add([]byte{}, "")
	f.Fuzz(func(t *testing.T, key []byte, name string) {
		have := bucket(key, name)
		if len(have) != len("nobody_00000") || have != bucket(key, name) {
			t.Errorf("%q is counted as %q", name, have)
		}
	})
}

// TestFailuresBlockTheAccount tests every attempt from the first to the one that only a password reset can follow.
func TestFailuresBlockTheAccount(t *testing.T) {
	t.Parallel()
	const lock, tooMany, blocked = "authn_login_lock", "authn_login_fail_max", "excess_rate_limit_exceeded"
	for name, user := range map[string]func(n *node) account.ID{
		"user":            (*node).user,
		"name of no user": func(*node) account.ID { return "" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, storetest.SQLite(t), limits)
			id := user(n)
			for i, step := range []struct {
				after    time.Duration
				wait     time.Duration
				verified bool
				event    string
			}{
				{verified: true},
				{verified: true},
				{verified: true, event: lock}, // blocked for a second
				{wait: time.Second, event: blocked},
				{after: 500 * time.Millisecond, wait: time.Second, event: blocked}, // a second is the least
				{after: 500 * time.Millisecond, verified: true, event: lock},       // blocked for 2 seconds
				{after: 500 * time.Millisecond, wait: 1500 * time.Millisecond, event: blocked},
				{after: 1500 * time.Millisecond, verified: true, event: tooMany},
				{after: time.Hour, wait: 24 * time.Hour, event: blocked},
			} {
				n.advance(step.after)
				wait, verified := n.try(id, "mario", elsewhere, false)
				var want []string
				if step.event != "" {
					want = []string{step.event}
				}
				if have := n.recorded(); wait != step.wait || verified != step.verified || !slices.Equal(have, want) {
					t.Fatalf("attempt %d: want %+v, have wait %s, verified %t, events %q", i+1, step, wait, verified, have)
				}
			}
		})
	}
}

func TestSuccessResetsFailures(t *testing.T) {
	t.Parallel()
	n := newNode(t, storetest.SQLite(t), limits)
	id := n.user()
	for i := range 4 {
		for range limits.Passwords.Free {
			n.try(id, "", elsewhere, false)
		}
		if wait, verified := n.try(id, "", elsewhere, true); wait != 0 || !verified {
			t.Fatalf("sign-in %d has to wait for %s", i+1, wait)
		}
	}
}

// TestAttackersDoNotBlockKnownNetworks tests that a user can still sign in from a network that they have signed in from
// before, until the network is forgotten, and use the password in a session.
func TestAttackersDoNotBlockKnownNetworks(t *testing.T) {
	t.Parallel()
	n := newNode(t, storetest.SQLite(t), limits)
	id := n.user()
	for range limits.Passwords.Free + 1 {
		n.try(id, "", elsewhere, false)
	}
	for _, test := range []struct {
		name    string
		after   time.Duration
		ip      string
		session account.ID
		blocked bool
	}{
		{name: "network of the attacker", ip: elsewhere, blocked: true},
		{name: "unknown network", ip: "203.0.113.9", blocked: true},
		{name: "unknown network, in a session", ip: "203.0.113.9", session: "session_1"},
		{name: "known network", ip: home},
	} {
		attempt, err := n.Attempt(t.Context(), id, "", test.ip)
		if err != nil {
			t.Fatal(err)
		}
		if test.session != "" {
			attempt.InSession(test.session)
		}
		if _, verified := n.verify(attempt, true); verified == test.blocked {
			t.Errorf("%s: verified is %t", test.name, verified)
		}
	}
	n.advance(KnownNetworkAge + time.Microsecond)
	for range limits.Passwords.Free + 1 {
		n.try(id, "", elsewhere, false)
	}
	if _, verified := n.try(id, "", home, true); verified {
		t.Error("the network is known for too long")
	}
}

// TestVerifyReturnsErrors tests that an attempt whose password could not be verified is not counted.
func TestVerifyReturnsErrors(t *testing.T) {
	t.Parallel()
	n := newNode(t, storetest.SQLite(t), limits)
	broken := errors.New("broken")
	for range 2 * limits.Passwords.Max {
		attempt, err := n.Attempt(t.Context(), "", "mario", home)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := attempt.Verify(t.Context(), func() (bool, error) { return false, broken }); !errors.Is(err, broken) {
			t.Fatal(err)
		}
	}
}

// TestWrongPasswordsOfANetwork tests that the limit of a network holds over all names, and before the password is
// verified.
func TestWrongPasswordsOfANetwork(t *testing.T) {
	t.Parallel()
	small := limits
	small.SignIn = account.Limit{Max: 3, Window: time.Hour}
	n := newNode(t, storetest.SQLite(t), small)
	for _, name := range []string{"a", "b", "c"} {
		if wait, _ := n.try("", name, home, false); wait != 0 {
			t.Fatalf("%s has to wait for %s", name, wait)
		}
	}
	if wait, verified := n.try("", "d", home, true); wait != time.Hour || verified {
		t.Errorf("after the last wrong password: wait %s, verified %t", wait, verified)
	}
	if wait, verified := n.try("", "d", elsewhere, true); wait != 0 || !verified {
		t.Errorf("from another network: wait %s, verified %t", wait, verified)
	}
}

func TestNetworkLimit(t *testing.T) {
	t.Parallel()
	n := newNode(t, storetest.SQLite(t), limits)
	check := func(ip string) time.Duration { return n.wait(n.Registrations.Check(t.Context(), ip)) }
	count := func(l NetworkLimit, ip string) time.Duration { return n.wait(l.Count(t.Context(), n.store, ip)) }
	const a, sameNetwork, otherNetwork = "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"
	for range 2 * limits.Register.Max {
		if wait := check(a); wait != 0 {
			t.Fatal("a check counts")
		}
	}
	for i := range limits.Register.Max {
		if wait := count(n.Registrations, a); wait != 0 {
			t.Fatalf("event %d has to wait for %s", i+1, wait)
		}
		n.advance(time.Second)
	}
	if have := n.recorded(); have != nil {
		t.Errorf("recorded within the limit: %q", have)
	}
	left := limits.Register.Window - time.Duration(limits.Register.Max)*time.Second
	if have, checked := count(n.Registrations, sameNetwork), check(sameNetwork); have != left || checked != left {
		t.Errorf("want a wait of %s, have %s and %s", left, have, checked)
	}
	if have := n.recorded(); !slices.Equal(have, []string{"excess_rate_limit_exceeded", "excess_rate_limit_exceeded"}) {
		t.Errorf("recorded: %q", have)
	}
	if count(n.Registrations, otherNetwork) != 0 || count(n.Refreshes, a) != 0 || count(n.EmailRequests, a) != 0 {
		t.Error("one limit counts for another network or another kind")
	}
	n.advance(left)
	if check(a) != 0 || count(n.Registrations, a) != 0 {
		t.Error("the window does not end")
	}
}

// TestFailuresOnTwoNodesAtOnce tests that of many wrong passwords that are verified at the same time no more are
// answered than one after the other would be.
func TestFailuresOnTwoNodesAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		one := newNode(t, url, limits)
		nodes := []*node{one, join(t, url, limits, one.clock)}
		id := one.user()
		const attempts = 16
		var answered, refused atomic.Int64
		var verifying, done sync.WaitGroup
		verifying.Add(attempts)
		for i := range attempts {
			attempt, err := nodes[i%2].Attempt(t.Context(), id, "", elsewhere)
			if err != nil {
				t.Fatal(err)
			}
			done.Go(func() {
				_, err := attempt.Verify(t.Context(), func() (bool, error) {
					verifying.Done()
					verifying.Wait() // all have been allowed
					return false, nil
				})
				switch {
				case err == nil:
					answered.Add(1)
				case account.IsCode(err, account.RateLimited):
					refused.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		done.Wait()
		want := int64(limits.Passwords.Free + 1)
		if answered.Load() != want || refused.Load() != attempts-want {
			t.Errorf("%d attempts are answered and %d refused", answered.Load(), refused.Load())
		}
		counter, err := one.store.Counter(t.Context(), string(id), "")
		if err != nil || counter.Count != int(want) {
			t.Errorf("%d failures are counted (%v)", counter.Count, err)
		}
	})
}

func TestEventsOnTwoNodesAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		one := newNode(t, url, limits)
		nodes := []*node{one, join(t, url, limits, one.clock)}
		var counted atomic.Int64
		var done sync.WaitGroup
		for i := range 16 {
			done.Go(func() {
				n := nodes[i%2]
				err := n.store.InTx(t.Context(), func(tx *store.Tx) error {
					return n.Registrations.Count(t.Context(), tx, home)
				})
				if err == nil {
					counted.Add(1)
				} else if !account.IsCode(err, account.RateLimited) {
					t.Error(err)
				}
			})
		}
		done.Wait()
		if have := int(counted.Load()); have != limits.Register.Max {
			t.Errorf("%d events are counted", have)
		}
	})
}
