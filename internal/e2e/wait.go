package e2e

import (
	"slices"
	"sync"
	"testing"
	"time"
)

// Timeout limits how long a test waits for an expected event, on slow machines.
const Timeout = time.Minute

// WaitFor waits until done returns true, and fails the test with the message after [Timeout].
func WaitFor(t testing.TB, message string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(Timeout); !done(); <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(message)
		}
	}
}

// Must fails the test if err is not nil.
func Must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Concurrently calls f concurrently with each number below n, and returns when all calls have returned.
func Concurrently(n int, f func(i int)) {
	var calls sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		calls.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	calls.Wait()
}

// Median sorts the durations and returns the middle one.
func Median(times []time.Duration) time.Duration {
	slices.Sort(times)
	return times[len(times)/2]
}
