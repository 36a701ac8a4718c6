package auth

import (
	"testing"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/store"
	"latchkey/internal/token"
)

// TestEvaluate presents refresh tokens to a session at generation 5.
func TestEvaluate(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	s := &Service{Options: Options{IdleTTL: time.Hour, Grace: 30 * time.Second}}
	for _, test := range []struct {
		name       string
		generation uint64
		keyID      byte
		change     func(*store.SessionState)
		want       refreshResult
	}{
		{"current", 5, 2, nil, resultRotated},
		{"previous within the grace period", 4, 1, nil, resultReplayed},
		{"previous at the end of the grace period", 4, 1, rotatedAt(now.Add(-30 * time.Second)), resultReused},
		{"previous just before the end", 4, 1, rotatedAt(now.Add(-30*time.Second + 1)), resultReplayed},
		{"previous, clock a little behind", 4, 1, rotatedAt(now.Add(5 * time.Second)), resultReplayed},
		{"previous, clock far behind", 4, 1, rotatedAt(now.Add(5*time.Second + 1)), resultClockSkew},
		{"older", 3, 1, nil, resultReused},
		{"oldest", 0, 1, nil, resultReused},
		{"newer", 6, 2, nil, resultGenerationAhead},
		{"current with another secret", 5, 1, nil, resultUnknown},
		{"previous with another secret", 4, 2, nil, resultUnknown},
		{"current, too many", 5, 2, refreshed(account.RefreshesPerMinute, now), resultRateLimited},
		{"previous, too many", 4, 1, refreshed(account.RefreshesPerMinute, now), resultRateLimited},
		{"older, too many", 3, 1, refreshed(account.RefreshesPerMinute, now), resultReused},
		{"almost too many", 5, 2, refreshed(account.RefreshesPerMinute-1, now), resultRotated},
		{"too many a minute ago", 5, 2, refreshed(account.RefreshesPerMinute, now.Add(-time.Minute)), resultRotated},
		{"revoked", 5, 2, func(f *store.SessionState) { f.Session.RevokedAt = &now }, "revoked"},
		{"revoked, older", 3, 1, func(f *store.SessionState) { f.Session.RevokedAt = &now }, "revoked"},
		{"idle", 5, 2, func(f *store.SessionState) { f.Session.LastUsedAt = now.Add(-time.Hour) }, "idle too long"},
	} {
		t.Run(test.name, func(t *testing.T) {
			state := new(store.SessionState)
			state.Session = account.Session{LastUsedAt: now, ExpiresAt: now.Add(time.Hour)}
			state.Status = account.Active
			state.Generation, state.KeyID, state.ParentKeyID = 5, 2, 1
			state.GenerationAt = now.Add(-time.Second)
			if test.change != nil {
				test.change(state)
			}
			result := s.evaluate(state, token.Refresh{Generation: test.generation, KeyID: test.keyID}, now)
			if result != test.want {
				t.Errorf("%q, want %q", result, test.want)
			}
		})
	}
}

func rotatedAt(at time.Time) func(*store.SessionState) {
	return func(state *store.SessionState) { state.GenerationAt = at }
}

func refreshed(times int64, since time.Time) func(*store.SessionState) {
	return func(state *store.SessionState) { state.Refreshes, state.RefreshesSince = times, since }
}

// TestRefreshCredential chooses between the tokens of a request.
func TestRefreshCredential(t *testing.T) {
	secret, err := token.NewSecret("0123456789abcdefghijklmnopqrstuvwxyz")
	if err != nil {
		t.Fatal(err)
	}
	refreshToken := func(session byte, generation uint64) *string {
		return new(secret.RefreshToken([16]byte{session}, token.NewSalt(), generation))
	}
	mine, minesNext, other, broken := refreshToken(1, 0), refreshToken(1, 1), refreshToken(2, 0), new("rt_")
	for _, test := range []struct {
		name         string
		body, cookie *string
		want         *string
		delivery     account.TokenDelivery
		code         account.Code
	}{
		{"none", nil, nil, new(""), account.InCookie, ""},
		{"cookie", nil, mine, mine, account.InCookie, ""},
		{"body", mine, nil, mine, account.InBody, ""},
		{"broken body", broken, nil, broken, account.InBody, ""},
		{"both of one session", mine, minesNext, mine, account.InBody, ""},
		{"of two sessions", mine, other, nil, "", account.BadUserInput},
		{"broken cookie beside a body", mine, broken, nil, "", account.BadUserInput},
	} {
		t.Run(test.name, func(t *testing.T) {
			text, delivery, err := RefreshCredential{Body: test.body, Cookie: test.cookie}.token()
			failsWith(t, err, test.code)
			if err == nil && (text != *test.want || delivery != test.delivery) {
				t.Errorf("%q by %s, want %q by %s", text, delivery, *test.want, test.delivery)
			}
		})
	}
}

// TestRefreshEvents follows a session from its first refresh to the reuse of an old token.
func TestRefreshEvents(t *testing.T) {
	e := newEnv(t, nil)
	e.register("mario")
	_, tokens, err := e.signIn("mario", rightPassword)
	if err != nil {
		t.Fatal(err)
	}
	e.emitted("authn_login_success USER", "session_created USER sign-in")
	first := RefreshCredential{Body: tokens.RefreshToken}
	refresh := func(code account.Code) {
		t.Helper()
		_, err := e.Refresh(t.Context(), account.Anonymous, first, ClientInfo{})
		failsWith(t, err, code)
	}
	refresh("")
	e.emitted("session_renewed ANONYMOUS rotated")
	refresh("")
	e.emitted("session_renewed ANONYMOUS replayed")
	e.now = e.now.Add(e.Grace)
	refresh(account.TokenInvalid)
	e.emitted("authn_token_reuse ANONYMOUS reused")
	refresh(account.TokenInvalid)
	e.emitted("session_use_after_expire ANONYMOUS revoked")
}
