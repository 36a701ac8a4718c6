package sessions

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"latchkey/internal/e2e"
	"latchkey/internal/store/storetest"
)

// TestRefreshConcurrent checks that concurrent refreshes on one and two servers return the same new token.
func TestRefreshConcurrent(t *testing.T) {
	e2e.EachStrict(t, func(t *testing.T, s *e2e.Env) {
		mario := s.Register("mario")
		for _, servers := range [][]*e2e.Env{{s}, {s, s.AnotherNode()}} {
			for range 4 {
				s.Clock.Advance(time.Minute) // for 32 refreshes are half of what a minute allows
				crowd(mario, servers...)
			}
		}
	})
}

// crowd refreshes with 32 concurrent clients and checks that all receive the same new refresh token.
func crowd(c *e2e.Client, servers ...*e2e.Env) {
	c.T.Helper()
	generation := c.SessionRow().Generation
	tabs := make([]*e2e.Client, 32)
	e2e.Concurrently(len(tabs), func(i int) {
		tabs[i] = servers[i%len(servers)].Anonymous()
		tabs[i].RefreshWith(c.RefreshToken).Ok()
	})
	for _, tab := range tabs {
		if tab.RefreshToken != tabs[0].RefreshToken || tab.RefreshToken == c.RefreshToken {
			c.T.Fatal("the callers did not get one child")
		}
		if !tab.SignedIn() {
			c.T.Fatal("a caller's access token does not work")
		}
	}
	if have := c.SessionRow().Generation; have != generation+1 {
		c.T.Fatalf("%d generations on", have-generation)
	}
	c.RefreshToken = tabs[0].RefreshToken
}

// TestRefreshConcurrentDisconnects checks that concurrent refreshes return one new token although half of the clients
// disconnect at different moments.
func TestRefreshConcurrentDisconnects(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		defer http.DefaultClient.CloseIdleConnections() // a server that stops waits for those that have asked nothing yet
		mario := s.Register("mario")
		unanswered := 0
		for round := range 10 {
			s.Clock.Advance(time.Minute)
			tabs, lost := make([]*e2e.Client, 16), make([]error, 16)
			e2e.Concurrently(32, func(i int) {
				if i >= 16 {
					ctx, hangUp := context.WithTimeout(t.Context(), time.Duration(i-16)*400*time.Microsecond)
					defer hangUp()
					_, lost[i-16] = try(s, ctx, mario.RefreshToken)
					return
				}
				tabs[i] = s.Anonymous()
				tabs[i].RefreshWith(mario.RefreshToken).Ok()
			})
			for _, tab := range tabs {
				if tab.RefreshToken != tabs[0].RefreshToken || !tab.SignedIn() {
					t.Fatal("the callers who stayed did not get one child that works")
				}
			}
			if have := mario.SessionRow().Generation; have != round+1 {
				t.Fatalf("generation %d after %d rounds", have, round+1)
			}
			for _, err := range lost {
				if err != nil {
					unanswered++
				}
			}
			mario.RefreshToken = tabs[0].RefreshToken
		}
		if unanswered < 10 {
			t.Fatalf("only %d hung up", unanswered)
		}
	})
}

// TestRefreshResponseLost checks that a client continues its session when it disconnects at any moment of a refresh and
// retries.
func TestRefreshResponseLost(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		defer http.DefaultClient.CloseIdleConnections()
		mario := s.Register("mario")
		for patience := time.Duration(0); patience < 6*time.Millisecond; patience += 100 * time.Microsecond {
			s.Clock.Advance(time.Minute)
			ctx, hangUp := context.WithTimeout(t.Context(), patience)
			child, err := try(s, ctx, mario.RefreshToken)
			hangUp()
			if mario.Refresh().Ok(); err == nil && mario.RefreshToken != child {
				t.Fatalf("%s: answered, and then another child", patience)
			}
			if !mario.SignedIn() {
				t.Fatalf("%s: the access token does not work", patience)
			}
		}
		if have, want := mario.SessionRow().Generation, 60; have != want {
			t.Fatalf("generation %d after %d refreshes", have, want)
		}
	})
}

// TestRefreshRacesSignOut checks that the session has ended after a sign-out and a refresh in any order.
func TestRefreshRacesSignOut(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		s.Register("mario")
		for range 12 {
			mario := s.SignIn("mario")
			tabs := make([]*e2e.Client, 6)
			e2e.Concurrently(len(tabs), func(i int) {
				tabs[i] = s.Anonymous()
				if i == len(tabs)/2 {
					tabs[i].SignOut(mario.RefreshToken)
					return
				}
				tabs[i].RefreshWith(mario.RefreshToken)
			})
			mario.AssertSignedOut()
			for _, tab := range tabs {
				if tab.RefreshToken != "" {
					tab.AssertSignedOut()
				}
			}
			if row := mario.SessionRow(); row.Reason != "sign_out" {
				t.Fatalf("ended by %q", row.Reason)
			}
		}
	})
}

// TestSignInRacesPasswordChange checks that no session of a sign-in with the old password remains after the password
// change.
func TestSignInRacesPasswordChange(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		mario, old := s.Register("mario"), e2e.Password
		for round := range 5 {
			next := fmt.Sprintf("i-keep-jumping-%d-times", round)
			late := make([]*e2e.Client, 8)
			e2e.Concurrently(len(late)+1, func(i int) {
				if i == len(late) {
					mario.ChangePassword(old, next)
					return
				}
				late[i] = s.Anonymous()
				late[i].TrySignIn("mario", old)
			})
			for _, c := range late {
				if c.RefreshToken != "" {
					c.AssertSignedOut()
				}
			}
			if !mario.SignedIn() {
				t.Fatal("the acting client cannot go on")
			}
			old = next
		}
	})
}

// TestRefreshManySessions checks that many sessions refresh concurrently.
func TestRefreshManySessions(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		s.Register("mario")
		sessions := make([]*e2e.Client, 64)
		e2e.Concurrently(4, func(i int) {
			for n := i; n < len(sessions); n += 4 {
				sessions[n] = s.SignIn("mario")
			}
		})
		e2e.Concurrently(len(sessions), func(i int) { sessions[i].Refresh().Ok() })
		for _, c := range sessions {
			if row := c.SessionRow(); row.Generation != 1 || row.GraceReplays != 0 || !c.SignedIn() {
				t.Fatalf("a session did not refresh: %+v", row)
			}
		}
	}, "LATCHKEY_MAX_SESSIONS=100")
}

// TestRefreshServerKilled checks that refreshes that a killed server acknowledged are valid after its restart.
func TestRefreshServerKilled(t *testing.T) {
	e2e.EachDatabase(t, func(t *testing.T, database string) {
		p := e2e.StartProcess(t, database)
		parent := p.Register("mario")
		child := nextToken(parent)
		p.Kill()

		p = e2e.StartProcess(t, database)
		mario := p.Anonymous()
		mario.RefreshWith(parent.RefreshToken).Ok()
		if mario.RefreshToken != child.RefreshToken {
			t.Fatal("the parent answers another child than before")
		}
		for range 3 {
			answers := make(chan string)
			go func() {
				defer close(answers)
				for last := mario.RefreshToken; ; {
					next, err := try(p.Env, t.Context(), last)
					if err != nil {
						return
					}
					answers <- next
					last = next
				}
			}()
			// Whether a refresh during the kill has happened is unknown.
			acknowledged := mario.RefreshToken
			for range 5 {
				acknowledged = <-answers
			}
			p.Kill()
			for last := range answers {
				acknowledged = last
			}
			p = e2e.StartProcess(t, database)
			mario = p.Anonymous()
			mario.RefreshWith(acknowledged).Ok()
			if !mario.SignedIn() {
				t.Fatal("the session did not survive")
			}
		}
	})
}

// TestRefreshTwoProcesses checks that concurrent refreshes in two processes return the same new token.
func TestRefreshTwoProcesses(t *testing.T) {
	e2e.EachDatabase(t, func(t *testing.T, database string) {
		one, other := e2e.StartProcess(t, database), e2e.StartProcess(t, database)
		crowd(one.Register("mario"), one.Env, other.Env)
	})
}

// TestStopExitCode checks that a server exits with status 0 after SIGTERM.
func TestStopExitCode(t *testing.T) {
	e2e.EachDatabase(t, func(t *testing.T, database string) {
		p := e2e.StartProcess(t, database)
		mario := p.Register("mario")
		p.Terminate()
		if err := p.Command.Wait(); err != nil {
			t.Fatal(err)
		}
		mario.Env = e2e.StartProcess(t, database).Env
		if !mario.SignedIn() {
			t.Fatal("signed out by a restart")
		}
	})
}

// TestStopFinishesRequests checks that a stopping server answers 200 accepted slow requests.
func TestStopFinishesRequests(t *testing.T) {
	e2e.EachDatabase(t, func(t *testing.T, database string) {
		p := e2e.StartProcess(t, database)
		p.Register("mario")
		began := make([]*halfRequest, 200)
		for i := range began {
			began[i] = beginRequest(p, `{"query": "mutation { obtainToken(input: {identifier: \"mario\", password: \"i-keep-jumping\"}) {
				tokens { refreshToken } userErrors { code } } }"}`)
		}
		for _, r := range began[:len(began)/2] {
			r.finish()
		}
		p.Terminate()
		for _, r := range began[len(began)/2:] {
			r.finish()
		}
		for i, r := range began {
			text := r.answer()
			if !bytes.Contains(text, []byte(`"refreshToken":"rt_`)) && !bytes.Contains(text, []byte("RATE_LIMITED")) {
				t.Fatalf("request %d: %s", i, text)
			}
		}
		if err := p.Command.Wait(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestStopSecondSignal checks that a second signal stops a server without waiting for its requests.
func TestStopSecondSignal(t *testing.T) {
	p := e2e.StartProcess(t, storetest.SQLite(t))
	beginRequest(p, `{"query": "{ serverInfo { registration } }"}`)
	ended := make(chan error, 1)
	go func() { ended <- p.Command.Wait() }()
	for {
		p.Terminate() // the first is heard at some time, and those after it are not
		select {
		case err := <-ended:
			if status := p.Command.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGTERM {
				t.Errorf("the server exited: %v", err)
			}
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// halfRequest is a request whose body the server is waiting for.
type halfRequest struct {
	t          testing.TB
	connection net.Conn
	answers    *bufio.Reader
	body       string
}

// beginRequest sends the head of a request for /graphql and returns when the server has begun with it.
func beginRequest(p *e2e.Process, body string) *halfRequest {
	p.T.Helper()
	connection, err := net.Dial("tcp", strings.TrimPrefix(p.URL, "http://"))
	if err != nil {
		p.T.Fatal(err)
	}
	p.T.Cleanup(func() { connection.Close() })
	body = strings.Join(strings.Fields(body), " ")
	fmt.Fprintf(connection, "POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"+
		"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n", len(body))
	r := &halfRequest{p.T, connection, bufio.NewReader(connection), body}
	for _, want := range []string{"HTTP/1.1 100 Continue\r\n", "\r\n"} {
		if line, err := r.answers.ReadString('\n'); err != nil || line != want {
			p.T.Fatalf("the server answers %q (%v)", line, err)
		}
	}
	return r
}

func (r *halfRequest) finish() { io.WriteString(r.connection, r.body) }

// answer returns the body of the answer.
func (r *halfRequest) answer() []byte {
	r.t.Helper()
	response, err := http.ReadResponse(r.answers, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	text, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return text
}

// try presents a refresh token for a caller who may be cut off, and fails unless there is a next one.
func try(s *e2e.Env, ctx context.Context, refresh string) (next string, err error) {
	body, err := json.Marshal(e2e.Vars{
		"query":     `mutation ($t: String) { refreshToken(input: {refreshToken: $t}) { tokens { refreshToken } } }`,
		"variables": e2e.Vars{"t": refresh},
	})
	if err != nil {
		return "", err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/graphql", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	a := &e2e.Response{T: s.T}
	if err := json.NewDecoder(response.Body).Decode(a); err != nil {
		return "", err
	}
	next, ok := a.Get("refreshToken.tokens.refreshToken").(string)
	if !ok {
		return "", errors.New("refused")
	}
	return next, nil
}
