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
	// gcPercent lets the heap grow by 400 percent between collections. The live heap is small: with the default of 100
	// percent there would be fifty collections a second.
	gcPercent = 400

	// With gcPercent alone, the heap would grow to five times the memory of concurrent password hashes, 19 MiB each. The
	// memory limit prevents that: baseLimit for the rest of the server, and hashLimit for each CPU.
	baseLimit = 48 << 20 // bytes
	hashLimit = 20 << 20

	limitInterval = 10 * time.Second
)

// tuneGC tunes the garbage collector and adapts its memory limit until ctx is done. GOGC and GOMEMLIMIT take
// precedence.
func tuneGC(ctx context.Context) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	setMemoryLimit()
	runEvery(ctx, func() time.Duration { return limitInterval }, setMemoryLimit)
}

// setMemoryLimit sets the memory limit to at least twice the memory that cannot be freed, including stacks and data of
// the runtime. Closer to that, as with thousands of connections, the garbage collector would run without pause.
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
