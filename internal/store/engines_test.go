package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"latchkey/internal/account"
	"latchkey/internal/store/storetest"
)

// FuzzEnginesAgree compares the results of SQLite and PostgreSQL, for any names, texts and searches, with each other and
// with the canonical forms computed in Go.
func FuzzEnginesAgree(f *testing.F) {
	engines := []*Store{newStore(f, storetest.SQLite(f)), newStore(f, storetest.Postgres(f))}
	execute(f, engines[0], `PRAGMA synchronous = OFF`)
	for _, pair := range [][2]string{
		{"mario", "MARIO"}, {"mario", "luigi"}, {"Straße", "STRASSE"}, {"josé", "jose\u0301"}, {"josé", "jose"},
		{"σίσυφος", "ΣΊΣΥΦΟΣ"}, {"ı", "i"}, {"İ", "i\u0307"}, {"ꭰ", "Ꭰ"}, {"ｍａｒｉｏ", "mario"}, {"カ\u3099", "ガ"}, {"K", "\u212a"},
		{"_", "a"}, {"-", "_"}, {"a.b", "a_b"}, {"Z", "a"}, {"Zoë", "An Äpfel"}, {"z", "é"}, {"𐐀", "𐐨"}, {"\uffee", "𐀀"}, {"１０", "9"},
		{"mario@example.com", "MARIO@EXAMPLE.COM"}, {"mario@example.com", "mario+1@example.com"}, {"mario@faß.de", "mario@fass.de"},
		{"mario@bücher.example", "mario@XN--BCHER-KVA.example"}, {"ß@example.com", "SS@example.com"}, {"mario@example.com", "mario"},
		{"100%", "100"}, {"%", "_"}, {`\`, `\\`}, {`\%`, `%`}, {"a'b", `a"b`}, {"' OR 1=1 --", "x"}, {"?", "$1"}, {":a", "@a"},
		{"", " "}, {"a\x00b", "a"}, {"\xff", "\ufffd"}, {"a\nb", "a\tb"}, {"ABC", "b"}, {"É", "é"}, {"ﬁ", "FI"}, {"\u0301", "e"},
	} {
		f.Add(pair[0], pair[1])
	}
	f.Fuzz(func(t *testing.T, one, other string) {
		texts := []string{one, other}
		sqlite, postgres := transcript(t, engines[0], texts), transcript(t, engines[1], texts)
		if !slices.Equal(sqlite, postgres) {
			t.Errorf("SQLite says\n%s\nPostgreSQL says\n%s", strings.Join(sqlite, "\n"), strings.Join(postgres, "\n"))
		}
	})
}

// transcript adds two users, each with one of the texts wherever it is valid and the other as the description, checks the
// results of all queries about them, and returns them as text.
func transcript(t *testing.T, s *Store, texts []string) (said []string) {
	t.Helper()
	defer execute(t, s, `DELETE FROM users`)
	ctx := t.Context()
	owners, profiles := map[string]account.ID{}, []*account.Profile{}
	for i, text := range texts {
		n := [16]byte{6: 0x70, 8: 0x80, 15: byte(i)}
		user := newUser(fmt.Sprint("user ", i)) // a space, as no text with one is a username
		user.ID = account.IDOf(account.UserKind, n)
		if account.CheckName(text) == nil {
			user.Name = text
		}
		key := account.EmailKey(text)
		switch {
		case account.CheckUsername(text) == nil:
			user.Username, key = text, account.UsernameKey(text)
		case account.CheckEmail(text) == nil:
			user.Email = &text
		default:
			key = ""
		}
		err := s.InsertUser(ctx, user, "hash")
		if _, applied := owners[key]; applied != account.IsCode(err, account.Taken) || !applied && err != nil {
			t.Fatalf("%+q beside %+q: %v", text, texts, err)
		}
		said = append(said, fmt.Sprintf("%+q joins: %s", text, codeOf(err)))
		if err != nil {
			continue
		}
		owners[account.UsernameKey(user.Username)] = user.ID
		if key != "" {
			owners[key] = user.ID
		}
		profile := newProfile(user)
		profile.ID = account.IDOf(account.ProfileKind, n)
		if other := texts[1-i]; account.CheckDescription(other) == nil {
			profile.Description = other
		}
		if account.CheckLocation(text) == nil {
			profile.Location = text
		}
		must(t, s.InTx(ctx, func(tx *Tx) error { return tx.InsertProfile(ctx, profile) }))
		profiles = append(profiles, profile)
	}
	for _, text := range texts {
		username, email := account.SignInKeys(text)
		found, err := s.CredentialsByName(ctx, username, email)
		owner, known := owners[username+email]
		if found.UserID != owner || known == account.IsCode(err, account.NotFound) || known && err != nil {
			t.Fatalf("%+q is found as %s, want %s: %v", text, found.UserID, owner, err)
		}
		said = append(said, fmt.Sprintf("%+q signs in: %s %s", text, found.UserID, codeOf(err)))
	}
	for _, filter := range filters(texts) {
		for _, direction := range []account.OrderDirection{account.Ascending, account.Descending} {
			order := account.ProfileOrder{Field: account.ByUsername, Direction: direction}
			w, err := account.ProfileQuery{Filter: filter, OrderBy: &order}.Window(nil)
			if err != nil {
				continue // not a valid search text
			}
			found := must1(names(s.Profiles(ctx, w)))(t)
			count := must1(s.CountProfiles(ctx, w.Selection))(t)
			if want := expectedNames(profiles, w.Selection); !slices.Equal(found, want) || count != len(want) {
				t.Fatalf("%+v of %+q lists %+q of %d, want %+q", w.Selection, texts, found, count, want)
			}
			said = append(said, fmt.Sprintf("%+v lists %+q", w.Selection, found))
		}
	}
	return said
}

// filters returns the filters for the texts: none, each as the location, each as the search text, and both.
func filters(texts []string) []*account.ProfileFilter {
	all := []*account.ProfileFilter{nil, {Location: &texts[0], Search: &texts[1]}}
	for i := range texts {
		all = append(all, &account.ProfileFilter{Location: &texts[i]}, &account.ProfileFilter{Search: &texts[i]})
	}
	return all
}

func names(profiles []*account.Profile, _ bool, err error) ([]string, error) {
	all := []string{}
	for _, p := range profiles {
		all = append(all, p.Username)
	}
	return all, err
}

// expectedNames returns the usernames of the profiles that a selection has, in its order, without asking a database.
func expectedNames(profiles []*account.Profile, s account.Selection) []string {
	found := []*account.Profile{}
	for _, p := range profiles {
		place := account.Canonical(p.Location)
		all := []string{account.UsernameKey(p.Username), account.Canonical(p.Description), place}
		if (s.Location == "" || place == s.Location) &&
			slices.ContainsFunc(all, func(text string) bool { return strings.Contains(text, s.Search) }) {
			found = append(found, p)
		}
	}
	slices.SortFunc(found, func(a, b *account.Profile) int {
		return strings.Compare(account.UsernameKey(a.Username), account.UsernameKey(b.Username))
	})
	if s.Order.Direction == account.Descending {
		slices.Reverse(found)
	}
	sorted, _ := names(found, false, nil)
	return sorted
}

func codeOf(err error) account.Code {
	var e *account.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
