package store

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"latchkey/internal/account"
)

const (
	idle     = time.Hour
	lifetime = 24 * time.Hour
)

var salt = bytes.Repeat([]byte{0, 0xff}, 16)

func newSession(user *account.User) account.Session {
	return account.Session{
		ID:         account.NewID(account.SessionKind, noon),
		UserID:     user.ID,
		DeviceName: "Mario's 📱",
		UserAgent:  "curl/8",
		IPAddress:  "2001:db8::1",
		CreatedAt:  noon,
		LastUsedAt: noon,
		ExpiresAt:  noon.Add(lifetime),
	}
}

// rotation returns a Rotation with the secret that signIn uses.
func rotation(generation uint64, now time.Time) Rotation {
	return Rotation{Generation: generation, KeyID: 7, NextKeyID: 7, Now: now, IdleSince: now.Add(-idle), IPAddress: newIP}
}

const newIP = "192.0.2.9"

// signIn adds a session at noon.
func signIn(t *testing.T, s *Store, user *account.User) account.Session {
	t.Helper()
	session := newSession(user)
	if ok, err := s.InsertSession(t.Context(), session, salt, 7); !ok || err != nil {
		t.Fatalf("no session: %t %v", ok, err)
	}
	return session
}

func TestSessionRoundTrip(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		mario := addUser(t, s, "mario")
		session := signIn(t, s, mario)
		have := must1(s.SessionState(t.Context(), session.ID))(t)
		want := &SessionState{
			Liveness: account.Liveness{Session: session, Status: account.Active, MinAuthTime: time.UnixMicro(0).UTC()},
			User:     mario,
			Salt:     salt,
			KeyID:    7, ParentKeyID: 7,
			GenerationAt:   noon,
			RefreshesSince: noon,
		}
		if !reflect.DeepEqual(have, want) {
			t.Errorf("want %+v, have %+v", want, have)
		}
		if _, err := s.SessionState(t.Context(), account.NewID(account.SessionKind, noon)); !account.IsCode(err, account.NotFound) {
			t.Error("a session without a user:", err)
		}
		must(t, s.DeleteProfile(t.Context(), mario.Profile.ID, mario.ID))
		if have := must1(s.SessionState(t.Context(), session.ID))(t); have.User.Profile != nil {
			t.Error("the profile is still there")
		}
	})
}

func TestInsertSessionGuards(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		mario := addUser(t, s, "mario")
		begin := func(session account.Session) bool {
			t.Helper()
			return must1(s.InsertSession(t.Context(), session, salt, 1))(t)
		}
		stale := newSession(mario)
		stale.UserEpoch = 1
		if begin(stale) || begin(newSession(newUser("missing"))) {
			t.Error("a session starts with another epoch or without a user")
		}
		for _, status := range []account.Status{account.Pending, account.Disabled} {
			execute(t, s, `UPDATE users SET status = ?`, status)
			if begin(newSession(mario)) {
				t.Error("a session starts while", status)
			}
		}
		execute(t, s, `UPDATE users SET status = 'ACTIVE', epoch = 1`)
		if begin(newSession(mario)) || !begin(stale) {
			t.Error("a session starts at an old epoch, or none at the new one")
		}
		if n := queryInt(t, s, `SELECT COUNT(*) FROM sessions`); n != 1 {
			t.Error("there are", n)
		}
	})
}

// TestRotateGuards breaks one condition at a time. Rotate, LiveUser and account.Liveness.Live must agree on what is live.
func TestRotateGuards(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		soon := noon.Add(time.Minute)
		for name, test := range map[string]struct {
			before     string // done to the database
			generation uint64 // presented
			now        time.Time
			ok         bool
			live       bool
		}{
			"plain":                {now: soon, ok: true, live: true},
			"at once":              {now: noon, ok: true, live: true},
			"later generation":     {now: soon, generation: 1, live: true},
			"earlier generation":   {now: soon, before: `UPDATE sessions SET generation = 1`, live: true},
			"same later one":       {now: soon, generation: 3, before: `UPDATE sessions SET generation = 3`, ok: true, live: true},
			"another secret":       {now: soon, before: `UPDATE sessions SET key_id = 8`, live: true},
			"revoked":              {now: soon, before: `UPDATE sessions SET revoked_at = created_at`},
			"used just in time":    {now: noon.Add(idle - time.Microsecond), ok: true, live: true},
			"unused too long":      {now: noon.Add(idle)},
			"last moment":          {now: noon.Add(lifetime - time.Microsecond), before: used(lifetime - time.Minute), ok: true, live: true},
			"past the last moment": {now: noon.Add(lifetime), before: used(lifetime - time.Minute)},
			"credentials changed":  {now: soon, before: `UPDATE users SET epoch = epoch + 1`},
			"disabled":             {now: soon, before: `UPDATE users SET status = 'DISABLED'`},
			"pending":              {now: soon, before: `UPDATE users SET status = 'PENDING'`},
			"not cut":              {now: soon, before: cut(0), ok: true, live: true},
			"cut":                  {now: soon, before: cut(time.Microsecond)},
			"59 in this minute":    {now: soon, before: refreshed(59, time.Microsecond), ok: true, live: true},
			"60 in this minute":    {now: soon, before: refreshed(60, time.Microsecond), live: true},
			"61 in this minute":    {now: soon, before: refreshed(61, time.Microsecond), live: true},
			"60 the minute before": {now: soon, before: refreshed(60, 0), ok: true, live: true},
		} {
			mario := addUser(t, s, "mario")
			session := signIn(t, s, mario)
			if test.before != "" {
				execute(t, s, test.before)
			}
			before := must1(s.SessionState(ctx, session.ID))(t)
			if live := before.Live(test.now, idle); live != test.live {
				t.Errorf("%s: live is %t", name, live)
			}
			user, err := s.LiveUser(ctx, session.ID, test.now, test.now.Add(-idle))
			switch {
			case !test.live && !account.IsCode(err, account.NotFound):
				t.Errorf("%s: want NOT_FOUND, have %+v %v", name, user, err)
			case test.live && (err != nil || !reflect.DeepEqual(user, before.User)):
				t.Errorf("%s: want %+v, have %+v %v", name, before.User, user, err)
			}
			ok, err := s.Rotate(ctx, session.ID, rotation(test.generation, test.now))
			if err != nil || ok != test.ok {
				t.Errorf("%s: %t %v", name, ok, err)
			}
			want := *before
			if test.ok {
				want.Generation, want.GenerationAt = test.generation+1, test.now
				want.Session.LastUsedAt, want.Session.IPAddress = test.now, newIP
				want.Refreshes++
				if !before.RefreshesSince.After(test.now.Add(-time.Minute)) {
					want.Refreshes, want.RefreshesSince = 1, test.now
				}
			}
			if after := must1(s.SessionState(ctx, session.ID))(t); !reflect.DeepEqual(*after, want) {
				t.Errorf("%s: want %+v, have %+v", name, want, *after)
			}
			execute(t, s, `DELETE FROM users`)
			execute(t, s, `DELETE FROM settings`)
		}
		if ok, err := s.Rotate(ctx, account.NewID(account.SessionKind, noon), rotation(0, soon)); ok || err != nil {
			t.Errorf("a missing session: %t %v", ok, err)
		}
	})
}

func used(since time.Duration) string {
	return `UPDATE sessions SET last_used_at = created_at + ` + microseconds(since)
}

func cut(after time.Duration) string {
	return `INSERT INTO settings (name, value) SELECT 'min_auth_time', created_at + ` + microseconds(after) + ` FROM sessions`
}

// refreshed sets the number of refreshes since a time after noon.
func refreshed(times int, after time.Duration) string {
	return `UPDATE sessions SET refreshes = ` + microseconds(time.Duration(times)*time.Microsecond) +
		`, refreshes_since = created_at + ` + microseconds(after)
}

func microseconds(d time.Duration) string { return strconv.FormatInt(d.Microseconds(), 10) }

func TestRotateLimit(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		session := signIn(t, s, addUser(t, s, "mario"))
		generation := uint64(0)
		rotate := func(now time.Time) bool {
			t.Helper()
			ok := must1(s.Rotate(ctx, session.ID, rotation(generation, now)))(t)
			if ok {
				generation++
			}
			return ok
		}
		must1(s.CountReplay(ctx, session.ID, noon))(t) // which counts as well
		for i := range 59 {
			if !rotate(noon.Add(time.Duration(i) * time.Second)) {
				t.Fatalf("refused after %d", i)
			}
		}
		if rotate(noon.Add(time.Minute - time.Microsecond)) {
			t.Error("a 61st within the minute")
		}
		if must1(s.CountReplay(ctx, session.ID, noon.Add(time.Minute-time.Microsecond)))(t) {
			t.Error("a 61st within the minute, as a replay")
		}
		if !rotate(noon.Add(time.Minute)) {
			t.Error("refused in the next minute")
		}
		if n := queryInt(t, s, `SELECT grace_replays FROM sessions`); n != 1 {
			t.Errorf("%d replays", n)
		}
	})
}

func TestOneConcurrentRotationSucceeds(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		session := signIn(t, s, addUser(t, s, "mario"))
		for generation := range uint64(5) {
			won := make([]bool, 32)
			must(t, errors.Join(concurrently(len(won), func(i int) (err error) {
				won[i], err = s.Rotate(t.Context(), session.ID, rotation(generation, noon))
				return err
			})...))
			winners := slices.DeleteFunc(won, func(ok bool) bool { return !ok })
			if f := must1(s.SessionState(t.Context(), session.ID))(t); len(winners) != 1 || f.Generation != generation+1 {
				t.Fatalf("%d won, and the generation is %d", len(winners), f.Generation)
			}
		}
	})
}

func TestRevokeOnce(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		mario := addUser(t, s, "mario")
		session, other := signIn(t, s, mario), signIn(t, s, mario)
		must(t, s.Revoke(ctx, session.ID, account.NewID(account.UserKind, noon), "not_theirs", noon))
		must(t, s.Revoke(ctx, session.ID, mario.ID, "sign_out", noon))
		must(t, s.Revoke(ctx, session.ID, mario.ID, "refresh_reuse", noon.Add(time.Hour)))
		if f := must1(s.SessionState(ctx, session.ID))(t); f.Session.RevokedAt == nil || !f.Session.RevokedAt.Equal(noon) {
			t.Error("revoked at", f.Session.RevokedAt)
		}
		if n := queryInt(t, s, `SELECT COUNT(*) FROM sessions WHERE revoke_reason = 'sign_out'`); n != 1 {
			t.Errorf("%d have the first reason", n)
		}
		if f := must1(s.SessionState(ctx, other.ID))(t); f.Session.RevokedAt != nil {
			t.Error("the other session was revoked, too")
		}
	})
}
