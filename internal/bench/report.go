package main

import (
	"fmt"
	"io"
	"runtime"
	"text/tabwriter"
	"time"
)

// report is the result of a run.
type report struct {
	Users      int                `json:"users"`
	Cores      int                `json:"cores"`
	Go         string             `json:"go"`
	Operations []operationFigures `json:"operations"`
	Programs   []programFigures   `json:"programs"`
}

// operationFigures are the figures of an operation with a number of connections. A ratio that was not measured is 0.
type operationFigures struct {
	Engine        string  `json:"engine"`
	Operation     string  `json:"operation"`
	Connections   int     `json:"connections"`
	Rate          float64 `json:"perSecond"`
	P50           float64 `json:"p50Milliseconds"`
	P99           float64 `json:"p99Milliseconds"`
	CPU           float64 `json:"cpuMicroseconds"`  // of the server, per served request
	RejectedShare float64 `json:"refusedPart"`      // share of all requests, by RATE_LIMITED
	Bare          float64 `json:"byBare"`           // CPU, by that of a handler that writes the same bytes
	RoundTrip     float64 `json:"byRoundTrip"`      // CPU, by that of such a handler with one PostgreSQL query
	Rows          float64 `json:"bySelectAndJSON"`  // CPU, by that of a handler that reads and encodes the same rows
	Hashes        float64 `json:"byPasswordHashes"` // requests, by argon2id hashes on all CPUs
	Commits       float64 `json:"bySQLiteCommits"`  // requests, by commits of one row
}

// programFigures are the figures of the whole server.
type programFigures struct {
	Engine    string  `json:"engine"`
	Start     float64 `json:"startMilliseconds"` // median time until it is ready, on an existing database
	AtRest    float64 `json:"atRestMiB"`
	AfterLoad float64 `json:"afterLoadMiB"` // three seconds after the last request
	Peak      float64 `json:"peakMiB"`
	MixedP99  float64 `json:"readingP99Milliseconds"` // of 64 clients while 16 sign in
}

func newReport(o options) *report {
	return &report{Users: o.users, Cores: runtime.GOMAXPROCS(0), Go: runtime.Version()}
}

// print writes the report as Markdown tables.
func (r *report) print(w io.Writer) error {
	fmt.Fprintf(w, "%d users, %d cores, %s\n\n", r.Users, r.Cores, r.Go)
	table := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	row := func(cells ...any) {
		for _, cell := range cells {
			fmt.Fprintf(table, "| %v\t", cell)
		}
		fmt.Fprintln(table, "|")
	}
	row("engine", "operation", "connections", "requests/s", "p50 ms", "p99 ms", "CPU µs", "× bare", "other baseline")
	row("---", "---", "--:", "--:", "--:", "--:", "--:", "--:", "---")
	for _, f := range r.Operations {
		row(f.Engine, f.Operation, f.Connections, fmt.Sprintf("%.0f", f.Rate), fmt.Sprintf("%.2f", f.P50),
			fmt.Sprintf("%.2f", f.P99), fmt.Sprintf("%.1f", f.CPU), fmt.Sprintf("%.2f", f.Bare), f.others())
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	row("engine", "start ms", "idle MiB", "after load MiB", "peak MiB", "read p99 ms during sign-ins")
	row("---", "--:", "--:", "--:", "--:", "--:")
	for _, f := range r.Programs {
		row(f.Engine, fmt.Sprintf("%.0f", f.Start), fmt.Sprintf("%.1f", f.AtRest), fmt.Sprintf("%.1f", f.AfterLoad),
			fmt.Sprintf("%.1f", f.Peak), fmt.Sprintf("%.1f", f.MixedP99))
	}
	return table.Flush()
}

// others returns the ratios to the other baselines, and the share of rejected requests.
func (f operationFigures) others() (text string) {
	for _, other := range []struct {
		value float64
		form  string
	}{
		{f.Rows, "%.2f × SELECT and JSON"},
		{f.RoundTrip, "%.2f × round trip"},
		{100 * f.Hashes, "%.0f %% of argon2id"},
		{100 * f.Commits, "%.0f %% of SQLite's commits"},
		{100 * f.RejectedShare, "%.1f %% rejected"},
	} {
		if other.value > 0 {
			if text != "" {
				text += ", "
			}
			text += fmt.Sprintf(other.form, other.value)
		}
	}
	return text
}

func ratio(a, b time.Duration) float64     { return float64(a) / float64(max(b, 1)) }
func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
