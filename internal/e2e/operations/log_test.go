package operations

import (
	"context"
	"encoding/json"
	"io"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey/internal/e2e"
	"latchkey/internal/gqlhttp"
	"latchkey/internal/store/storetest"
)

// TestLogReaderGone checks that the server keeps running when the reader of its log exits.
func TestLogReaderGone(t *testing.T) {
	p := e2e.StartProcess(t, storetest.SQLite(t))
	p.Stderr.Close()
	for range 2 { // each writes a line at once
		p.ObtainToken("nobody", "not-the-password").HasUserErrors("obtainToken", "INVALID_CREDENTIALS")
	}
}

// TestLogCompleteAfterStop checks that a stopping server logs each operation that it answered.
func TestLogCompleteAfterStop(t *testing.T) {
	log, ended := new(e2e.Buffer), make(chan error, 1)
	settings := []string{"LATCHKEY_LISTEN=127.0.0.1:0", "LATCHKEY_SECRET=" + e2e.Secret,
		"LATCHKEY_DATABASE_URL=" + storetest.SQLite(t)}
	ctx, stop := context.WithCancel(t.Context())
	stopped := sync.OnceValue(func() error { stop(); return <-ended })
	t.Cleanup(func() { stopped() })
	go func() { ended <- e2e.RunProgram(ctx, nil, settings, strings.NewReader(""), io.Discard, log, time.Now) }()
	s := e2e.NewEnv(t, "", e2e.NewClock(time.Now()))
	s.Log = log
	e2e.WaitFor(t, "it does not start", func() bool {
		found := regexp.MustCompile(`"graphql":"(.+?)/graphql"`).FindStringSubmatch(log.String())
		if found != nil {
			s.URL = found[1]
		}
		return found != nil
	})
	const clients, each = 8, 20
	var asking sync.WaitGroup
	for range clients {
		asking.Go(func() {
			for range each {
				s.Anonymous().Ask(`{ serverInfo { registration } }`, nil).Ok()
			}
		})
	}
	asking.Wait()
	if err := stopped(); err != nil {
		t.Fatal(err)
	}
	operations, last := 0, ""
	for line := range strings.Lines(log.String()) {
		var logged struct{ Msg string }
		if err := json.Unmarshal([]byte(line), &logged); err != nil {
			t.Fatalf("%v: %q", err, line)
		}
		if last = logged.Msg; last == gqlhttp.OperationLine {
			operations++
		}
	}
	if operations != clients*each || last != "latchkey has stopped" {
		t.Errorf("of %d operations %d are in the log, which ends with %q", clients*each, operations, last)
	}
}
