package operations

import (
	"context"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/term"

	"latchkey/internal/e2e"
	"latchkey/internal/store/storetest"
)

// TestTerminalPrompts checks that prompts hide passwords and restore the terminal after any input.
func TestTerminalPrompts(t *testing.T) {
	s := e2e.Start(t, storetest.SQLite(t))
	const again = "Repeat the password: "
	for _, story := range []struct {
		args  []string
		steps []string // what the terminal shows, and what is typed then
		why   string
	}{
		{[]string{"user", "create", "mario"}, []string{"Password: ", "\x1c" + e2e.Password + "\r", again, e2e.Password + "\r"},
			""},
		{[]string{"user", "create", "luigi"}, []string{"Password: ", e2e.Password + "\r", again, "other\r"}, "passwords differ"},
		{[]string{"user", "create", "luigi"}, []string{"Password: ", "\x03"}, "nothing was done"},
		{[]string{"user", "create", "luigi"}, []string{"Password: ", e2e.Password + "\r", again, "\x04"}, "nothing was done"},
		{[]string{"user", "create", "luigi"}, []string{"Password: ", hangUp}, "nothing was done"},
		{[]string{"user", "delete", "mario"}, []string{"Type yes: ", hangUp}, "nothing was done"},
		{[]string{"user", "delete", "mario"}, []string{"Type yes: ", "no\r"}, "nothing was deleted"},
		{[]string{"user", "delete", "mario"}, []string{"Type yes: ", "yes\r"}, ""},
	} {
		shown, err := runInTerminal(s, story.args, story.steps...)
		if (err == nil) != (story.why == "") || err != nil && !strings.Contains(err.Error(), story.why) {
			t.Errorf("%q: %v", story, err)
		}
		if strings.Contains(shown, e2e.Password) {
			t.Errorf("%q: the terminal shows %q", story, shown)
		}
	}
	if s.Count("users") != 0 {
		t.Error("a user is left")
	}
}

// hangUp stands for a signal.
const hangUp = ""

// typed runs a command on a terminal, which shows what is demanded before each thing that is typed.
func runInTerminal(s *e2e.Env, args []string, steps ...string) (shown string, err error) {
	s.T.Helper()
	person, terminal := pseudoTerminal(s.T)
	before, err := term.GetState(int(terminal.Fd()))
	if err != nil {
		s.T.Fatal(err)
	}
	ctx, hang := context.WithCancel(s.T.Context())
	defer hang()
	env := []string{"LATCHKEY_DATABASE_URL=" + s.Database, "LATCHKEY_SECRET=" + e2e.Secret}
	ended := make(chan error, 1)
	go func() { ended <- e2e.RunProgram(ctx, args, env, terminal, terminal, terminal, s.Clock.Now) }()
	screen := new(e2e.Buffer)
	go io.Copy(screen, person)
	for i := 0; i < len(steps); i += 2 {
		for began := time.Now(); !strings.Contains(screen.String(), steps[i]); time.Sleep(time.Millisecond) {
			if time.Since(began) > time.Minute {
				s.T.Fatalf("the terminal shows %q", screen)
			}
		}
		if steps[i+1] == hangUp {
			hang()
		}
		if _, err := io.WriteString(person, steps[i+1]); err != nil {
			s.T.Fatal(err)
		}
	}
	select {
	case err = <-ended:
	case <-time.After(time.Minute):
		s.T.Fatalf("it waits: %q", screen)
	}
	if after, failed := term.GetState(int(terminal.Fd())); failed != nil || !reflect.DeepEqual(before, after) {
		s.T.Errorf("the terminal is changed: %v", failed)
	}
	return screen.String(), err
}

// pseudoTerminal returns both ends of a terminal: that of a person and that of programs.
func pseudoTerminal(t testing.TB) (person, terminal *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { person.Close() })
	number, locked := int32(0), int32(0)
	for request, value := range map[uintptr]*int32{syscall.TIOCSPTLCK: &locked, syscall.TIOCGPTN: &number} {
		_, _, failed := syscall.Syscall(syscall.SYS_IOCTL, person.Fd(), request, uintptr(unsafe.Pointer(value)))
		if failed != 0 {
			t.Fatal(failed)
		}
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { terminal.Close() })
	return person, terminal
}
