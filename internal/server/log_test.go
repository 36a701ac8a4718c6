package server

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"latchkey/internal/config"
	"latchkey/internal/gqlhttp"
)

// TestLogBatches holds that the lines of operations are batched while there are many, in their order, and that no other
// line waits.
func TestLogBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		written := &writes{}
		log, flush := NewLog(config.Config{LogFormat: "json"}, written, false)
		log = log.With("node", 1).WithGroup("more")
		expect := func(when string, want ...string) {
			t.Helper()
			synctest.Wait()
			if have := written.take(); strings.Join(have, "; ") != strings.Join(want, "; ") {
				t.Errorf("%s: written are %q, want %q", when, have, want)
			}
		}
		operate := func(names ...string) {
			for _, name := range names {
				log.Info(gqlhttp.OperationLine, "name", name)
			}
		}

		operate("a", "b", "c")
		expect("the first line is written at once", "a")
		time.Sleep(batchDelay - time.Nanosecond)
		operate("d")
		expect("the next ones wait")
		time.Sleep(time.Nanosecond)
		expect("until the delay is over", "b c d")
		operate("e")
		expect("one after the delay waits too")
		time.Sleep(batchDelay)
		expect("until the next delay is over", "e")
		time.Sleep(batchDelay)
		expect("nothing is buffered")
		operate("f", "g")
		expect("the first line after a pause is written at once", "f")
		log.Info("security", "name", "h")
		expect("another line is written at once, after those that are buffered", "g h")
		operate("i")
		expect("a line after that waits")
		flush()
		expect("a flush writes what is buffered", "i")
		time.Sleep(batchDelay)
		synctest.Wait()

		operate("j", "long "+strings.Repeat("!", batchSize), "k")
		expect("a full batch is written at once", "j", "long")
		flush()
		expect("a flush writes what is buffered", "k")
	})
}

// TestLogPartialWrite holds that a line that was cut off damages no other line once there is space again.
func TestLogPartialWrite(t *testing.T) {
	disk := &smallDisk{room: 30}
	log, flush := NewLog(config.Config{LogFormat: "json"}, disk, false)
	log.Info("this does not fit")
	log.Info("nor does this")
	disk.room = 1_000
	log.Info("this does")
	log.Info("and this")
	flush()
	lines := strings.Split(disk.String(), "\n")
	if len(lines) != 4 || len(lines[0]) != 30 || !strings.Contains(lines[1], "this does") ||
		!strings.Contains(lines[2], "and this") || !json.Valid([]byte(lines[1])) || !json.Valid([]byte(lines[2])) {
		t.Errorf("the log is %q", lines)
	}
}

// smallDisk is a file on a disk with room for some more bytes.
type smallDisk struct {
	strings.Builder
	room int
}

func (d *smallDisk) Write(p []byte) (int, error) {
	n := min(len(p), d.room)
	d.room -= n
	d.Builder.Write(p[:n])
	if n < len(p) {
		return n, syscall.ENOSPC
	}
	return n, nil
}

// writes keeps the names in each write.
type writes struct {
	mutex sync.Mutex
	names []string
}

func (w *writes) Write(p []byte) (int, error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	var names []string
	for line := range bytes.Lines(p) {
		name := string(line)
		if _, rest, ok := strings.Cut(name, `"node":1,"more":{"name":"`); ok {
			name = rest[:strings.IndexAny(rest, `" `)]
		}
		names = append(names, name)
	}
	w.names = append(w.names, strings.Join(names, " "))
	return len(p), nil
}

func (w *writes) take() []string {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	names := w.names
	w.names = nil
	return names
}
