package e2e

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Process is a server in a process of its own, with the system clock. It can be killed.
type Process struct {
	*Env
	Command *exec.Cmd
	Stderr  io.Closer
}

// StartProcess starts the server in a process of its own, on a free port. Settings have the form LATCHKEY_X=value.
func StartProcess(t testing.TB, database string, settings ...string) *Process {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return StartBinary(t, program, database, settings...)
}

// StartBinary is StartProcess with another binary.
func StartBinary(t testing.TB, program, database string, settings ...string) *Process {
	t.Helper()
	command := exec.Command(program)
	command.Env = append(settings, "LATCHKEY_TEST_SERVER=1", "LATCHKEY_LISTEN=127.0.0.1:0",
		"LATCHKEY_DATABASE_URL="+database, "LATCHKEY_SECRET="+Secret)
	stderr, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	env := NewEnv(t, database, NewClock(time.Now()))
	env.Log = nil
	p := &Process{env, command, stderr}
	t.Cleanup(p.Kill)
	output := ""
	for lines := bufio.NewScanner(stderr); p.URL == "" && lines.Scan(); output += lines.Text() + "\n" {
		var line struct{ Msg, GraphQL string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "latchkey is ready" {
			p.URL = strings.TrimSuffix(line.GraphQL, "/graphql")
		}
	}
	if p.URL == "" {
		t.Fatalf("the server did not start: %s", output)
	}
	go io.Copy(io.Discard, stderr)
	return p
}

// Kill kills the process and waits for its end.
func (p *Process) Kill() {
	p.Command.Process.Kill()
	p.Command.Wait()
}

// Terminate sends SIGTERM to the process, if it is running.
func (p *Process) Terminate() {
	p.T.Helper()
	if err := p.Command.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.T.Fatal(err)
	}
}
