package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
)

// Client is an application that talks to a server, signed in or not. AccessToken, if set, authenticates its requests.
type Client struct {
	*Env
	AccessToken, RefreshToken string
	UserID                    string
	ProfileID                 string
}

// Anonymous returns a client that is not signed in.
func (env *Env) Anonymous() *Client { return &Client{Env: env} }

// Vars are the variables of an operation.
type Vars map[string]any

// Ask sends an operation and returns the response, also one with errors.
func (c *Client) Ask(query string, variables Vars) *Response {
	c.T.Helper()
	return c.AskWith(nil, query, variables)
}

// AskWith is Ask with more request headers.
func (c *Client) AskWith(headers http.Header, query string, variables Vars) *Response {
	c.T.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		c.T.Fatal(err)
	}
	return c.postWith(headers, body)
}

// Post sends a body to /graphql unchanged.
func (c *Client) Post(body []byte) *Response {
	c.T.Helper()
	return c.postWith(nil, body)
}

func (c *Client) postWith(headers http.Header, body []byte) *Response {
	c.T.Helper()
	return c.Send(c.Request(headers, body))
}

// Request returns a request that posts a body to /graphql, of the server or its peer in turns.
func (c *Client) Request(headers http.Header, body []byte) *http.Request {
	c.T.Helper()
	node := c.Env
	if c.Peer != nil && c.requests.Add(1)%2 == 0 {
		node = c.Peer
	}
	r, err := http.NewRequestWithContext(c.T.Context(), http.MethodPost, node.URL+"/graphql", bytes.NewReader(body))
	if err != nil {
		c.T.Fatal(err)
	}
	maps.Copy(r.Header, headers)
	r.Header.Set("Content-Type", "application/json")
	node.trackSecrets(sentSecrets, body)
	return r
}

// Send sends a request and returns the response. It fails the test if there is none.
func (c *Client) Send(r *http.Request) *Response {
	c.T.Helper()
	a, err := c.Exchange(r)
	if err != nil {
		c.T.Fatal(err)
	}
	return a
}

// Exchange sends a request and returns the response, or an error if there is no complete one.
func (c *Client) Exchange(r *http.Request) (*Response, error) {
	if c.AccessToken != "" {
		r.Header.Set("Authorization", "Bearer "+c.AccessToken)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	a := &Response{T: c.T, Status: response.StatusCode, Header: response.Header}
	if a.Body, err = io.ReadAll(response.Body); err != nil {
		return nil, err
	}
	c.TrackTokens(a.Body)
	c.TrackTokens([]byte(strings.Join(a.Header.Values("Set-Cookie"), "\n")))
	if err := json.Unmarshal(a.Body, a); err != nil {
		return nil, fmt.Errorf("answer %d is not JSON: %s", a.Status, a.Body)
	}
	return a, nil
}

// SendRaw sends a request as it is written, whatever an HTTP client would think of it.
func (env *Env) SendRaw(method, target, body string, headers ...string) *http.Response {
	env.T.Helper()
	connection, err := net.Dial("tcp", env.Server.Addr())
	if err != nil {
		env.T.Fatal(err)
	}
	env.T.Cleanup(func() { connection.Close() })
	request := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n",
		method, target, len(body))
	for i := 0; i < len(headers); i += 2 {
		request += headers[i] + ": " + headers[i+1] + "\r\n"
	}
	go io.WriteString(connection, request+"\r\n"+body) // the server may answer without reading all of it
	response, err := http.ReadResponse(bufio.NewReader(connection), &http.Request{Method: method})
	if err != nil {
		env.T.Fatalf("%s %s: %v", method, target, err)
	}
	return response
}
