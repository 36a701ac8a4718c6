package server

import (
	"math"
	"runtime"
	"runtime/debug"
	"testing"
)

// TestTheMemoryLimitKeepsAwayFromWhatIsNeeded, for near to it the garbage collector would never rest.
func TestTheMemoryLimitKeepsAwayFromWhatIsNeeded(t *testing.T) {
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
		t.Errorf("with %d MiB that are needed the limit is %d MiB", len(needed)>>20, with>>20)
	}
	needed = nil
	if without := limit(); without >= with || without < baseLimit+hashLimit {
		t.Errorf("with none of them it is %d MiB, and was %d MiB", without>>20, with>>20)
	}
}
