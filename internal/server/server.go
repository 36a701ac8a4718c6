// Package server is the process that answers requests. [Open] connects what the settings name, migrates the database
// and listens; [Server.Serve] answers until its context is done. [Connect] and [OpenStore] open the database alone, for
// commands.
//
// It knows the endpoints and the background jobs, and decides nothing about accounts.
package server

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"latchkey/internal/audit"
	"latchkey/internal/auth"
	"latchkey/internal/config"
	"latchkey/internal/keyring"
	"latchkey/internal/mail"
	"latchkey/internal/metrics"
	"latchkey/internal/middleware"
	"latchkey/internal/outbox"
	"latchkey/internal/store"
	"latchkey/internal/trace"
)

// Options are what the program and its tests choose, besides the settings. In production only Now, Log and Schema are
// set; the zero values of the other fields are defaults.
type Options struct {
	Now    func() time.Time // the clock of the whole server
	Log    *slog.Logger
	Schema string // what /schema.graphqls answers in development

	Wrappers           []store.Wrapper // between the store and its driver
	PurgeInterval      time.Duration   // at most, between two purges of expired rows; 10 minutes
	KeyRefreshInterval time.Duration   // between two syncs of the signing keys; keyring.SyncInterval
	OutboxInterval     time.Duration   // at most, between two looks at the outbox; 5 seconds
	DrainTimeout       time.Duration   // for the requests that are still running at a stop; 8 seconds
}

// A stop takes ten seconds at most: eight to finish the requests, two for traces. A collector that takes longer loses
// some.
const (
	drainTimeout = 8 * time.Second
	flushTimeout = 2 * time.Second
)

// withDefaults returns o with the values of production where it has none.
func (o Options) withDefaults() Options {
	o.PurgeInterval = cmp.Or(o.PurgeInterval, 10*time.Minute)
	o.KeyRefreshInterval = cmp.Or(o.KeyRefreshInterval, keyring.SyncInterval)
	o.OutboxInterval = cmp.Or(o.OutboxInterval, 5*time.Second)
	o.DrainTimeout = cmp.Or(o.DrainTimeout, drainTimeout)
	return o
}

// Server is an opened server. It listens already, and answers once Serve is called.
type Server struct {
	config   config.Config
	options  Options
	log      *slog.Logger
	store    *store.Store
	service  *auth.Service
	outbox   *outbox.Worker // nil when no email is delivered
	listener net.Listener
	http     *http.Server
	ops      *http.Server     // nil unless MetricsListen is set
	opsAddr  string           // the address of ops
	metrics  *metrics.Metrics // nil without ops
	tracer   *trace.Tracer    // nil when traces are off

	serving  atomic.Bool
	draining atomic.Bool
}

// Open connects everything that the settings name, migrates the database and listens. It serves operators at once;
// users are served by Serve.
func Open(ctx context.Context, c config.Config, o Options) (_ *Server, err error) {
	o = o.withDefaults()
	s := &Server{config: c, options: o, log: o.Log}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	templates, err := mail.NewTemplates(c.MailTemplates, c.AppURL)
	if err != nil {
		return nil, err
	}
	if c.Traces {
		build, _ := ReadBuild()
		if s.tracer, err = trace.Start(ctx, build.Version, s.log); err != nil {
			return nil, err
		}
		s.log = middleware.LogAttrs(s.log, s.tracer.LogAttrs)
	}
	sender, err := NewSender(c, s.log)
	if err != nil {
		return nil, err
	}
	if s.listener, err = net.Listen("tcp", c.Listen); err != nil {
		return nil, err
	}
	if err := s.startOps(); err != nil {
		return nil, err
	}
	if err := s.openDatabase(ctx); err != nil {
		return nil, err
	}
	s.warn(ctx, sender)
	if sender != nil {
		s.outbox = outbox.NewWorker(s.service.Outbox, o.OutboxInterval, map[outbox.Kind]outbox.Handler{
			outbox.Email: mail.Handler{Templates: templates, Sender: sender},
		})
	}
	s.registerMetrics()
	s.http = newHTTP(s.routes(), s.log)
	s.http.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		c.(*net.TCPConn).SetWriteBuffer(sendBuffer)
		return ctx
	}
	return s, nil
}

// sendBuffer is how much of a response the kernel is asked to buffer for a client that does not read, in bytes. Linux
// doubles it; its own choice would be megabytes.
const sendBuffer = 128 << 10

// openDatabase migrates the database, loads its signing keys and makes sure that it can be read.
func (s *Server) openDatabase(ctx context.Context) (err error) {
	var sinks audit.Sinks
	if s.metrics != nil {
		sinks = audit.Sinks{audit.Count(s.metrics.Event)}
	}
	s.store, s.service, err = openOrCreate(ctx, s.config, s.options, s.log, sinks...)
	if err != nil {
		return err
	}
	if s.tracer != nil {
		s.store.Trace = s.tracer.Statement
	}
	if err := s.service.Keys.Sync(ctx); err != nil {
		return err
	}
	if err := s.store.CheckNotMoved(ctx); err != nil { // again, now that there is a row
		return err
	}
	if err := s.service.Ready(ctx); err != nil {
		return fmt.Errorf("database %s: %w", s.config.DatabaseURL, err)
	}
	return nil
}

// warn logs settings that are allowed and probably not intended.
func (s *Server) warn(ctx context.Context, sender mail.Sender) {
	c := s.config
	if len(c.Loosened) > 0 {
		s.log.WarnContext(ctx, "limits allow more than their defaults", "settings", c.Loosened)
	}
	if sender == nil {
		s.log.WarnContext(ctx, "no email is delivered: without LATCHKEY_SMTP_URL users cannot reset a password")
		return
	}
	if c.Mode == config.Production && !strings.HasPrefix(c.AppURL, "https:") {
		s.log.WarnContext(ctx, "links in emails are not https", "app_url", c.AppURL)
	}
	if c.Mode == config.Production && strings.Contains(c.MailFrom, "@localhost") {
		s.log.WarnContext(ctx, "emails come from localhost: set LATCHKEY_MAIL_FROM")
	}
}

// newHTTP returns a server for one of the listeners.
func newHTTP(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       drainTimeout,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),

		DisableGeneralOptionsHandler: true, // it sets no security headers
	}
}

// NewSender returns the sender of emails: by SMTP or, in development without LATCHKEY_SMTP_URL, to the log; nil in
// production, where the log is no place for links with tokens.
func NewSender(c config.Config, log *slog.Logger) (mail.Sender, error) {
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

// Serve answers requests until ctx is done. Then it accepts no more, finishes those that are running and closes
// everything.
func (s *Server) Serve(ctx context.Context) error {
	defer s.Close()
	s.serving.Store(true)
	s.log.InfoContext(ctx, "latchkey is ready", s.addresses()...)
	defer s.startJobs(ctx)()
	requests, endRequests := context.WithCancel(context.WithoutCancel(ctx))
	defer endRequests()
	s.http.BaseContext = func(net.Listener) context.Context { return requests }
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		s.draining.Store(true)
		time.AfterFunc(s.options.DrainTimeout, endRequests)
		timeout, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.options.DrainTimeout+flushTimeout)
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

// addresses returns the URLs of the endpoints, as attributes of a log line.
func (s *Server) addresses() []any {
	base := "http://" + browsable(s.listener.Addr())
	list := []any{"graphql", base + "/graphql"}
	if s.config.Mode == config.Development {
		list = append(list, "explorer", base+"/")
	}
	if s.ops != nil {
		list = append(list, "metrics", "http://"+s.opsAddr+"/metrics")
	}
	return list
}

// browsable returns an address as people type it: localhost for a listener that this machine reaches by that name.
func browsable(address net.Addr) string {
	tcp, ok := address.(*net.TCPAddr)
	if !ok || !tcp.IP.IsLoopback() && !tcp.IP.IsUnspecified() {
		return address.String()
	}
	return fmt.Sprintf("localhost:%d", tcp.Port)
}

// Addr returns the address at which users are served.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// OpsAddr returns the address at which operators are served, or "".
func (s *Server) OpsAddr() string { return s.opsAddr }

// HTTP returns the HTTP server for users.
func (s *Server) HTTP() *http.Server { return s.http }

// Service returns the use cases of accounts.
func (s *Server) Service() *auth.Service { return s.service }

// Store returns the database.
func (s *Server) Store() *store.Store { return s.store }

// startJobs starts the background jobs. They run until stop, which waits for them.
func (s *Server) startJobs(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var jobs sync.WaitGroup
	jobs.Go(func() { s.purge(ctx) })
	jobs.Go(func() { s.syncKeys(ctx) })
	jobs.Go(func() { tuneGC(ctx) })
	if s.outbox != nil {
		jobs.Go(func() { s.outbox.Run(ctx) })
	}
	if s.tracer != nil {
		jobs.Go(func() {
			<-ctx.Done()
			s.tracer.Stop(flushTimeout)
		})
	}
	return func() {
		cancel()
		jobs.Wait()
	}
}

// Close closes everything that Open opened. Serve does so itself.
func (s *Server) Close() {
	s.tracer.Stop(flushTimeout)
	if s.ops != nil {
		s.ops.Close()
	}
	if s.listener != nil {
		s.listener.Close()
	}
	if s.store != nil {
		s.store.Close()
	}
}
