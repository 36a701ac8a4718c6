package metrics

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// everything returns figures that have each been counted once.
func everything(outbox func(context.Context) (int, time.Duration, error)) *Metrics {
	m := New(Build{})
	m.Operation("me", "OK", time.Millisecond)
	m.Event("session_created", "sign-in")
	m.Response(http.StatusNotFound)
	m.Watch(Sources{
		Passwords: func() Passwords { return Passwords{1, 2, 3, 4, 5 * time.Second} },
		Pools:     func() map[string]sql.DBStats { return map[string]sql.DBStats{"all": {OpenConnections: 1}} },
		Outbox:    outbox,
		Mails:     func() (sent, failed int64) { return 6, 7 },
	})
	return m
}

func twoWait(context.Context) (int, time.Duration, error) { return 2, time.Minute, nil }

// TestNames holds the names to the practice of Prometheus.
func TestNames(t *testing.T) {
	problems, err := testutil.GatherAndLint(everything(twoWait).registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "latchkey_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

var row = regexp.MustCompile("(?m)^\\| `(latchkey_[a-z_]+)` \\|.*$")

// TestDocument keeps the table in docs/operations.md equal to what a scrape tells.
func TestDocument(t *testing.T) {
	families, err := everything(twoWait).registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "latchkey_") {
			continue
		}
		var labels []string
		for _, l := range f.Metric[0].Label {
			labels = append(labels, "`"+l.GetName()+"`")
		}
		want = append(want, fmt.Sprintf("| `%s` | %s | %s | %s |", f.GetName(), strings.ToLower(f.GetType().String()),
			strings.Join(labels, ", "), f.GetHelp()))
	}
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	have := row.FindAllString(string(text), -1)
	slices.Sort(have)
	slices.Sort(want)
	if !slices.Equal(have, want) {
		t.Errorf("docs/operations.md has\n%s\nwant\n%s", strings.Join(have, "\n"), strings.Join(want, "\n"))
	}
}

// TestADatabaseThatHangs holds up no scrape, though its driver does not listen.
func TestADatabaseThatHangs(t *testing.T) {
	over := make(chan struct{})
	defer close(over)
	m := everything(func(context.Context) (int, time.Duration, error) {
		<-over
		return 0, 0, nil
	})
	answer := httptest.NewRecorder()
	m.Handler().ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	text := answer.Body.String()
	if answer.Code != http.StatusOK || !strings.Contains(text, "\nlatchkey_database_up 0\n") ||
		strings.Contains(text, "latchkey_outbox") || !strings.Contains(text, "\nlatchkey_mails_failed_total 7\n") {
		t.Errorf("%d %s", answer.Code, text)
	}
}

// TestNoMetrics counts nothing where nobody asked for it.
func TestNoMetrics(t *testing.T) {
	var m *Metrics
	m.Operation("me", "OK", 0)
	m.Event("x", "")
	m.Response(http.StatusOK)
	m.Watch(Sources{})
}

func BenchmarkOperation(b *testing.B) {
	m := New(Build{})
	b.ReportAllocs()
	for b.Loop() {
		m.Operation("me", "OK", time.Millisecond)
	}
}
