package store

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"latchkey/internal/account"
)

func TestAUserHasOneProfile(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		insert := func(p *account.Profile) error {
			return s.InTx(ctx, func(tx *Tx) error { return tx.InsertProfile(ctx, p) })
		}
		if err := insert(newProfile(newUser("missing"))); !account.IsCode(err, account.NotFound) {
			t.Error("a profile without a user:", err)
		}
		mario := addUser(t, s, "Mario")
		if err := insert(newProfile(mario)); !account.IsCode(err, account.AlreadyExists) {
			t.Error("a second profile:", err)
		}
		must(t, s.DeleteProfile(ctx, mario.Profile.ID, mario.ID))
		again := newProfile(mario)
		again.Username = "whatever the caller thinks"
		must(t, insert(again))
		if found := must1(s.Profile(ctx, again.ID))(t); *found != *again || found.Username != "Mario" {
			t.Errorf("%+v became %+v", again, found)
		}
	})
}

func TestOnlyOwnersChangeProfiles(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		ctx, later := t.Context(), noon.Add(time.Hour)
		mario, luigi := addUser(t, s, "mario"), addUser(t, s, "luigi")
		text, yes := "ÉCOLE", true
		for _, wrong := range [][2]account.ID{
			{mario.Profile.ID, luigi.ID},
			{account.NewID(account.ProfileKind, noon), mario.ID},
			{"", mario.ID}, {mario.Profile.ID, ""},
		} {
			_, err := s.UpdateProfile(ctx, wrong[0], wrong[1], account.ProfileInput{Description: &text}, later)
			if !account.IsCode(err, account.NotFound) {
				t.Errorf("%v changed it: %v", wrong, err)
			}
			if err := s.DeleteProfile(ctx, wrong[0], wrong[1]); !account.IsCode(err, account.NotFound) {
				t.Errorf("%v deleted it: %v", wrong, err)
			}
		}
		want := *mario.Profile
		check := func(in account.ProfileInput) {
			t.Helper()
			want.UpdatedOn = want.UpdatedOn.Add(time.Microsecond)
			returned := must1(s.UpdateProfile(ctx, want.ID, mario.ID, in, want.UpdatedOn))(t)
			found := must1(s.Profile(ctx, want.ID))(t)
			if *returned != want || *found != want {
				t.Errorf("want %+v, have %+v and then %+v", want, returned, found)
			}
		}
		check(account.ProfileInput{})
		want.Description = text
		check(account.ProfileInput{Description: &text})
		want.Location = text
		check(account.ProfileInput{Location: &text})
		want.IsOrganizer = true
		check(account.ProfileInput{IsOrganizer: &yes})
		check(account.ProfileInput{})
		n := queryInt(t, s, `SELECT COUNT(*) FROM profiles
			WHERE description_key = 'école' AND location_key = 'école' AND is_organizer`)
		if n != 1 {
			t.Error("the canonical forms did not follow")
		}
		empty, no := "", false
		want.Description, want.Location, want.IsOrganizer = "", "", false
		check(account.ProfileInput{Description: &empty, Location: &empty, IsOrganizer: &no})
		if other := must1(s.Profile(ctx, luigi.Profile.ID))(t); *other != *luigi.Profile {
			t.Errorf("another user's profile became %+v", other)
		}
		if owner := must1(s.ProfileOwner(ctx, want.ID))(t); owner != mario.ID {
			t.Error("it belongs to", owner)
		}
		must(t, s.DeleteProfile(ctx, want.ID, mario.ID))
		if _, err := s.ProfileOwner(ctx, want.ID); !account.IsCode(err, account.NotFound) {
			t.Error("it is still there:", err)
		}
		if found := must1(s.User(ctx, mario.ID))(t); found.Profile != nil {
			t.Error("it is still the user's")
		}
	})
}

// wantSameName checks that a user's profile has the user's name, in both forms.
func wantSameName(t *testing.T, s *Store, user account.ID) {
	t.Helper()
	n := queryInt(t, s, `SELECT COUNT(*) FROM users u JOIN profiles p ON p.user_id = u.id AND p.username = u.username
		AND p.username_key = u.username_key WHERE u.id = ?`, user)
	if n != 1 {
		found := must1(s.User(t.Context(), user))(t)
		t.Fatalf("the user is %q, the profile %+v", found.Username, found.Profile)
	}
}

// setUsername calls SetUsername for a user whose epoch is still the first.
func setUsername(ctx context.Context, tx *Tx, id account.ID, username string) error {
	ok, err := tx.SetUsername(ctx, id, 0, username)
	if err == nil && !ok {
		err = errors.New("not renamed")
	}
	return err
}

func TestSetUsernameRenamesTheProfile(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		mario, luigi := addUser(t, s, "mario"), addUser(t, s, "luigi")
		must(t, s.InTx(ctx, func(tx *Tx) error { return setUsername(ctx, tx, mario.ID, "JUMPMAN") }))
		wantSameName(t, s, mario.ID)
		wantSameName(t, s, luigi.ID)
		if found := must1(s.Profile(ctx, mario.Profile.ID))(t); found.Username != "JUMPMAN" {
			t.Error("the profile is", found.Username)
		}
	})
}

func TestInsertProfileDuringSetUsername(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		mario := addUser(t, s, "mario")
		for round := range 20 {
			must(t, s.DeleteProfile(ctx, mario.Profile.ID, mario.ID))
			mario.Profile = newProfile(mario)
			must(t, errors.Join(concurrently(2, func(i int) error {
				return s.InTx(ctx, func(tx *Tx) error {
					if i == 0 {
						return tx.InsertProfile(ctx, mario.Profile)
					}
					return setUsername(ctx, tx, mario.ID, fmt.Sprint("mario", round))
				})
			})...))
			wantSameName(t, s, mario.ID)
		}
	})
}

// TestInsertProfileWaitsForSetUsername, which is not committed yet.
func TestInsertProfileWaitsForSetUsername(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		mario := addUser(t, s, "mario")
		must(t, s.DeleteProfile(ctx, mario.Profile.ID, mario.ID))
		made := make(chan error, 1)
		must(t, s.InTx(ctx, func(tx *Tx) error {
			if err := setUsername(ctx, tx, mario.ID, "jumpman"); err != nil {
				return err
			}
			go func() {
				made <- s.InTx(ctx, func(tx *Tx) error { return tx.InsertProfile(ctx, newProfile(mario)) })
			}()
			for !isBlocked(t, s) {
				runtime.Gosched()
			}
			return nil
		}))
		must(t, <-made)
		wantSameName(t, s, mario.ID)
	})
}

// isBlocked reports whether a transaction waits for another one.
func isBlocked(t *testing.T, s *Store) bool {
	if s.dialect.name == "sqlite" {
		return s.writePool.Stats().WaitCount > 0
	}
	return queryInt(t, s, `SELECT COUNT(*) FROM pg_stat_activity
		WHERE datname = current_database() AND wait_event_type = 'Lock'`) > 0
}
