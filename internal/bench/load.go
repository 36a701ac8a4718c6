package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// client is a keep-alive connection to a server.
type client struct {
	conn   net.Conn
	reader *bufio.Reader
	body   bytes.Buffer
}

func dial(address string) (*client, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return &client{conn: conn, reader: bufio.NewReader(conn)}, nil
}

// ask sends a request and returns the body of the response, which is valid until the next call.
func (c *client) ask(request []byte) ([]byte, error) {
	if _, err := c.conn.Write(request); err != nil {
		return nil, err
	}
	answer, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return nil, err
	}
	c.body.Reset()
	if _, err := io.Copy(&c.body, answer.Body); err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", answer.Status, c.body.Bytes())
	}
	return c.body.Bytes(), nil
}

// post returns a request with a JSON body and the headers that a browser sends for Apollo Client.
func post(path, accessToken string, body []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\n", path)
	if accessToken != "" {
		fmt.Fprintf(&b, "Authorization: Bearer %s\r\n", accessToken)
	}
	b.WriteString("Accept: application/graphql-response+json,application/json;q=0.9\r\n" +
		"Accept-Language: en-US,en;q=0.9\r\nAccept-Encoding: identity\r\n" +
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) " +
		"Chrome/140.0.0.0 Safari/537.36\r\n" +
		"Content-Type: application/json\r\n")
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	return b.Bytes()
}

// work is the requests of one connection. next returns the next request. took receives its response and reports whether
// the request was served; a rate-limited request is not an error.
type work interface {
	next() []byte
	took(answer []byte) (served bool, err error)
}

// result is what load measured.
type result struct {
	elapsed time.Duration
	cpuTime time.Duration // of the server
	times   []time.Duration
	refused int // requests, which are not in times
}

func (s *result) add(other result) {
	s.elapsed += other.elapsed
	s.cpuTime += other.cpuTime
	s.times = append(s.times, other.times...)
	s.refused += other.refused
}

// rate returns the served requests per second.
func (s *result) rate() float64 { return float64(len(s.times)) / s.elapsed.Seconds() }

// rejectedShare returns the share of requests that were rejected, from 0 to 1.
func (s *result) rejectedShare() float64 {
	return float64(s.refused) / float64(max(len(s.times)+s.refused, 1))
}

// cost returns the CPU time of the server per served request.
func (s *result) cost() time.Duration { return s.cpuTime / time.Duration(max(len(s.times), 1)) }

// percentile returns a percentile of the response times.
func (s *result) percentile(percent int) time.Duration {
	if len(s.times) == 0 {
		return 0
	}
	slices.Sort(s.times)
	return s.times[len(s.times)*percent/100]
}

// load sends the requests of the workers to a server concurrently until done is closed.
func load[W work](ctx context.Context, p *process, done <-chan struct{}, workers []W) (s result, err error) {
	clients := make([]*client, len(workers))
	for i := range clients {
		if clients[i], err = dial(p.address); err != nil {
			return s, err
		}
		defer clients[i].conn.Close()
	}
	results, failures := make([]result, len(workers)), make([]error, len(workers))
	before, err := p.cpuTime()
	if err != nil {
		return s, err
	}
	began := time.Now()
	var running sync.WaitGroup
	for i, w := range workers {
		running.Go(func() { results[i], failures[i] = send(ctx, clients[i], w, done) })
	}
	running.Wait()
	for _, one := range results {
		s.add(one)
	}
	s.elapsed = time.Since(began)
	after, err := p.cpuTime()
	s.cpuTime = after - before
	return s, errors.Join(err, errors.Join(failures...))
}

// send sends the requests of one worker until done is closed.
func send[W work](ctx context.Context, c *client, w W, done <-chan struct{}) (s result, err error) {
	for {
		select {
		case <-done:
			return s, nil
		case <-ctx.Done():
			return s, ctx.Err()
		default:
		}
		sent := time.Now()
		answer, err := c.ask(w.next())
		if err != nil {
			return s, err
		}
		switch served, err := w.took(answer); {
		case err != nil:
			return s, err
		case served:
			s.times = append(s.times, time.Since(sent))
		default:
			s.refused++
		}
	}
}

// after returns a channel that is closed after d.
func after(d time.Duration) <-chan struct{} {
	done := make(chan struct{})
	time.AfterFunc(d, func() { close(done) })
	return done
}
