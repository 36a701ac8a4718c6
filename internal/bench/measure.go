package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// starts is the number of server starts, of which the median time is reported.
const starts = 10

// settleTime is the time between the last request and reading the server's memory.
const settleTime = 3 * time.Second

// measure adds the figures of one engine to the report.
func measure(ctx context.Context, o options, folder, engine, url string, report *report) (err error) {
	progress("%s: filling with %d users", engine, o.users)
	tokens, err := fill(ctx, url, o.users)
	if err != nil {
		return err
	}
	progress("%s: starting", engine)
	server, start, err := restart(ctx, o, folder, url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	program := programFigures{Engine: engine, Start: milliseconds(start)}
	if program.AtRest, _, err = server.memory(); err != nil {
		return err
	}
	baselines, err := startBaselines(ctx, folder, url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, baselines.stop()) }()

	b := &bench{o, folder, engine, server, baselines, tokens}
	if err := b.compareAll(ctx, report); err != nil {
		return err
	}
	if strings.Contains("mixed reading", o.only) {
		if program.MixedP99, err = b.mix(ctx); err != nil {
			return err
		}
	}
	select {
	case <-time.After(settleTime):
	case <-ctx.Done():
	}
	program.AfterLoad, program.Peak, err = server.memory()
	report.Programs = append(report.Programs, program)
	return err
}

// restart starts the server several times on the same database. It returns the last one and the median start time.
func restart(ctx context.Context, o options, folder, url string) (server *process, start time.Duration, err error) {
	var times []time.Duration
	for range starts {
		if server != nil {
			if err := server.stop(); err != nil {
				return nil, 0, err
			}
		}
		if server, err = startLatchkey(ctx, o, folder, url); err != nil {
			return nil, 0, err
		}
		times = append(times, server.started)
	}
	slices.Sort(times)
	return server, times[len(times)/2], nil
}

// compareAll adds the figures of the selected operations to the report.
func (b *bench) compareAll(ctx context.Context, report *report) error {
	for _, operation := range operations {
		if !strings.Contains(operation.name, b.only) {
			continue
		}
		for _, connections := range b.connections {
			line, err := b.compare(ctx, operation, connections)
			if err != nil {
				return err
			}
			report.Operations = append(report.Operations, line)
		}
	}
	return nil
}

// bench is the server on one engine, and what is needed to measure it.
type bench struct {
	options
	folder, engine    string
	server, baselines *process
	tokens            []string // refresh tokens of sessions that are not in use
}

// visitors returns n clients that repeat an operation, each with its own sessions.
func (b *bench) visitors(operation operation, n int) ([]*visitor, error) {
	share := len(b.tokens) / n
	visitors := make([]*visitor, n)
	for i := range visitors {
		v := &visitor{operation: operation, tokens: b.tokens[i*share : (i+1)*share], users: b.users}
		if operation.signedIn {
			if err := b.authenticate(v); err != nil {
				return nil, err
			}
		}
		visitors[i] = v
	}
	return visitors, nil
}

// authenticate sets a visitor's access token and the ID of the user's profile.
func (b *bench) authenticate(v *visitor) error {
	c, err := dial(b.server.address)
	if err != nil {
		return err
	}
	defer c.conn.Close()
	ask := func(access, document string, variables map[string]any, into any) error {
		answer, err := c.ask(query(access, document, variables))
		if err != nil {
			return err
		}
		return json.Unmarshal(answer, into)
	}
	var renewed struct {
		Data struct {
			RefreshToken struct {
				Tokens struct{ AccessToken, RefreshToken string }
			}
		}
	}
	err = ask("", `mutation ($t: String) { refreshToken(input: {refreshToken: $t}) {
		tokens { accessToken refreshToken } } }`,
		map[string]any{"t": v.tokens[0]}, &renewed)
	if err != nil {
		return err
	}
	v.access, v.tokens[0] = renewed.Data.RefreshToken.Tokens.AccessToken, renewed.Data.RefreshToken.Tokens.RefreshToken
	var me struct {
		Data struct {
			Me struct{ Profile struct{ ID string } }
		}
	}
	if err := ask(v.access, `{ me { profile { id } } }`, nil, &me); err != nil {
		return err
	}
	if v.profile = me.Data.Me.Profile.ID; v.profile == "" {
		return errors.New("refreshing a session failed")
	}
	return nil
}

// comparison measures an operation and its baselines in turn.
type comparison struct {
	*bench
	operation operation
	visitors  []*visitor
	body      []byte       // of a request, for the baselines
	baseline  baselineKind // of the operation on this engine, or ""

	asked, bare, trip, rows result
	hashed, committed       float64 // rates, added up
}

// compare measures an operation and its baselines in turn.
func (b *bench) compare(ctx context.Context, operation operation, connections int) (line operationFigures, err error) {
	progress("%s: %s, %d connections", b.engine, operation.name, connections)
	c := comparison{bench: b, operation: operation, baseline: operation.baseline}
	if c.baseline == commits && b.engine != "sqlite" {
		c.baseline = ""
	}
	if c.visitors, err = b.visitors(operation, connections); err != nil {
		return line, err
	}
	if err := c.prepare(); err != nil {
		return line, err
	}
	for round := range b.rounds + 1 {
		if round == 1 { // the first was a warm-up
			c.asked, c.bare, c.trip, c.rows, c.hashed, c.committed = result{}, result{}, result{}, result{}, 0, 0
		}
		if err := c.round(ctx); err != nil {
			return line, err
		}
	}
	return c.figures(), nil
}

// prepare sends the operation once, and gives the response to the baselines.
func (c *comparison) prepare() error {
	connection, err := dial(c.server.address)
	if err != nil {
		return err
	}
	defer connection.conn.Close()
	request := c.visitors[0].next()
	answer, err := connection.ask(request)
	if err != nil {
		return err
	}
	switch served, err := c.visitors[0].took(answer); {
	case err != nil:
		return err
	case !served:
		return fmt.Errorf("%s: rejected at once: %s", c.operation.name, answer)
	}
	_, body, _ := strings.Cut(string(request), "\r\n\r\n")
	c.body = []byte(body)
	return setBody(c.baselines, answer)
}

// round measures the operation and each of its baselines for a period.
func (c *comparison) round(ctx context.Context) error {
	if err := turn(ctx, c.bench, c.operation.name, c.server, c.visitors, &c.asked); err != nil {
		return err
	}
	if err := c.measureBaseline(ctx, barePath, &c.bare); err != nil {
		return err
	}
	if c.engine == "postgres" {
		if err := c.measureBaseline(ctx, tripPath, &c.trip); err != nil {
			return err
		}
	}
	switch c.baseline {
	case rows:
		return c.measureBaseline(ctx, fmt.Sprintf("%s?%d", pagesPath, c.operation.pageSize), &c.rows)
	case hashes:
		c.hashed += hashRate(c.period)
	case commits:
		rate, err := commitRate(ctx, c.folder, c.period)
		c.committed += rate
		return err
	}
	return nil
}

// measureBaseline measures a baseline with the same number of connections as the operation.
func (c *comparison) measureBaseline(ctx context.Context, path string, total *result) error {
	same := slices.Repeat([]baselineClient{{post(path, c.visitors[0].access, c.body)}}, len(c.visitors))
	return turn(ctx, c.bench, c.operation.name, c.baselines, same, total)
}

// figures returns the line of the report.
func (c *comparison) figures() operationFigures {
	line := operationFigures{
		Engine:        c.engine,
		Operation:     c.operation.name,
		Connections:   len(c.visitors),
		Rate:          c.asked.rate(),
		P50:           milliseconds(c.asked.percentile(50)),
		P99:           milliseconds(c.asked.percentile(99)),
		CPU:           microseconds(c.asked.cost()),
		RejectedShare: c.asked.rejectedShare(),
		Bare:          ratio(c.asked.cost(), c.bare.cost()),
	}
	if c.engine == "postgres" {
		line.RoundTrip = ratio(c.asked.cost(), c.trip.cost())
	}
	switch c.baseline {
	case rows:
		line.Rows = ratio(c.asked.cost(), c.rows.cost())
	case hashes:
		line.Hashes = c.asked.rate() * float64(c.rounds) / c.hashed
	case commits:
		line.Commits = c.asked.rate() * float64(c.rounds) / c.committed
	}
	return line
}

// turn runs load for a period and adds the result to total.
func turn[W work](ctx context.Context, b *bench, name string, p *process, workers []W, total *result) (err error) {
	if b.profile != "" && p == b.server {
		taken := make(chan error, 1)
		go func() { taken <- b.takeProfile(ctx, name) }()
		defer func() { err = errors.Join(err, <-taken) }()
	}
	s, err := load(ctx, p, after(b.period), workers)
	total.add(s)
	return err
}

// takeProfile writes a CPU profile of the server during a period.
func (b *bench) takeProfile(ctx context.Context, operation string) error {
	url := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%.0f", b.server.opsAddress, max(b.period.Seconds(), 1))
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	file, err := os.Create(filepath.Join(b.profile, b.engine+"-"+strings.ReplaceAll(operation, " ", "-")+".pprof"))
	if err != nil {
		return err
	}
	_, err = io.Copy(file, answer.Body)
	return errors.Join(err, file.Close())
}

// The clients of mix.
const (
	readers   = 64
	signers   = 16
	mixPeriod = 5 // periods
)

// mix returns the 99th percentile of read times while other clients sign in without pause, in milliseconds.
func (b *bench) mix(ctx context.Context) (float64, error) {
	progress("%s: %d read while %d sign in", b.engine, readers, signers)
	var reading []*visitor
	for i, operation := range operations[:3] {
		visitors, err := b.visitors(operation, readers)
		if err != nil {
			return 0, err
		}
		for n := i; n < readers; n += 3 {
			reading = append(reading, visitors[n])
		}
	}
	signing, err := b.visitors(operations[len(operations)-2], signers)
	if err != nil {
		return 0, err
	}
	done := after(mixPeriod * b.period)
	failed := make(chan error, 1)
	go func() {
		_, err := load(ctx, b.server, done, signing)
		failed <- err
	}()
	read, err := load(ctx, b.server, done, reading)
	if read.refused > 0 {
		err = errors.Join(err, fmt.Errorf("%d reads were rejected", read.refused))
	}
	return milliseconds(read.percentile(99)), errors.Join(err, <-failed)
}
