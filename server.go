// Command latchkey is a self-hosted accounts server that speaks GraphQL.
package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"latchkey/graph"
	"latchkey/graph/explorer"
	"latchkey/internal/account"
	"latchkey/internal/auth"
	"latchkey/internal/config"
	"latchkey/internal/keyring"
	"latchkey/internal/mail"
	"latchkey/internal/metrics"
	"latchkey/internal/outbox"
	"latchkey/internal/ratelimit"
	"latchkey/internal/store"
	"latchkey/internal/token"
	"latchkey/internal/trace"
)

//go:embed schema.graphqls
var schema string

func main() {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as nohup wants it
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	if err := run(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr, time.Now); err != nil {
		fmt.Fprintln(os.Stderr, "latchkey:", err)
		os.Exit(exitCode(err))
	}
}

// exitCode returns 2 for arguments that are no command, and 1 for whatever else fails.
func exitCode(err error) int {
	if _, ok := errors.AsType[usage](err); ok {
		return 2
	}
	return 1
}

// run does what the command in args says.
func run(
	ctx context.Context, args, env []string, stdin io.Reader, stdout, stderr io.Writer, now func() time.Time,
) error {
	command, settings, err := parse(args, stdout)
	if err != nil || command == nil {
		return err
	}
	command.BindTo(ctx, (*context.Context)(nil))
	return told(ctx, command.Run(&program{settings, env, stdin, stdout, stderr, now}))
}

// told returns an error as operators read it: without what lies behind a mistake, and with what to make of an end.
func told(ctx context.Context, err error) error {
	if mistake, ok := err.(*account.Error); ok && mistake.Err != nil {
		shown := *mistake
		shown.Err = nil
		return &shown
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return errors.New(strings.ReplaceAll(err.Error(), context.Canceled.Error(), "interrupted"))
	}
	return err
}

// server is everything connected: it listens already, and answers once serve is called.
type server struct {
	log      *slog.Logger
	store    *store.Store
	listener net.Listener
	http     *http.Server
	serving  atomic.Bool
	draining atomic.Bool
	service  *auth.Service
	mail     *outbox.Worker // nil when nothing delivers mails
	explorer bool
	metrics  *metrics.Metrics // nil without a listener of their own
	watchers *http.Server     // there, or nil
	watched  string           // its address
	traces   *trace.Tracer    // nil when nobody asks for traces

	sweepWithin  time.Duration // the longest pause between two sweeps
	keysEvery    time.Duration
	finishWithin time.Duration // for requests, once it has been told to stop
}

// open connects everything that the settings name, and brings the database's schema up to date.
func open(
	ctx context.Context, c config.Config, log *slog.Logger, now func() time.Time, wrappers ...store.Wrapper,
) (_ *server, err error) {
	s := &server{
		log:          log,
		explorer:     c.Mode == config.Development,
		sweepWithin:  10 * time.Minute,
		keysEvery:    keyring.SyncInterval,
		finishWithin: finishWithin,
	}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	templates, err := mail.NewTemplates(c.MailTemplates, c.AppURL)
	if err != nil {
		return nil, err
	}
	if c.Traces {
		if s.traces, err = trace.Start(ctx, log); err != nil {
			return nil, err
		}
		log = slog.New(s.traces.Log(log.Handler()))
		s.log = log
	}
	sender, err := newSender(c, log)
	if err != nil {
		return nil, err
	}
	if s.listener, err = net.Listen("tcp", c.Listen); err != nil {
		return nil, err
	}
	if err := s.watch(c); err != nil {
		return nil, err
	}
	if s.store, s.service, err = connect(ctx, c, log, now, true, wrappers...); err != nil {
		return nil, err
	}
	if s.traces != nil {
		s.store.Trace = s.traces.Statement
	}
	if err := s.service.Keys.Sync(ctx); err != nil {
		return nil, err
	}
	if err := s.store.NotMoved(ctx); err != nil { // again, now that there is a row
		return nil, err
	}
	if err := s.service.Ready(ctx); err != nil {
		return nil, fmt.Errorf("database %s: %w", c.DatabaseURL, err)
	}
	if len(c.Loosened) > 0 {
		log.WarnContext(ctx, "limits allow more than their defaults", "settings", c.Loosened)
	}
	if c.Mode == config.Production && sender != nil && !strings.HasPrefix(c.AppURL, "https:") {
		log.WarnContext(ctx, "links in mails are not https", "app_url", c.AppURL)
	}
	if c.Mode == config.Production && sender != nil && strings.Contains(c.MailFrom, "@localhost") {
		log.WarnContext(ctx, "mails come from localhost: set LATCHKEY_MAIL_FROM")
	}
	if sender != nil {
		s.mail = outbox.NewWorker(s.service.Outbox, mailEvery, map[outbox.Kind]outbox.Handler{
			outbox.Email: mail.Handler{Templates: templates, Sender: sender},
		})
	} else {
		log.WarnContext(ctx, "nothing delivers mails: without LATCHKEY_SMTP_URL nobody can reset a password")
	}
	s.count()
	s.http = newHTTP(s.handler(c), log)
	s.http.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		c.(*net.TCPConn).SetWriteBuffer(sendBuffer)
		return ctx
	}
	return s, nil
}

// sendBuffer is how much of an answer the kernel is asked to keep for a client that does not read, in bytes. Linux keeps
// twice that; by itself it would be megabytes.
const sendBuffer = 128 << 10

// newHTTP returns a server for one of the listeners.
func newHTTP(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       finishWithin,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),

		DisableGeneralOptionsHandler: true, // it knows no security headers
	}
}

// freeAttempts is the number of wrong passwords in a row before delays begin.
const freeAttempts = 4

// mailEvery is how soon a mail is found that another node put into the outbox and did not live to send.
const mailEvery = 5 * time.Second

// newSender returns what delivers mails: an SMTP server, else, in development, the log; nil in production, where the
// log is no place for what mails carry.
func newSender(c config.Config, log *slog.Logger) (mail.Sender, error) {
	development := c.Mode == config.Development
	if address := c.SMTPURL.Reveal(); address != "" {
		sender, err := mail.NewSMTP(address, c.MailFrom, development)
		if err != nil {
			return nil, fmt.Errorf("LATCHKEY_SMTP_URL: %w", err)
		}
		return sender, nil
	}
	if !development {
		return nil, nil
	}
	return mail.NewLog(log), nil
}

// connect returns the verbs for the database that the settings name, and the store to close after them. Only if it may
// begin it brings the database's schema up to date, also that of an empty one; else it refuses what is not, and a secret
// that is not that of the database, which a server finds when it opens its keys.
func connect(
	ctx context.Context, c config.Config, log *slog.Logger, now func() time.Time, mayBegin bool,
	wrappers ...store.Wrapper,
) (_ *store.Store, _ *auth.Service, err error) {
	st, err := openStore(ctx, c, mayBegin, wrappers...)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			st.Close()
		}
	}()
	if mayBegin {
		steps, err := st.Migrate(ctx, now)
		if err != nil {
			return nil, nil, err
		}
		log.DebugContext(ctx, "schema is up to date", "steps", steps)
	} else if err := inUse(ctx, st); err != nil {
		return nil, nil, err
	}
	keys, err := st.SigningKeys(ctx)
	if err != nil {
		return nil, nil, err
	}
	secrets, err := readSecrets(c, len(keys) == 0)
	if err != nil {
		return nil, nil, err
	}
	svc := newVerbs(c, st, secrets, log, now)
	if !mayBegin { // a server opens its keys anyway
		if err := svc.Keys.VerifySecret(ctx); err != nil {
			return nil, nil, err
		}
	}
	return st, svc, nil
}

// newVerbs returns the verbs for a database and the rules that the settings make.
func newVerbs(
	c config.Config, st *store.Store, secrets token.Secrets, log *slog.Logger, now func() time.Time,
) *auth.Service {
	return auth.New(st, secrets, auth.Options{
		Issuer:            c.PublicURL,
		SigningAlg:        c.SigningAlg,
		SigningKeyMaxAge:  c.SigningKeyMaxAge,
		AccessTTL:         c.AccessTokenTTL,
		IdleTTL:           c.RefreshIdleTTL,
		SessionTTL:        c.SessionTTL,
		Grace:             c.RefreshGrace,
		MaxSessions:       c.MaxSessions,
		PasswordMinLength: c.PasswordMinLength,
		Limits: ratelimit.Limits{
			Passwords: ratelimit.PasswordAttempts{Free: freeAttempts, Max: c.LimitGuesses},
			SignIn:    c.LimitSignIn,
			Register:  c.LimitRegister,
			Refresh:   c.LimitRefresh,
			Mail:      c.LimitMail,
		},
		Registration:      account.RegistrationMode(strings.ToUpper(string(c.Registration))),
		EmailVerification: c.EmailVerification,
		NewDeviceNotice:   c.NewDeviceNotice,
		Now:               now,
		Log:               slog.New(graph.LogRequest(log.Handler())),
	})
}

// openStore returns the database that the settings name, as it is; an empty one only if it may begin there. What it
// refuses for being empty or missing is left as it was.
func openStore(
	ctx context.Context, c config.Config, mayBegin bool, wrappers ...store.Wrapper,
) (_ *store.Store, err error) {
	sign := signOfUse(c) // first, for another process may be beginning
	refusal := func() error {
		switch {
		case sign != "":
			return fmt.Errorf("database %s is empty or missing, but %s is there: "+
				"bring the database back, or begin anew in an empty folder", c.DatabaseURL, sign)
		case !mayBegin:
			return fmt.Errorf("no server has used the database %s yet: "+
				"start one, or run latchkey migrate up first", c.DatabaseURL)
		}
		return nil
	}
	if hasNoFile(c) {
		if err := refusal(); err != nil {
			return nil, err
		}
	}
	st, err := store.Open(ctx, c.DatabaseURL.Reveal(), wrappers...)
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", c.DatabaseURL, err)
	}
	defer func() {
		if err != nil {
			st.Close()
		}
	}()
	empty, err := st.Empty(ctx)
	if err == nil && empty {
		err = refusal()
	}
	return st, err
}

// hasNoFile reports whether the database is a file that is missing or empty; opening it would change that.
func hasNoFile(c config.Config) bool {
	path, isSQLite := c.DatabaseURL.SQLitePath()
	if !isSQLite {
		return false
	}
	info, err := os.Stat(path)
	return errors.Is(err, os.ErrNotExist) || err == nil && info.Size() == 0
}

// handler puts the endpoints together.
func (s *server) handler(c config.Config) http.Handler {
	development := c.Mode == config.Development
	mux := http.NewServeMux()
	endpoint := graph.NewHandler(graph.NewSchema(s.service), graph.Options{
		Development:    development,
		AllowedOrigins: c.AllowedOrigins,
		Log:            s.log,
		Observe:        s.observer(),
	})
	endpoint = graph.WithCaller(s.service, c.PublicURL, c.TrustedProxies, endpoint)
	mux.Handle("/graphql", s.observed(s.traces.Handler(endpoint)))
	s.health(mux)
	cached := fmt.Sprintf("public, max-age=%.0f", keyring.JWKSMaxAge.Seconds())
	mux.HandleFunc("GET /.well-known/jwks.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/jwk-set+json")
		w.Header().Set("Cache-Control", cached)
		w.Write(s.service.Keys.JWKS())
	})
	if development {
		page := explorer.Handler()
		mux.Handle("GET /{$}", page)
		mux.Handle("GET /explorer/", page)
		mux.HandleFunc("GET /schema.graphqls", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, schema) })
	}
	answer := s.counted(answerPanics(refuseUncleanPaths(mux), slog.New(graph.LogRequest(s.log.Handler()))))
	return graph.WithRequestID(withSecurityHeaders(answer, strings.HasPrefix(c.PublicURL, "https:")))
}

// withSecurityHeaders sets what every answer carries (OWASP REST Security Cheat Sheet, "Security Headers"). The
// explorer brings a Content-Security-Policy of its own.
func withSecurityHeaders(next http.Handler, https bool) http.Handler {
	headers := http.Header{
		"Cache-Control":                {"no-store"},
		"Content-Security-Policy":      {"default-src 'none'; frame-ancestors 'none'"},
		"X-Content-Type-Options":       {"nosniff"},
		"Referrer-Policy":              {"no-referrer"},
		"Cross-Origin-Resource-Policy": {"same-origin"},
	}
	if https {
		headers.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		maps.Copy(w.Header(), headers)
		next.ServeHTTP(w, r)
	})
}

// answerPanics answers 500 when next panics. The panic goes to the log.
func answerPanics(next http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if value := recover(); value != nil {
				log.ErrorContext(r.Context(), "panic", "cause", fmt.Sprint(value), "stack", string(debug.Stack()))
				http.Error(w, "something went wrong", http.StatusInternalServerError)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// refuseUncleanPaths answers 404 where a ServeMux would send the client to a path made of the one it asked for.
func refuseUncleanPaths(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path.Clean("/"+r.URL.Path) != r.URL.Path {
			http.NotFound(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Stopping takes ten seconds at most: requests that are half sent or at work then have eight to be finished.
const (
	stopTimeout  = 10 * time.Second
	finishWithin = 8 * time.Second
	flushWithin  = stopTimeout - finishWithin // traces; a collector that takes longer loses some
)

// serve answers requests until ctx ends, then refuses new ones, finishes those it has and closes everything.
func (s *server) serve(ctx context.Context) error {
	defer s.close()
	address := "http://" + s.listener.Addr().String()
	ready := []any{"graphql", address + "/graphql"}
	if s.explorer {
		ready = append(ready, "explorer", address+"/")
	}
	if s.watchers != nil {
		ready = append(ready, "metrics", "http://"+s.watched+"/metrics")
	}
	s.serving.Store(true)
	s.log.InfoContext(ctx, "latchkey is ready", ready...)
	working, endWork := context.WithCancel(context.WithoutCancel(ctx))
	var work sync.WaitGroup
	work.Go(func() { s.sweep(working) })
	work.Go(func() { s.tendKeys(working) })
	work.Go(func() { keepMemory(working) })
	if s.mail != nil {
		work.Go(func() { s.mail.Run(working) })
	}
	if s.traces != nil {
		work.Go(func() {
			<-working.Done()
			s.traces.Stop(flushWithin)
		})
	}
	defer work.Wait()
	defer endWork()
	requests, endRequests := context.WithCancel(context.WithoutCancel(ctx))
	defer endRequests()
	s.http.BaseContext = func(net.Listener) context.Context { return requests }
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		s.draining.Store(true)
		time.AfterFunc(s.finishWithin, endRequests)
		timeout, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.finishWithin+flushWithin)
		defer cancel()
		stopped <- s.http.Shutdown(timeout)
	})
	err := s.http.Serve(s.listener)
	if stop() {
		return err
	}
	if err := <-stopped; err != nil {
		s.http.Close() // before the store, which the requests still running use
		s.log.WarnContext(ctx, "some requests were not finished", "error", err)
	}
	s.log.InfoContext(ctx, "latchkey has stopped")
	return nil
}

// sweep removes what is of no use any more now and then, until ctx ends.
func (s *server) sweep(ctx context.Context) {
	pause := func() time.Duration { return rand.N(s.sweepWithin) } // nodes that started together spread out
	again(ctx, pause, func() {
		if n, err := s.service.PurgeExpired(ctx); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "sweep failed", "error", err)
		} else if n > 0 {
			s.log.InfoContext(ctx, "rows of no use removed", "count", n)
		}
		s.watchOutbox(ctx)
	})
}

// again calls f after each pause, until ctx ends.
func again(ctx context.Context, pause func() time.Duration, f func()) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause()):
		}
		f()
	}
}

// mailLate is how long a mail may wait before operators should know.
const mailLate = 5 * time.Minute

// watchOutbox logs that mails are late.
func (s *server) watchOutbox(ctx context.Context) {
	if s.mail == nil {
		return
	}
	if queued, oldest, err := s.service.Outbox.Stats(ctx); err == nil && oldest > mailLate {
		sent, failed := s.mail.Counts(outbox.Email)
		s.log.WarnContext(ctx, "mails are late", "queued", queued, "oldest", oldest, "sent", sent, "failed", failed)
	}
}

// tendKeys keeps the signing keys up to date with those of other nodes, until ctx ends.
func (s *server) tendKeys(ctx context.Context) {
	again(ctx, func() time.Duration { return s.keysEvery }, func() {
		if err := s.service.Keys.Sync(ctx); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "signing keys not brought up to date", "error", err)
		}
	})
}

func (s *server) close() {
	s.traces.Stop(flushWithin)
	if s.watchers != nil {
		s.watchers.Close()
	}
	if s.listener != nil {
		s.listener.Close()
	}
	if s.store != nil {
		s.store.Close()
	}
}
