package store

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/store/storetest"
)

// noon is the time of everything in these tests.
var noon = time.Date(2026, 5, 1, 12, 0, 0, 123456000, time.UTC)

func atNoon() time.Time { return noon }

// onEach runs f on every engine, with an empty store with the current schema.
func onEach(t *testing.T, f func(t *testing.T, s *Store)) {
	t.Helper()
	t.Parallel()
	storetest.EachStrict(t, func(t *testing.T, url string) { f(t, newStore(t, url)) })
}

// newStore opens a store and brings its schema up to date.
func newStore(t testing.TB, url string) *Store {
	t.Helper()
	s := connect(t, url)
	if _, err := s.Migrate(t.Context(), atNoon); err != nil {
		t.Fatal(err)
	}
	return s
}

func connect(t testing.TB, url string) *Store {
	t.Helper()
	s, err := Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// openDirect opens a database without the store, and without waiting for locks.
func openDirect(t testing.TB, address string) *sql.DB {
	t.Helper()
	driver, source := "pgx", address
	if path, ok := strings.CutPrefix(address, "sqlite:"); ok {
		driver, source = "sqlite3", "file:"+(&url.URL{Path: path}).EscapedPath()+"?_busy_timeout=0"
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// must1 returns a value that came without an error.
func must1[T any](value T, err error) func(t testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		must(t, err)
		return value
	}
}

// execute runs a statement for which there is no method.
func execute(t testing.TB, s *Store, statement string, args ...any) {
	t.Helper()
	_, err := s.writePool.Exec(s.writePool.Rebind(statement), args...)
	must(t, err)
}

func queryInt(t testing.TB, s *Store, query string, args ...any) (n int) {
	t.Helper()
	must(t, s.readPool.Get(&n, s.readPool.Rebind(query), args...))
	return n
}

func newUser(username string) *account.User {
	return &account.User{
		ID:        account.NewID(account.UserKind, noon),
		Username:  username,
		Role:      account.Member,
		Status:    account.Active,
		CreatedAt: noon,
	}
}

func newProfile(user *account.User) *account.Profile {
	return &account.Profile{
		ID:         account.NewID(account.ProfileKind, noon),
		UserID:     user.ID,
		Username:   user.Username,
		DateJoined: noon,
		UpdatedOn:  noon,
	}
}

// addUser adds a user, with the hash "hash", and their profile.
func addUser(t testing.TB, s *Store, username string) *account.User {
	t.Helper()
	user := newUser(username)
	user.Profile = newProfile(user)
	must(t, s.InTx(t.Context(), func(tx *Tx) error {
		if err := tx.InsertUser(t.Context(), user, "hash"); err != nil {
			return err
		}
		return tx.InsertProfile(t.Context(), user.Profile)
	}))
	return user
}

// inTx returns what f returns in a transaction.
func inTx[T any](t testing.TB, s *Store, f func(tx *Tx) (T, error)) (value T, err error) {
	t.Helper()
	err = s.InTx(t.Context(), func(tx *Tx) (err error) {
		value, err = f(tx)
		return err
	})
	return value, err
}

// concurrently calls f for 0 to n-1 at once and returns the errors.
func concurrently(n int, f func(i int) error) []error {
	var ready, done sync.WaitGroup
	errs := make([]error, n)
	ready.Add(n)
	for i := range n {
		done.Go(func() {
			ready.Done()
			ready.Wait()
			errs[i] = f(i)
		})
	}
	done.Wait()
	return errs
}

// conflict returns an error of the database itself that is retryable.
func conflict(t *testing.T, tx *Tx) error {
	if tx.dialect.name == "postgres" {
		_, err := tx.tx.Exec(`DO $$ BEGIN RAISE EXCEPTION 'in the way' USING ERRCODE = '40001'; END $$`)
		return err
	}
	var path string
	must(t, tx.tx.Get(&path, `SELECT file FROM pragma_database_list`))
	_, err := openDirect(t, "sqlite:"+path).Exec(`BEGIN IMMEDIATE`)
	return err
}

func TestTransactionIsAtomic(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		ctx, failure := t.Context(), errors.New("failure")
		user := newUser("mario")
		insert := func(tx *Tx) error {
			must(t, tx.InsertUser(ctx, user, "hash"))
			if _, err := tx.User(ctx, user.ID); err != nil {
				t.Error("the transaction does not see its own writes:", err)
			}
			return tx.InsertProfile(ctx, newProfile(user))
		}
		if err := s.InTx(ctx, func(tx *Tx) error { return errors.Join(insert(tx), failure) }); !errors.Is(err, failure) {
			t.Error("the function's error became", err)
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic is lost")
				}
			}()
			s.InTx(ctx, func(tx *Tx) error { insert(tx); panic("failure") })
		}()
		if _, err := s.User(ctx, user.ID); !account.IsCode(err, account.NotFound) {
			t.Error("the user was inserted:", err)
		}
		must(t, s.InTx(ctx, insert))
		if found, err := s.User(ctx, user.ID); err != nil || found.Profile == nil {
			t.Errorf("there is %+v: %v", found, err)
		}
	})
}

func TestTransactionIsRetriedOnConflict(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		count := 0
		must(t, s.InTx(ctx, func(tx *Tx) error {
			count++
			must(t, tx.InsertUser(ctx, newUser("mario"), "hash"))
			if count < 3 {
				return conflict(t, tx)
			}
			return nil
		}))
		if users := queryInt(t, s, `SELECT COUNT(*) FROM users`); count != 3 || users != 1 {
			t.Errorf("%d tries made %d users", count, users)
		}

		count = 0
		err := s.InTx(ctx, func(tx *Tx) error { count++; return conflict(t, tx) })
		if count != maxTries || err == nil || errors.As(err, new(*account.Error)) {
			t.Errorf("gave up after %d tries with %v", count, err)
		}

		for _, final := range []func(tx *Tx) error{
			func(*Tx) error { return errors.New("failure") },
			func(tx *Tx) error { return tx.InsertUser(ctx, newUser("MARIO"), "hash") },
			func(tx *Tx) error { _, err := tx.tx.Exec(`SELECT nothing FROM nowhere`); return err },
		} {
			count = 0
			if err := s.InTx(ctx, func(tx *Tx) error { count++; return final(tx) }); err == nil || count != 1 {
				t.Errorf("%v came after %d tries", err, count)
			}
		}
	})
}

// TestNoUpdateIsLost commits another transaction between the read and the write of one.
func TestNoUpdateIsLost(t *testing.T) {
	t.Parallel()
	u := must1(url.Parse(storetest.Postgres(t)))(t)
	query := u.Query()
	query.Set("default_transaction_isolation", "serializable")
	u.RawQuery = query.Encode()
	s, ctx := newStore(t, u.String()), t.Context()
	execute(t, s, `INSERT INTO settings (name, value) VALUES ('n', 0)`)
	increment := func(between func()) error {
		return s.InTx(ctx, func(tx *Tx) error {
			var n int
			if err := tx.get(ctx, &n, `SELECT value FROM settings WHERE name = 'n'`); err != nil {
				return err
			}
			between()
			_, err := tx.exec(ctx, `UPDATE settings SET value = ? WHERE name = 'n'`, n+1)
			return err
		})
	}
	tries := 0
	must(t, increment(func() {
		if tries++; tries == 1 {
			must(t, increment(func() {}))
		}
	}))
	if n := queryInt(t, s, `SELECT value FROM settings WHERE name = 'n'`); n != 2 || tries != 2 {
		t.Errorf("two increments, one of them in %d tries, make %d", tries, n)
	}
}

// TestStatementIsRetriedOnConflict: of four that write one row at once, one succeeds each time, so that all do in the end.
func TestStatementIsRetriedOnConflict(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		user := addUser(t, s, "mario")
		for range 10 {
			must(t, errors.Join(concurrently(4, func(i int) error {
				return s.SetName(t.Context(), user.ID, strings.Repeat("x", i+1))
			})...))
		}
	})
}

// TestContextEnds: the caller gets an error, nothing is half done, and the store remains usable.
func TestContextEnds(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		user := addUser(t, s, "mario")
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		for what, f := range map[string]func() error{
			"reading":     func() error { _, err := s.User(ended, user.ID); return err },
			"writing":     func() error { return s.SetName(ended, user.ID, "Luigi") },
			"transaction": func() error { return s.InTx(ended, func(*Tx) error { return nil }) },
			"ping":        func() error { return s.Ping(ended) },
		} {
			if err := f(); !errors.Is(err, context.Canceled) || errors.As(err, new(*account.Error)) {
				t.Errorf("%s gives %v", what, err)
			}
		}

		leaving, cancel := context.WithCancel(t.Context())
		count := 0
		err := s.InTx(leaving, func(tx *Tx) error { count++; defer cancel(); return conflict(t, tx) })
		if err == nil || count != 1 {
			t.Errorf("%v after %d tries, although the caller has gone away", err, count)
		}
		err = s.InTx(t.Context(), func(tx *Tx) error {
			must(t, tx.SetName(t.Context(), user.ID, "Luigi"))
			return tx.SetName(ended, user.ID, "Mario")
		})
		if !errors.Is(err, context.Canceled) {
			t.Error("the transaction returns", err)
		}
		if found := must1(s.User(t.Context(), user.ID))(t); found.Name != "" {
			t.Error("the name is", found.Name)
		}
		must(t, s.SetName(t.Context(), user.ID, "Mario"))
	})
}

func TestClosedStore(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		user := addUser(t, s, "mario")
		must(t, s.Close())
		_, err := s.User(t.Context(), user.ID)
		for _, err := range []error{err, s.SetName(t.Context(), user.ID, ""), s.Ping(t.Context()),
			s.InTx(t.Context(), func(*Tx) error { return nil })} {
			if err == nil || errors.As(err, new(*account.Error)) {
				t.Errorf("a closed store gives %v", err)
			}
		}
	})
}

// TestOnlyUniqueNamesAreUserErrors violates every other constraint of the database.
func TestOnlyUniqueNamesAreUserErrors(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		mario := addUser(t, s, "mario")
		wrongRole, wrongStatus, sameID, noID := newUser("a"), newUser("b"), newUser("c"), newProfile(newUser("d"))
		wrongRole.Role, wrongStatus.Status, sameID.ID = "KING", "ASLEEP", mario.ID
		for what, err := range map[string]error{
			"role":     s.InsertUser(ctx, wrongRole, "hash"),
			"status":   s.InsertUser(ctx, wrongStatus, "hash"),
			"same id":  s.InsertUser(ctx, sameID, "hash"),
			"same kid": errors.Join(addKey(t, s, "k", "EdDSA", 1), addKey(t, s, "k", "EdDSA", 2)),
			"syntax":   s.get(ctx, new(int), `SELECT nothing FROM nowhere`),
			"foreign key": func() error {
				_, err := s.exec(ctx, `INSERT INTO profiles (id, user_id, username, username_key, description, description_key,
					location, location_key, is_organizer, date_joined, updated_on) VALUES (?, ?, '', '', '', '', '', '', ?, 0, 0)`,
					noID.ID, noID.UserID, false)
				return err
			}(),
		} {
			if err == nil || errors.As(err, new(*account.Error)) {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}

func TestTextRoundTrip(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		for i, text := range []string{
			"👩🏽‍🚀🏴󠁧󠁢󠁳󠁣󠁴󠁿🇮🇹", "עברית \u202eabc\u202c العربية", "e\u0301 is not é", "a\u0300\u0301\u0302\u0303\u0304", "ﬁ ① Å Ω ｶﾞ",
			"\U0010ffff \ufdd0 \u200b\ufeff", "it's \"quoted\" -- ; DROP TABLE users; /* \\ %_? $1 :a @b", "", " spaces ", "line\r\n\ttwo",
		} {
			user := newUser("user" + string(rune('a'+i)) + text)
			user.Name = text
			email := text + "@example.com"
			user.Email = &email
			profile := newProfile(user)
			profile.Description, profile.Location = text, text
			must(t, s.InTx(ctx, func(tx *Tx) error {
				return errors.Join(tx.InsertUser(ctx, user, text), tx.InsertProfile(ctx, profile))
			}))
			found := must1(s.User(ctx, user.ID))(t)
			found.Profile.ID, profile.ID = "", ""
			if found.Username != user.Username || found.Name != text || *found.Email != email || *found.Profile != *profile {
				t.Errorf("%+q comes back as %+v with %+v", text, found, found.Profile)
			}
			credentials := must1(s.CredentialsByID(ctx, user.ID))(t)
			if credentials.PasswordHash != text {
				t.Errorf("the hash %+q comes back as %+q", text, credentials.PasswordHash)
			}
		}
	})
}
