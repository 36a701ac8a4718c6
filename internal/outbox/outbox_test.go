package outbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
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
	address  = "mario@example.com"
)

// node is the outbox of one node. The nodes of a test share a database and a clock, which stands still until advanced.
type node struct {
	*Outbox
	t     *testing.T
	url   string
	clock *atomic.Int64 // microseconds
	user  *account.User
	log   *strings.Builder // of deliveries; not for concurrent use
}

func newNode(t *testing.T, url string) *node {
	t.Helper()
	clock := new(atomic.Int64)
	clock.Store(time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC).UnixMicro())
	n := open(t, url, clock, current)
	if _, err := n.store.Migrate(t.Context(), n.now); err != nil {
		t.Fatal(err)
	}
	n.user = &account.User{
		ID:        account.NewID(account.UserKind, n.now()),
		Username:  "mario",
		Email:     new(address),
		Role:      account.Member,
		Status:    account.Active,
		CreatedAt: n.now(),
	}
	err := n.InTx(t.Context(), func(tx *store.Tx) error { return tx.InsertUser(t.Context(), n.user, "hash") })
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// another returns a further node.
func (n *node) another(secret string) *node {
	n.t.Helper()
	other := open(n.t, n.url, n.clock, secret)
	other.user = n.user
	return other
}

func open(t *testing.T, url string, clock *atomic.Int64, secret string) *node {
	t.Helper()
	st, err := store.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	log := new(strings.Builder)
	n := &node{t: t, url: url, clock: clock, log: log}
	n.Outbox = New(st, token.Secrets{Current: token.Secret(secret)}, Options{
		Resolve: n.resolveTo(1),
		Now:     n.now,
		Log:     slog.New(slog.NewTextHandler(log, nil)),
	})
	return n
}

// resolveTo returns a Resolve that makes every request as many emails to the user.
func (n *node) resolveTo(emails int) Resolve {
	return func(_ context.Context, _ *store.Tx, request *store.OutboxMail) ([]Recipient, error) {
		return slices.Repeat([]Recipient{{request.Template, n.user, *n.user.Email}}, emails), nil
	}
}

func (n *node) now() time.Time { return time.UnixMicro(n.clock.Load()).UTC() }

func (n *node) advance(d time.Duration) { n.clock.Add(d.Microseconds()) }

func (n *node) mail(template account.MailTemplate) account.Mail {
	now := n.now()
	return account.Mail{
		ID:        account.NewID(account.MailKind, now),
		Template:  template,
		To:        address,
		CreatedAt: now,
		ExpiresAt: now.Add(template.TTL()),
	}
}

// enqueue is a method of Outbox that adds an email.
type enqueue func(*Outbox, context.Context, *store.Tx, account.Mail, account.ID) error

// enqueue adds an email with a template and returns its ID.
func (n *node) enqueue(add enqueue, template account.MailTemplate) account.ID {
	n.t.Helper()
	m := n.mail(template)
	err := n.InTx(n.t.Context(), func(tx *store.Tx) error { return add(n.Outbox, n.t.Context(), tx, m, n.user.ID) })
	if err != nil {
		n.t.Fatal(err)
	}
	return m.ID
}

func (n *node) claim() []Delivery {
	n.t.Helper()
	due, err := n.Claim(n.t.Context())
	if err != nil {
		n.t.Fatal(err)
	}
	return due
}

// claimOne returns the only delivery that is due.
func (n *node) claimOne() Delivery {
	n.t.Helper()
	due := n.claim()
	if len(due) != 1 {
		n.t.Fatalf("%d messages are due", len(due))
	}
	return due[0]
}

// waiting returns how many messages wait to be sent.
func (n *node) waiting() int {
	n.t.Helper()
	count, _, err := n.Stats(n.t.Context())
	if err != nil {
		n.t.Fatal(err)
	}
	return count
}

// redeemable reports whether the one-time token of an email is stored.
func (n *node) redeemable(m account.Mail) bool {
	hash, ok := token.HashOneTime(m.Token)
	_, err := n.store.OneTime(n.t.Context(), hash, m.Template)
	return ok && err == nil
}

func TestAnEmailAndItsToken(t *testing.T) {
	t.Parallel()
	n := newNode(t, storetest.SQLite(t))
	id := n.enqueue((*Outbox).EnqueueEmail, account.PasswordReset)
	n.advance(time.Minute)
	if count, age, err := n.Stats(t.Context()); count != 1 || age != time.Minute || err != nil {
		t.Fatalf("%d messages, the oldest for %s (%v)", count, age, err)
	}
	d := n.claimOne()
	m := d.Payload.(account.Mail)
	if d.Kind != Email || d.ID != id || d.Topic != "password-reset" || d.Attempt != 1 || d.Err != nil || m.To != address {
		t.Errorf("the delivery: %+v", d)
	}
	if !n.redeemable(m) {
		t.Errorf("the token %q is not stored", m.Token)
	}
	if err := n.Sent(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if n.advance(time.Hour); n.waiting() != 0 || len(n.claim()) != 0 {
		t.Error("an email that was sent is due again")
	}
	n.enqueue((*Outbox).EnqueueEmail, account.PasswordChanged)
	if m := n.claimOne().Payload.(account.Mail); m.Token != "" {
		t.Errorf("an email without a token has %q", m.Token)
	}
}

// TestATokenOfAnotherSecret tests that an email whose token cannot be opened is due with an error.
func TestATokenOfAnotherSecret(t *testing.T) {
	t.Parallel()
	n := newNode(t, storetest.SQLite(t))
	n.enqueue((*Outbox).EnqueueEmail, account.Activation)
	if d := n.another(previous).claimOne(); d.Err == nil || d.Payload.(account.Mail).Token != "" {
		t.Errorf("the delivery: %+v", d)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		method enqueue
		pause  time.Duration
		want   int // of 25 emails
	}{
		{"emails to a user", (*Outbox).EnqueueEmail, 0, 20},
		{"emails of operators", (*Outbox).EnqueueUnlimited, 0, 25},
		{"requests at once", (*Outbox).EnqueueRequest, 0, 1},
		{"requests every minute", (*Outbox).EnqueueRequest, time.Minute, 20},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, storetest.SQLite(t))
			for range 25 {
				n.enqueue(test.method, account.PasswordReset)
				n.advance(test.pause)
			}
			if have := n.waiting(); have != test.want {
				t.Errorf("%d emails, want %d", have, test.want)
			}
		})
	}
}

// checkEmail checks the first attempt at an email that a request has resulted in.
func (n *node) checkEmail(d Delivery) {
	n.t.Helper()
	if m := d.Payload.(account.Mail); m.Username != "mario" || m.To != address || d.Attempt != 1 {
		n.t.Errorf("the delivery: %+v", d)
	}
}

func TestRequests(t *testing.T) {
	t.Parallel()
	for _, recipients := range []int{0, 1, 3} {
		t.Run(fmt.Sprint(recipients, " recipients"), func(t *testing.T) {
			t.Parallel()
			n := newNode(t, storetest.SQLite(t))
			n.options.Resolve = n.resolveTo(recipients)
			id := n.enqueue((*Outbox).EnqueueRequest, account.UsernameReminder)
			if due := n.claim(); len(due) != 0 || n.waiting() != recipients {
				t.Fatalf("%d deliveries of a request; %d emails result", len(due), n.waiting())
			}
			ids := map[account.ID]bool{}
			for _, d := range n.claim() {
				n.checkEmail(d)
				ids[d.ID] = true
			}
			if len(ids) != recipients || ids[id] != (recipients > 0) {
				t.Errorf("want the ID %s and others, have %q", id, slices.Collect(maps.Keys(ids)))
			}
		})
	}
}

// TestAFailedRequest tests that a request which cannot be resolved is tried again after the lease.
func TestAFailedRequest(t *testing.T) {
	t.Parallel()
	n := newNode(t, storetest.SQLite(t))
	n.options.Resolve = func(context.Context, *store.Tx, *store.OutboxMail) ([]Recipient, error) {
		return nil, errors.New("broken")
	}
	n.enqueue((*Outbox).EnqueueRequest, account.PasswordReset)
	if due := n.claim(); len(due) != 0 || n.waiting() != 1 || !strings.Contains(n.log.String(), "broken") {
		t.Fatalf("%d deliveries, %d waiting; the log: %s", len(due), n.waiting(), n.log)
	}
	n.options.Resolve = n.resolveTo(1)
	n.advance(lease - time.Microsecond)
	if due := n.claim(); len(due) != 0 {
		t.Fatal("due before the end of the lease")
	}
	n.advance(time.Microsecond)
	n.claim()
	n.claimOne()
}

// TestTheLease tests that a message whose node stopped is due again, and that this node's late report is ignored.
func TestTheLease(t *testing.T) {
	t.Parallel()
	n := newNode(t, storetest.SQLite(t))
	n.enqueue((*Outbox).EnqueueEmail, account.Activation)
	late := n.claimOne()
	n.advance(lease - time.Microsecond)
	if due := n.claim(); len(due) != 0 {
		t.Fatal("due before the end of the lease")
	}
	n.advance(time.Microsecond)
	again := n.claimOne()
	if again.Attempt != 2 || again.ID != late.ID || again.Payload != late.Payload {
		t.Errorf("first %+v, then %+v", late, again)
	}
	if err := n.Sent(t.Context(), late); err != nil || n.waiting() != 1 {
		t.Errorf("a late report counts (%v)", err)
	}
	if err := n.Sent(t.Context(), again); err != nil || n.waiting() != 0 {
		t.Errorf("the last report does not count (%v)", err)
	}
}

func atOnce(nodes []*node, f func(*node)) {
	var group sync.WaitGroup
	start := make(chan struct{})
	for _, n := range nodes {
		group.Go(func() {
			<-start
			f(n)
		})
	}
	close(start)
	group.Wait()
}

// TestTwoNodesClaimAtOnce tests that each message is claimed once.
func TestTwoNodesClaimAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		one := newNode(t, url)
		nodes := []*node{one, one.another(current)}
		const messages = 40
		for range messages {
			one.enqueue((*Outbox).EnqueueUnlimited, account.Activation)
		}
		claimed := make(chan []Delivery, 4*messages)
		atOnce(slices.Repeat(nodes, 2), func(n *node) {
			for range messages {
				due, err := n.Claim(t.Context())
				if err != nil {
					t.Error(err)
				}
				claimed <- due
			}
		})
		close(claimed)
		var ids []account.ID
		for due := range claimed {
			for _, d := range due {
				ids = append(ids, d.ID)
			}
		}
		slices.Sort(ids)
		if distinct := len(slices.Compact(slices.Clone(ids))); len(ids) != messages || distinct != messages {
			t.Errorf("%d claims of %d messages, want %d", len(ids), distinct, messages)
		}
	})
}

// TestTwoNodesResolveAtOnce tests that a request results in its emails once, also when its lease ends too early.
func TestTwoNodesResolveAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		one := newNode(t, url)
		nodes := []*node{one, one.another(current)}
		one.enqueue((*Outbox).EnqueueRequest, account.UsernameReminder)
		claimed, err := one.store.ClaimMails(t.Context(), one.now(), one.now(), batchSize)
		if err != nil || len(claimed) != 1 {
			t.Fatalf("%d claimed (%v)", len(claimed), err)
		}
		atOnce(nodes, func(n *node) {
			n.options.Resolve = n.resolveTo(2)
			if err := n.resolve(t.Context(), claimed[0]); err != nil {
				t.Error(err)
			}
		})
		if have := one.waiting(); have != 2 {
			t.Errorf("%d emails result", have)
		}
	})
}

// handlerFunc is a function as a handler.
type handlerFunc func(ctx context.Context, d Delivery) error

func (f handlerFunc) Deliver(ctx context.Context, d Delivery) error { return f(ctx, d) }

func (n *node) worker(f handlerFunc) *Worker {
	return NewWorker(n.Outbox, time.Hour, map[Kind]Handler{Email: f})
}

func TestRetryAfter(t *testing.T) {
	const day = 24 * time.Hour
	for _, test := range []struct {
		attempt    int
		left, want time.Duration
	}{
		{1, day, 30 * time.Second},
		{2, day, time.Minute},
		{5, day, 8 * time.Minute},
		{6, day, 10 * time.Minute},
		{1000, day, 10 * time.Minute},
		{6, 11 * time.Minute, 10 * time.Minute},
		{6, 5 * time.Minute, 4 * time.Minute},       // a minute before it expires
		{6, 90 * time.Second, 30 * time.Second},     // the shortest pause
		{6, 89 * time.Second, 10 * time.Minute},     // none is left
		{1, 31 * time.Second, 30 * time.Second},     // short enough by itself
		{2, 100 * time.Second, 40 * time.Second},    // shortened
		{2, 2 * time.Minute, 60 * time.Second},      // exactly a minute before
		{6, -time.Second, 10 * time.Minute},         // expired
		{11, 10*time.Minute + 1, 9*time.Minute + 1}, // shortened at the maximum
	} {
		if have := retryAfter(test.attempt, test.left); have != test.want {
			t.Errorf("after attempt %d with %s left: want %s, have %s", test.attempt, test.left, test.want, have)
		}
	}
}

func TestPermanent(t *testing.T) {
	err := Permanent(io.ErrUnexpectedEOF)
	if err.Error() != io.ErrUnexpectedEOF.Error() || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%q", err)
	}
}

// TestAttempts tests what becomes of a message after each result of its handler.
func TestAttempts(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for _, test := range []struct {
		name         string
		result       func() error
		after        time.Duration // of the attempt
		waiting      int
		sent, failed int64
		logged       string
	}{
		{name: "sent", result: func() error { return nil }, sent: 1, logged: `msg="email sent" email=mail_`},
		{name: "retried", result: func() error { return broken }, waiting: 1,
			logged: `topic=activation attempt=1 error=broken pause_ms=30000`},
		{name: "refused", result: func() error { return fmt.Errorf("refused: %w", Permanent(broken)) }, failed: 1,
			logged: `msg="email given up"`},
		{name: "panic", result: func() error { panic("broken") }, waiting: 1, logged: `msg="email postponed"`},
		{name: "last attempt", result: func() error { return broken }, after: 24*time.Hour - 20*time.Second, failed: 1,
			logged: `msg="email given up"`},
		{name: "expired", result: nil, after: 24 * time.Hour, failed: 1, logged: `error="it has expired"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, storetest.SQLite(t))
			n.enqueue((*Outbox).EnqueueEmail, account.Activation)
			n.advance(test.after)
			called := false
			w := n.worker(func(context.Context, Delivery) error {
				called = true
				return test.result()
			})
			if count, err := w.sendDue(t.Context()); count != 1 || err != nil {
				t.Fatalf("%d messages are due (%v)", count, err)
			}
			if sent, failed := w.Counts(Email); sent != test.sent || failed != test.failed || n.waiting() != test.waiting {
				t.Errorf("%d sent, %d failed, %d waiting", sent, failed, n.waiting())
			}
			if called != (test.result != nil) {
				t.Errorf("the handler was called: %t", called)
			}
			if log := n.log.String(); !strings.Contains(log, test.logged) || strings.Contains(log, address) {
				t.Errorf("the log: %s", log)
			}
		})
	}
}

// TestRetries tests that every attempt has the same ID and token, and when each is due.
func TestRetries(t *testing.T) {
	t.Parallel()
	n := newNode(t, storetest.SQLite(t))
	id := n.enqueue((*Outbox).EnqueueEmail, account.PasswordReset) // which expires after an hour
	var tokens []string
	w := n.worker(func(_ context.Context, d Delivery) error {
		if d.ID != id || d.Attempt != len(tokens)+1 {
			t.Errorf("attempt %d of %s", d.Attempt, d.ID)
		}
		tokens = append(tokens, d.Payload.(account.Mail).Token)
		return errors.New("broken")
	})
	pauses := []time.Duration{
		0, 30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 10 * time.Minute,
		10 * time.Minute, 10 * time.Minute, 10 * time.Minute, 3*time.Minute + 30*time.Second,
	}
	for i, pause := range pauses {
		n.advance(pause - time.Microsecond)
		if _, err := w.sendDue(t.Context()); err != nil || len(tokens) != i {
			t.Fatalf("attempt %d is too early (%v)", i+1, err)
		}
		n.advance(time.Microsecond)
		if _, err := w.sendDue(t.Context()); err != nil || len(tokens) != i+1 {
			t.Fatalf("attempt %d is not made (%v)", i+1, err)
		}
	}
	if n.waiting() != 0 || len(slices.Compact(tokens)) != 1 {
		t.Errorf("%d waiting; the tokens: %q", n.waiting(), tokens)
	}
}

// TestRun tests that a message is sent as soon as its transaction has ended, and that the worker stops with its
// context.
func TestRun(t *testing.T) {
	t.Parallel()
	n := newNode(t, storetest.SQLite(t))
	<-n.added // of the new user
	delivered := make(chan account.ID)
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		n.worker(func(_ context.Context, d Delivery) error {
			delivered <- d.ID
			return nil
		}).Run(ctx)
	})
	for range 3 {
		if id := n.enqueue((*Outbox).EnqueueEmail, account.PasswordChanged); <-delivered != id {
			t.Error("another message is sent")
		}
	}
	stop()
	running.Wait()
	if n.waiting() != 0 {
		t.Error("a message that was sent is not recorded")
	}
}

// TestAFailedTransaction tests that it adds no message and does not wake the worker.
func TestAFailedTransaction(t *testing.T) {
	t.Parallel()
	n := newNode(t, storetest.SQLite(t))
	<-n.added
	broken := errors.New("broken")
	err := n.InTx(t.Context(), func(tx *store.Tx) error {
		if err := n.EnqueueEmail(t.Context(), tx, n.mail(account.Activation), n.user.ID); err != nil {
			return err
		}
		return broken
	})
	if !errors.Is(err, broken) || n.waiting() != 0 || len(n.added) != 0 {
		t.Errorf("%v; %d waiting", err, n.waiting())
	}
}

// TestTwoWorkersAtOnce tests that each message is delivered once.
func TestTwoWorkersAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		one := newNode(t, url)
		nodes := []*node{one, one.another(current)}
		const messages = 40
		for range messages {
			one.enqueue((*Outbox).EnqueueUnlimited, account.PasswordChanged)
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		delivered := make(chan account.ID)
		var running sync.WaitGroup
		for _, n := range nodes {
			w := n.worker(func(ctx context.Context, d Delivery) error {
				select {
				case delivered <- d.ID:
				case <-ctx.Done():
				}
				return ctx.Err()
			})
			w.interval = time.Millisecond
			running.Go(func() { w.Run(ctx) })
		}
		seen := map[account.ID]bool{}
		for range messages {
			id := <-delivered
			if seen[id] {
				t.Errorf("%s is delivered twice", id)
			}
			seen[id] = true
		}
		stop()
		running.Wait()
		if have := one.waiting(); have != 0 {
			t.Errorf("%d messages are still waiting", have)
		}
	})
}
