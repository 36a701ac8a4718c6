package keyring

import (
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/store"
	"latchkey/internal/store/storetest"
	"latchkey/internal/token"
)

const (
	current  = "correct-horse-battery-staple-0123456789"
	previous = "staple-battery-horse-correct-9876543210"
	maxAge   = 90 * 24 * time.Hour
)

// node is the keyring of one node. The nodes of a test share a database and a clock, which stands still until advanced.
type node struct {
	*Keyring
	t     *testing.T
	url   string
	clock *atomic.Int64 // microseconds
}

func newNode(t *testing.T, url string) *node {
	t.Helper()
	clock := new(atomic.Int64)
	clock.Store(time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC).UnixMicro())
	n := open(t, url, clock, token.EdDSA, current, "")
	if _, err := n.store.Migrate(t.Context(), n.now); err != nil {
		t.Fatal(err)
	}
	return n
}

// another returns a further node that has an algorithm and a secret of its own.
func (n *node) another(alg, secret, previous string) *node {
	n.t.Helper()
	return open(n.t, n.url, n.clock, alg, secret, previous)
}

func open(t *testing.T, url string, clock *atomic.Int64, alg, secret, previous string) *node {
	t.Helper()
	st, err := store.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	var older token.Secret
	if previous != "" {
		older = token.Secret(previous)
	}
	secrets, err := token.NewSecrets(token.Secret(secret), older)
	if err != nil {
		t.Fatal(err)
	}
	return &node{t: t, url: url, clock: clock, Keyring: New(st, secrets, Options{
		Issuer: "https://accounts.example.com",
		Alg:    alg,
		MaxAge: maxAge,
		Now:    func() time.Time { return timeOf(clock) },
		Log:    slog.New(slog.DiscardHandler),
	})}
}

func timeOf(clock *atomic.Int64) time.Time { return time.UnixMicro(clock.Load()).UTC() }

func (n *node) now() time.Time { return timeOf(n.clock) }

func (n *node) advance(d time.Duration) { n.clock.Add(d.Microseconds()) }

func (n *node) sync() {
	n.t.Helper()
	if err := n.Sync(n.t.Context()); err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) rotate() Key {
	n.t.Helper()
	key, err := n.Rotate(n.t.Context(), account.Operator)
	if err != nil {
		n.t.Fatal(err)
	}
	return key
}

func (n *node) issue() string {
	n.t.Helper()
	text, err := n.Issue(token.Claims{
		Subject: "user_1", SessionID: "session_1", ID: "token_1", IssuedAt: n.now(), ExpiresAt: n.now().Add(24 * time.Hour),
	})
	if err != nil {
		n.t.Fatal(err)
	}
	return text
}

func (n *node) accepts(text string) bool {
	_, err := n.Verify(text)
	return err == nil
}

// states returns the state of each key, oldest first.
func (n *node) states() (states []State) {
	n.t.Helper()
	keys, err := n.List(n.t.Context())
	if err != nil {
		n.t.Fatal(err)
	}
	for _, key := range keys {
		states = append(states, key.State)
	}
	return states
}

// published returns the IDs of the keys in the JWKS, newest first.
func (n *node) published() (ids []string) {
	n.t.Helper()
	var set struct{ Keys []struct{ Kid string } }
	if err := json.Unmarshal(n.JWKS(), &set); err != nil {
		n.t.Fatal(err)
	}
	for _, key := range set.Keys {
		ids = append(ids, key.Kid)
	}
	return ids
}

// TestARotationStepByStep follows a key from its creation by one node to the deletion of its predecessor.
func TestARotationStepByStep(t *testing.T) {
	t.Parallel()
	one := newNode(t, storetest.SQLite(t))
	one.sync()
	other := one.another(token.EdDSA, current, "")
	other.sync()
	first := one.published()
	old := one.issue()
	if len(first) != 1 || !other.accepts(old) {
		t.Fatalf("nodes differ: %q", first)
	}
	next := one.rotate()
	if next.State != Next || !next.SignsFrom.Equal(one.now().Add(overlap)) {
		t.Fatalf("the next key: %+v", next)
	}
	for _, step := range []struct {
		after  time.Duration
		states []State
		signer string
		old    bool // whether tokens of the first key are accepted
	}{
		{0, []State{Signing, Next}, first[0], true},
		{overlap - time.Microsecond, []State{Signing, Next}, first[0], true},
		{time.Microsecond, []State{Old, Signing}, next.ID, true},
		{retention - time.Microsecond, []State{Old, Signing}, next.ID, true},
		{time.Microsecond, []State{Signing}, next.ID, false},
	} {
		one.advance(step.after)
		other.sync()
		if have := other.states(); !slices.Equal(have, step.states) {
			t.Fatalf("%s: want %q, have %q", one.now(), step.states, have)
		}
		if have := other.active.Load().signing; have != step.signer {
			t.Errorf("%s: %s signs", one.now(), have)
		}
		if published := other.published(); !slices.Contains(published, next.ID) || len(published) != len(step.states) {
			t.Errorf("%s: published: %q", one.now(), published)
		}
		if have := other.accepts(old); have != step.old {
			t.Errorf("%s: a token of the first key is accepted: %t", one.now(), have)
		}
	}
}

func TestOldKeysAreReplaced(t *testing.T) {
	t.Parallel()
	n := newNode(t, storetest.SQLite(t))
	n.sync()
	for _, step := range []struct {
		after  time.Duration
		states []State
	}{
		{maxAge - time.Microsecond, []State{Signing}},
		{time.Microsecond, []State{Signing, Next}},
		{time.Hour, []State{Old, Signing}},
		{overlap, []State{Signing}},
		{maxAge, []State{Signing, Next}},
	} {
		n.advance(step.after)
		n.sync()
		if have := n.states(); !slices.Equal(have, step.states) {
			t.Fatalf("%s: want %q, have %q", n.now(), step.states, have)
		}
	}
}

// TestAnotherAlgorithm tests that the key of a new algorithm is published before it signs, like any other.
func TestAnotherAlgorithm(t *testing.T) {
	t.Parallel()
	one := newNode(t, storetest.SQLite(t))
	one.sync()
	other := one.another(token.ES256, current, "")
	other.sync()
	text := other.issue()
	if !one.accepts(text) || len(other.published()) != 2 {
		t.Fatal("the new algorithm signs at once, or is not published")
	}
	one.advance(overlap)
	one.sync()
	other.sync()
	if signed := other.issue(); !one.accepts(signed) || other.active.Load().signing == one.active.Load().signing {
		t.Error("the new algorithm does not sign, or the other node does not accept it")
	}
	if !other.accepts(text) {
		t.Error("a token of the first key is refused")
	}
}

func TestRetire(t *testing.T) {
	t.Parallel()
	n := newNode(t, storetest.SQLite(t))
	n.sync()
	first := n.published()[0]
	for id, want := range map[string]string{first: "the only signing key", "another": "no signing key"} {
		if _, err := n.Retire(t.Context(), account.Operator, id); err == nil || !strings.Contains(err.Error(), want) {
			t.Fatalf("%s: %v", id, err)
		}
	}
	next, old := n.rotate(), n.issue()
	n.sync()
	signing, err := n.Retire(t.Context(), account.Operator, first)
	if err != nil || signing != next.ID {
		t.Fatalf("%s signs (%v)", signing, err)
	}
	n.sync()
	if have := n.states(); !slices.Equal(have, []State{Signing}) || n.accepts(old) || !n.accepts(n.issue()) {
		t.Errorf("after the signing key is retired: %q", have)
	}
	last := n.rotate()
	if signing, err = n.Retire(t.Context(), account.Operator, last.ID); err != nil || signing != next.ID {
		t.Errorf("after the next key is retired %s signs (%v)", signing, err)
	}
}

// TestSecrets tests that keys are sealed again with the current secret, and that a wrong secret changes nothing.
func TestSecrets(t *testing.T) {
	t.Parallel()
	n := newNode(t, storetest.SQLite(t))
	n.sync()
	n.rotate()
	n.sync()
	for _, step := range []struct {
		name             string
		secret, previous string
		opens            bool
	}{
		{"a wrong secret", previous, "", false},
		{"a new secret beside the old one", previous, current, true},
		{"the new secret alone", previous, "", true},
		{"the old secret", current, "", false},
	} {
		other := n.another(token.EdDSA, step.secret, step.previous)
		proof, synced := other.VerifySecret(t.Context()), other.Sync(t.Context())
		if (proof == nil) != step.opens || (synced == nil) != step.opens {
			t.Errorf("%s: %v, %v", step.name, proof, synced)
		}
		if !step.opens && !(errors.Is(proof, token.ErrSealed) && errors.Is(synced, token.ErrSealed)) {
			t.Errorf("%s: %v, %v", step.name, proof, synced)
		}
		if have := n.states(); len(have) != 2 {
			t.Fatalf("%s: %q", step.name, have)
		}
	}
	text := n.issue()
	n.advance(maxAge) // a key is due, but this node cannot open the others any more
	if err := n.Sync(t.Context()); !errors.Is(err, token.ErrSealed) {
		t.Fatal(err)
	}
	if have := n.states(); len(have) != 2 {
		t.Errorf("a key was added: %q", have)
	}
	n.advance(-maxAge)
	if !n.accepts(text) {
		t.Error("the keys in use have changed")
	}
}

// TestTwoNodesCreateAKeyAtOnce tests the first key of all, the next one, and one by command: of each there is one.
func TestTwoNodesCreateAKeyAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		one := newNode(t, url)
		nodes := []*node{one, one.another(token.EdDSA, current, "")}
		for want := 1; want <= 2; want++ {
			atOnce(t, nodes, func(n *node) error { return n.Sync(t.Context()) })
			for _, n := range nodes {
				n.sync()
			}
			if have := one.states(); len(have) != want {
				t.Fatalf("want %d keys, have %q", want, have)
			}
			if a, b := nodes[0].published(), nodes[1].published(); !slices.Equal(a, b) {
				t.Errorf("one node publishes %q, the other %q", a, b)
			}
			if !nodes[0].accepts(nodes[1].issue()) || !nodes[1].accepts(nodes[0].issue()) {
				t.Error("a token of one node is refused by the other")
			}
			one.advance(maxAge)
		}
	})
}

// TestTwoNodesRetireAKeyAtOnce tests that one key always stays.
func TestTwoNodesRetireAKeyAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		one := newNode(t, url)
		nodes := []*node{one, one.another(token.EdDSA, current, "")}
		one.sync()
		first, next := one.published()[0], one.rotate().ID
		retired := map[*node]string{nodes[0]: first, nodes[1]: next}
		var succeeded atomic.Int64
		atOnce(t, nodes, func(n *node) error {
			if _, err := n.Retire(t.Context(), account.Operator, retired[n]); err == nil {
				succeeded.Add(1)
			} else if !strings.Contains(err.Error(), "the only signing key") {
				return err
			}
			return nil
		})
		if have := one.states(); succeeded.Load() != 1 || !slices.Equal(have, []State{Signing}) {
			t.Errorf("%d keys were retired, left are %q", succeeded.Load(), have)
		}
	})
}

func atOnce(t *testing.T, nodes []*node, f func(*node) error) {
	t.Helper()
	var group sync.WaitGroup
	start := make(chan struct{})
	for _, n := range nodes {
		group.Go(func() {
			<-start
			if err := f(n); err != nil {
				t.Error(err)
			}
		})
	}
	close(start)
	group.Wait()
}
