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

// starts is how often the server is started on the same database.
const starts = 10

// settling is how long after the last request the server's memory is looked at.
const settling = 3 * time.Second

// measure adds the figures of one engine to the report.
func measure(ctx context.Context, o options, folder, engine, url string, report *report) (err error) {
	say("%s: filling with %d users", engine, o.users)
	tokens, err := fill(ctx, url, o.users)
	if err != nil {
		return err
	}
	say("%s: starting", engine)
	server, start, err := restart(ctx, o, folder, url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	program := programFigures{Engine: engine, Start: milliseconds(start)}
	if program.AtRest, _, err = server.memory(); err != nil {
		return err
	}
	yardsticks, err := startYardsticks(ctx, folder, url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, yardsticks.stop()) }()

	b := &bench{o, folder, engine, server, yardsticks, tokens}
	if err := b.compareAll(ctx, report); err != nil {
		return err
	}
	if strings.Contains("mixed reading", o.only) {
		if program.MixedP99, err = b.mix(ctx); err != nil {
			return err
		}
	}
	select {
	case <-time.After(settling):
	case <-ctx.Done():
	}
	program.AfterLoad, program.Peak, err = server.memory()
	report.Programs = append(report.Programs, program)
	return err
}

// restart starts the server several times on the same database. It returns the last one, and the median time to start.
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

// compareAll adds the figures of the chosen operations to the report.
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

// bench is one engine's server, with what it takes to measure it.
type bench struct {
	options
	folder, engine     string
	server, yardsticks *process
	tokens             []string // of sessions that nobody uses now
}

// visitors returns so many that ask for an operation, with sessions of their own.
func (b *bench) visitors(operation operation, n int) ([]*visitor, error) {
	share := len(b.tokens) / n
	visitors := make([]*visitor, n)
	for i := range visitors {
		v := &visitor{operation: operation, tokens: b.tokens[i*share : (i+1)*share], users: b.users}
		if operation.signedIn {
			if err := b.admit(v); err != nil {
				return nil, err
			}
		}
		visitors[i] = v
	}
	return visitors, nil
}

// admit gives a visitor an access token, and the id of the user's profile.
func (b *bench) admit(v *visitor) error {
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
	err = ask("", `mutation ($t: String) { refreshToken(input: {refreshToken: $t}) { tokens { accessToken refreshToken } } }`,
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
		return errors.New("a session was not renewed")
	}
	return nil
}

// comparison is an operation beside its yardsticks, all measured in turns.
type comparison struct {
	*bench
	operation operation
	visitors  []*visitor
	body      []byte        // of a request, for the yardsticks
	yardstick yardstickKind // of the operation on this engine, or ""

	asked, bare, trip, rows spell
	hashed, committed       float64 // rates, added up
}

// compare measures an operation and its yardsticks in turns.
func (b *bench) compare(ctx context.Context, operation operation, connections int) (line operationFigures, err error) {
	say("%s: %s, %d connections", b.engine, operation.name, connections)
	c := comparison{bench: b, operation: operation, yardstick: operation.yardstick}
	if c.yardstick == commits && b.engine != "sqlite" {
		c.yardstick = ""
	}
	if c.visitors, err = b.visitors(operation, connections); err != nil {
		return line, err
	}
	if err := c.prepare(); err != nil {
		return line, err
	}
	for round := range b.rounds + 1 {
		if round == 1 { // the first warms up
			c.asked, c.bare, c.trip, c.rows, c.hashed, c.committed = spell{}, spell{}, spell{}, spell{}, 0, 0
		}
		if err := c.round(ctx); err != nil {
			return line, err
		}
	}
	return c.figures(), nil
}

// prepare sends the operation once, and gives the response to the yardsticks.
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
		return fmt.Errorf("%s: refused at once: %s", c.operation.name, answer)
	}
	_, body, _ := strings.Cut(string(request), "\r\n\r\n")
	c.body = []byte(body)
	return keep(c.yardsticks, answer)
}

// round measures the operation and each of its yardsticks for a period.
func (c *comparison) round(ctx context.Context) error {
	if err := turn(ctx, c.bench, c.operation.name, c.server, c.visitors, &c.asked); err != nil {
		return err
	}
	if err := c.yard(ctx, barePath, &c.bare); err != nil {
		return err
	}
	if c.engine == "postgres" {
		if err := c.yard(ctx, tripPath, &c.trip); err != nil {
			return err
		}
	}
	switch c.yardstick {
	case rows:
		return c.yard(ctx, fmt.Sprintf("%s?%d", pagesPath, c.operation.pageSize), &c.rows)
	case hashes:
		c.hashed += hashRate(c.period)
	case commits:
		rate, err := commitRate(ctx, c.folder, c.period)
		c.committed += rate
		return err
	}
	return nil
}

// yard measures a yardstick with as many connections as the operation has.
func (c *comparison) yard(ctx context.Context, path string, total *spell) error {
	same := slices.Repeat([]bystander{{post(path, c.visitors[0].access, c.body)}}, len(c.visitors))
	return turn(ctx, c.bench, c.operation.name, c.yardsticks, same, total)
}

// figures returns the line of the report.
func (c *comparison) figures() operationFigures {
	line := operationFigures{
		Engine:      c.engine,
		Operation:   c.operation.name,
		Connections: len(c.visitors),
		Rate:        c.asked.rate(),
		P50:         milliseconds(c.asked.percentile(50)),
		P99:         milliseconds(c.asked.percentile(99)),
		CPU:         microseconds(c.asked.cost()),
		RefusedPart: c.asked.refusedPart(),
		Bare:        ratio(c.asked.cost(), c.bare.cost()),
	}
	if c.engine == "postgres" {
		line.RoundTrip = ratio(c.asked.cost(), c.trip.cost())
	}
	switch c.yardstick {
	case rows:
		line.Rows = ratio(c.asked.cost(), c.rows.cost())
	case hashes:
		line.Hashes = c.asked.rate() * float64(c.rounds) / c.hashed
	case commits:
		line.Commits = c.asked.rate() * float64(c.rounds) / c.committed
	}
	return line
}

// turn has workers ask a server for a period.
func turn[W work](ctx context.Context, b *bench, name string, p *process, workers []W, total *spell) (err error) {
	if b.profile != "" && p == b.server {
		taken := make(chan error, 1)
		go func() { taken <- b.takeProfile(ctx, name) }()
		defer func() { err = errors.Join(err, <-taken) }()
	}
	s, err := load(ctx, p, after(b.period), workers)
	total.add(s)
	return err
}

// takeProfile writes a profile of the server's processor during a period.
func (b *bench) takeProfile(ctx context.Context, operation string) error {
	url := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%.0f", b.server.watched, max(b.period.Seconds(), 1))
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

// Who reads, and who signs in meanwhile.
const (
	readers   = 64
	signers   = 16
	mixPeriod = 5 // periods
)

// mix returns the 99th percentile of the time that reading takes while others sign in without pause.
func (b *bench) mix(ctx context.Context) (float64, error) {
	say("%s: %d read while %d sign in", b.engine, readers, signers)
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
		err = errors.Join(err, fmt.Errorf("%d readings were refused", read.refused))
	}
	return milliseconds(read.percentile(99)), errors.Join(err, <-failed)
}
