package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"latchkey/internal/store/storetest"
)

// BenchmarkSilence compares how long answers take for an address that somebody has and for one that nobody has. The
// ratio of the medians is what a stranger could learn; run it with -benchtime 200x for 200 interleaved tries of each.
func BenchmarkSilence(b *testing.B) {
	ask := func(mutation string) func(s *site, n int, address string) {
		return func(s *site, _ int, address string) { s.anonymous().ask(mutation, vars{"e": address}).ok() }
	}
	for _, engine := range []struct {
		name string
		url  func(testing.TB) string
	}{{"sqlite", storetest.SQLite}, {"postgres", storetest.Postgres}} {
		for _, act := range []struct {
			name string
			do   func(s *site, n int, address string)
		}{
			{"requestPasswordReset", ask(requestResetMutation)},
			{"requestUsernameReminder", ask(reminderMutation)},
			{"resendActivation", ask(resendMutation)},
			{"register", func(s *site, n int, address string) { s.join(fmt.Sprint("guess", n), address) }},
			{"obtainToken", func(s *site, _ int, address string) {
				s.obtain(address, "not-the-password").mistakes("obtainToken", "INVALID_CREDENTIALS")
			}},
		} {
			b.Run(engine.name+"/"+act.name, func(b *testing.B) {
				box := newMailbox(b)
				s := serve(b, engine.url(b), verification, box.setting)
				s.join("mario", "mario@example.com")
				s.anonymous().ask(activateMutation, vars{"t": s.letter(box, "mario@example.com").token()}).ok()
				addresses := []string{"mario@example.com", "nobody@example.com"}
				times := make([][]time.Duration, 2)
				for n := range b.N {
					s.clock.advance(time.Hour + time.Minute)
					for i := range addresses {
						i = (i + n) % 2
						s.settle()
						began := time.Now()
						act.do(s, 2*n+i, addresses[i])
						times[i] = append(times[i], time.Since(began))
					}
				}
				known, unknown := median(times[0]), median(times[1])
				b.ReportMetric(float64(known.Microseconds())/1000, "ms-known")
				b.ReportMetric(float64(unknown.Microseconds())/1000, "ms-unknown")
				b.ReportMetric(float64(known)/float64(unknown), "ratio")
			})
		}
	}
}

func median(times []time.Duration) time.Duration {
	slices.Sort(times)
	return times[len(times)/2]
}
