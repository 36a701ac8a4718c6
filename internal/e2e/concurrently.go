package e2e

import (
	"slices"
	"sync"
	"time"
)

// Concurrently calls f for each number below n, all at once, and waits for all of them.
func Concurrently(n int, f func(i int)) {
	var all sync.WaitGroup
	begin := make(chan struct{})
	for i := range n {
		all.Go(func() {
			<-begin
			f(i)
		})
	}
	close(begin)
	all.Wait()
}

func Median(times []time.Duration) time.Duration {
	slices.Sort(times)
	return times[len(times)/2]
}
