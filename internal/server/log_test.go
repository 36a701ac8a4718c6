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

// TestLinesOfOperationsAreGathered while there are many, in their order, and no other line waits.
func TestLinesOfOperationsAreGathered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		written := &writes{}
		log, flush := NewLog(config.Config{LogFormat: "json"}, written, false)
		log = log.With("node", 1).WithGroup("more")
		told := func(when string, want ...string) {
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
		told("the first one comes at once", "a")
		time.Sleep(batchDelay - time.Nanosecond)
		operate("d")
		told("others wait")
		time.Sleep(time.Nanosecond)
		told("until its end", "b c d")
		operate("e")
		told("they still come one after the other")
		time.Sleep(batchDelay)
		told("it has waited no longer than those before", "e")
		time.Sleep(batchDelay)
		told("nothing is left")
		operate("f", "g")
		told("the first one after a pause comes at once", "f")
		log.Info("security", "name", "h")
		told("another line does not wait, and comes after those before", "g h")
		operate("i")
		told("which was no pause")
		flush()
		told("in the end", "i")
		time.Sleep(batchDelay)
		synctest.Wait()

		operate("j", "long "+strings.Repeat("!", batchSize), "k")
		told("much is not gathered", "j", "long")
		flush()
		told("in the end", "k")
	})
}

// TestALineThatWasCutOffSpoilsNoOther when there is room again.
func TestALineThatWasCutOffSpoilsNoOther(t *testing.T) {
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

// smallDisk is a file on a disk with so many bytes of room.
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

// writes keeps the names that each write tells.
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
