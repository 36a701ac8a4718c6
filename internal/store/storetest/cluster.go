package storetest

import (
	"bufio"
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

var errNoPostgres = errors.New("initdb is neither in PATH nor where pg_config says nor in /usr/lib/postgresql")

// startLimit is how long making and starting a cluster may take.
const startLimit = time.Minute

// lifelines keep the cluster for as long as this process lives, however that ends.
var lifelines []io.Closer

// cluster returns the URL of a throw-away PostgreSQL server, started at the first call.
var cluster = sync.OnceValues(func() (string, error) {
	server, err := private("postgres", `synchronous_commit = off`)
	if err != nil {
		return "", err
	}
	lifelines = append(lifelines, server)
	return server.URL, nil
})

const superuser, port = "latchkey", "5432"

// newFolder returns a path for a folder that does not exist yet. It is short, as paths of sockets have to be.
func newFolder(what string) string {
	return filepath.Join(os.TempDir(), "latchkey-"+what+"-"+rand.Text()[:10])
}

// supervise has a script make something in a folder, which it makes first. Closing the lifeline, as the end of this
// process does, has the script's function remove called, and the folder removed.
func supervise(dir, script string, env ...string) (lifeline io.Closer, err error) {
	cmd := unprivileged(script+supervisor, append(env, "DIR="+dir)...)
	if lifeline, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	answer, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer answer.Close()
	cmd.Stdout, cmd.Stderr = w, w
	err = cmd.Start()
	w.Close()
	if err != nil {
		return nil, err
	}
	answer.SetReadDeadline(time.Now().Add(startLimit))
	lines := bufio.NewReader(answer)
	if line, _ := lines.ReadString('\n'); line != "ready\n" {
		lifeline.Close()
		rest, err := io.ReadAll(lines)
		return nil, fmt.Errorf("%w: %s%s", cmp.Or(err, errors.New("the server gave up")), line, rest)
	}
	return &supervised{lifeline, cmd}, nil
}

// supervised is what a script looks after.
type supervised struct {
	stdin io.Closer
	cmd   *exec.Cmd
}

// Close removes it, and returns when it is gone.
func (s *supervised) Close() error { return errors.Join(s.stdin.Close(), s.cmd.Wait()) }

// unprivileged returns a command that runs a shell script as somebody whom PostgreSQL does not refuse, as it does root.
func unprivileged(script string, env ...string) *exec.Cmd {
	cmd := exec.Command("sh", "-c", script)
	if os.Geteuid() == 0 {
		cmd = exec.Command("su", "-s", "/bin/sh", "-c", script, "postgres")
	}
	cmd.Env = append(os.Environ(), env...)
	return cmd
}

// supervisor makes what there is to make in $DIR, says ready or what went wrong, and removes it when its input ends.
// Signals, which a terminal sends to the whole process group, only bring that end about; a closed output does not, as
// the input is closed then too.
const supervisor = `
trap : HUP INT QUIT TERM PIPE
cd /
mkdir -m 700 "$DIR" || exit
trap 'remove >/dev/null 2>&1; rm -rf "$DIR"' EXIT
make >"$DIR/start" 2>&1 || { cat "$DIR/start" "$DIR/log" 2>/dev/null; exit 1; }
echo ready
read -r _
`

// makeCluster makes a cluster with the programs in $BIN and the settings in $MORE.
const makeCluster = serveCluster + `
make() {
	"$BIN/initdb" -D "$DIR/data" -U ` + superuser + ` -A trust -E UTF8 --locale=C --no-sync && serve
}
`

// serveCluster starts the one in $DIR/data.
const serveCluster = `
serve() {
	cat >>"$DIR/data/postgresql.conf" <<-END &&
		unix_socket_directories = '$DIR'
		max_connections = 200
		shared_buffers = 16MB
		fsync = off
		full_page_writes = off
		$MORE
	END
	"$BIN/pg_ctl" start -D "$DIR/data" -l "$DIR/log" -w -t 30
}
remove() { "$BIN/pg_ctl" stop -D "$DIR/data" -m immediate; }
`

// binaries returns the folder with PostgreSQL's programs.
func binaries() (string, error) {
	var folders []string
	if initdb, err := exec.LookPath("initdb"); err == nil {
		folders = append(folders, filepath.Dir(initdb))
	}
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		folders = append(folders, strings.TrimSpace(string(out)))
	}
	debian, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	slices.SortFunc(debian, func(a, b string) int { return cmp.Compare(version(b), version(a)) })
	for _, folder := range append(folders, debian...) {
		if hasAll(folder, "initdb", "pg_ctl", "postgres", "pg_basebackup") {
			return folder, nil
		}
	}
	return "", errNoPostgres
}

func hasAll(folder string, programs ...string) bool {
	return !slices.ContainsFunc(programs, func(program string) bool {
		_, err := exec.LookPath(filepath.Join(folder, program))
		return err != nil
	})
}

// version returns 15 for /usr/lib/postgresql/15/bin, and 9.6 likewise.
func version(folder string) float64 {
	v, _ := strconv.ParseFloat(filepath.Base(filepath.Dir(folder)), 64)
	return v
}
