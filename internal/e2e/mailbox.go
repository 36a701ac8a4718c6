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

	"latchkey/internal/store/storetest"
)

// WaitForEmails waits until the site has logged something so many times.
func (s *Env) WaitForEmails(what string, times int) {
	s.T.Helper()
	WaitFor(s.T, "it never says "+what, func() bool { return strings.Count(s.Log.String(), what) >= times })
}

// Mailbox is a mail server that keeps what it is sent.
type Mailbox struct {
	t       testing.TB
	Setting string // LATCHKEY_SMTP_URL=…

	Mu      sync.Mutex
	Letters []Email
	Taken   int           // of the letters, those that a story has read
	verdict error         // for what comes, nil to accept it
	Hold    chan struct{} // what comes is kept, but not answered until this is closed
	Came    chan Email    // each one as it comes, accepted or not
}

// Email is a mail as its reader has it.
type Email struct {
	ID, From, To, Subject, Language string
	Text, HTML                      string
	Headers                         netmail.Header
	Recipients                      []string // of the envelope
}

// NewMailbox starts a mail server on a free port of this machine.
func NewMailbox(t testing.TB) *Mailbox {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	box := &Mailbox{t: t, Setting: "LATCHKEY_SMTP_URL=smtp://" + listener.Addr().String(), Came: make(chan Email, 1000)}
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

// delivery is one connection to a mailbox.
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
	l, err := readLetter(r)
	if err != nil {
		return err
	}
	l.Recipients = d.recipients
	d.box.Mu.Lock()
	verdict, hold := d.box.verdict, d.box.Hold
	if verdict == nil {
		d.box.Letters = append(d.box.Letters, l)
	}
	d.box.Mu.Unlock()
	d.box.Came <- l
	if hold != nil {
		<-hold
	}
	return verdict
}

func readLetter(r io.Reader) (Email, error) {
	message, err := netmail.ReadMessage(r)
	if err != nil {
		return Email{}, err
	}
	h := message.Header
	subject, err := new(mime.WordDecoder).DecodeHeader(h.Get("Subject"))
	if err != nil {
		return Email{}, err
	}
	l := Email{
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
			return l, nil
		}
		if err != nil {
			return Email{}, err
		}
		body, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil {
			return Email{}, err
		}
		if strings.HasPrefix(part.Header.Get("Content-Type"), "text/html") {
			l.HTML = string(body)
		} else {
			l.Text = strings.ReplaceAll(string(body), "\r\n", "\n")
		}
	}
}

var tokenForm = regexp.MustCompile(`#token=([A-Za-z0-9_-]{43})\b`)

// Token returns the one-time token of the letter's link, or "".
func (l Email) Token() string {
	if found := tokenForm.FindStringSubmatch(l.Text); found != nil {
		return found[1]
	}
	return ""
}

// Response lets the mailbox refuse what comes with an SMTP code, or accept it again with 0.
func (box *Mailbox) Response(code int) {
	box.Mu.Lock()
	defer box.Mu.Unlock()
	box.verdict = nil
	if code != 0 {
		box.verdict = &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 0, 0}, Message: "not now"}
	}
}

// Next waits until something comes to the mailbox, accepted or not.
func (box *Mailbox) Next() Email {
	box.t.Helper()
	select {
	case l := <-box.Came:
		return l
	case <-time.After(Timeout):
		box.t.Fatal("no mail came")
		return Email{}
	}
}

// NextEmails returns what has come to the mailbox since the last call, by recipient, once the site has nothing more to
// send. Several to one recipient are a mistake of the story.
func (s *Env) NextEmails(box *Mailbox) map[string]Email {
	s.T.Helper()
	s.WaitForOutbox()
	box.Mu.Lock()
	defer box.Mu.Unlock()
	byRecipient := map[string]Email{}
	for _, l := range box.Letters[box.Taken:] {
		if _, twice := byRecipient[l.To]; twice {
			s.T.Fatalf("two mails to %s: %q", l.To, l.Subject)
		}
		byRecipient[l.To] = l
		if token := l.Token(); token != "" {
			s.Secrets.Store(token, true)
		}
	}
	box.Taken = len(box.Letters)
	return byRecipient
}

// WaitForOutbox waits until the outbox is empty.
func (s *Env) WaitForOutbox() {
	s.T.Helper()
	for deadline := time.Now().Add(Timeout); ; {
		queued, oldest, err := s.Server.Service().Outbox.Stats(s.T.Context())
		if err != nil {
			s.T.Fatal(err)
		}
		if queued == 0 {
			return
		}
		if time.Now().After(deadline) {
			s.T.Fatalf("%d mails are still in the outbox, the oldest since %s", queued, oldest)
		}
		<-time.After(time.Millisecond)
	}
}

// NextEmail returns the only mail that has come since the last call, which is to the address.
func (s *Env) NextEmail(box *Mailbox, to string) Email {
	s.T.Helper()
	letters := s.NextEmails(box)
	l, ok := letters["<"+to+">"]
	if !ok || len(letters) != 1 {
		s.T.Fatalf("want one mail to %s, have %q", to, slices.Collect(maps.Keys(letters)))
	}
	return l
}

// NoEmail demands that no mail has come since the last call.
func (s *Env) NoEmail(box *Mailbox) {
	s.T.Helper()
	for to, l := range s.NextEmails(box) {
		s.T.Fatalf("a mail to %s: %q", to, l.Subject)
	}
}

// EachWithMail tells a story on every engine to a server and the mailbox that all its mails go to.
func EachWithMail(t *testing.T, story func(t *testing.T, s *Env, box *Mailbox), settings ...string) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, url string) {
		box := NewMailbox(t)
		story(t, Start(t, url, append(settings, box.Setting)...), box)
	})
}
