package store

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"latchkey/internal/account"
)

// wantTaken checks that err is TAKEN at a field, with a message that contains nothing of the driver's error.
func wantTaken(t *testing.T, err error, field string) {
	t.Helper()
	var e *account.Error
	if !errors.As(err, &e) || e.Code != account.Taken || !slices.Equal(e.Field, []string{field}) {
		t.Fatalf("want TAKEN at %s, have %v", field, err)
	}
	if e.Err == nil || strings.Contains(strings.ToLower(e.Message), "unique") {
		t.Errorf("the client reads %q, the log %v", e.Message, e.Err)
	}
}

func TestUsersAreFound(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		user, email := newUser("Mario"), "Mario@Example.com"
		user.Email, user.EmailVerified, user.Name, user.Role = &email, true, "Mario Rossi", account.Staff
		must(t, s.InsertUser(ctx, user, "hash"))
		if ok, err := setLastLogin(t, s, user.ID, 0, noon.Add(time.Microsecond)); !ok || err != nil {
			t.Fatalf("time not stored: %t %v", ok, err)
		}
		found := must1(s.User(ctx, user.ID))(t)
		if *found.Email != email || !found.LastLoginAt.Equal(noon.Add(time.Microsecond)) {
			t.Errorf("found %+v", found)
		}
		found.Email, found.LastLoginAt = user.Email, nil
		if *found != *user {
			t.Errorf("found %+v, want %+v", found, user)
		}
		byName := must1(s.CredentialsByName(ctx, "mario", ""))(t)
		byEmail := must1(s.CredentialsByName(ctx, "", "mario@example.com"))(t)
		byID := must1(s.CredentialsByID(ctx, user.ID))(t)
		if byName.UserID != user.ID || byName.PasswordHash != "hash" || byName.Epoch != 0 || byName.Status != account.Active {
			t.Errorf("credentials are %+v", byName)
		}
		for _, c := range []Credentials{byEmail, byID} {
			if c != byName {
				t.Errorf("credentials are %+v and %+v", c, byName)
			}
		}
		missing := account.NewID(account.UserKind, noon)
		for what, err := range map[string]error{
			"name":          errOf(s.CredentialsByName(ctx, "luigi", "")),
			"typed name":    errOf(s.CredentialsByName(ctx, "Mario", "")),
			"email":         errOf(s.CredentialsByName(ctx, "", "luigi@example.com")),
			"name as email": errOf(s.CredentialsByName(ctx, "", "mario")),
			"empty":         errOf(s.CredentialsByName(ctx, "", "")),
			"id":            errOf(s.CredentialsByID(ctx, missing)),
			"user":          errOf(s.User(ctx, missing)),
			"set name":      s.SetName(ctx, missing, "Luigi"),
		} {
			if !account.IsCode(err, account.NotFound) {
				t.Errorf("%s of a missing user: %v", what, err)
			}
		}
	})
}

func errOf[T any](_ T, err error) error { return err }

func TestNamesAreUniqueInCanonicalForm(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		mario, email := newUser("José"), "José@Bücher.example"
		mario.Email = &email
		must(t, s.InsertUser(ctx, mario, "hash"))
		for _, name := range []string{"José", "JOSÉ", "jose\u0301", "ＪＯＳÉ"} {
			wantTaken(t, s.InsertUser(ctx, newUser(name), "hash"), "username")
		}
		for _, same := range []string{email, "JOSÉ@BÜCHER.EXAMPLE", "jose\u0301@xn--bcher-kva.example"} {
			luigi := newUser("luigi")
			luigi.Email = &same
			wantTaken(t, s.InsertUser(ctx, luigi, "hash"), "email")
		}
		must(t, s.InsertUser(ctx, newUser("jose"), "hash"))
		must(t, s.InsertUser(ctx, newUser("without"), "hash")) // neither has an address, and they are not the same
		wantTaken(t, s.InTx(ctx, func(tx *Tx) error { return setUsername(ctx, tx, mario.ID, "JOSE") }), "username")
		must(t, s.InTx(ctx, func(tx *Tx) error { return setUsername(ctx, tx, mario.ID, "JOSÉ") }))

		for _, test := range []struct {
			usernameKey, emailKey string
			username, email       bool
		}{
			{"josé", "josé@xn--bcher-kva.example", true, true},
			{"josé", "", true, false},
			{"", "josé@xn--bcher-kva.example", false, true},
			{"mario", "mario@example.com", false, false},
			{"", "", false, false},
		} {
			username, email, err := s.NamesTaken(ctx, test.usernameKey, test.emailKey)
			if err != nil || username != test.username || email != test.email {
				t.Errorf("%+v: %t %t %v", test, username, email, err)
			}
		}
	})
}

func TestOneConcurrentUsernameIsInserted(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		variants := []string{"mario", "MARIO", "Mario", "mArIo", "ｍａｒｉｏ", "ＭＡＲＩＯ", "marIO", "ｍario"}
		succeeded := 0
		for _, err := range concurrently(64, func(i int) error {
			return s.InsertUser(t.Context(), newUser(variants[i%len(variants)]), "hash")
		}) {
			if err == nil {
				succeeded++
				continue
			}
			wantTaken(t, err, "username")
		}
		if n := queryInt(t, s, `SELECT COUNT(*) FROM users`); succeeded != 1 || n != 1 {
			t.Errorf("%d succeeded, and there are %d", succeeded, n)
		}
	})
}

func setLastLogin(t *testing.T, s *Store, id account.ID, epoch int64, now time.Time) (ok bool, err error) {
	return inTx(t, s, func(tx *Tx) (bool, error) { return tx.SetLastLogin(t.Context(), id, epoch, now) })
}

func changeUsername(t *testing.T, s *Store, id account.ID, epoch int64, username string) (ok bool, err error) {
	return inTx(t, s, func(tx *Tx) (bool, error) { return tx.SetUsername(t.Context(), id, epoch, username) })
}

func deleteUser(t *testing.T, s *Store, id account.ID, epoch int64) (ok bool, err error) {
	return inTx(t, s, func(tx *Tx) (bool, error) { return tx.DeleteUser(t.Context(), id, epoch) })
}

func TestDeleteUserDeletesAllRows(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		mario, luigi := addUser(t, s, "mario"), addUser(t, s, "luigi")
		signIn(t, s, mario)
		signIn(t, s, mario)
		session := signIn(t, s, luigi)
		if ok, err := deleteUser(t, s, mario.ID, 1); ok || err != nil {
			t.Fatalf("deleted at another epoch: %t %v", ok, err)
		}
		if ok, err := deleteUser(t, s, mario.ID, 0); !ok || err != nil {
			t.Fatalf("not deleted: %t %v", ok, err)
		}
		for _, table := range []string{"users", "profiles", "sessions"} {
			if n := queryInt(t, s, `SELECT COUNT(*) FROM `+table); n != 1 {
				t.Errorf("%d %s are left", n, table)
			}
		}
		if _, err := s.SessionState(ctx, session.ID); err != nil {
			t.Error("another user's session:", err)
		}
		if ok, err := deleteUser(t, s, mario.ID, 0); ok || err != nil {
			t.Errorf("deleted again: %t %v", ok, err)
		}
		addUser(t, s, "Mario")
	})
}

func TestEpochGuards(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		mario := addUser(t, s, "mario")
		missing := account.NewID(account.UserKind, noon)
		for _, change := range []struct {
			id    account.ID
			epoch int64
			want  bool
		}{{missing, 0, false}, {mario.ID, 1, false}, {mario.ID, 0, true}} {
			if ok := must1(setLastLogin(t, s, change.id, change.epoch, noon))(t); ok != change.want {
				t.Errorf("time stored: %t", ok)
			}
			if ok := must1(changeUsername(t, s, change.id, change.epoch, "jumpman"))(t); ok != change.want {
				t.Errorf("renamed: %t", ok)
			}
		}
		execute(t, s, `UPDATE users SET status = 'DISABLED'`)
		if must1(setLastLogin(t, s, mario.ID, 0, noon))(t) || must1(changeUsername(t, s, mario.ID, 0, "mario"))(t) ||
			must1(deleteUser(t, s, mario.ID, 0))(t) {
			t.Error("a disabled user was changed")
		}
	})
}

func TestSetPasswordGuards(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		mario, luigi := addUser(t, s, "mario"), addUser(t, s, "luigi")
		hash := func(want string, epoch int64) {
			t.Helper()
			if c := must1(s.CredentialsByID(ctx, mario.ID))(t); c.PasswordHash != want || c.Epoch != epoch {
				t.Fatalf("hash %q at epoch %d, want %q at %d", c.PasswordHash, c.Epoch, want, epoch)
			}
		}
		next, ok, err := s.SetPassword(ctx, mario.ID, 0, "second")
		if next != 1 || !ok || err != nil {
			t.Fatalf("epoch %d %t %v", next, ok, err)
		}
		hash("second", 1)
		for _, stale := range []int64{0, 2, -1} {
			if _, ok, err := s.SetPassword(ctx, mario.ID, stale, "stale"); ok || err != nil {
				t.Errorf("set at epoch %d: %t %v", stale, ok, err)
			}
		}
		for _, status := range []account.Status{account.Pending, account.Disabled} {
			execute(t, s, `UPDATE users SET status = ? WHERE id = ?`, status, mario.ID)
			if _, ok, err := s.SetPassword(ctx, mario.ID, 1, "barred"); ok || err != nil {
				t.Errorf("set while %s: %t %v", status, ok, err)
			}
		}
		hash("second", 1)

		must(t, s.Rehash(ctx, mario.ID, "hash", "rehashed"))
		hash("second", 1)
		must(t, s.Rehash(ctx, luigi.ID, "second", "rehashed"))
		hash("second", 1)
		must(t, s.Rehash(ctx, mario.ID, "second", "rehashed"))
		hash("rehashed", 1)
		if c := must1(s.CredentialsByID(ctx, luigi.ID))(t); c.PasswordHash != "hash" || c.Epoch != 0 {
			t.Errorf("another user's credentials are %+v", c)
		}
	})
}

func TestOneConcurrentPasswordChangeSucceeds(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		mario := addUser(t, s, "mario")
		won := make([]bool, 8)
		must(t, errors.Join(concurrently(len(won), func(i int) (err error) {
			_, won[i], err = s.SetPassword(t.Context(), mario.ID, 0, "new")
			return err
		})...))
		winners := slices.DeleteFunc(won, func(ok bool) bool { return !ok })
		if c := must1(s.CredentialsByID(t.Context(), mario.ID))(t); len(winners) != 1 || c.Epoch != 1 {
			t.Errorf("%d won, and the epoch is %d", len(winners), c.Epoch)
		}
	})
}
