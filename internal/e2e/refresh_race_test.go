package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"latchkey/internal/cli"
	"latchkey/internal/store/storetest"
)

// TestMain lets the test binary be the server as a program of its own, for the stories that kill it.
func TestMain(m *testing.M) {
	if os.Getenv("LATCHKEY_TEST_SERVER") != "" {
		os.Exit(cli.Main(signalled(), cli.Program{Args: os.Args[1:], Env: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout,
			Stderr: os.Stderr, Now: time.Now}))
	}
	if err := os.Chdir("../.."); err != nil { // where the documents are
		panic(err)
	}
	text, err := os.ReadFile("schema.graphqls")
	if err != nil {
		panic(err)
	}
	schema = string(text)
	flag.Set("rapid.checks", "6") // each is a life of many requests; the command line can ask for more
	os.Exit(m.Run())
}

// TestCallersAtOnceGetOneChild, whether they ask one server or two.
func TestCallersAtOnceGetOneChild(t *testing.T) {
	onEachStrict(t, func(t *testing.T, s *site) {
		mario := s.register("mario")
		for _, servers := range [][]*site{{s}, {s, s.another()}} {
			for range 4 {
				s.clock.advance(time.Minute) // for 32 refreshes are half of what a minute allows
				mario.crowd(servers...)
			}
		}
	})
}

// crowd has 32 callers refresh at once and demands that all of them get the same, new refresh token.
func (c *client) crowd(servers ...*site) {
	c.t.Helper()
	generation := c.row().generation
	tabs := make([]*client, 32)
	together(len(tabs), func(i int) {
		tabs[i] = servers[i%len(servers)].anonymous()
		tabs[i].present(c.refresh).ok()
	})
	for _, tab := range tabs {
		if tab.refresh != tabs[0].refresh || tab.refresh == c.refresh {
			c.t.Fatal("the callers did not get one child")
		}
		if !tab.alive() {
			c.t.Fatal("a caller's access token does not work")
		}
	}
	if have := c.row().generation; have != generation+1 {
		c.t.Fatalf("%d generations on", have-generation)
	}
	c.refresh = tabs[0].refresh
}

// TestCallersWhoHangUpDisturbNobody: half of them do, each at another moment.
func TestCallersWhoHangUpDisturbNobody(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		defer http.DefaultClient.CloseIdleConnections() // a server that stops waits for those that have asked nothing yet
		mario := s.register("mario")
		unanswered := 0
		for round := range 10 {
			s.clock.advance(time.Minute)
			tabs, lost := make([]*client, 16), make([]error, 16)
			together(32, func(i int) {
				if i >= 16 {
					ctx, hangUp := context.WithTimeout(t.Context(), time.Duration(i-16)*400*time.Microsecond)
					defer hangUp()
					_, lost[i-16] = s.try(ctx, mario.refresh)
					return
				}
				tabs[i] = s.anonymous()
				tabs[i].present(mario.refresh).ok()
			})
			for _, tab := range tabs {
				if tab.refresh != tabs[0].refresh || !tab.alive() {
					t.Fatal("the callers who stayed did not get one child that works")
				}
			}
			if have := mario.row().generation; have != round+1 {
				t.Fatalf("generation %d after %d rounds", have, round+1)
			}
			for _, err := range lost {
				if err != nil {
					unanswered++
				}
			}
			mario.refresh = tabs[0].refresh
		}
		if unanswered < 10 {
			t.Fatalf("only %d hung up", unanswered)
		}
	})
}

// TestALostAnswerCostsNothing, wherever the request was when its client hung up.
func TestALostAnswerCostsNothing(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		defer http.DefaultClient.CloseIdleConnections()
		mario := s.register("mario")
		for patience := time.Duration(0); patience < 6*time.Millisecond; patience += 100 * time.Microsecond {
			s.clock.advance(time.Minute)
			ctx, hangUp := context.WithTimeout(t.Context(), patience)
			child, err := s.try(ctx, mario.refresh)
			hangUp()
			if mario.renew().ok(); err == nil && mario.refresh != child {
				t.Fatalf("%s: answered, and then another child", patience)
			}
			if !mario.alive() {
				t.Fatalf("%s: the access token does not work", patience)
			}
		}
		if have, want := mario.row().generation, 60; have != want {
			t.Fatalf("generation %d after %d refreshes", have, want)
		}
	})
}

// TestSignOutWinsAgainstRefresh in every order that they can happen in.
func TestSignOutWinsAgainstRefresh(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.register("mario")
		for range 12 {
			mario := s.signIn("mario")
			tabs := make([]*client, 6)
			together(len(tabs), func(i int) {
				tabs[i] = s.anonymous()
				if i == len(tabs)/2 {
					tabs[i].signOut(mario.refresh)
					return
				}
				tabs[i].present(mario.refresh)
			})
			mario.isOver()
			for _, tab := range tabs {
				if tab.refresh != "" {
					tab.isOver()
				}
			}
			if row := mario.row(); row.reason != "sign_out" {
				t.Fatalf("ended by %q", row.reason)
			}
		}
	})
}

// TestNoSignInWithTheOldPasswordOutlivesIt, though it was checked while it was right.
func TestNoSignInWithTheOldPasswordOutlivesIt(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		mario, old := s.register("mario"), password
		for round := range 5 {
			next := fmt.Sprintf("i-keep-jumping-%d-times", round)
			late := make([]*client, 8)
			together(len(late)+1, func(i int) {
				if i == len(late) {
					mario.changePassword(old, next)
					return
				}
				late[i] = s.anonymous()
				late[i].signInWith("mario", old)
			})
			for _, c := range late {
				if c.refresh != "" {
					c.isOver()
				}
			}
			if !mario.alive() {
				t.Fatal("the acting client cannot go on")
			}
			old = next
		}
	})
}

// signInWith signs in if the password is right, and takes over the pair.
func (c *client) signInWith(identifier, password string) {
	c.t.Helper()
	a := c.ask(`mutation ($n: String!, $p: String!) { obtainToken(input: {identifier: $n, password: $p}) {
		tokens { accessToken refreshToken } userErrors { code } } }`, vars{"n": identifier, "p": password})
	if a.get("obtainToken.tokens") != nil {
		c.keep(a, "obtainToken")
	}
}

func TestManySessionsRefreshAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.register("mario")
		sessions := make([]*client, 64)
		together(4, func(i int) {
			for n := i; n < len(sessions); n += 4 {
				sessions[n] = s.signIn("mario")
			}
		})
		together(len(sessions), func(i int) { sessions[i].renew().ok() })
		for _, c := range sessions {
			if row := c.row(); row.generation != 1 || row.replays != 0 || !c.alive() {
				t.Fatalf("a session did not refresh: %+v", row)
			}
		}
	}, "LATCHKEY_MAX_SESSIONS=100")
}

func TestAKilledServerKeepsItsWord(t *testing.T) {
	storetest.Each(t, func(t *testing.T, database string) {
		p := start(t, database)
		parent := p.register("mario")
		child := parent.next()
		p.kill()

		p = start(t, database)
		mario := p.anonymous()
		mario.present(parent.refresh).ok()
		if mario.refresh != child.refresh {
			t.Fatal("the parent answers another child than before")
		}
		for range 3 {
			answers := make(chan string)
			go func() {
				defer close(answers)
				for last := mario.refresh; ; {
					next, err := p.try(t.Context(), last)
					if err != nil {
						return
					}
					answers <- next
					last = next
				}
			}()
			// Whether the refresh that is under way when the server dies has happened, nobody can tell.
			acknowledged := mario.refresh
			for range 5 {
				acknowledged = <-answers
			}
			p.kill()
			for last := range answers {
				acknowledged = last
			}
			p = start(t, database)
			mario = p.anonymous()
			mario.present(acknowledged).ok()
			if !mario.alive() {
				t.Fatal("the session did not survive")
			}
		}
	})
}

func TestTwoProcessesGiveOneChild(t *testing.T) {
	storetest.Each(t, func(t *testing.T, database string) {
		one, other := start(t, database), start(t, database)
		one.register("mario").crowd(one.site, other.site)
	})
}

func TestATerminatedServerExitsWithZero(t *testing.T) {
	storetest.Each(t, func(t *testing.T, database string) {
		p := start(t, database)
		mario := p.register("mario")
		p.terminate()
		if err := p.command.Wait(); err != nil {
			t.Fatal(err)
		}
		mario.site = start(t, database).site
		if !mario.alive() {
			t.Fatal("signed out by a restart")
		}
	})
}

// TestStoppingAnswersWhatWasAccepted ends a server under 200 requests that take their time.
func TestStoppingAnswersWhatWasAccepted(t *testing.T) {
	storetest.Each(t, func(t *testing.T, database string) {
		p := start(t, database)
		p.register("mario")
		began := make([]*halfRequest, 200)
		for i := range began {
			began[i] = p.begin(`{"query": "mutation { obtainToken(input: {identifier: \"mario\", password: \"i-keep-jumping\"}) {
				tokens { refreshToken } userErrors { code } } }"}`)
		}
		for _, r := range began[:len(began)/2] {
			r.finish()
		}
		p.terminate()
		for _, r := range began[len(began)/2:] {
			r.finish()
		}
		for i, r := range began {
			text := r.answer()
			if !bytes.Contains(text, []byte(`"refreshToken":"rt_`)) && !bytes.Contains(text, []byte("RATE_LIMITED")) {
				t.Fatalf("request %d: %s", i, text)
			}
		}
		if err := p.command.Wait(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestWhoTerminatesAgainDoesNotWait for a request that would take the server some seconds to give up.
func TestWhoTerminatesAgainDoesNotWait(t *testing.T) {
	p := start(t, storetest.SQLite(t))
	p.begin(`{"query": "{ serverInfo { registration } }"}`)
	ended := make(chan error, 1)
	go func() { ended <- p.command.Wait() }()
	for {
		p.terminate() // the first is heard at some time, and those after it are not
		select {
		case err := <-ended:
			if status := p.command.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGTERM {
				t.Errorf("the server ended by itself: %v", err)
			}
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// terminate asks the process to end, if it has not.
func (p *process) terminate() {
	p.t.Helper()
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatal(err)
	}
}

// halfRequest is a request whose body the server is waiting for.
type halfRequest struct {
	t          testing.TB
	connection net.Conn
	answers    *bufio.Reader
	body       string
}

// begin sends the head of a request for /graphql and returns when the server has begun with it.
func (p *process) begin(body string) *halfRequest {
	p.t.Helper()
	connection, err := net.Dial("tcp", strings.TrimPrefix(p.address, "http://"))
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { connection.Close() })
	body = strings.Join(strings.Fields(body), " ")
	fmt.Fprintf(connection, "POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"+
		"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n", len(body))
	r := &halfRequest{p.t, connection, bufio.NewReader(connection), body}
	for _, want := range []string{"HTTP/1.1 100 Continue\r\n", "\r\n"} {
		if line, err := r.answers.ReadString('\n'); err != nil || line != want {
			p.t.Fatalf("the server answers %q (%v)", line, err)
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

// process is the server as a program of its own, with the real clock.
type process struct {
	*site
	command *exec.Cmd
	stderr  io.Closer
}

// start runs the server as a program, on a free port, with settings of the form LATCHKEY_X=value.
func start(t testing.TB, database string, settings ...string) *process {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(program)
	command.Env = append(settings, "LATCHKEY_TEST_SERVER=1", "LATCHKEY_LISTEN=127.0.0.1:0",
		"LATCHKEY_DATABASE_URL="+database, "LATCHKEY_SECRET="+testSecret)
	stderr, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{&site{t: t, database: database, clock: newClock(time.Now()), secrets: new(sync.Map)}, command, stderr}
	t.Cleanup(p.kill)
	said := ""
	for lines := bufio.NewScanner(stderr); p.address == "" && lines.Scan(); said += lines.Text() + "\n" {
		var line struct{ Msg, GraphQL string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "latchkey is ready" {
			p.address = strings.TrimSuffix(line.GraphQL, "/graphql")
		}
	}
	if p.address == "" {
		t.Fatalf("the server did not start: %s", said)
	}
	go io.Copy(io.Discard, stderr)
	return p
}

// kill ends the process without warning.
func (p *process) kill() {
	p.command.Process.Kill()
	p.command.Wait()
}

// try presents a refresh token for a caller who may be cut off, and fails unless there is a next one.
func (s *site) try(ctx context.Context, refresh string) (next string, err error) {
	body, err := json.Marshal(vars{
		"query":     `mutation ($t: String) { refreshToken(input: {refreshToken: $t}) { tokens { refreshToken } } }`,
		"variables": vars{"t": refresh},
	})
	if err != nil {
		return "", err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.address+"/graphql", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	a := &answer{t: s.t}
	if err := json.NewDecoder(response.Body).Decode(a); err != nil {
		return "", err
	}
	next, ok := a.get("refreshToken.tokens.refreshToken").(string)
	if !ok {
		return "", errors.New("refused")
	}
	return next, nil
}

// together calls f for each number below n, all at once, and waits for all of them.
func together(n int, f func(i int)) {
	var all sync.WaitGroup
	begin := make(chan struct{})
	for i := range n {
		all.Go(func() {
			<-begin
			f(i)
		})
	}
	close(begin)
	all.Wait()
}
