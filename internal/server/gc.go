package server

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// gcPercent lets the heap grow by 400 percent between collections. Little is live, so that the usual 100 percent would
	// mean fifty collections a second.
	gcPercent = 400

	// With gcPercent alone, passwords that are hashed at the same time, at 19 MiB each, would let the heap grow to five
	// times their memory. So it has a limit: a base for the rest of the server, and a hash for each processor.
	baseLimit = 48 << 20 // bytes
	hashLimit = 20 << 20

	limitInterval = 10 * time.Second
)

// tuneGC tunes the garbage collector and adapts its memory limit until ctx is done. GOGC and GOMEMLIMIT take precedence.
func tuneGC(ctx context.Context) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	setMemoryLimit()
	runEvery(ctx, func() time.Duration { return limitInterval }, setMemoryLimit)
}

// setMemoryLimit sets the heap size at which the garbage collector works harder: at least twice what it cannot free,
// stacks and its own records included. Near to that, as with thousands of connections, it would never rest.
func setMemoryLimit() {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	sizes := []metrics.Sample{
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"}, // garbage among them
		{Name: "/gc/heap/live:bytes"},
	}
	metrics.Read(sizes)
	size := func(i int) int64 { return int64(sizes[i].Value.Uint64()) }
	needed := size(0) - size(1) - size(2) - size(3) + size(4)
	debug.SetMemoryLimit(max(baseLimit+hashLimit*int64(runtime.GOMAXPROCS(0)), 2*needed))
}
