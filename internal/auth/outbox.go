package auth

import (
	"context"
	"errors"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/store"
	"latchkey/internal/token"
)

// Every mail is a row of the outbox, written in the transaction of what it speaks of, and sent afterwards by whichever
// node claims it first. A mail that anybody may ask for is only a request at first: whether somebody has the address is
// looked up when the request is claimed, so that asking takes the same time and the same steps for every address.

// allowance bounds each letter to an address, so that nobody can have a mailbox filled.
var allowance = store.Allowance{Pause: time.Minute, Day: 20}

const (
	mailBatch = 8
	// mailLease is how long a node may take over a batch before another one sends it too: more than a sender takes.
	mailLease = 5 * time.Minute
	// waitersTold is how many accounts that wait for one address get their mail again at a request.
	waitersTold = 3

	firstRetry = 30 * time.Second // doubled with each attempt
	lastRetry  = 10 * time.Minute
	lastCall   = time.Minute // before a mail expires it is tried once more
)

// Delivery is a mail that is due, and which attempt this is.
type Delivery struct {
	account.Mail
	Attempt int
	Problem error // why it cannot be sent, now or later; nil when it can
}

var errExpired = errors.New("it has expired")

// OutboxSignal returns a channel that gets a value after this node has put mails into the outbox.
func (s *Service) OutboxSignal() <-chan struct{} { return s.mailWaiting }

// inTxWithMail is InTx for what puts mails into the outbox.
func (s *Service) inTxWithMail(ctx context.Context, f func(tx *store.Tx) error) error {
	err := s.store.InTx(ctx, f)
	if err == nil {
		s.wakeSender()
	}
	return err
}

func (s *Service) wakeSender() {
	select {
	case s.mailWaiting <- struct{}{}:
	default: // it is awake
	}
}

// askForMail puts a request into the outbox for a letter to an address; user is whom it is about, or empty.
func (s *Service) askForMail(
	ctx context.Context, tx *store.Tx, letter account.MailTemplate, address string, user account.ID, client ClientInfo,
) error {
	return tx.EnqueueRequest(ctx, s.newMail(letter, address, client), user, allowance)
}

// tell puts a letter to a user into the outbox, to the address they have; without one it does nothing.
func (s *Service) tell(
	ctx context.Context, tx *store.Tx, user *account.User, letter account.MailTemplate, client ClientInfo,
) error {
	if user.Email == nil {
		return nil
	}
	m := s.newMail(letter, *user.Email, client)
	m.Username = user.Username
	return tx.EnqueueMail(ctx, m, user.ID, nil, allowance)
}

func (s *Service) newMail(letter account.MailTemplate, address string, client ClientInfo) account.Mail {
	now := s.Now()
	return account.Mail{
		ID:        account.NewID(account.MailKind, now),
		Letter:    letter,
		To:        address,
		Languages: account.Printable(client.Languages, account.MaxLanguages),
		IPAddress: client.IPAddress,
		CreatedAt: now,
		ExpiresAt: now.Add(letter.TTL()),
	}
}

// oneTime makes the token of a mail to a user, keeps its hash, and returns it sealed for the outbox.
func (s *Service) oneTime(ctx context.Context, tx *store.Tx, m account.Mail, user account.ID) ([]byte, error) {
	text := token.NewOneTime()
	hash, _ := token.HashOneTime(text)
	if err := tx.UpsertToken(ctx, user, m.Letter, m.To, hash, s.Now(), m.ExpiresAt); err != nil {
		return nil, err
	}
	return s.secrets.SealOneTime(text, string(m.ID))
}

// DueMails claims mails that are due and returns them. Call MailSent or MailFailed for each of them; what is not heard
// of again is due again after five minutes.
func (s *Service) DueMails(ctx context.Context) (due []Delivery, err error) {
	now := s.Now()
	claimed, err := s.store.ClaimMails(ctx, now, now.Add(mailLease), mailBatch)
	for _, m := range claimed {
		d := Delivery{Mail: m.Mail, Attempt: m.Attempts}
		switch {
		case !now.Before(m.ExpiresAt):
			d.Problem = errExpired
		case m.Unresolved:
			if err := s.answer(ctx, m); err != nil && ctx.Err() == nil {
				s.Log.ErrorContext(ctx, "a request for a mail was not answered", "mail", m.ID, "letter", m.Letter, "error", err)
			}
			continue
		case m.Letter.HasToken():
			d.Token, d.Problem = s.secrets.OpenOneTime(m.SealedToken, string(m.ID))
		}
		due = append(due, d)
	}
	return due, err
}

// answer turns a request into mails to those who have the address or wait for it, or into none. A request that fails is
// due again.
func (s *Service) answer(ctx context.Context, asked *store.OutboxMail) error {
	return s.inTxWithMail(ctx, func(tx *store.Tx) error {
		if ok, err := tx.LockRequest(ctx, asked.ID); err != nil || !ok {
			return err
		}
		replies, err := s.replies(ctx, tx, asked)
		if err != nil {
			return err
		}
		if len(replies) == 0 {
			return tx.FinishMail(ctx, asked.ID, asked.Attempts, store.MailDropped)
		}
		for i, reply := range replies {
			m := asked.Mail
			m.Letter, m.To, m.Username = reply.letter, reply.to, reply.user.Username
			if i > 0 {
				m.ID = account.NewID(account.MailKind, s.Now())
			}
			var sealed []byte
			if m.Letter.HasToken() {
				if sealed, err = s.oneTime(ctx, tx, m, reply.user.ID); err != nil {
					return err
				}
			}
			if i > 0 {
				err = tx.EnqueueMail(ctx, m, reply.user.ID, sealed, allowance)
			} else {
				err = tx.ResolveRequest(ctx, m, reply.user.ID, sealed, s.Now())
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// reply is a letter to one of those who have an address or wait for it.
type reply struct {
	letter account.MailTemplate
	user   *account.User
	to     string // as the user wrote it, not as the asker did
}

// replies returns the letters that a request comes to, given who has the address, if anybody, and who waits for it.
func (s *Service) replies(ctx context.Context, tx *store.Tx, asked *store.OutboxMail) (replies []reply, err error) {
	users, err := tx.UsersByAddress(ctx, asked.AddressKey, 1+waitersTold)
	if err != nil {
		return nil, err
	}
	var subject *account.User
	if asked.UserID != "" {
		if subject, err = tx.User(ctx, asked.UserID); err != nil {
			return nil, ignoreNotFound(err)
		}
	}
	holder, waiting := holderOf(users)
	var to *string
	switch {
	case asked.Letter == account.PasswordReset || asked.Letter == account.UsernameReminder:
		if len(users) > 0 && users[0].Status != account.Disabled {
			replies = append(replies, reply{asked.Letter, users[0], *users[0].Email})
		}
		return replies, nil
	case subject == nil: // the mails of those who wait, again
		for _, user := range waiting[:min(len(waiting), waitersTold)] {
			replies = append(replies, reply{asked.Letter, user, *user.Email})
		}
	case asked.Letter == account.Activation && subject.Status == account.Pending:
		to = subject.Email
	case asked.Letter == account.EmailConfirmation:
		to = subject.PendingEmail
	}
	if to != nil && account.EmailKey(*to) == asked.AddressKey {
		replies = append(replies, reply{asked.Letter, subject, *to})
	}
	if len(replies) > 0 && holder != nil && holder.EmailVerified && (subject == nil || holder.ID != subject.ID) {
		replies = []reply{{account.KnownAddress, holder, *holder.Email}}
	}
	return replies, nil
}

// holderOf returns the user who has an address, or nil, and those who wait for it.
func holderOf(users []*account.User) (holder *account.User, waiting []*account.User) {
	if len(users) > 0 && users[0].Status != account.Pending {
		return users[0], users[1:]
	}
	return nil, users
}

// MailSent notes that a mail is on its way, and forgets its token.
func (s *Service) MailSent(ctx context.Context, d Delivery) error {
	s.Log.InfoContext(ctx, "mail sent", "mail", d.ID, "letter", d.Letter, "attempt", d.Attempt)
	return s.store.FinishMail(ctx, d.ID, d.Attempt, store.MailSent)
}

// MailFailed notes why a mail could not be sent. It puts the mail off until it is worth another try, the last one just
// before the mail expires; gaveUp tells that there will be none. A mail that is refused for good is not worth one.
func (s *Service) MailFailed(ctx context.Context, d Delivery, refused bool, cause error) (gaveUp bool, err error) {
	now := s.Now()
	pause := min(firstRetry<<min(d.Attempt-1, 10), lastRetry)
	if left := d.ExpiresAt.Sub(now) - lastCall; pause > left && left >= firstRetry {
		pause = left
	}
	attributes := []any{"mail", d.ID, "letter", d.Letter, "attempt", d.Attempt, "error", cause}
	if due := now.Add(pause); !refused && due.Before(d.ExpiresAt) {
		s.Log.WarnContext(ctx, "mail put off", append(attributes, "pause", pause)...)
		return false, s.store.PostponeMail(ctx, d.ID, d.Attempt, due)
	}
	s.Log.ErrorContext(ctx, "mail given up", attributes...)
	return true, s.store.FinishMail(ctx, d.ID, d.Attempt, store.MailFailed)
}

// OutboxStats returns how many mails wait to be sent, and for how long the oldest has.
func (s *Service) OutboxStats(ctx context.Context) (count int, age time.Duration, err error) {
	count, oldest, err := s.store.OutboxStats(ctx)
	if count > 0 {
		age = s.Now().Sub(oldest)
	}
	return count, age, err
}
