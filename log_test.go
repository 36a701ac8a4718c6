package main

import (
	"bytes"
	"context"
	"io"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"latchkey/graph"
	"latchkey/internal/config"
	"latchkey/internal/store/storetest"
)

// TestLinesOfOperationsAreGathered while there are many, in their order, and no other line waits.
func TestLinesOfOperationsAreGathered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		written := &writes{}
		log, flush := newLog(config.Config{LogFormat: "json"}, written)
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
				log.Info(graph.OperationLine, "name", name)
			}
		}

		operate("a", "b", "c")
		told("after a pause the first one comes at once", "a")
		time.Sleep(gatherFor - 1)
		operate("d")
		told("others wait")
		time.Sleep(1)
		told("until its end", "b c d")
		operate("e")
		told("there is no pause yet")
		time.Sleep(gatherFor)
		told("they wait no longer than the first ones", "e")
		time.Sleep(gatherFor)
		told("nothing is left")
		operate("f", "g")
		told("there was a pause", "f")
		log.Info("security", "name", "h")
		told("another line does not wait, and comes after those before", "g h")
		operate("i")
		told("it began no pause")
		flush()
		told("in the end", "i")
		time.Sleep(gatherFor)
		synctest.Wait()

		operate("j", "long "+strings.Repeat("!", gatherSize), "k")
		told("much is not gathered", "j", "long")
		flush()
		told("in the end", "k")
	})
}

// TestAStopLosesNoLine of the operations that were answered.
func TestAStopLosesNoLine(t *testing.T) {
	log, ended := new(buffer), make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() {
		ended <- run(ctx, nil, []string{"LATCHKEY_LISTEN=127.0.0.1:0", "LATCHKEY_SECRET=" + testSecret,
			"LATCHKEY_DATABASE_URL=" + storetest.SQLite(t)}, strings.NewReader(""), io.Discard, log, time.Now)
	}()
	s := &site{t: t, clock: &clock{now: time.Now()}, log: log, secrets: new(sync.Map)}
	await(t, "it does not start", func() bool {
		found := regexp.MustCompile(`"graphql":"(.+?)/graphql"`).FindStringSubmatch(log.String())
		if found != nil {
			s.address = found[1]
		}
		return found != nil
	})
	const asked = 20
	for range asked {
		s.anonymous().ask(`{ serverInfo { registration } }`, nil).ok()
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(log.String(), `"msg":"`+graph.OperationLine+`"`); n != asked {
		t.Errorf("of %d operations %d are in the log: %s", asked, n, log)
	}
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
		_, rest, _ := strings.Cut(string(line), `"node":1,"more":{"name":"`)
		names = append(names, rest[:strings.IndexAny(rest, `" `)])
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
