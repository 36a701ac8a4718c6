//go:build unix

package token

import (
	"errors"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// processorTime returns how long the process has computed so far, which a busy machine does not lengthen.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// least returns the least that any of several tries costs: what else the process does can only add to it.
func least[T time.Duration | uint64](try func() T) T {
	lowest := try()
	for range 4 {
		lowest = min(lowest, try())
	}
	return lowest
}

func TestForgeriesCostNoTime(t *testing.T) {
	const limit = 20 * time.Millisecond
	a := NewIssuer(issuer, ringOf(EdDSA), clock)
	for _, f := range forgeries(t) {
		cost := least(func() time.Duration {
			before := processorTime(t)
			if _, err := a.Verify(f.text); err == nil {
				t.Fatalf("%s: accepted", f.name)
			}
			return processorTime(t) - before
		})
		if cost > limit {
			t.Errorf("%s: %v of processor time", f.name, cost)
		}
	}
}

// TestLongTokensCostNoMemory: beyond the limit a token costs the same whatever its length, and below it little.
func TestLongTokensCostNoMemory(t *testing.T) {
	a := NewIssuer(issuer, ringOf(EdDSA), clock)
	allocated := func(text string) uint64 {
		return least(func() uint64 {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for range 16 {
				if _, err := a.Verify(text); !errors.Is(err, ErrInvalid) {
					t.Fatal(err)
				}
			}
			runtime.ReadMemStats(&after)
			return (after.TotalAlloc - before.TotalAlloc) / 16
		})
	}
	k := keyFor(EdDSA)
	for name, of := range map[string]func(size int) string{
		"header":    func(size int) string { return sign(k, `{"foo":"`+strings.Repeat("x", size)+`"}`, payloadOf(claims())) },
		"payload":   func(size int) string { return sign(k, headerOf(k), strings.Repeat("[", size)) },
		"signature": func(size int) string { return sign(k, headerOf(k), payloadOf(claims())) + strings.Repeat("A", size) },
		"dots":      func(size int) string { return strings.Repeat(".", size) },
		"spaces":    func(size int) string { return strings.Repeat(" ", size) },
	} {
		short, long := of(2600), of(1<<20)
		if have := allocated(short); have > 16<<10 {
			t.Errorf("%d bytes with a long %s: %d allocated", len(short), name, have)
		}
		if have := allocated(long); have > 1<<10 {
			t.Errorf("%d bytes with a long %s: %d allocated", len(long), name, have)
		}
	}
}
