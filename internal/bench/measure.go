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

// measure adds what one engine costs to the report.
func measure(ctx context.Context, o options, folder, engine, url string, report *report) (err error) {
	say("%s: filling with %d users", engine, o.users)
	tokens, err := fill(ctx, url, o.users)
	if err != nil {
		return err
	}
	say("%s: starting", engine)
	var server *process
	var took []time.Duration
	for range starts {
		if server != nil {
			if err := server.stop(); err != nil {
				return err
			}
		}
		if server, err = startLatchkey(ctx, o, folder, url); err != nil {
			return err
		}
		took = append(took, server.started)
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	slices.Sort(took)
	program := programFigures{Engine: engine, Start: milliseconds(took[len(took)/2])}
	if program.AtRest, _, err = server.memory(); err != nil {
		return err
	}
	yardsticks, err := startYardsticks(ctx, folder, url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, yardsticks.stop()) }()

	b := &bench{o, folder, engine, server, yardsticks, tokens}
	for _, operation := range operations {
		if !strings.Contains(operation.name, o.only) {
			continue
		}
		for _, connections := range o.connections {
			line, err := b.compare(ctx, operation, connections)
			if err != nil {
				return err
			}
			report.Operations = append(report.Operations, line)
		}
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

// compare measures an operation and its yardsticks in turns.
func (b *bench) compare(ctx context.Context, operation operation, connections int) (line operationFigures, err error) {
	say("%s: %s, %d connections", b.engine, operation.name, connections)
	visitors, err := b.visitors(operation, connections)
	if err != nil {
		return line, err
	}
	c, err := dial(b.server.address)
	if err != nil {
		return line, err
	}
	defer c.conn.Close()
	request := visitors[0].next()
	answer, err := c.ask(request)
	if err == nil {
		var served bool
		if served, err = visitors[0].took(answer); err == nil && !served {
			err = fmt.Errorf("%s: refused at once: %s", operation.name, answer)
		}
	}
	if err != nil {
		return line, err
	}
	if err := keep(b.yardsticks, answer); err != nil {
		return line, err
	}
	_, body, _ := strings.Cut(string(request), "\r\n\r\n")
	same := func(path string) []bystander {
		return slices.Repeat([]bystander{{post(path, visitors[0].access, []byte(body))}}, connections)
	}
	yardstick := operation.yardstick
	if yardstick == commits && b.engine != "sqlite" {
		yardstick = ""
	}
	var asked, bare, trip, rowsOf spell
	var hashed, committed float64
	for round := range b.rounds + 1 {
		if round == 1 { // the first warms up
			asked, bare, trip, rowsOf, hashed, committed = spell{}, spell{}, spell{}, spell{}, 0, 0
		}
		if err := turn(ctx, b, operation.name, b.server, visitors, &asked); err != nil {
			return line, err
		}
		if err := turn(ctx, b, operation.name, b.yardsticks, same(barePath), &bare); err != nil {
			return line, err
		}
		if b.engine == "postgres" {
			if err := turn(ctx, b, operation.name, b.yardsticks, same(tripPath), &trip); err != nil {
				return line, err
			}
		}
		switch yardstick {
		case rows:
			path := fmt.Sprintf("%s?%d", pagesPath, operation.pageSize)
			if err := turn(ctx, b, operation.name, b.yardsticks, same(path), &rowsOf); err != nil {
				return line, err
			}
		case hashes:
			hashed += hashRate(b.period)
		case commits:
			rate, err := commitRate(ctx, b.folder, b.period)
			if err != nil {
				return line, err
			}
			committed += rate
		}
	}
	line = operationFigures{
		Engine:      b.engine,
		Operation:   operation.name,
		Connections: connections,
		Rate:        asked.rate(),
		P50:         milliseconds(asked.percentile(50)),
		P99:         milliseconds(asked.percentile(99)),
		CPU:         microseconds(asked.cost()),
		RefusedPart: asked.refusedPart(),
		Bare:        ratio(asked.cost(), bare.cost()),
	}
	if b.engine == "postgres" {
		line.RoundTrip = ratio(asked.cost(), trip.cost())
	}
	switch yardstick {
	case rows:
		line.Rows = ratio(asked.cost(), rowsOf.cost())
	case hashes:
		line.Hashes = asked.rate() * float64(b.rounds) / hashed
	case commits:
		line.Commits = asked.rate() * float64(b.rounds) / committed
	}
	return line, nil
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
