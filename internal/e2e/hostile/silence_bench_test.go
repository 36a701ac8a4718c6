package hostile

import (
	"fmt"
	"testing"
	"time"

	"latchkey/internal/e2e"
	"latchkey/internal/store/storetest"
)

// BenchmarkSilence compares the response times for a known and an unknown email address. The ratio of the medians is
// what a client could learn; run it with -benchtime 200x for 200 interleaved requests of each.
func BenchmarkSilence(b *testing.B) {
	ask := func(mutation string) func(s *e2e.Env, n int, address string) {
		return func(s *e2e.Env, _ int, address string) { s.Anonymous().Ask(mutation, e2e.Vars{"e": address}).Ok() }
	}
	for _, engine := range []struct {
		name string
		url  func(testing.TB) string
	}{{"sqlite", storetest.SQLite}, {"postgres", storetest.Postgres}} {
		for _, act := range []struct {
			name string
			do   func(s *e2e.Env, n int, address string)
		}{
			{"requestPasswordReset", ask(e2e.RequestPasswordResetMutation)},
			{"requestUsernameReminder", ask(e2e.RequestUsernameReminderMutation)},
			{"resendActivation", ask(e2e.ResendActivationMutation)},
			{"register", func(s *e2e.Env, n int, address string) { s.RegisterWithEmail(fmt.Sprint("guess", n), address) }},
			{"obtainToken", func(s *e2e.Env, _ int, address string) {
				s.ObtainToken(address, "not-the-password").HasUserErrors("obtainToken", "INVALID_CREDENTIALS")
			}},
		} {
			b.Run(engine.name+"/"+act.name, func(b *testing.B) {
				box := e2e.NewMailbox(b)
				s := e2e.Start(b, engine.url(b), e2e.RequireEmailVerification, box.Setting)
				s.RegisterWithEmail("mario", "mario@example.com")
				s.Anonymous().Ask(e2e.ActivateMutation, e2e.Vars{"t": s.NextEmail(box, "mario@example.com").Token()}).Ok()
				addresses := []string{"mario@example.com", "nobody@example.com"}
				times := make([][]time.Duration, 2)
				for n := range b.N {
					s.Clock.Advance(time.Hour + time.Minute)
					for i := range addresses {
						i = (i + n) % 2
						s.WaitForOutbox()
						began := time.Now()
						act.do(s, 2*n+i, addresses[i])
						times[i] = append(times[i], time.Since(began))
					}
				}
				known, unknown := e2e.Median(times[0]), e2e.Median(times[1])
				b.ReportMetric(float64(known.Microseconds())/1000, "ms-known")
				b.ReportMetric(float64(unknown.Microseconds())/1000, "ms-unknown")
				b.ReportMetric(float64(known)/float64(unknown), "ratio")
			})
		}
	}
}
