package auth

import (
	"context"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/store"
	"latchkey/internal/token"
)

// Every mail is a row of the outbox, written in the transaction of what it speaks of, and sent afterwards by whichever node
// claims it first. A mail that anybody may ask for is only a request at first: whether somebody has the address is looked
// up when the request is claimed, so that asking takes the same time and the same steps for every address.

// How long what a mail carries is good for.
const (
	activationLife = 24 * time.Hour
	resetLife      = time.Hour
	changeLife     = 24 * time.Hour
	noticeLife     = 24 * time.Hour // how long sending a mail without token is tried
)

var lives = map[account.Letter]time.Duration{
	account.Activation:        activationLife,
	account.PasswordReset:     resetLife,
	account.EmailConfirmation: changeLife,
	account.EmailChangeNotice: changeLife,
}

// allowance bounds the mails that others can have sent to an address.
var allowance = store.Allowance{Pause: time.Minute, Day: 20}

const (
	mailBatch = 8
	// mailLease is how long a node may take over a batch before another one sends it too.
	mailLease = 2 * time.Minute
	// waitersTold is how many accounts that wait for one address get their mail again at a request.
	waitersTold = 3

	firstRetry = 30 * time.Second // doubled with each attempt
	lastRetry  = time.Hour
)

// Delivery is a mail that is due, and which attempt this is.
type Delivery struct {
	account.Mail
	Attempt int
}

// MailWaiting returns a channel that gets a value after this node has put mails into the outbox.
func (s *Service) MailWaiting() <-chan struct{} { return s.mailWaiting }

// inTxWithMail is InTx for what puts mails into the outbox.
func (s *Service) inTxWithMail(ctx context.Context, f func(tx *store.Store) error) error {
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
	ctx context.Context, tx *store.Store, letter account.Letter, address string, user account.ID, client Client,
) error {
	return tx.AskForMail(ctx, s.newMail(letter, address, client), user, allowance)
}

// tell puts a letter to a user into the outbox, to the address they have; without one it does nothing.
func (s *Service) tell(
	ctx context.Context, tx *store.Store, user *account.User, letter account.Letter, client Client,
) error {
	if user.Email == nil {
		return nil
	}
	m := s.newMail(letter, *user.Email, client)
	m.Username = user.Username
	return tx.InsertMail(ctx, m, user.ID, nil)
}

func (s *Service) newMail(letter account.Letter, address string, client Client) account.Mail {
	now := s.Now()
	life, ok := lives[letter]
	if !ok {
		life = noticeLife
	}
	return account.Mail{
		ID:        account.NewID(account.MailKind, now),
		Letter:    letter,
		To:        address,
		Languages: account.Printable(client.Languages, account.MaxLanguages),
		IPAddress: client.IPAddress,
		CreatedAt: now,
		ExpiresAt: now.Add(life),
	}
}

// oneTime makes the token of a mail to a user, keeps its hash, and returns it sealed for the outbox.
func (s *Service) oneTime(ctx context.Context, tx *store.Store, m account.Mail, user account.ID) ([]byte, error) {
	text := token.NewOneTime()
	hash, _ := token.HashOneTime(text)
	if err := tx.PutOneTime(ctx, user, m.Letter, m.To, hash, s.Now(), m.ExpiresAt); err != nil {
		return nil, err
	}
	return s.secrets.SealOneTime(text, string(m.ID))
}

// DueMails claims mails that are due and returns those to be sent now. Call MailSent or MailFailed for each of them; what
// is not heard of again is due again after two minutes.
func (s *Service) DueMails(ctx context.Context) ([]Delivery, error) {
	now := s.Now()
	claimed, err := s.store.ClaimMails(ctx, now, now.Add(mailLease), mailBatch)
	if err != nil {
		return nil, err
	}
	var due []Delivery
	for _, m := range claimed {
		d := Delivery{Mail: m.Mail, Attempt: m.Attempts}
		if !now.Before(m.ExpiresAt) {
			s.finish(ctx, d, store.MailFailed, "expired", nil)
			continue
		}
		if m.Asked {
			if err := s.answer(ctx, m); err != nil {
				s.Log.ErrorContext(ctx, "a request for a mail was not answered", "mail", m.ID, "letter", m.Letter, "error", err)
			}
			continue
		}
		if m.Letter.HasToken() {
			if d.Token, err = s.secrets.OpenOneTime(m.SealedToken, string(m.ID)); err != nil {
				s.finish(ctx, d, store.MailFailed, "unreadable", err)
				continue
			}
		}
		due = append(due, d)
	}
	return due, nil
}

// answer turns a request into mails to those who have the address or wait for it, or into none. A request that fails is
// due again.
func (s *Service) answer(ctx context.Context, asked *store.Outgoing) error {
	return s.inTxWithMail(ctx, func(tx *store.Store) error {
		if ok, err := tx.HoldRequest(ctx, asked.ID); err != nil || !ok {
			return err
		}
		users, err := tx.UsersByAddress(ctx, asked.AddressKey, 1+waitersTold)
		if err != nil {
			return err
		}
		replies := s.replies(asked, users)
		if asked.Letter == account.EmailConfirmation {
			if replies, err = s.confirmation(ctx, tx, asked, users); err != nil {
				return err
			}
		}
		if len(replies) == 0 {
			return tx.FinishMail(ctx, asked.ID, store.MailDropped)
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
				err = tx.InsertMail(ctx, m, reply.user.ID, sealed)
			} else {
				err = tx.AnswerMail(ctx, m, reply.user.ID, sealed, s.Now())
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
	letter account.Letter
	user   *account.User
	to     string // as the user wrote it, not as the asker did
}

// replies returns the letters that a request comes to, given who has the address, if anybody, and who waits for it.
func (s *Service) replies(asked *store.Outgoing, users []*account.User) (replies []reply) {
	holder, waiting := holderOf(users)
	switch asked.Letter {
	case account.PasswordReset, account.UsernameReminder:
		for _, user := range users {
			if user.Status != account.Disabled {
				replies = append(replies, reply{asked.Letter, user, *user.Email})
			}
			break
		}
	case account.Activation:
		for _, user := range waiting {
			if asked.UserID != "" && user.ID != asked.UserID {
				continue
			}
			if holder != nil && holder.EmailVerified {
				return []reply{{account.KnownAddress, holder, *holder.Email}}
			}
			replies = append(replies, reply{account.Activation, user, *user.Email})
		}
	}
	return replies
}

// confirmation returns the letter that a request for a change of address comes to.
func (s *Service) confirmation(
	ctx context.Context, tx *store.Store, asked *store.Outgoing, users []*account.User,
) ([]reply, error) {
	user, err := tx.User(ctx, asked.UserID)
	if err != nil {
		return nil, unlessAbsent(err)
	}
	holder, _ := holderOf(users)
	switch {
	case user.PendingEmail == nil || account.EmailKey(*user.PendingEmail) != asked.AddressKey:
		return nil, nil
	case holder != nil && holder.EmailVerified && holder.ID != user.ID:
		return []reply{{account.KnownAddress, holder, *holder.Email}}, nil
	}
	return []reply{{account.EmailConfirmation, user, *user.PendingEmail}}, nil
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
	return s.finish(ctx, d, store.MailSent, "sent", nil)
}

// MailFailed notes why a mail could not be sent, and puts it off until it is worth another try, if it is before what it
// carries expires; gaveUp tells that it is not. A mail that is refused is never worth one.
func (s *Service) MailFailed(ctx context.Context, d Delivery, refused bool, cause error) (gaveUp bool, err error) {
	pause := min(firstRetry<<min(d.Attempt-1, 10), lastRetry)
	due := s.Now().Add(pause)
	if refused || !due.Before(d.ExpiresAt) {
		return true, s.finish(ctx, d, store.MailFailed, "failed", cause)
	}
	s.Log.WarnContext(ctx, "mail put off", "mail", d.ID, "letter", d.Letter, "attempt", d.Attempt, "pause", pause, "error", cause)
	return false, s.store.PutOffMail(ctx, d.ID, due)
}

func (s *Service) finish(ctx context.Context, d Delivery, state store.MailState, word string, cause error) error {
	log := s.Log.InfoContext
	attributes := []any{"mail", d.ID, "letter", d.Letter, "attempt", d.Attempt}
	if state == store.MailFailed {
		log, attributes = s.Log.ErrorContext, append(attributes, "error", cause)
	}
	log(ctx, "mail "+word, attributes...)
	return s.store.FinishMail(ctx, d.ID, state)
}

// MailsWaiting returns how many mails wait to be sent, and for how long the oldest has.
func (s *Service) MailsWaiting(ctx context.Context) (count int, age time.Duration, err error) {
	count, oldest, err := s.store.Waiting(ctx)
	if count > 0 {
		age = s.Now().Sub(oldest)
	}
	return count, age, err
}
