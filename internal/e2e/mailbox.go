package e2e

import (
	"errors"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
)

// Mailbox is an SMTP server that keeps the emails that it receives.
type Mailbox struct {
	Setting string // LATCHKEY_SMTP_URL=…

	t        testing.TB
	received chan Email // accepted or not
	mu       sync.Mutex
	accepted []Email
	read     int           // the number of accepted emails that a test has read
	reply    error         // to the next emails, nil to accept them
	hold     chan struct{} // replies wait until it is closed
}

// NewMailbox starts a mailbox on a free local port.
func NewMailbox(t testing.TB) *Mailbox {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	box := &Mailbox{t: t, Setting: "LATCHKEY_SMTP_URL=smtp://" + listener.Addr().String(), received: make(chan Email, 1000)}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &delivery{box: box}, nil }))
	server.Domain = "localhost"
	done := make(chan struct{})
	go func() {
		defer close(done)
		server.Serve(listener)
	}()
	t.Cleanup(func() {
		server.Close()
		<-done
	})
	return box
}

// EachWithMail is [Each] with a mailbox that receives the server's emails.
func EachWithMail(t *testing.T, story func(t *testing.T, s *Env, box *Mailbox), settings ...string) {
	t.Helper()
	EachDatabase(t, withMail(story, settings))
}

// EachStrictWithMail is [EachStrict] with a mailbox that receives the server's emails.
func EachStrictWithMail(t *testing.T, story func(t *testing.T, s *Env, box *Mailbox), settings ...string) {
	t.Helper()
	EachDatabaseStrict(t, withMail(story, settings))
}

func withMail(story func(t *testing.T, s *Env, box *Mailbox), settings []string) func(t *testing.T, url string) {
	return func(t *testing.T, url string) {
		box := NewMailbox(t)
		story(t, Start(t, url, slices.Concat(settings, []string{box.Setting})...), box)
	}
}

// Email is a received email.
type Email struct {
	ID, From, To, Subject, Language string
	Text, HTML                      string
	Headers                         netmail.Header
	Recipients                      []string // of the envelope
}

var tokenInLink = regexp.MustCompile(`#token=([A-Za-z0-9_-]{43})\b`)

// Token returns the one-time token in the link of an email, or "".
func (email Email) Token() string {
	if found := tokenInLink.FindStringSubmatch(email.Text); found != nil {
		return found[1]
	}
	return ""
}

// Reply sets the SMTP code with which the mailbox rejects emails; 0 accepts them.
func (box *Mailbox) Reply(code int) {
	box.mu.Lock()
	defer box.mu.Unlock()
	box.reply = nil
	if code != 0 {
		box.reply = &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 0, 0}, Message: "not now"}
	}
}

// Hold delays the replies to received emails until release is called.
func (box *Mailbox) Hold() (release func()) {
	box.mu.Lock()
	defer box.mu.Unlock()
	hold := make(chan struct{})
	box.hold = hold
	return sync.OnceFunc(func() {
		box.mu.Lock()
		box.hold = nil
		box.mu.Unlock()
		close(hold)
	})
}

// Next waits for the next email that the mailbox receives, accepted or not.
func (box *Mailbox) Next() Email {
	box.t.Helper()
	select {
	case email := <-box.received:
		return email
	case <-time.After(Timeout):
		box.t.Fatal("no mail came")
		return Email{}
	}
}

// Drain discards the emails that [Mailbox.Next] has not returned.
func (box *Mailbox) Drain() {
	for len(box.received) > 0 {
		<-box.received
	}
}

// All returns all accepted emails, and marks them as read for [Env.NextEmails].
func (box *Mailbox) All() []Email {
	box.mu.Lock()
	defer box.mu.Unlock()
	box.read = len(box.accepted)
	return slices.Clone(box.accepted)
}

// NextEmails waits until the outbox is empty and returns the emails accepted since the last call, by recipient. It
// fails the test if a recipient has several.
func (env *Env) NextEmails(box *Mailbox) map[string]Email {
	env.T.Helper()
	env.WaitForOutbox()
	box.mu.Lock()
	defer box.mu.Unlock()
	byRecipient := map[string]Email{}
	for _, email := range box.accepted[box.read:] {
		if _, twice := byRecipient[email.To]; twice {
			env.T.Fatalf("two mails to %s: %q", email.To, email.Subject)
		}
		byRecipient[email.To] = email
		if token := email.Token(); token != "" {
			env.Secrets.Store(token, true)
		}
	}
	box.read = len(box.accepted)
	return byRecipient
}

// NextEmail returns the only email since the last call, which must be to an address.
func (env *Env) NextEmail(box *Mailbox, to string) Email {
	env.T.Helper()
	emails := env.NextEmails(box)
	email, ok := emails["<"+to+">"]
	if !ok || len(emails) != 1 {
		env.T.Fatalf("want one mail to %s, have %q", to, slices.Collect(maps.Keys(emails)))
	}
	return email
}

// AssertNoEmail fails the test if an email was sent since the last call of [Env.NextEmails].
func (env *Env) AssertNoEmail(box *Mailbox) {
	env.T.Helper()
	for to, email := range env.NextEmails(box) {
		env.T.Fatalf("a mail to %s: %q", to, email.Subject)
	}
}

// WaitForOutbox waits until the outbox is empty.
func (env *Env) WaitForOutbox() {
	env.T.Helper()
	for deadline := time.Now().Add(Timeout); ; {
		queued, oldest, err := env.Server.Service().Outbox.Stats(env.T.Context())
		if err != nil {
			env.T.Fatal(err)
		}
		if queued == 0 {
			return
		}
		if time.Now().After(deadline) {
			env.T.Fatalf("%d mails are still in the outbox, the oldest since %s", queued, oldest)
		}
		<-time.After(time.Millisecond)
	}
}

// delivery is a connection to a mailbox.
type delivery struct {
	box        *Mailbox
	recipients []string
}

func (d *delivery) Reset() { d.recipients = nil }

func (d *delivery) Logout() error { return nil }

func (d *delivery) Mail(string, *smtp.MailOptions) error { return nil }

func (d *delivery) Rcpt(to string, _ *smtp.RcptOptions) error {
	d.recipients = append(d.recipients, to)
	return nil
}

func (d *delivery) Data(r io.Reader) error {
	email, err := readEmail(r)
	if err != nil {
		return err
	}
	email.Recipients = d.recipients
	d.box.mu.Lock()
	reply, hold := d.box.reply, d.box.hold
	if reply == nil {
		d.box.accepted = append(d.box.accepted, email)
	}
	d.box.mu.Unlock()
	d.box.received <- email
	if hold != nil {
		<-hold
	}
	return reply
}

func readEmail(r io.Reader) (Email, error) {
	message, err := netmail.ReadMessage(r)
	if err != nil {
		return Email{}, err
	}
	h := message.Header
	subject, err := new(mime.WordDecoder).DecodeHeader(h.Get("Subject"))
	if err != nil {
		return Email{}, err
	}
	email := Email{
		ID: h.Get("Message-Id"), From: h.Get("From"), To: h.Get("To"), Subject: subject,
		Language: h.Get("Content-Language"), Headers: h,
	}
	_, parameters, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return Email{}, err
	}
	for parts := multipart.NewReader(message.Body, parameters["boundary"]); ; {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return email, nil
		}
		if err != nil {
			return Email{}, err
		}
		body, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil {
			return Email{}, err
		}
		if strings.HasPrefix(part.Header.Get("Content-Type"), "text/html") {
			email.HTML = string(body)
		} else {
			email.Text = strings.ReplaceAll(string(body), "\r\n", "\n")
		}
	}
}
