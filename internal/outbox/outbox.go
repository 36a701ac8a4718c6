// Package outbox sends messages after the transaction that they belong to. [Outbox.EnqueueEmail] adds a message in the
// transaction, and a [Worker] on any node claims it afterwards and passes it to the [Handler] of its kind, which it
// retries until the message is sent, is refused or has expired. Emails are the only kind so far.
//
// An email that anyone can request is only a request at first. Which users receive it, if any, is resolved when the
// request is claimed, so that a request takes the same time and the same steps for every address.
//
// The package knows nothing of templates, SMTP or HTTP.
package outbox

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/store"
	"latchkey/internal/token"
)

// Kind is what sort of message something is. It decides which handler sends it.
type Kind string

// Email is the kind whose payload is an [account.Mail].
const Email Kind = "email"

// Delivery is one attempt to send a message.
type Delivery struct {
	Kind      Kind
	ID        account.ID // the same for all attempts
	Topic     string     // what it is about, for the log: of an email, the template
	Payload   any
	Attempt   int       // 1 for the first
	ExpiresAt time.Time // when it is given up
	Err       error     // why it cannot be sent, now or later; else nil
}

var errExpired = errors.New("it has expired")

const (
	batchSize = 8
	// lease is how long a node has for a batch before another node claims it: more than handlers take.
	lease = 5 * time.Minute
)

// Limits of the emails with one template to one address, so that no mailbox can be flooded.
var (
	perAddress = store.Allowance{Pause: time.Minute, Day: 20}
	unlimited  = store.Allowance{Day: math.MaxInt32}
)

// Options configure an [Outbox].
type Options struct {
	Resolve Resolve
	Now     func() time.Time // UTC, in microseconds
	Log     *slog.Logger
}

// Resolve returns the emails that a request results in, or none. It runs in the transaction that adds them.
type Resolve func(ctx context.Context, tx *store.Tx, request *store.OutboxMail) ([]Recipient, error)

// Recipient is a user who receives an email.
type Recipient struct {
	Template account.MailTemplate
	User     *account.User
	To       string // the address as the user has entered it, not as it was requested
}

// Outbox holds the messages of the database that are to be sent. It is safe for concurrent use.
type Outbox struct {
	options Options
	store   *store.Store
	secrets token.Secrets
	added   chan struct{} // gets a value when this node has added messages
}

// New returns the outbox of a database. The secrets seal the one-time tokens in it.
func New(st *store.Store, secrets token.Secrets, o Options) *Outbox {
	return &Outbox{options: o, store: st, secrets: secrets, added: make(chan struct{}, 1)}
}

// InTx is [store.Store.InTx] for a transaction that adds messages. The worker of this node sends them at once.
func (o *Outbox) InTx(ctx context.Context, f func(tx *store.Tx) error) error {
	err := o.store.InTx(ctx, f)
	if err == nil {
		select {
		case o.added <- struct{}{}:
		default: // the worker has not read the last value yet
		}
	}
	return err
}

// EnqueueRequest adds a request for an email to an address. user is the user it is about, or empty. Beyond one request
// a minute and 20 a day for the address and template it adds nothing, and does not report that.
func (o *Outbox) EnqueueRequest(ctx context.Context, tx *store.Tx, m account.Mail, user account.ID) error {
	return tx.EnqueueRequest(ctx, m, user, perAddress)
}

// EnqueueEmail adds an email to a user. If the template has a one-time token, it creates one that replaces the user's
// last one for the same template and address. Beyond 20 emails a day to the address with the template it adds none.
func (o *Outbox) EnqueueEmail(ctx context.Context, tx *store.Tx, m account.Mail, user account.ID) error {
	return o.enqueue(ctx, tx, m, user, perAddress)
}

// EnqueueUnlimited is EnqueueEmail without the limit, for emails that operators request.
func (o *Outbox) EnqueueUnlimited(ctx context.Context, tx *store.Tx, m account.Mail, user account.ID) error {
	return o.enqueue(ctx, tx, m, user, unlimited)
}

func (o *Outbox) enqueue(
	ctx context.Context, tx *store.Tx, m account.Mail, user account.ID, limit store.Allowance,
) error {
	sealed, err := o.createToken(ctx, tx, m, user)
	if err != nil {
		return err
	}
	return tx.EnqueueMail(ctx, m, user, sealed, limit)
}

// createToken creates the one-time token of an email, stores its hash and returns it sealed; nil if the template has
// none.
func (o *Outbox) createToken(
	ctx context.Context, tx *store.Tx, m account.Mail, user account.ID,
) (sealed []byte, err error) {
	if !m.Template.HasToken() {
		return nil, nil
	}
	text := token.NewOneTime()
	hash, _ := token.HashOneTime(text)
	if err := tx.UpsertToken(ctx, user, m.Template, m.To, hash, o.options.Now(), m.ExpiresAt); err != nil {
		return nil, err
	}
	return o.secrets.SealOneTime(text, string(m.ID))
}

// Claim returns messages that are due, which no other node claims during the lease, and resolves requests that are due.
// The caller reports what has become of each delivery with Sent or Failed; otherwise it is due again after the lease.
func (o *Outbox) Claim(ctx context.Context) (due []Delivery, err error) {
	now := o.options.Now()
	claimed, err := o.store.ClaimMails(ctx, now, now.Add(lease), batchSize)
	for _, m := range claimed {
		switch {
		case !now.Before(m.ExpiresAt):
			due = append(due, delivery(m, errExpired))
		case m.Unresolved:
			if err := o.resolve(ctx, m); err != nil && ctx.Err() == nil {
				o.options.Log.ErrorContext(ctx, "resolving an email request failed",
					"email", m.ID, "topic", m.Template, "error", err)
			}
		default:
			due = append(due, delivery(m, o.openToken(m)))
		}
	}
	return due, err
}

func delivery(m *store.OutboxMail, err error) Delivery {
	return Delivery{
		Kind:      Email,
		ID:        m.ID,
		Topic:     string(m.Template),
		Payload:   m.Mail,
		Attempt:   m.Attempts,
		ExpiresAt: m.ExpiresAt,
		Err:       err,
	}
}

// openToken sets the one-time token of an email, if its template has one.
func (o *Outbox) openToken(m *store.OutboxMail) (err error) {
	if m.Template.HasToken() {
		m.Token, err = o.secrets.OpenOneTime(m.SealedToken, string(m.ID))
	}
	return err
}

// resolve replaces a request by the emails that it results in. A request that fails is due again after the lease.
func (o *Outbox) resolve(ctx context.Context, request *store.OutboxMail) error {
	return o.InTx(ctx, func(tx *store.Tx) error {
		if ok, err := tx.LockRequest(ctx, request.ID); err != nil || !ok {
			return err
		}
		recipients, err := o.options.Resolve(ctx, tx, request)
		if err != nil {
			return err
		}
		if len(recipients) == 0 {
			return tx.FinishMail(ctx, request.ID, request.Attempts, store.MailDropped)
		}
		if err := o.replace(ctx, tx, request, recipients[0]); err != nil {
			return err
		}
		for _, r := range recipients[1:] {
			m := emailTo(r, request)
			m.ID = account.NewID(account.MailKind, o.options.Now())
			if err := o.EnqueueEmail(ctx, tx, m, r.User.ID); err != nil {
				return err
			}
		}
		return nil
	})
}

// replace turns a request into the email to its first recipient.
func (o *Outbox) replace(ctx context.Context, tx *store.Tx, request *store.OutboxMail, r Recipient) error {
	m := emailTo(r, request)
	sealed, err := o.createToken(ctx, tx, m, r.User.ID)
	if err != nil {
		return err
	}
	return tx.ResolveRequest(ctx, m, r.User.ID, sealed, o.options.Now())
}

func emailTo(r Recipient, request *store.OutboxMail) account.Mail {
	m := request.Mail
	m.Template, m.To, m.Username = r.Template, r.To, r.User.Username
	return m
}

// Stats returns how many messages are waiting to be sent, and for how long the oldest has been.
func (o *Outbox) Stats(ctx context.Context) (count int, age time.Duration, err error) {
	count, oldest, err := o.store.OutboxStats(ctx)
	if count > 0 {
		age = o.options.Now().Sub(oldest)
	}
	return count, age, err
}
