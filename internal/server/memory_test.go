package server

import (
	"math"
	"runtime"
	"runtime/debug"
	"testing"
)

// The limit is at least twice the live memory: closer to it, the garbage collector would run without pause.
func TestSetMemoryLimitLiveMemory(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "")
	before := debug.SetMemoryLimit(math.MaxInt64)
	defer debug.SetMemoryLimit(before)
	limit := func() int64 {
		runtime.GC()
		setMemoryLimit()
		return debug.SetMemoryLimit(-1)
	}
	needed := make([]byte, 256<<20)
	with := limit()
	runtime.KeepAlive(needed)
	if with < 2*int64(len(needed)) {
		t.Errorf("with %d MiB live memory: limit %d MiB", len(needed)>>20, with>>20)
	}
	needed = nil
	if without := limit(); without >= with || without < baseLimit+hashLimit {
		t.Errorf("after freeing it: limit %d MiB, was %d MiB", without>>20, with>>20)
	}
}
