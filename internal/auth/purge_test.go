package auth

import (
	"testing"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/ratelimit"
)

// TestPurgeExpired deletes a session as soon as it is idle for too long.
func TestPurgeExpired(t *testing.T) {
	e := newEnv(t, nil)
	session := e.register("mario").SessionID
	purge := func(want int64, exists bool) {
		t.Helper()
		if n, err := e.PurgeExpired(t.Context(), account.System); err != nil || n != want {
			t.Errorf("%d rows purged, %v, want %d", n, err, want)
		}
		if _, err := e.store.SessionState(t.Context(), session); account.IsCode(err, account.NotFound) == exists {
			t.Errorf("%v, want a session: %v", err, exists)
		}
	}
	e.now = e.now.Add(e.IdleTTL - time.Microsecond)
	purge(1, true) // the counter of registrations
	e.now = e.now.Add(time.Microsecond)
	purge(1, false)
	e.now = e.now.Add(ratelimit.KnownNetworkAge)
	purge(1, false) // the device
	e.emitted()
}

// TestPurgePending deletes an account that stays pending for a week.
func TestPurgePending(t *testing.T) {
	e := newEnv(t, func(o *Options) { o.EmailVerification = true })
	in := account.RegisterInput{Email: new("mario@example.com"), Password: rightPassword}
	user, tokens, err := e.Register(t.Context(), account.Anonymous, in, ClientInfo{})
	if err != nil || tokens != nil || user.Status != account.Pending {
		t.Fatalf("%+v %v %v", user, tokens, err)
	}
	e.emitted("user_created ANONYMOUS")
	for _, test := range []struct {
		after time.Duration
		code  account.Code
	}{{pendingRetention, ""}, {time.Second, account.NotFound}} {
		e.now = e.now.Add(test.after)
		if _, err := e.PurgeExpired(t.Context(), account.System); err != nil {
			t.Fatal(err)
		}
		_, err := e.FindUser(t.Context(), string(user.ID))
		failsWith(t, err, test.code)
	}
}
