package storetest

import (
	"bufio"
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/url"
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

// lifeline is the write end of the supervisor's standard input. The cluster lives for as long as it is open, which is
// as long as this process, however that ends.
var lifeline io.WriteCloser

// cluster returns the URL of a throw-away PostgreSQL server, started at the first call. Its directory lets in nobody
// else, so it asks for no password.
var cluster = sync.OnceValues(func() (string, error) {
	bin, err := binaries()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(os.TempDir(), "latchkey-postgres-"+rand.Text()[:10])
	cmd := exec.Command("sh", "-c", supervisor)
	if os.Geteuid() == 0 {
		// PostgreSQL refuses to run as root.
		cmd = exec.Command("su", "-s", "/bin/sh", "-c", supervisor, "postgres")
	}
	cmd.Env = append(os.Environ(), "BIN="+bin, "DIR="+dir)
	if lifeline, err = cmd.StdinPipe(); err != nil {
		return "", err
	}
	answer, w, err := os.Pipe()
	if err != nil {
		return "", err
	}
	defer answer.Close()
	cmd.Stdout, cmd.Stderr = w, w
	err = cmd.Start()
	w.Close()
	if err != nil {
		return "", err
	}
	answer.SetReadDeadline(time.Now().Add(startLimit))
	lines := bufio.NewReader(answer)
	if line, _ := lines.ReadString('\n'); line != "ready\n" {
		lifeline.Close()
		rest, err := io.ReadAll(lines)
		return "", fmt.Errorf("%w: %s%s", cmp.Or(err, errors.New("the server gave up")), line, rest)
	}
	query := url.Values{"host": {dir}, "port": {port}}.Encode()
	u := url.URL{Scheme: "postgres", User: url.User(superuser), Path: "/postgres", RawQuery: query}
	return u.String(), nil
})

const superuser, port = "latchkey", "5432"

// supervisor makes a cluster in $DIR with the programs in $BIN, says ready or what went wrong, and removes it at the
// end of its input. Signals, which a terminal sends to the whole process group, only bring that end about; a closed
// output does not, as the input is closed then too.
const supervisor = `
trap : HUP INT QUIT TERM PIPE
cd /
mkdir -m 700 "$DIR" || exit
trap '"$BIN/pg_ctl" stop -D "$DIR/data" -m immediate >/dev/null 2>&1; rm -rf "$DIR"' EXIT
{
	"$BIN/initdb" -D "$DIR/data" -U ` + superuser + ` -A trust -E UTF8 --locale=C --no-sync &&
	cat >>"$DIR/data/postgresql.conf" <<-END &&
		listen_addresses = ''
		unix_socket_directories = '$DIR'
		port = ` + port + `
		max_connections = 200
		shared_buffers = 16MB
		fsync = off
		synchronous_commit = off
		full_page_writes = off
	END
	"$BIN/pg_ctl" start -D "$DIR/data" -l "$DIR/log" -w -t 30
} >"$DIR/start" 2>&1 || { cat "$DIR/start" "$DIR/log"; exit 1; }
echo ready
read -r _
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
		if hasAll(folder, "initdb", "pg_ctl", "postgres") {
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
