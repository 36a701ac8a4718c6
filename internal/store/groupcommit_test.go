package store

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"

	"latchkey/internal/account"
	"latchkey/internal/store/storetest"
)

// newSessions returns the sessions of n users, in a SQLite database with faults.
func newSessions(t *testing.T, n int) (*Store, *storetest.Faults, []account.Session) {
	t.Helper()
	faults := new(storetest.Faults)
	s := must1(Open(t.Context(), storetest.SQLite(t), faults.Wrap))(t)
	t.Cleanup(func() { s.Close() })
	must1(s.Migrate(t.Context(), atNoon))(t)
	sessions := make([]account.Session, n)
	for i := range sessions {
		sessions[i] = signIn(t, s, addUser(t, s, fmt.Sprint("user", i)))
	}
	return s, faults, sessions
}

func newWrite(ctx context.Context, name string, generation int) *pendingWrite {
	return &pendingWrite{ctx: ctx, query: `UPDATE sessions SET generation = generation + 1 WHERE id = ? AND generation = ?`,
		args: []any{name, generation}, done: make(chan struct{})}
}

// TestGroupCommit also has a write that changes no row.
func TestGroupCommit(t *testing.T) {
	s, faults, sessions := newSessions(t, 3)
	var all []*pendingWrite
	for i, session := range sessions {
		all = append(all, newWrite(t.Context(), string(session.ID), i%2))
	}
	faults.Arm(2, storetest.Fault{Err: errors.New("a second commit"), After: true})
	s.groupCommit.commit(all)
	if faults.Disarm() {
		t.Error("committed more than once")
	}
	for i, w := range all {
		if want := int64(1 - i%2); w.err != nil || w.rows != want {
			t.Errorf("number %d changes %d rows, want %d: %v", i, w.rows, want, w.err)
		}
	}
}

// TestGroupCommitFails as a whole. A caller that has gone away does not affect the others.
func TestGroupCommitFails(t *testing.T) {
	s, _, sessions := newSessions(t, 3)
	gone, hangUp := context.WithCancel(t.Context())
	hangUp()
	first, left, bad := newWrite(t.Context(), string(sessions[0].ID), 0), newWrite(gone, string(sessions[1].ID), 0),
		&pendingWrite{ctx: t.Context(), query: `UPDATE nowhere SET n = 1`}
	s.groupCommit.commit([]*pendingWrite{first, bad})
	if first.err == nil || bad.err == nil || first.rows != 0 {
		t.Errorf("%d rows, %v, %v", first.rows, first.err, bad.err)
	}
	s.groupCommit.commit([]*pendingWrite{left, first})
	if first.err != nil || first.rows != 1 || !errors.Is(left.err, context.Canceled) {
		t.Errorf("%d rows, %v, %v", first.rows, first.err, left.err)
	}
	if n := queryInt(t, s, `SELECT COUNT(*) FROM sessions WHERE generation = 1`); n != 1 {
		t.Errorf("%d sessions changed, want 1", n)
	}
}

// TestRotateWaitsForAWriter, until the caller goes away.
func TestRotateWaitsForAWriter(t *testing.T) {
	s, _, sessions := newSessions(t, 20)
	release, held := make(chan struct{}), make(chan struct{})
	writer := make(chan error, 1)
	go func() {
		writer <- s.InTx(t.Context(), func(*Tx) error { close(held); <-release; return nil })
	}()
	<-held
	leaving, leave := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() {
		gone <- errors.Join(concurrently(len(sessions), func(i int) error {
			ctx := t.Context()
			if i%5 == 4 {
				ctx = leaving
			}
			ok, err := s.Rotate(ctx, sessions[i].ID, rotation(0, noon))
			if i%5 == 4 && errors.Is(err, context.Canceled) {
				return nil
			}
			if err == nil && !ok {
				err = fmt.Errorf("session %d was not rotated", i)
			}
			return err
		})...)
	}()
	for queued := 0; queued < len(sessions)-1; runtime.Gosched() {
		s.groupCommit.mu.Lock()
		queued = len(s.groupCommit.pending)
		s.groupCommit.mu.Unlock()
	}
	leave()
	close(release)
	must(t, <-writer)
	must(t, <-gone)
	if must1(s.Rotate(t.Context(), sessions[0].ID, rotation(0, noon)))(t) {
		t.Error("one token worked twice")
	}
}

// TestRotateReportsFaults lets each call to the driver fail during concurrent rotations: what Rotate returns must be true.
func TestRotateReportsFaults(t *testing.T) {
	for _, fault := range []storetest.Fault{
		{Err: errors.New("disk"), NothingDone: true}, {Err: errors.New("disk"), Fatal: true}, {Err: errors.New("disk"), After: true},
	} {
		for n := 1; ; n++ {
			s, faults, sessions := newSessions(t, 5)
			faults.Arm(n, fault)
			rotated := make([]bool, len(sessions))
			errs := concurrently(len(sessions), func(i int) (err error) {
				rotated[i], err = s.Rotate(t.Context(), sessions[i].ID, rotation(0, noon))
				return err
			})
			struck := faults.Disarm()
			for i, session := range sessions {
				state := must1(s.SessionState(t.Context(), session.ID))(t)
				if errs[i] == nil && state.Generation != 1 || state.Generation > 1 || rotated[i] && state.Generation != 1 {
					t.Errorf("%v at call %d: returned %t, %v, and the generation is %d", fault, n, rotated[i], errs[i], state.Generation)
				}
			}
			if open := faults.Open(); open != 0 {
				t.Errorf("%v at call %d: %d left open", fault, n, open)
			}
			if !struck {
				break
			}
		}
	}
}
