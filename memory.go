package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// collectAt is by how many percent the heap grows before it is collected. What lives there is small, so that the
	// usual 100 would have it collected fifty times a second.
	collectAt = 400

	// With that, the passwords that are hashed at the same time, at 19 MiB each, would let the heap grow to five times
	// their memory. So all of it together has a limit: what the rest of the server needs, and for each processor a hash.
	restLimit = 48 << 20 // bytes
	hashLimit = 20 << 20

	limitsEvery = 10 * time.Second
)

// keepMemory sets how the garbage collector works, as far as GOGC and GOMEMLIMIT do not, and limits memory by what is
// needed, until ctx ends.
func keepMemory(ctx context.Context) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectAt)
	}
	limitMemory()
	again(ctx, func() time.Duration { return limitsEvery }, limitMemory)
}

// limitMemory sets how much memory makes the garbage collector work harder: at least twice of what it cannot free, stacks
// and its own records included, for near to that, as with thousands of connections, it would never rest.
func limitMemory() {
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
	debug.SetMemoryLimit(max(restLimit+hashLimit*int64(runtime.GOMAXPROCS(0)), 2*needed))
}
