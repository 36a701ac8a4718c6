package store

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/store/storetest"
)

// fill adds n users with profiles: every three at one time, every tenth an organizer,
// in 20 cities, their usernames in no order.
func fill(t testing.TB, s *Store, n int) {
	t.Helper()
	series := `generate_series(1, ?) AS series (i)`
	if s.dialect.name == "sqlite" {
		series = `(WITH RECURSIVE series (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM series WHERE i < ?)
			SELECT i FROM series)`
	}
	// The factor and the prime modulus scatter the numbers without repeating one.
	people := `(SELECT i, 'user' || CAST(10000000000 + CAST(i AS BIGINT) * 48271 % 2147483647 AS TEXT) AS name,
		CAST(10000000 + i AS TEXT) AS id, 'city' || CAST(i % 20 AS TEXT) AS city, CAST(? AS BIGINT) + i / 3 AS at FROM ` + series + `) AS people`
	execute(t, s, `INSERT INTO users (id, username, username_key, email_verified, name, role, status, password_hash, epoch,
		created_at) SELECT 'user_' || id, name, name, 0 = 1, '', 'MEMBER', 'ACTIVE', '', 0, at FROM `+people, noon.UnixMicro(), n)
	execute(t, s, `INSERT INTO profiles (id, user_id, username, username_key, description, description_key, location,
		location_key, is_organizer, date_joined, updated_on) SELECT 'profile_' || id, 'user_' || id, name, name, 'I keep jumping.', 'i keep jumping.',
		city, city, i % 10 = 0, at, at FROM `+people, noon.UnixMicro(), n)
	if s.dialect.name == "postgres" {
		execute(t, s, `ANALYZE`)
	}
}

var orders = map[string]account.ProfileOrderField{"date": account.ByDateJoined, "username": account.ByUsername}

const few, many = 1_000, 1_000_000

// BenchmarkPage shows that a page costs the same in a small table and in a large one, at the front and in the middle.
// Its last lines alternate between both and report the ratio of the costs, which should be below 1.5.
func BenchmarkPage(b *testing.B) {
	engines := map[string]func(testing.TB) string{"sqlite": storetest.SQLite, "postgres": storetest.Postgres}
	for engine, database := range engines {
		b.Run(engine, func(b *testing.B) {
			small, large := newStore(b, database(b)), newStore(b, database(b))
			fill(b, small, few)
			fill(b, large, many)
			organizers := true
			for name, field := range orders {
				selection := account.Selection{Order: account.ProfileOrder{Field: field, Direction: account.Ascending}}
				benchmarkPages(b, name, small, large, selection)
				selection.IsOrganizer = &organizers
				benchmarkPages(b, name+"-organizers", small, large, selection)
			}
		})
	}
}

func benchmarkPages(b *testing.B, name string, small, large *Store, selection account.Selection) {
	for _, place := range []string{"first", "middle"} {
		inSmall := account.Window{Selection: selection, Limit: account.DefaultPage}
		inLarge := inSmall
		if place == "middle" {
			inSmall.After, inLarge.After = middle(b, small, selection), middle(b, large, selection)
		}
		page := func(b *testing.B, s *Store, window account.Window) {
			profiles, more, err := s.Profiles(b.Context(), window)
			if err != nil || !more || len(profiles) != window.Limit {
				b.Fatal(len(profiles), more, err)
			}
		}
		b.Run(fmt.Sprintf("%s/%s/%d", name, place, few), func(b *testing.B) {
			for b.Loop() {
				page(b, small, inSmall)
			}
		})
		b.Run(fmt.Sprintf("%s/%s/%d", name, place, many), func(b *testing.B) {
			for b.Loop() {
				page(b, large, inLarge)
			}
		})
		b.Run(fmt.Sprintf("%s/%s/ratio", name, place), func(b *testing.B) {
			var costSmall, costLarge time.Duration
			for b.Loop() {
				start := time.Now()
				page(b, small, inSmall)
				between := time.Now()
				page(b, large, inLarge)
				costSmall += between.Sub(start)
				costLarge += time.Since(between)
			}
			b.ReportMetric(float64(costLarge)/float64(costSmall), "large/small")
			b.ReportMetric(0, "ns/op") // which would be that of two pages
		})
	}
}

// middle returns the place of the profile in the middle of a selection.
func middle(t testing.TB, s *Store, selection account.Selection) *account.Position {
	t.Helper()
	n := must1(s.CountProfiles(t.Context(), selection))(t)
	query, args := s.pageQuery(account.Window{Selection: selection})
	var row profileRow
	must(t, s.readPool.Get(&row, s.readPool.Rebind(strings.TrimSuffix(query, "?")+`1 OFFSET ?`), append(args[:len(args)-1], n/2)...))
	position := row.profile().Position()
	return &position
}

// BenchmarkSearch searches 200 long descriptions for a text that nearly matches at every position, and for one that
// matches nowhere. The ratio is what an attacker could gain.
func BenchmarkSearch(b *testing.B) {
	storetest.Each(b, func(b *testing.B, url string) {
		s := newStore(b, url)
		for i := range 200 {
			addUser(b, s, fmt.Sprint("user", i))
		}
		execute(b, s, `UPDATE profiles SET description_key = ?`, strings.Repeat("e", account.MaxDescription-1))
		spent := map[string]time.Duration{}
		for b.Loop() {
			for _, text := range []string{strings.Repeat("e", 98) + "x", strings.Repeat("z", 99)} {
				began := time.Now()
				if _, _, err := s.Profiles(b.Context(), account.Window{Selection: account.Selection{Search: text}, Limit: 1}); err != nil {
					b.Fatal(err)
				}
				spent[text[:1]] += time.Since(began)
			}
		}
		b.ReportMetric(float64(spent["e"].Microseconds())/float64(b.N)/1000, "ms-nearly")
		b.ReportMetric(float64(spent["e"])/float64(spent["z"]), "ratio")
	})
}

// BenchmarkCalls measures the calls that most requests make.
func BenchmarkCalls(b *testing.B) {
	storetest.Each(b, func(b *testing.B, url string) {
		s := newStore(b, url)
		fill(b, s, few)
		mario := addUser(b, s, "mario")
		session := newSession(mario)
		must1(s.InsertSession(b.Context(), session, salt, 7))(b)
		generation, now := uint64(0), noon
		for name, call := range map[string]func() error{
			"SessionState": func() error { _, err := s.SessionState(b.Context(), session.ID); return err },
			"LiveUser": func() error {
				_, err := s.LiveUser(b.Context(), session.ID, noon, noon.Add(-time.Hour))
				return err
			},
			"Profile": func() error { _, err := s.Profile(b.Context(), mario.Profile.ID); return err },
			"Profiles": func() error {
				_, _, err := s.Profiles(b.Context(), account.Window{Limit: 50})
				return err
			},
			"UpdateProfile": func() error {
				_, err := s.UpdateProfile(b.Context(), mario.Profile.ID, mario.ID, account.ProfileInput{}, noon)
				return err
			},
			"Rotate": func() error {
				now = now.Add(2 * time.Second) // 60 in a minute
				ok, err := s.Rotate(b.Context(), session.ID, rotation(generation, now))
				if err == nil && !ok {
					err = errors.New("not rotated")
				}
				generation++
				return err
			},
		} {
			b.Run(name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					must(b, call())
				}
			})
		}
	})
}
