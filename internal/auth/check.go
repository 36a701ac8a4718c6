package auth

import (
	"context"
	"fmt"
	"strings"
	"unicode"

	"latchkey/internal/account"
	"latchkey/internal/password"
	"latchkey/internal/store"
	"latchkey/internal/token"
)

// IntegrityReport is how much Check has looked at.
type IntegrityReport struct {
	Keys     int
	Users    int
	Sessions int
	Problems int
}

// checkBatch is how many rows are read at once.
const checkBatch = 1000

// VerifyIntegrity looks through all that is stored for what cannot be, tells each of it in a sentence, and changes nothing. It
// calls seen after each batch. No sentence holds a name, an address or a secret.
func (s *Service) VerifyIntegrity(
	ctx context.Context, tell func(problem string) error, seen func(IntegrityReport),
) (sum IntegrityReport, err error) {
	wrong := func(format string, args ...any) error {
		sum.Problems++
		return tell(fmt.Sprintf(format, args...))
	}
	damage, err := s.store.FileCorruption(ctx)
	if err != nil {
		return sum, err
	}
	for _, problem := range damage {
		if err := wrong("the database file: %s", problem); err != nil {
			return sum, err
		}
	}
	altered, err := s.store.SchemaDrift(ctx)
	if err != nil {
		return sum, err
	}
	for _, problem := range altered {
		if err := wrong("the schema: %s", problem); err != nil {
			return sum, err
		}
	}
	keys, err := s.store.SigningKeys(ctx)
	if err != nil {
		return sum, err
	}
	for _, k := range keys {
		sum.Keys++
		if _, _, err := s.secrets.OpenKey(k.ID, k.Alg, k.CreatedAt, k.Sealed); err != nil {
			if err := wrong("signing key %s: the secret does not open it", k.ID); err != nil {
				return sum, err
			}
		}
	}
	for after := account.ID(""); ; {
		batch, err := s.store.UserRecords(ctx, after, checkBatch)
		if err != nil {
			return sum, err
		}
		for _, u := range batch {
			after = u.ID
			sum.Users++
			for _, problem := range userProblems(u) {
				if err := wrong("%s: %s", u.ID, problem); err != nil {
					return sum, err
				}
			}
		}
		if seen(sum); len(batch) < checkBatch {
			break
		}
	}
	for after := account.ID(""); ; {
		now := s.Now()
		batch, err := s.store.SessionRecords(ctx, after, checkBatch, now, now.Add(-s.IdleTTL))
		if err != nil {
			return sum, err
		}
		for _, r := range batch {
			after = r.Session.ID
			sum.Sessions++
			ended := r.EndReason(now, s.IdleTTL)
			switch {
			case r.Session.UserEpoch > r.Epoch:
				err = wrong("%s: it belongs to an epoch of its user that has not begun", after)
			case r.CountsAsLive && ended != "":
				err = wrong("%s: it counts as live, but is %s", after, ended)
			case !r.CountsAsLive && ended == "":
				err = wrong("%s: it counts as over, but nothing has ended it", after)
			case r.SaltSize < token.SaltSize || r.Generation < 0:
				err = wrong("%s: no refresh token can be computed", after)
			case r.Session.ExpiresAt.Before(r.Session.CreatedAt):
				err = wrong("%s: it ends before it begins", after)
			}
			if err != nil {
				return sum, err
			}
		}
		if seen(sum); len(batch) < checkBatch {
			return sum, nil
		}
	}
}

// userProblems returns what cannot be in a user's record.
func userProblems(u store.UserRecord) (problems []string) {
	must := func(holds bool, otherwise string) {
		if !holds {
			problems = append(problems, otherwise)
		}
	}
	must(u.UsernameKey == account.UsernameKey(u.Username), "the username is not found by its canonical form")
	must(!strings.ContainsFunc(u.Username, unicode.IsControl), "the username holds control characters")
	must(password.Readable(u.PasswordHash), "the password cannot be checked")
	must(u.Email != nil || !u.EmailVerified, "an address is confirmed that is not there")
	keyed, waiting := u.Email, u.PendingEmail
	if u.Status == account.Pending {
		keyed, waiting = nil, u.Email
	}
	must(equal(u.EmailKey, emailKey(keyed)), "the address is not found by its canonical form")
	must(equal(u.PendingEmailKey, emailKey(waiting)),
		"the address that waits is not found by its canonical form")
	must(u.HasDraft == (u.Status == account.Pending), "the account is half made: the profile's draft")
	if u.ProfileUsername == nil {
		return problems
	}
	must(u.Status != account.Pending, "the account waits, but has a profile")
	must(*u.ProfileUsername == u.Username && *u.ProfileKey == account.UsernameKey(u.Username),
		"the profile has another username")
	must(*u.DescriptionKey == account.Canonical(*u.Description) && *u.LocationKey == account.Canonical(*u.Location),
		"the profile is not found by its canonical form")
	return problems
}

func emailKey(address *string) *string {
	if address == nil {
		return nil
	}
	return new(account.EmailKey(*address))
}

func equal(a, b *string) bool { return a == nil && b == nil || a != nil && b != nil && *a == *b }
