package email

import (
	"sync"
	"testing"

	"latchkey/internal/e2e"
	"latchkey/internal/store/storetest"
)

// silent lets the mailbox keep what comes and not say so, until the function returned is called.
func silent(box *e2e.Mailbox) (speak func()) {
	box.Mu.Lock()
	defer box.Mu.Unlock()
	hold := make(chan struct{})
	box.Hold = hold
	return sync.OnceFunc(func() {
		box.Mu.Lock()
		box.Hold = nil
		box.Mu.Unlock()
		close(hold)
	})
}

// onEachStrictWithMail also tells it on PostgreSQL with serializable transactions.
func onEachStrictWithMail(t *testing.T, story func(t *testing.T, s *e2e.Env, box *e2e.Mailbox), settings ...string) {
	t.Helper()
	storetest.EachStrict(t, func(t *testing.T, url string) {
		box := e2e.NewMailbox(t)
		story(t, e2e.Start(t, url, append(settings, box.Setting)...), box)
	})
}
