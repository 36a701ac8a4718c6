package auth

import (
	"errors"
	"testing"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/store"
)

func (e *env) startSessionFor(auth authentication) (tokens *account.TokenPair, err error) {
	err = e.store.InTx(e.t.Context(), func(tx *store.Tx) error {
		tokens, err = e.startSession(e.t.Context(), tx, auth, sessionOptions{delivery: account.InBody, device: "phone"})
		return err
	})
	return tokens, err
}

// TestStartSession starts sessions for authentications that are complete or not, and of a user who has changed or not.
func TestStartSession(t *testing.T) {
	e := newEnv(t, nil)
	mario := e.register("mario").User
	at := e.now.Add(time.Minute)
	methods := []method{methodPassword}
	for _, test := range []struct {
		name    string
		auth    authentication
		started bool
		err     error
	}{
		{"complete", authentication{mario.ID, 0, methods, at}, true, nil},
		{"without a user", authentication{"", 0, methods, at}, false, errNotAuthenticated},
		{"without a method", authentication{mario.ID, 0, nil, at}, false, errNotAuthenticated},
		{"without a time", authentication{User: mario.ID, Methods: methods}, false, errNotAuthenticated},
		{"zero", authentication{}, false, errNotAuthenticated},
		{"of another epoch", authentication{mario.ID, 1, methods, at}, false, nil},
		{"of an unknown user", authentication{account.NewID(account.UserKind, at), 0, methods, at}, false, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			tokens, err := e.startSessionFor(test.auth)
			if !errors.Is(err, test.err) || (tokens != nil) != test.started {
				t.Fatalf("tokens %v, error %v, want %v", tokens, err, test.err)
			}
			if tokens == nil {
				return
			}
			state, err := e.store.SessionState(t.Context(), tokens.SessionID)
			if err != nil {
				t.Fatal(err)
			}
			if s := state.Session; !s.CreatedAt.Equal(at) || s.DeviceName != "phone" || s.UserID != mario.ID {
				t.Errorf("session %+v", s)
			}
			if !tokens.RefreshTokenExpiresAt.Equal(at.Add(e.IdleTTL)) {
				t.Errorf("expires at %v", tokens.RefreshTokenExpiresAt)
			}
		})
	}
}

// TestSessionLimit revokes the session that was used least recently.
func TestSessionLimit(t *testing.T) {
	e := newEnv(t, func(o *Options) { o.MaxSessions = 2 })
	first := e.register("mario")
	var ids []account.ID
	for range 2 {
		e.now = e.now.Add(time.Minute)
		_, tokens, err := e.signIn("mario", rightPassword)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, tokens.SessionID)
	}
	sessions, err := e.SessionsOf(t.Context(), first.User.ID)
	if err != nil || len(sessions) != 2 || sessions[0].ID != ids[1] || sessions[1].ID != ids[0] {
		t.Errorf("%v %v, want %v", sessions, err, ids)
	}
}
