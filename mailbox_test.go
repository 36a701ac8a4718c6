package main

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

// mailbox is a mail server that keeps what it is sent.
type mailbox struct {
	t       testing.TB
	setting string // LATCHKEY_SMTP_URL=…

	mu      sync.Mutex
	letters []letter
	taken   int           // of the letters, those that a story has read
	verdict error         // for what comes, nil to accept it
	hold    chan struct{} // what comes is kept, but not answered until this is closed
	came    chan letter   // each one as it comes, accepted or not
}

// letter is a mail as its reader has it.
type letter struct {
	ID, From, To, Subject, Language string
	Text, HTML                      string
	Headers                         netmail.Header
	Recipients                      []string // of the envelope
}

// newMailbox starts a mail server on a free port of this machine.
func newMailbox(t testing.TB) *mailbox {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	box := &mailbox{t: t, setting: "LATCHKEY_SMTP_URL=smtp://" + listener.Addr().String(), came: make(chan letter, 1000)}
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
	box        *mailbox
	recipients []string
}

func (d *delivery) Reset()        { d.recipients = nil }
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
	d.box.mu.Lock()
	verdict, hold := d.box.verdict, d.box.hold
	if verdict == nil {
		d.box.letters = append(d.box.letters, l)
	}
	d.box.mu.Unlock()
	d.box.came <- l
	if hold != nil {
		<-hold
	}
	return verdict
}

func readLetter(r io.Reader) (letter, error) {
	message, err := netmail.ReadMessage(r)
	if err != nil {
		return letter{}, err
	}
	h := message.Header
	subject, err := new(mime.WordDecoder).DecodeHeader(h.Get("Subject"))
	if err != nil {
		return letter{}, err
	}
	l := letter{
		ID: h.Get("Message-Id"), From: h.Get("From"), To: h.Get("To"), Subject: subject,
		Language: h.Get("Content-Language"), Headers: h,
	}
	_, parameters, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return letter{}, err
	}
	for parts := multipart.NewReader(message.Body, parameters["boundary"]); ; {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return l, nil
		}
		if err != nil {
			return letter{}, err
		}
		body, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil {
			return letter{}, err
		}
		if strings.HasPrefix(part.Header.Get("Content-Type"), "text/html") {
			l.HTML = string(body)
		} else {
			l.Text = strings.ReplaceAll(string(body), "\r\n", "\n")
		}
	}
}

var tokenForm = regexp.MustCompile(`#token=([A-Za-z0-9_-]{43})\b`)

// token returns the one-time token of the letter's link, or "".
func (l letter) token() string {
	if found := tokenForm.FindStringSubmatch(l.Text); found != nil {
		return found[1]
	}
	return ""
}

// answer lets the mailbox refuse what comes with an SMTP code, or accept it again with 0.
func (box *mailbox) answer(code int) {
	box.mu.Lock()
	defer box.mu.Unlock()
	box.verdict = nil
	if code != 0 {
		box.verdict = &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 0, 0}, Message: "not now"}
	}
}

// silent lets the mailbox keep what comes and not say so, until the function returned is called.
func (box *mailbox) silent() (speak func()) {
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

// next waits until something comes to the mailbox, accepted or not.
func (box *mailbox) next() letter {
	box.t.Helper()
	select {
	case l := <-box.came:
		return l
	case <-time.After(patience):
		box.t.Fatal("no mail came")
		return letter{}
	}
}

// letters returns what has come to the mailbox since the last call, by recipient, once the site has nothing more to
// send. Several to one recipient are a mistake of the story.
func (s *site) letters(box *mailbox) map[string]letter {
	s.t.Helper()
	s.settle()
	box.mu.Lock()
	defer box.mu.Unlock()
	byRecipient := map[string]letter{}
	for _, l := range box.letters[box.taken:] {
		if _, twice := byRecipient[l.To]; twice {
			s.t.Fatalf("two mails to %s: %q", l.To, l.Subject)
		}
		byRecipient[l.To] = l
		if token := l.token(); token != "" {
			s.secrets.Store(token, true)
		}
	}
	box.taken = len(box.letters)
	return byRecipient
}

// settle waits until the outbox is empty.
func (s *site) settle() {
	s.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		queued, oldest, err := s.server.service.Outbox.Stats(s.t.Context())
		if err != nil {
			s.t.Fatal(err)
		}
		if queued == 0 {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%d mails are still in the outbox, the oldest since %s", queued, oldest)
		}
		<-time.After(time.Millisecond)
	}
}

// letter returns the only mail that has come since the last call, which is to the address.
func (s *site) letter(box *mailbox, to string) letter {
	s.t.Helper()
	letters := s.letters(box)
	l, ok := letters["<"+to+">"]
	if !ok || len(letters) != 1 {
		s.t.Fatalf("want one mail to %s, have %q", to, slices.Collect(maps.Keys(letters)))
	}
	return l
}

// noLetter demands that no mail has come since the last call.
func (s *site) noLetter(box *mailbox) {
	s.t.Helper()
	for to, l := range s.letters(box) {
		s.t.Fatalf("a mail to %s: %q", to, l.Subject)
	}
}

// onEachWithMail tells a story on every engine to a server and the mailbox that all its mails go to.
func onEachWithMail(t *testing.T, story func(t *testing.T, s *site, box *mailbox), settings ...string) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, url string) {
		box := newMailbox(t)
		story(t, serve(t, url, append(settings, box.setting)...), box)
	})
}

// onEachStrictWithMail also tells it on PostgreSQL with serializable transactions.
func onEachStrictWithMail(t *testing.T, story func(t *testing.T, s *site, box *mailbox), settings ...string) {
	t.Helper()
	storetest.EachStrict(t, func(t *testing.T, url string) {
		box := newMailbox(t)
		story(t, serve(t, url, append(settings, box.setting)...), box)
	})
}

const verification = "LATCHKEY_EMAIL_VERIFICATION=required"
