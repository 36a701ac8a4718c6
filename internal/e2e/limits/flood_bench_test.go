package limits

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"latchkey/internal/e2e"
	"latchkey/internal/store/storetest"
)

// BenchmarkFlood signs in with 500 clients at once, at a server in a process of its own, while others read. It reports
// the time of reads, the longest wait of a sign-in, the number of sign-ins that were RATE_LIMITED and the peak memory
// of the server.
func BenchmarkFlood(b *testing.B) {
	storetest.Each(b, func(b *testing.B, url string) {
		p := e2e.StartProcess(b, url, "LATCHKEY_LIMIT_SIGN_IN=1000000/1h")
		mario := p.Register("mario")
		var reading []time.Duration
		var slowest time.Duration
		var later int
		for n := range b.N {
			var readers, flood sync.WaitGroup
			var mu sync.Mutex
			over := make(chan struct{})
			for range 4 {
				readers.Go(func() {
					for {
						select {
						case <-over:
							return
						default:
						}
						began := time.Now()
						mario.Ask(`{ me { id username profile { id location } } }`, nil).Ok()
						mu.Lock()
						reading = append(reading, time.Since(began))
						mu.Unlock()
					}
				})
			}
			for i := range 500 {
				flood.Go(func() {
					began := time.Now()
					code, _ := p.Anonymous().TryPassword(fmt.Sprintf("nobody%d-%d", n, i), "wrong-password")
					mu.Lock()
					defer mu.Unlock()
					slowest = max(slowest, time.Since(began))
					if code == "RATE_LIMITED" {
						later++
					}
				})
			}
			flood.Wait()
			close(over)
			readers.Wait()
		}
		slices.Sort(reading)
		b.ReportMetric(float64(reading[len(reading)*99/100].Microseconds())/1000, "ms-me-p99")
		b.ReportMetric(slowest.Seconds(), "s-slowest")
		b.ReportMetric(float64(later)/float64(b.N), "later/500")
		b.ReportMetric(float64(peakMemoryOf(p))/1024, "MiB-peak")
	})
}

var peakMemory = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// peakMemoryOf returns the most memory that the process has had, in KiB.
func peakMemoryOf(p *e2e.Process) int {
	p.T.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Command.Process.Pid))
	if err != nil {
		p.T.Fatal(err)
	}
	found := peakMemory.FindSubmatch(status)
	if found == nil {
		p.T.Fatal("the system does not tell")
	}
	kib, err := strconv.Atoi(string(found[1]))
	if err != nil {
		p.T.Fatal(err)
	}
	return kib
}
