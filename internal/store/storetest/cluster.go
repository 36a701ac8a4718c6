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

// startLimit limits the creation and the start of a cluster.
const startLimit = time.Minute

// lifelines keep the cluster running until the end of this process, however it ends.
var lifelines []io.Closer

// cluster returns the URL of a temporary PostgreSQL server, which the first call starts.
var cluster = sync.OnceValues(func() (string, error) {
	server, err := private("postgres", `synchronous_commit = off`)
	if err != nil {
		return "", err
	}
	lifelines = append(lifelines, server)
	return server.URL, nil
})

const superuser, port = "latchkey", "5432"

// newFolder returns the path of a folder that does not exist yet. It is short, as the length of socket paths is
// limited.
func newFolder(what string) string {
	return filepath.Join(os.TempDir(), "latchkey-"+what+"-"+rand.Text()[:10])
}

// supervise runs a script that creates a folder and starts a server in it. Closing the lifeline, as the end of this
// process does, calls the script's function remove and removes the folder.
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

// supervised is a script that supervise started.
type supervised struct {
	stdin io.Closer
	cmd   *exec.Cmd
}

// Close ends the script, and returns when the folder is removed.
func (s *supervised) Close() error { return errors.Join(s.stdin.Close(), s.cmd.Wait()) }

// unprivileged returns a command that runs a shell script as a user other than root, which PostgreSQL refuses.
func unprivileged(script string, env ...string) *exec.Cmd {
	cmd := exec.Command("sh", "-c", script)
	if os.Geteuid() == 0 {
		cmd = exec.Command("su", "-s", "/bin/sh", "-c", script, "postgres")
	}
	cmd.Env = append(os.Environ(), env...)
	return cmd
}

// supervisor calls make in $DIR, prints ready or the error, and removes $DIR at the end of its input. It ignores
// signals, which a terminal sends to the whole process group, and a closed output, as its input ends then too.
const supervisor = `
trap : HUP INT QUIT TERM PIPE
cd /
mkdir -m 700 "$DIR" || exit
trap 'remove >/dev/null 2>&1; rm -rf "$DIR"' EXIT
make >"$DIR/start" 2>&1 || { cat "$DIR/start" "$DIR/log" 2>/dev/null; exit 1; }
echo ready
read -r _
`

// makeCluster creates a cluster with the programs in $BIN and the settings in $MORE.
const makeCluster = serveCluster + `
make() {
	"$BIN/initdb" -D "$DIR/data" -U ` + superuser + ` -A trust -E UTF8 --locale=C --no-sync && serve
}
`

// serveCluster starts the cluster in $DIR/data.
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
