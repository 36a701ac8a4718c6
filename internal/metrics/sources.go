package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// queryTimeout limits how long a scrape waits for the database.
const queryTimeout = 2 * time.Second

var (
	waiting = describe("latchkey_password_queue_waiting", "Passwords waiting to be hashed.")
	running = describe("latchkey_password_queue_running", "Passwords being hashed.")
	entered = describe("latchkey_password_hashes_total", "Passwords hashed or being hashed.")
	refused = describe("latchkey_password_queue_refused_total", "Passwords rejected because they waited too long.")
	waited  = describe("latchkey_password_queue_wait_seconds_total", "Total time passwords spent waiting to be hashed.")

	up     = describe("latchkey_database_up", "1 if the database responded to this scrape in time, otherwise 0.")
	queued = describe("latchkey_outbox_mails",
		"Queued emails of all servers; absent while the database is unavailable.")
	oldest = describe("latchkey_outbox_oldest_seconds",
		"Age of the oldest queued email; absent while the database is unavailable.")
	sent   = describe("latchkey_mails_sent_total", "Emails sent by this server.")
	failed = describe("latchkey_mails_failed_total", "Emails given up by this server.")

	open    = describe("latchkey_database_connections_open", "Open database connections, by pool.", "pool")
	inUse   = describe("latchkey_database_connections_in_use", "Database connections in use, by pool.", "pool")
	maxOpen = describe("latchkey_database_connections_max", "Maximum number of database connections, by pool.", "pool")
	waits   = describe("latchkey_database_connection_waits_total",
		"Number of waits for a database connection, by pool.", "pool")
	waitsTime = describe("latchkey_database_connection_wait_seconds_total",
		"Total time spent waiting for a database connection, by pool.", "pool")
)

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// Watch registers sources, which every scrape reads. Call it once.
func (m *Metrics) Watch(sources Sources) {
	if m != nil {
		m.registry.MustRegister(sources)
	}
}

// Describe implements [prometheus.Collector].
func (s Sources) Describe(described chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{waiting, running, entered, refused, waited, up, queued, oldest, sent,
		failed, open, inUse, maxOpen, waits, waitsTime} {
		described <- d
	}
}

// Collect implements [prometheus.Collector]. It leaves out the outbox if the database does not answer in time.
func (s Sources) Collect(collected chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		collected <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	counter := func(d *prometheus.Desc, value float64, labels ...string) {
		collected <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, value, labels...)
	}
	passwords := s.Passwords()
	gauge(waiting, float64(passwords.Waiting))
	gauge(running, float64(passwords.Running))
	counter(entered, float64(passwords.Entered))
	counter(refused, float64(passwords.Refused))
	counter(waited, passwords.Waited.Seconds())
	for pool, stats := range s.Pools() {
		gauge(open, float64(stats.OpenConnections), pool)
		gauge(inUse, float64(stats.InUse), pool)
		gauge(maxOpen, float64(stats.MaxOpenConnections), pool)
		counter(waits, float64(stats.WaitCount), pool)
		counter(waitsTime, stats.WaitDuration.Seconds(), pool)
	}
	sentSoFar, failedSoFar := s.Mails()
	counter(sent, float64(sentSoFar))
	counter(failed, float64(failedSoFar))
	count, age, err := s.queryOutbox()
	if err != nil {
		gauge(up, 0)
		return
	}
	gauge(up, 1)
	gauge(queued, float64(count))
	gauge(oldest, age.Seconds())
}

// queryOutbox queries the outbox in a goroutine, because a driver may ignore the end of ctx.
func (s Sources) queryOutbox() (count int, age time.Duration, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), queryTimeout)
	defer cancel()
	type outcome struct {
		count int
		age   time.Duration
		err   error
	}
	done := make(chan outcome, 1)
	go func() {
		count, age, err := s.Outbox(ctx)
		done <- outcome{count, age, err}
	}()
	select {
	case o := <-done:
		return o.count, o.age, o.err
	case <-ctx.Done():
		return 0, 0, ctx.Err()
	}
}
