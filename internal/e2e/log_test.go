package e2e

import (
	"context"
	"encoding/json"
	"io"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey/graph"
	"latchkey/internal/store/storetest"
)

// TestNobodyNeedsToReadTheLog lets whoever reads it go.
func TestNobodyNeedsToReadTheLog(t *testing.T) {
	p := start(t, storetest.SQLite(t))
	p.stderr.Close()
	for range 2 { // each writes a line at once
		p.obtain("nobody", "not-the-password").mistakes("obtainToken", "INVALID_CREDENTIALS")
	}
}

// TestAStopLosesNoLine of the operations that were answered, whoever asked at the same time.
func TestAStopLosesNoLine(t *testing.T) {
	log, ended := new(buffer), make(chan error, 1)
	settings := []string{"LATCHKEY_LISTEN=127.0.0.1:0", "LATCHKEY_SECRET=" + testSecret,
		"LATCHKEY_DATABASE_URL=" + storetest.SQLite(t)}
	ctx, stop := context.WithCancel(t.Context())
	stopped := sync.OnceValue(func() error { stop(); return <-ended })
	t.Cleanup(func() { stopped() })
	go func() { ended <- run(ctx, nil, settings, strings.NewReader(""), io.Discard, log, time.Now) }()
	s := &site{t: t, clock: newClock(time.Now()), log: log, secrets: new(sync.Map)}
	await(t, "it does not start", func() bool {
		found := regexp.MustCompile(`"graphql":"(.+?)/graphql"`).FindStringSubmatch(log.String())
		if found != nil {
			s.address = found[1]
		}
		return found != nil
	})
	const clients, each = 8, 20
	var asking sync.WaitGroup
	for range clients {
		asking.Go(func() {
			for range each {
				s.anonymous().ask(`{ serverInfo { registration } }`, nil).ok()
			}
		})
	}
	asking.Wait()
	if err := stopped(); err != nil {
		t.Fatal(err)
	}
	operations, last := 0, ""
	for line := range strings.Lines(log.String()) {
		var told struct{ Msg string }
		if err := json.Unmarshal([]byte(line), &told); err != nil {
			t.Fatalf("%v: %q", err, line)
		}
		if last = told.Msg; last == graph.OperationLine {
			operations++
		}
	}
	if operations != clients*each || last != "latchkey has stopped" {
		t.Errorf("of %d operations %d are in the log, which ends with %q", clients*each, operations, last)
	}
}
