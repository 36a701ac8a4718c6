package mail

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"math/big"
	"mime"
	"mime/multipart"
	"net"
	netmail "net/mail"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"latchkey/internal/account"
)

const (
	host   = "mail.example.com" // of the server in the tests, whatever its address
	from   = "Latchkey <accounts@example.com>"
	secret = "jump/up@once"
)

// catcher is an SMTP server that stores the accepted messages.
type catcher struct {
	address  string
	mechs    []string      // of authentication, which is then required
	blocked  chan struct{} // if not nil, the reply to the content waits until it is closed
	mailFrom error         // the reply to MAIL FROM, and so on
	rcptTo   error
	data     error

	mu     sync.Mutex
	caught []envelope
}

type envelope struct {
	from    string
	utf8    bool
	to      []string
	content []byte
}

// catch starts an SMTP server on a free port, with TLS if certificate is not nil. change is called before it serves.
func catch(t *testing.T, certificate *tls.Certificate, change func(*catcher, *smtp.Server)) *catcher {
	t.Helper()
	listener := listen(t)
	c := &catcher{address: listener.Addr().String()}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
		return &session{catcher: c}, nil
	}))
	server.Domain, server.AllowInsecureAuth = host, true
	server.ErrorLog = log.New(io.Discard, "", 0)
	if certificate != nil {
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*certificate}}
	}
	if change != nil {
		change(c, server)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		server.Serve(listener)
	}()
	t.Cleanup(func() {
		server.Close()
		listener.Close() // which the server may not know yet
		<-done
	})
	return c
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

// one returns the stored message; the test fails unless there is exactly one.
func (c *catcher) one(t *testing.T) envelope {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.caught) != 1 {
		t.Fatalf("%d messages were accepted, want 1", len(c.caught))
	}
	return c.caught[0]
}

// none reports an error if a message was accepted.
func (c *catcher) none(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.caught) > 0 {
		t.Errorf("accepted %+v", c.caught)
	}
}

type session struct {
	*catcher
	envelope
	known bool
}

func (s *session) AuthMechanisms() []string { return s.mechs }

func (s *session) Auth(mech string) (sasl.Server, error) {
	check := func(username, password string) error {
		if s.known = username == "mario" && password == secret; !s.known {
			return smtp.ErrAuthFailed
		}
		return nil
	}
	if mech == "LOGIN" {
		return &login{check: check}, nil
	}
	return sasl.NewPlainServer(func(_, username, password string) error { return check(username, password) }), nil
}

// login is the server side of AUTH LOGIN.
type login struct {
	check    func(username, password string) error
	step     int
	username string
}

func (l *login) Next(response []byte) (challenge []byte, done bool, err error) {
	l.step++
	switch l.step {
	case 1:
		return []byte("Username:"), false, nil
	case 2:
		l.username = string(response)
		return []byte("Password:"), false, nil
	}
	return nil, true, l.check(l.username, string(response))
}

func (s *session) Mail(from string, options *smtp.MailOptions) error {
	if len(s.mechs) > 0 && !s.known {
		return smtp.ErrAuthRequired
	}
	s.from, s.utf8 = from, options.UTF8
	return s.mailFrom
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return s.rcptTo
}

func (s *session) Data(r io.Reader) (err error) {
	if s.content, err = io.ReadAll(r); err != nil {
		return err
	}
	if s.blocked != nil {
		<-s.blocked
	}
	if s.data != nil {
		return s.data
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.caught = append(s.caught, s.envelope)
	return nil
}

func (s *session) Reset()        { s.envelope = envelope{} }
func (s *session) Logout() error { return nil }

// serveOnce listens on a free port and passes the first connection to talk.
func serveOnce(t *testing.T, talk func(conn net.Conn, in *bufio.Reader)) (address string) {
	t.Helper()
	listener := listen(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		talk(conn, bufio.NewReader(conn))
	}()
	t.Cleanup(func() {
		listener.Close()
		<-done
	})
	return listener.Addr().String()
}

// script replies to each command with its line in lines, or with 250. If that line is empty, it stops replying.
func script(lines map[string]string) func(net.Conn, *bufio.Reader) {
	return func(conn net.Conn, in *bufio.Reader) {
		fmt.Fprintf(conn, "220 %s\r\n", host)
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			command, _, _ := strings.Cut(strings.TrimSpace(line), " ")
			reply, ok := lines[command]
			switch {
			case !ok:
				reply = "250 ok"
			case reply == "":
				io.Copy(io.Discard, in)
				return
			}
			fmt.Fprintf(conn, "%s\r\n", strings.ReplaceAll(reply, "$line", strings.TrimSpace(line)))
			if command == "DATA" && strings.HasPrefix(reply, "354") {
				for line != ".\r\n" && err == nil {
					line, err = in.ReadString('\n')
				}
				fmt.Fprintf(conn, "%s\r\n", lines["."])
			}
		}
	}
}

// to returns a sender for url that connects to address instead.
func to(t *testing.T, address, url string, roots *x509.CertPool) *SMTP {
	t.Helper()
	s, err := NewSMTP(url, from, false)
	if err != nil {
		t.Fatal(err)
	}
	s.address, s.roots = address, roots
	return s
}

// local returns a sender to a server on this machine, which does not require TLS.
func local(t *testing.T, address string) *SMTP {
	t.Helper()
	return to(t, address, "smtp://"+address, nil)
}

var testMessage = Message{
	ID:       "mail_0198c5a2-7f1e-7cc3-98c4-dc0c0c07398f@app.example.com",
	To:       "luigi@example.org",
	Language: "es",
	Subject:  "Confirme su dirección",
	Text:     "Confirme su dirección:\n\nhttps://app.example.com/activate#token=x\n\n.\n",
	HTML:     "<p>Confirme su dirección:</p>\n",
	Date:     time.Date(2026, 5, 1, 14, 0, 0, 0, time.FixedZone("", 2*60*60)),
}

// authority signs certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pool        *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{pool: x509.NewCertPool()}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage:  x509.KeyUsageCertSign,
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	certificate := certify(t, template, nil)
	a.certificate, a.key = certificate.Leaf, certificate.PrivateKey.(*ecdsa.PrivateKey)
	a.pool.AddCert(a.certificate)
	return a
}

// issue returns a certificate for a host that expires at until. With a nil authority it is self-signed.
func (a *authority) issue(t *testing.T, host string, until time.Time) *tls.Certificate {
	t.Helper()
	from := time.Now().Add(-24 * time.Hour)
	return certify(t, &x509.Certificate{DNSNames: []string{host}, NotBefore: from, NotAfter: until}, a)
}

func certify(t *testing.T, template *x509.Certificate, by *authority) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(1)
	parent, signer := template, key
	if by != nil {
		parent, signer = by.certificate, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// parts returns the decoded header of a message, and the bodies of its parts by content type.
func parts(t testing.TB, content []byte) (header, bodies map[string]string) {
	t.Helper()
	m, err := netmail.ReadMessage(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	header, bodies = map[string]string{}, map[string]string{}
	for name, values := range m.Header {
		if len(values) != 1 {
			t.Errorf("header field %s occurs %d times", name, len(values))
		}
		if header[name], err = new(mime.WordDecoder).DecodeHeader(values[0]); err != nil {
			t.Error(err)
		}
	}
	kind, parameters, err := mime.ParseMediaType(header["Content-Type"])
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("the content type is %s: %v", kind, err)
	}
	header["Content-Type"] = kind
	for reader := multipart.NewReader(m.Body, parameters["boundary"]); ; {
		part, err := reader.NextPart()
		if err == io.EOF {
			return header, bodies
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(part)
		if err != nil {
			t.Fatal(err)
		}
		bodies[part.Header.Get("Content-Type")] = strings.ReplaceAll(string(body), "\r\n", "\n")
	}
}

func TestSendMessageFormat(t *testing.T) {
	c := catch(t, nil, nil)
	if err := local(t, c.address).Send(t.Context(), testMessage); err != nil {
		t.Fatal(err)
	}
	caught := c.one(t)
	if caught.from != "accounts@example.com" || !slices.Equal(caught.to, []string{"luigi@example.org"}) || caught.utf8 {
		t.Errorf("the envelope is %+v", caught)
	}
	header, bodies := parts(t, caught.content)
	want := map[string]string{
		"From":             `"Latchkey" <accounts@example.com>`,
		"To":               "<luigi@example.org>",
		"Subject":          "Confirme su dirección",
		"Date":             "Fri, 01 May 2026 12:00:00 +0000",
		"Message-Id":       "<" + testMessage.ID + ">",
		"Auto-Submitted":   "auto-generated",
		"Content-Language": "es",
		"Content-Type":     "multipart/alternative",
		"Mime-Version":     "1.0",
	}
	if !maps.Equal(header, want) {
		t.Errorf("the header is %q\nwant %q", header, want)
	}
	wantBodies := map[string]string{
		"text/plain; charset=UTF-8": testMessage.Text,
		"text/html; charset=UTF-8":  testMessage.HTML,
	}
	if !maps.Equal(bodies, wantBodies) {
		t.Errorf("the parts are %q\nwant %q", bodies, wantBodies)
	}
	for line := range strings.SplitSeq(string(caught.content), "\r\n") {
		if len(line) > 78 || strings.ContainsAny(line, "\r\n") || !isASCII(line) {
			t.Errorf("a line is %q", line)
		}
	}
}

func TestSendInternationalAddress(t *testing.T) {
	for _, test := range []struct {
		to, want string
		offered  bool // SMTPUTF8
		utf8     bool // SMTPUTF8 is requested
		err      error
	}{
		{"luigi@Bücher.example", "luigi@xn--bcher-kva.example", false, false, nil},
		{"luigi@Bücher.example", "luigi@xn--bcher-kva.example", true, false, nil},
		{"jörg@bücher.example", "jörg@xn--bcher-kva.example", true, true, nil},
		{"jörg@bücher.example", "", false, false, ErrRefused},
	} {
		c := catch(t, nil, func(_ *catcher, server *smtp.Server) { server.EnableSMTPUTF8 = test.offered })
		m := testMessage
		m.To = test.to
		err := local(t, c.address).Send(t.Context(), m)
		if !errors.Is(err, test.err) {
			t.Errorf("%s: %v", test.to, err)
		}
		if err != nil {
			if !strings.Contains(err.Error(), "SMTPUTF8") {
				t.Errorf("%s: %v", test.to, err)
			}
			c.none(t)
			continue
		}
		caught := c.one(t)
		if !slices.Equal(caught.to, []string{test.want}) || caught.utf8 != test.utf8 {
			t.Errorf("%s: the envelope is %+v", test.to, caught)
		}
		if header, _ := parts(t, caught.content); header["To"] != "<"+test.want+">" {
			t.Errorf("%s: To is %s", test.to, header["To"])
		}
	}
}

func TestSendRejected(t *testing.T) {
	no := func(code int) error { return &smtp.SMTPError{Code: code, Message: "no <Luigi@example.org> here"} }
	for _, test := range []struct {
		name      string
		change    func(*catcher)
		permanent bool
	}{
		{"RCPT TO: 550 no … here", func(c *catcher) { c.rcptTo = no(550) }, true},
		{"RCPT TO: 450 no … here", func(c *catcher) { c.rcptTo = no(450) }, false},
		{"RCPT TO: 554 no … here", func(c *catcher) { c.rcptTo = no(554) }, false},
		{"RCPT TO: 552 no … here", func(c *catcher) { c.rcptTo = no(552) }, false},
		{"content: 554 no … here", func(c *catcher) { c.data = no(554) }, true},
		{"content: 452 no … here", func(c *catcher) { c.data = no(452) }, false},
		{"MAIL FROM: 550 no … here", func(c *catcher) { c.mailFrom = no(550) }, false},
		{"MAIL FROM: 451 no … here", func(c *catcher) { c.mailFrom = no(451) }, false},
		{"MAIL FROM: 502 Please authenticate first", func(c *catcher) { c.mechs = []string{"PLAIN"} }, false},
	} {
		c := catch(t, nil, func(c *catcher, _ *smtp.Server) { test.change(c) })
		err := local(t, c.address).Send(t.Context(), testMessage)
		// An enhanced status code (RFC 2034) may follow the first.
		text := strings.Fields(fmt.Sprint(err))
		text = slices.DeleteFunc(text, func(word string) bool { return strings.Count(word, ".") == 2 })
		if errors.Is(err, ErrRefused) != test.permanent || !strings.HasSuffix(strings.Join(text, " "), test.name) {
			t.Errorf("%v, want %s", err, test.name)
		}
		c.none(t)
	}
}

func TestSendServerReplies(t *testing.T) {
	talk := map[string]string{"DATA": "354 go", ".": "250 taken", "QUIT": "221 bye"}
	with := func(command, reply string) map[string]string {
		lines := maps.Clone(talk)
		lines[command] = reply
		return lines
	}
	for _, test := range []struct {
		name string
		talk func(net.Conn, *bufio.Reader)
		want string // what the error contains; empty for none
	}{
		{"accepted", script(talk), ""},
		{"no reply to QUIT", script(with("QUIT", "")), ""},
		{"QUIT rejected", script(with("QUIT", "500 no")), ""},
		{"DATA rejected", script(with("DATA", "554 no")), "DATA: 554 no"},
		{"greeting rejected", func(c net.Conn, _ *bufio.Reader) { io.WriteString(c, "554 no\r\n") }, "greeting: 554 no"},
		{"EHLO and HELO rejected", script(map[string]string{"EHLO": "550 no", "HELO": "550 no"}), "EHLO: "},
		{"no SMTP", func(c net.Conn, _ *bufio.Reader) { io.WriteString(c, "HTTP/1.1 400 no@no\r\n") }, "greeting: "},
		{"closed at once", func(net.Conn, *bufio.Reader) {}, "greeting: "},
		{"closed after DATA", func(c net.Conn, in *bufio.Reader) {
			io.WriteString(c, "220 x\r\n250 x\r\n250 x\r\n250 x\r\n354 x\r\n")
			for line := ""; line != ".\r\n"; {
				line, _ = in.ReadString('\n')
			}
		}, "content: "},
		{"endless line", func(c net.Conn, _ *bufio.Reader) {
			for line, err := strings.Repeat("x", 1<<10), error(nil); err == nil; {
				_, err = io.WriteString(c, line)
			}
		}, "server response too large"},
		{"endless lines", func(c net.Conn, _ *bufio.Reader) {
			for line, err := strings.Repeat("220-x\r\n", 1<<8), error(nil); err == nil; {
				_, err = io.WriteString(c, line)
			}
		}, "server response too large"},
	} {
		s := local(t, serveOnce(t, test.talk))
		if test.name == "no reply to QUIT" {
			s.sending, s.answering = 100*time.Millisecond, 100*time.Millisecond
		}
		err := s.Send(t.Context(), testMessage)
		if err == nil != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", test.name, err)
		}
		if errors.Is(err, ErrRefused) || strings.Contains(fmt.Sprint(err), "no@no") {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	closed := listen(t)
	closed.Close()
	if err := local(t, closed.Addr().String()).Send(t.Context(), testMessage); err == nil || errors.Is(err, ErrRefused) {
		t.Errorf("closed port: %v", err)
	}
}

func TestSendTimeout(t *testing.T) {
	blocked := make(chan struct{})
	hanging := catch(t, nil, func(c *catcher, _ *smtp.Server) { c.blocked, c.data = blocked, errors.New("too late") })
	defer close(blocked) // before the server is stopped
	silent := func(_ net.Conn, in *bufio.Reader) { io.Copy(io.Discard, in) }
	offering := func(conn net.Conn, in *bufio.Reader) {
		io.WriteString(conn, "220 x\r\n250-x\r\n250 STARTTLS\r\n220 go\r\n")
		silent(conn, in)
	}
	drip := func(text string) func(net.Conn, *bufio.Reader) {
		return func(conn net.Conn, _ *bufio.Reader) {
			for range time.Tick(time.Millisecond) {
				if _, err := io.WriteString(conn, text); err != nil {
					return
				}
			}
		}
	}
	for name, address := range map[string]string{
		"hangs after DATA":    hanging.address,
		"hangs at greeting":   serveOnce(t, silent),
		"hangs at EHLO":       serveOnce(t, script(map[string]string{"EHLO": ""})),
		"hangs at MAIL":       serveOnce(t, script(map[string]string{"MAIL": ""})),
		"hangs at RCPT":       serveOnce(t, script(map[string]string{"RCPT": ""})),
		"hangs at DATA":       serveOnce(t, script(map[string]string{"DATA": ""})),
		"hangs at STARTTLS":   serveOnce(t, offering),
		"drips one line":      serveOnce(t, drip("2")),
		"drips several lines": serveOnce(t, drip("220-x\r\n")),
	} {
		s := local(t, address)
		s.sending, s.answering = 50*time.Millisecond, 50*time.Millisecond
		err := s.Send(t.Context(), testMessage)
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}

	hanging = catch(t, nil, func(c *catcher, _ *smtp.Server) { c.blocked, c.data = blocked, errors.New("too late") })
	s := local(t, hanging.address)
	s.connecting = time.Nanosecond
	if err := s.Send(t.Context(), testMessage); err == nil || !strings.HasPrefix(err.Error(), "connect: ") {
		t.Errorf("connecting: %v", err)
	}
	s = to(t, serveOnce(t, silent), "smtps://"+host, nil)
	s.sending, s.answering = 50*time.Millisecond, 50*time.Millisecond
	if err := s.Send(t.Context(), testMessage); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("hangs at TLS: %v", err)
	}
}

func TestSendContextCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	address := serveOnce(t, func(_ net.Conn, in *bufio.Reader) {
		cancel()
		io.Copy(io.Discard, in)
	})
	if err := local(t, address).Send(ctx, testMessage); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestSendTLS(t *testing.T) {
	a := newAuthority(t)
	future, past := time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	for _, test := range []struct {
		name        string
		certificate *tls.Certificate
		version     uint16 // the newest that the server supports; 0 for any
		want        string // what the error contains; empty for none
	}{
		{"good", a.issue(t, host, future), 0, ""},
		{"TLS 1.2", a.issue(t, host, future), tls.VersionTLS12, ""},
		{"TLS 1.1", a.issue(t, host, future), tls.VersionTLS11, "protocol version"},
		{"self-signed", (*authority)(nil).issue(t, host, future), 0, "unknown authority"},
		{"of another authority", newAuthority(t).issue(t, host, future), 0, "unknown authority"},
		{"expired", a.issue(t, host, past), 0, "expired"},
		{"wrong host", a.issue(t, "mail.example.org", future), 0, "not " + host},
	} {
		starting := catch(t, test.certificate, func(_ *catcher, server *smtp.Server) {
			server.TLSConfig.MinVersion, server.TLSConfig.MaxVersion = tls.VersionTLS10, test.version
		})
		implicit := catch(t, nil, nil)
		config := &tls.Config{Certificates: []tls.Certificate{*test.certificate},
			MinVersion: tls.VersionTLS10, MaxVersion: test.version}
		wrapped := tlsInFront(t, config, implicit.address)
		optional := to(t, starting.address, "smtp://"+host, a.pool)
		optional.allowPlaintext = true
		for name, server := range map[string]struct {
			*SMTP
			*catcher
		}{
			"STARTTLS":         {to(t, starting.address, "smtp://"+host, a.pool), starting},
			"implicit":         {to(t, wrapped, "smtps://"+host, a.pool), implicit},
			"STARTTLS, if any": {optional, starting},
		} {
			server.catcher.caught = nil
			err := server.Send(t.Context(), testMessage)
			if err == nil != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s, %s: %v", test.name, name, err)
			}
			if errors.Is(err, ErrRefused) {
				t.Errorf("%s, %s: permanent: %v", test.name, name, err)
			}
			if err != nil {
				server.none(t)
			} else {
				server.one(t)
			}
		}
	}
}

// tlsInFront starts a TLS listener that forwards the decrypted data to behind.
func tlsInFront(t *testing.T, config *tls.Config, behind string) (address string) {
	t.Helper()
	return serveOnce(t, func(conn net.Conn, _ *bufio.Reader) {
		inner, err := net.Dial("tcp", behind)
		if err != nil {
			t.Error(err)
			return
		}
		outer := tls.Server(conn, config)
		var both sync.WaitGroup
		both.Go(func() { io.Copy(inner, outer); inner.Close() })
		both.Go(func() { io.Copy(outer, inner); outer.Close() })
		both.Wait()
	})
}

func TestSendTLSRequired(t *testing.T) {
	for _, test := range []struct {
		url      string
		insecure bool
		required bool
	}{
		{"smtp://" + host, false, true},
		{"smtp://" + host, true, false},
		{"smtp://mario:x@" + host, true, true},
		{"smtp://localhost", false, false},
		{"smtp://127.0.0.1", false, false},
		{"smtp://[::1]:25", false, false},
		{"smtp://mario:x@localhost", false, false},
		{"smtp://localhost.example.com", false, true},
		{"smtp://10.0.0.1", false, true},
	} {
		c := catch(t, nil, nil)
		s, err := NewSMTP(test.url, from, test.insecure)
		if err != nil {
			t.Fatal(err)
		}
		s.address, s.username = c.address, ""
		err = s.Send(t.Context(), testMessage)
		if test.required {
			if err == nil || !strings.HasPrefix(err.Error(), "STARTTLS: ") || errors.Is(err, ErrRefused) {
				t.Errorf("%+v: %v", test, err)
			}
			c.none(t)
		} else if err != nil {
			t.Errorf("%+v: %v", test, err)
		}
	}
}

func TestSendAuthentication(t *testing.T) {
	a := newAuthority(t)
	certificate := a.issue(t, host, time.Now().Add(time.Hour))
	for _, mechs := range [][]string{{"PLAIN"}, {"LOGIN"}, {"LOGIN", "PLAIN"}} {
		for password, good := range map[string]bool{"jump%2fup%40once": true, "wrong-password": false} {
			c := catch(t, certificate, func(c *catcher, _ *smtp.Server) { c.mechs = mechs })
			err := to(t, c.address, "smtp://mario:"+password+"@"+host, a.pool).Send(t.Context(), testMessage)
			if good && err != nil || !good && (err == nil || err.Error() != "AUTH: the server replied 535") {
				t.Errorf("%s with %s: %v", mechs, password, err)
			}
			if good {
				c.one(t)
			} else {
				c.none(t)
			}
		}
	}
	c := catch(t, certificate, func(c *catcher, _ *smtp.Server) { c.mechs = []string{"X-UNKNOWN"} })
	err := to(t, c.address, "smtp://mario:x@"+host, a.pool).Send(t.Context(), testMessage)
	if err == nil || !strings.Contains(err.Error(), "neither PLAIN nor LOGIN") {
		t.Error(err)
	}
}

// The servers send back what they receive.
func TestSendErrorsHidePassword(t *testing.T) {
	for _, reply := range []string{"535 $line", "334 $line", "$line", "535 5.7.8 not \xff$line", "421-$line", "334 "} {
		for _, mechanism := range []string{"PLAIN", "LOGIN"} {
			s := to(t, serveOnce(t, script(map[string]string{"EHLO": "250-x\r\n250 AUTH " + mechanism, "AUTH": reply})),
				"smtp://mario:jump%2fup%40once@localhost", nil)
			s.sending, s.answering = 100*time.Millisecond, 100*time.Millisecond
			err := s.Send(t.Context(), testMessage)
			if err == nil || errors.Is(err, ErrRefused) {
				t.Errorf("%s: %v", reply, err)
			}
			assertNoSecret(t, err)
		}
	}
}

func assertNoSecret(t *testing.T, err error) {
	t.Helper()
	for _, leak := range []string{secret, "jump", base64.StdEncoding.EncodeToString([]byte(secret)),
		base64.StdEncoding.EncodeToString([]byte("\x00mario\x00" + secret))} {
		if err != nil && strings.Contains(err.Error(), leak) {
			t.Errorf("%v has %s", err, leak)
		}
	}
}

func TestNewSMTPURL(t *testing.T) {
	for address, want := range map[string]SMTP{
		"smtp://mail.example.com":    {address: "mail.example.com:587", host: host},
		"smtp://mail.example.com/":   {address: "mail.example.com:587", host: host},
		"SMTP://mail.example.com:25": {address: "mail.example.com:25", host: host},
		"smtps://mail.example.com":   {address: "mail.example.com:465", host: host, implicit: true},
		"smtps://a%40b:c%2fd@[2001:db8::1]": {address: "[2001:db8::1]:465", host: "2001:db8::1", implicit: true,
			username: "a@b", password: "c/d"},
	} {
		s, err := NewSMTP(address, from, false)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		have := SMTP{address: s.address, host: s.host, username: s.username, password: s.password, implicit: s.implicit}
		if have != want {
			t.Errorf("%s is %+v", address, have)
		}
	}
	for _, address := range []string{
		"", "mail.example.com", "mail.example.com:587", "http://mail.example.com", "smtp:", "smtp://", "smtp:jump:25",
		"smtp://:25", "smtp://mail.example.com:0", "smtp://mail.example.com:65536", "smtp://mail.example.com:smtp",
		"smtp://mario@mail.example.com", "smtp://:jump@mail.example.com", "smtp://mail.example.com/jump",
		"smtp://mail.example.com?jump", "smtp://mail.example.com#jump", "smtp://mario:jump/up@mail.example.com",
		"smtp://mario:1/jump@mail.example.com", "smtp://mario:1?jump@mail.example.com",
		"smtp://mario:1#jump@mail.example.com",
		"smtp://mario:jump%zz@mail.example.com", "smtp://mario:jump\n@mail.example.com", "jump://mail.example.com",
	} {
		_, err := NewSMTP(address, from, false)
		if err == nil {
			t.Errorf("%q is accepted", address)
		}
		assertNoSecret(t, err)
	}
}

func TestNewSMTPFrom(t *testing.T) {
	for from, want := range map[string]string{
		"accounts@example.com":                    "<accounts@example.com>",
		"Zoë's <accounts@Bücher.example>":         `=?utf-8?b?Wm/Dqydz?= <accounts@xn--bcher-kva.example>`,
		`"a, b" <accounts@localhost>`:             `"a, b" <accounts@localhost>`,
		"=?utf-8?q?a=0d=0aBcc:_x@y.z?= <a@b.c>":   "",
		"":                                        "",
		"accounts":                                "",
		"accounts@":                               "",
		"a@example.com, b@example.com":            "",
		"a@example.com; b@example.com":            "",
		"a@example.com\r\nBcc: b@example.com":     "",
		"A\r\nBcc: b@example.com <a@example.com>": "",
		"A <a@example.com>\r\nBcc: b@example.com": "",
		`"a\` + "\r\n" + `b"@example.com`:         "",
		`"a@b"@example.com`:                       "",
		`"a b"@example.com`:                       "",
		"jörg@example.com":                        "",
		"a@ex_ample.com":                          "",
		"friends: a@example.com, b@example.com;":  "",
	} {
		have := ""
		s, err := NewSMTP("smtp://localhost", from, false)
		if err == nil {
			have = s.from.String()
		}
		if have != want {
			t.Errorf("%q is %q, want %q: %v", from, have, want, err)
		}
	}
}

func TestSendInvalidRecipient(t *testing.T) {
	for _, recipient := range []string{
		"", "luigi", "luigi@example.org, toad@example.org", "luigi@example.org; toad@example.org", "luigi@example.org,",
		"luigi@example.org\r\nBcc: toad@example.org", "luigi@example.org\nBcc: toad@example.org", "luigi@example.org\r",
		"luigi@example.org>\r\nRCPT TO:<toad@example.org", "Luigi <luigi@example.org>", "<luigi@example.org>",
		"friends: luigi@example.org, toad@example.org;", `"luigi,toad"@example.org`,
		"luigi@example.org toad@example.org",
	} {
		c := catch(t, nil, nil)
		m := testMessage
		m.To = recipient
		if err := local(t, c.address).Send(t.Context(), m); !errors.Is(err, ErrRefused) {
			t.Errorf("%q: %v", recipient, err)
		}
		c.none(t)
	}
}

// All texts that may come from users try to add a header field or an SMTP command.
func TestSendHeaderInjection(t *testing.T) {
	folder := write(t, map[string]string{
		"en/new-device.txt": "Subject: To {{.Username}} {{.Device}}\n\nTo {{.NewEmail}}\n",
	})
	templates := load(t, folder)
	for _, trick := range []string{
		"x\r\nBcc: toad@example.org", "x\nBcc: toad@example.org", "x\rBcc: toad@example.org", "x\r\n\r\nHello",
		"x\u2028Bcc: toad@example.org", "x\u0085Bcc: toad@example.org", "x\x00y", "Bcc: toad@example.org", "a, b; c",
		"\r\n.\r\nMAIL FROM:<x@example.org>\r\n", strings.Repeat("x ", 1000), strings.Repeat("\r\n", 1000),
		strings.Repeat("ü", 1000),
	} {
		rendered, err := templates.Render(account.Mail{ID: "mail_1", Template: account.NewDevice, To: testMessage.To,
			Username: trick, Device: trick, NewEmail: trick, IPAddress: trick, CreatedAt: testMessage.Date})
		if err != nil {
			t.Fatal(err)
		}
		raw := testMessage
		raw.ID, raw.Language, raw.Subject, raw.Text, raw.HTML = trick, trick, trick, trick, trick
		for name, m := range map[string]Message{"rendered": rendered, "raw": raw} {
			c := catch(t, nil, nil)
			if err := local(t, c.address).Send(t.Context(), m); err != nil {
				t.Errorf("%s %.40q: %v", name, trick, err)
				continue
			}
			caught := c.one(t)
			if !slices.Equal(caught.to, []string{testMessage.To}) || caught.from != "accounts@example.com" {
				t.Errorf("%s %.40q: the envelope is %+v", name, trick, caught)
			}
			header, _ := parts(t, caught.content)
			if have := slices.Sorted(maps.Keys(header)); !slices.Equal(have, headers) {
				t.Errorf("%s %.40q: the header has %s", name, trick, have)
			}
			if name == "rendered" && header["Subject"] != m.Subject || header["To"] != "<"+testMessage.To+">" {
				t.Errorf("%s %.40q: the header is %q", name, trick, header)
			}
		}
	}
}

// headers are the names of all header fields of a message.
var headers = []string{"Auto-Submitted", "Content-Language", "Content-Type", "Date", "From", "Message-Id",
	"Mime-Version", "Subject", "To"}
