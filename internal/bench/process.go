package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const startLimit = 30 * time.Second

func build(ctx context.Context, program string) error {
	progress("building")
	command := exec.CommandContext(ctx, "go", "build", "-o", program, "latchkey")
	command.Stderr = os.Stderr
	return command.Run()
}

// process is a running server.
type process struct {
	command    *exec.Cmd
	ended      chan error // receives one value
	address    string     // host:port
	opsAddress string     // of metrics and profiles
	started    time.Duration
}

// startLatchkey starts the program on a database as in production, and waits until it is ready.
func startLatchkey(ctx context.Context, o options, folder, url string) (*process, error) {
	return start(ctx, exec.CommandContext(ctx, o.program), filepath.Join(folder, "log"),
		"LATCHKEY_MODE=production",
		"LATCHKEY_LISTEN=127.0.0.1:0",
		"LATCHKEY_METRICS_LISTEN=127.0.0.1:0",
		"LATCHKEY_PROFILING=on",
		"LATCHKEY_PUBLIC_URL=https://accounts.example.com",
		"LATCHKEY_APP_URL=https://app.example.com",
		"LATCHKEY_DATABASE_URL="+url,
		"LATCHKEY_SECRET="+secret,
		"LATCHKEY_LIMIT_SIGN_IN=1000000/1h",
		"LATCHKEY_LIMIT_REGISTER=1000000/1h",
		"LATCHKEY_LIMIT_REFRESH=1000000/1h",
	)
}

// startBaselines starts the server of the baselines.
func startBaselines(ctx context.Context, folder, url string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, self, baselineCommand)
	return start(ctx, command, filepath.Join(folder, "baselines.log"), baselineDatabase+"="+url)
}

// ready matches the addresses in the log line that a server writes when it is ready.
var ready = regexp.MustCompile(`"graphql":"http://([^/"]+)/graphql"(?:,"metrics":"http://([^/"]+)/metrics")?`)

// start starts a server that writes its log to a file, and waits until it is ready.
func start(ctx context.Context, command *exec.Cmd, log string, env ...string) (*process, error) {
	file, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	own := slices.DeleteFunc(os.Environ(), func(setting string) bool { return strings.HasPrefix(setting, "LATCHKEY_") })
	command.Env, command.Stderr = append(own, env...), file
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = startLimit
	began := time.Now()
	if err := command.Start(); err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	limit := time.After(startLimit)
	for {
		text, err := os.ReadFile(log)
		if err != nil {
			return nil, err
		}
		if found := ready.FindSubmatch(text); found != nil {
			return &process{command, ended, string(found[1]), string(found[2]), time.Since(began)}, nil
		}
		select {
		case <-time.After(time.Millisecond):
			continue
		case <-limit:
			command.Process.Kill()
			<-ended
		case <-ended:
		}
		return nil, fmt.Errorf("%s did not start: %s", command.Path, bytes.TrimSpace(text))
	}
}

func (p *process) stop() error {
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	err := <-p.ended
	if status, ok := errors.AsType[*exec.ExitError](err); ok && !status.Exited() {
		return nil // killed by the signal
	}
	return err
}

// tick is the unit of the times in /proc, USER_HZ.
const tick = 10 * time.Millisecond

// cpuTime returns the CPU time of the process, in user and kernel mode (proc_pid_stat(5)).
func (p *process) cpuTime() (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.command.Process.Pid))
	if err != nil {
		return 0, err
	}
	const user, system = 11, 12 // fields after the name, which may contain anything
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+2:]))
	var ticks int
	for _, field := range []int{user, system} {
		n, err := strconv.Atoi(fields[field])
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * tick, nil
}

var residentSize = regexp.MustCompile(`VmHWM:\s+(\d+) kB(?s:.*)VmRSS:\s+(\d+) kB`)

// memory returns the current and the peak resident size of the process in MiB (proc_pid_status(5)).
func (p *process) memory() (now, peak float64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.command.Process.Pid))
	if err != nil {
		return 0, 0, err
	}
	found := residentSize.FindSubmatch(text)
	if found == nil {
		return 0, 0, errors.New("no VmHWM and VmRSS in /proc")
	}
	kib := make([]float64, len(found))
	for i := 1; i < len(found); i++ {
		if kib[i], err = strconv.ParseFloat(string(found[i]), 64); err != nil {
			return 0, 0, err
		}
	}
	return kib[2] / 1024, kib[1] / 1024, nil
}
