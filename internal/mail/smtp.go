package mail

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	compose "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"latchkey/internal/account"
)

// Sender delivers messages.
type Sender interface {
	// Send returns nil once another system has accepted the message. After ErrRefused a retry is pointless.
	Send(ctx context.Context, m Message) error
}

// ErrRefused is returned for a message whose recipient or content is refused permanently.
var ErrRefused = errors.New("permanently refused")

// SMTP sends messages to one mail server (RFC 5321, RFC 6409), each on a connection of its own.
type SMTP struct {
	address  string // host:port
	host     string // in the certificate
	username string // empty for no authentication
	password string
	from     mail.Address
	implicit bool           // TLS from the first byte (RFC 8314, section 3.3), not by STARTTLS (RFC 3207)
	roots    *x509.CertPool // of the certificate; nil for those of the system

	allowPlaintext bool // if TLS is not offered

	connecting time.Duration // at most
	sending    time.Duration // at most, with connecting, until all is sent
	answering  time.Duration // at most, from then on
}

// NewSMTP returns a sender to a mail server. The address is smtp://user:password@host:port, with port 587 and no
// authentication unless given, or smtps:// with port 465. Special characters in it are percent-encoded. TLS is required
// and its certificate verified, except for a server on this machine or, with insecure, one without a password. from is
// the sender of every message, one address with or without a name. No error contains the address.
func NewSMTP(address, from string, insecure bool) (*SMTP, error) {
	s := &SMTP{connecting: 10 * time.Second, sending: 30 * time.Second, answering: 3 * time.Minute}
	if err := s.parse(address, insecure); err != nil {
		return nil, err
	}
	sender, err := mail.ParseAddress(from)
	if err != nil {
		return nil, errors.New("the sender must be one email address, such as Example <accounts@example.com>")
	}
	s.from = mail.Address{Name: sender.Name, Address: account.MailAddress(sender.Address)}
	at := strings.LastIndexByte(s.from.Address, '@')
	if at < 0 || !isASCII(s.from.Address) || account.CheckEmail(s.from.Address[:at]+"@example.com") != nil {
		return nil, errors.New("the sender's address must be plain ASCII before its @ and have a domain behind it")
	}
	return s, nil
}

func (s *SMTP) parse(address string, insecure bool) error {
	u, err := url.Parse(address)
	if err != nil {
		return errors.New("the mail server must be smtp://user:password@host:port, with / and the like as %2f")
	}
	port := u.Port()
	switch u.Scheme {
	case "smtp":
		port = cmp.Or(port, "587")
	case "smtps":
		port = cmp.Or(port, "465")
		s.implicit = true
	default:
		return errors.New("the mail server must begin with smtp:// or smtps://")
	}
	s.host = u.Hostname()
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || s.host == "" {
		return errors.New("the mail server must have a host, and a port of 1 to 65535 if any")
	}
	if strings.Trim(u.Path, "/") != "" || strings.ContainsAny(address, "?#") {
		return errors.New("the mail server must have nothing behind its host and port")
	}
	s.address = net.JoinHostPort(s.host, port)
	s.username = u.User.Username()
	s.password, _ = u.User.Password()
	if (s.username == "") != (s.password == "") {
		return errors.New("the mail server must have both a user and a password, or neither")
	}
	s.allowPlaintext = isLoopback(s.host) || insecure && s.username == ""
	return nil
}

func isLoopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

func isASCII(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r >= utf8.RuneSelf })
}

// Send sends the message within 30 s, and waits up to 3 minutes more for the server's last reply. Errors contain the
// server's replies without words that look like an address or a link.
//
// Errors: ErrRefused when the server replies 5xx to the recipient or the content, when m.To is not one address, and
// when its local part is not ASCII and the server does not offer SMTPUTF8 (RFC 6531).
func (s *SMTP) Send(ctx context.Context, m Message) error {
	if account.CheckEmail(m.To) != nil {
		return fmt.Errorf("%w: the recipient is not one email address", ErrRefused)
	}
	to := account.MailAddress(m.To)
	content, err := s.compose(m, to)
	if err != nil {
		return fmt.Errorf("compose: %w", err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	limit := time.AfterFunc(s.sending, func() { cancel(context.DeadlineExceeded) })
	defer limit.Stop()
	defer cancel(nil)
	dialer := net.Dialer{Timeout: s.connecting}
	conn, err := dialer.DialContext(ctx, "tcp", s.address)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close()
	// The library renews its deadlines and waits for some replies without one; closing the connection ends that.
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	sent := func() { limit.Reset(s.answering) }
	err = s.deliver(&limitedConn{Conn: conn, left: maxReplies}, to, content, sent)
	if err != nil && ctx.Err() != nil && !errors.Is(err, ErrRefused) {
		return fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	return err
}

// compose returns the message as it goes over the wire (RFC 5322, RFC 2045).
func (s *SMTP) compose(m Message, to string) ([]byte, error) {
	msg := compose.NewMsg(compose.WithNoDefaultUserAgent())
	msg.FromMailAddress(&s.from)
	msg.ToMailAddress(&mail.Address{Address: to})
	msg.SetMessageIDWithValue(m.ID)
	msg.SetDateWithValue(m.Date.UTC())
	msg.Subject(m.Subject)
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834, section 5
	msg.SetGenHeader(compose.HeaderContentLang, m.Language)
	msg.SetBodyString(compose.TypeTextPlain, m.Text)
	msg.AddAlternativeString(compose.TypeTextHTML, m.HTML)
	var content bytes.Buffer
	_, err := msg.WriteTo(&content)
	return content.Bytes(), err
}

// deliver sends the content over a connection. It calls sent once only the server's reply is missing, and returns nil
// as soon as the server has accepted the message.
func (s *SMTP) deliver(conn net.Conn, to string, content []byte, sent func()) error {
	client, err := s.connect(conn)
	if err != nil {
		return err
	}
	if s.username != "" {
		if err := s.authenticate(client); err != nil {
			return err
		}
	}
	if err := s.envelope(client, to); err != nil {
		return err
	}
	w, err := client.Data()
	if err != nil {
		return stepError("DATA", err)
	}
	if _, err := w.Write(content); err != nil {
		return stepError("content", err)
	}
	sent() // an email given up too early would arrive twice (RFC 5321, section 4.5.3.2.6)
	if err := w.Close(); err != nil {
		return classifyReply("content", err)
	}
	client.Quit()
	return nil
}

// connect greets the server and encrypts the connection, by TLS from the start or by STARTTLS.
func (s *SMTP) connect(conn net.Conn) (*smtp.Client, error) {
	config := &tls.Config{ServerName: s.host, MinVersion: tls.VersionTLS12, RootCAs: s.roots}
	if s.implicit {
		encrypted := tls.Client(conn, config)
		if err := encrypted.Handshake(); err != nil {
			return nil, fmt.Errorf("TLS: %w", err)
		}
		conn = encrypted
	}
	client, err := smtp.NewClient(conn, s.host)
	if err != nil {
		return nil, stepError("greeting", err)
	}
	_, domain, _ := strings.Cut(s.from.Address, "@")
	if err := client.Hello(domain); err != nil {
		return nil, stepError("EHLO", err)
	}
	if s.implicit {
		return client, nil
	}
	offered, _ := client.Extension("STARTTLS")
	switch {
	case offered:
		if err := client.StartTLS(config); err != nil {
			return nil, stepError("STARTTLS", err)
		}
	case !s.allowPlaintext:
		return nil, errors.New("STARTTLS: the server does not offer it, and others could read the email without it")
	}
	return client, nil
}

// envelope names the sender and the recipient.
func (s *SMTP) envelope(client *smtp.Client, to string) error {
	utf8Offered, _ := client.Extension("SMTPUTF8")
	if !isASCII(to) && !utf8Offered {
		return fmt.Errorf("%w: the server does not offer SMTPUTF8, which the recipient's address needs", ErrRefused)
	}
	// With SMTPUTF8, servers further on that lack it would reject an email that does not need it.
	client.SkipSMTPUTF8(isASCII(to))
	if err := client.Mail("<" + s.from.Address + ">"); err != nil {
		return stepError("MAIL FROM", err)
	}
	if err := client.Rcpt("<" + to + ">"); err != nil {
		return classifyReply("RCPT TO", err)
	}
	return nil
}

// authenticate signs in (RFC 4954). Errors contain only the code of the reply: some servers repeat what they were sent.
func (s *SMTP) authenticate(client *smtp.Client) error {
	_, offered := client.Extension("AUTH")
	mechanisms := strings.Fields(offered)
	var mechanism smtp.Auth
	switch {
	case slices.Contains(mechanisms, "PLAIN"):
		mechanism = smtp.PlainAuth("", s.username, s.password, s.host, s.allowPlaintext)
	case slices.Contains(mechanisms, "LOGIN"):
		mechanism = smtp.LoginAuth(s.username, s.password, s.host, s.allowPlaintext)
	default:
		return errors.New("AUTH: the server offers neither PLAIN nor LOGIN")
	}
	err := client.Auth(mechanism)
	if reply, ok := errors.AsType[*textproto.Error](err); ok {
		return fmt.Errorf("AUTH: the server replied %d", reply.Code)
	}
	if broken, ok := errors.AsType[net.Error](err); ok {
		return fmt.Errorf("AUTH: %w", broken)
	}
	if err != nil {
		return errors.New("AUTH: the server sent an unexpected reply")
	}
	return nil
}

// classifyReply returns the error of a step at which 5xx is about the message: ErrRefused, except for 552, which can
// mean a mailbox that is full at the moment (RFC 5321, section 4.5.3.1.10), and 554 to a recipient, which can be about
// us.
func classifyReply(step string, err error) error {
	reply, ok := errors.AsType[*textproto.Error](err)
	if ok && reply.Code >= 500 && reply.Code != 552 && (reply.Code != 554 || step != "RCPT TO") {
		return fmt.Errorf("%w: %w", ErrRefused, stepError(step, err))
	}
	return stepError(step, err)
}

// stepError returns the error of a step, without the words of a reply that could be an address, a link or a token.
func stepError(step string, err error) error {
	said := ""
	if reply, ok := errors.AsType[*textproto.Error](err); ok {
		said = fmt.Sprintf("%d %s", reply.Code, reply.Msg)
	} else if nonsense, ok := errors.AsType[textproto.ProtocolError](err); ok {
		said = string(nonsense)
	} else {
		return fmt.Errorf("%s: %w", step, err)
	}
	words := strings.Fields(oneLine(said))
	words = words[:min(len(words), maxWords)]
	for i, word := range words {
		if len(word) > maxWord || strings.ContainsAny(word, "@#") {
			words[i] = "…"
		}
	}
	return fmt.Errorf("%s: %s", step, strings.Join(words, " "))
}

// An error repeats at most maxWords words of a reply, of at most maxWord bytes.
const (
	maxWord  = 30
	maxWords = 40
)

// maxReplies is how many bytes a server can reply to one message, far more than it needs.
const maxReplies = 1 << 20

// limitedConn is a connection that returns at most left bytes, since replies are kept in memory.
type limitedConn struct {
	net.Conn
	left int
}

func (c *limitedConn) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, errors.New("server response too large")
	}
	n, err := c.Conn.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}
