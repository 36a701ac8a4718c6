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
	ctx context.Context, report func(problem string) error, progress func(IntegrityReport),
) (total IntegrityReport, err error) {
	addProblem := func(format string, args ...any) error {
		total.Problems++
		return report(fmt.Sprintf(format, args...))
	}
	damage, err := s.store.FileCorruption(ctx)
	if err != nil {
		return total, err
	}
	for _, problem := range damage {
		if err := addProblem("the database file: %s", problem); err != nil {
			return total, err
		}
	}
	altered, err := s.store.SchemaDrift(ctx)
	if err != nil {
		return total, err
	}
	for _, problem := range altered {
		if err := addProblem("the schema: %s", problem); err != nil {
			return total, err
		}
	}
	keys, err := s.store.SigningKeys(ctx)
	if err != nil {
		return total, err
	}
	for _, k := range keys {
		total.Keys++
		if _, _, err := s.secrets.OpenKey(k.ID, k.Alg, k.CreatedAt, k.Sealed); err != nil {
			if err := addProblem("signing key %s: the secret does not open it", k.ID); err != nil {
				return total, err
			}
		}
	}
	for after := account.ID(""); ; {
		batch, err := s.store.UserRecords(ctx, after, checkBatch)
		if err != nil {
			return total, err
		}
		for _, u := range batch {
			after = u.ID
			total.Users++
			for _, problem := range userProblems(u) {
				if err := addProblem("%s: %s", u.ID, problem); err != nil {
					return total, err
				}
			}
		}
		if progress(total); len(batch) < checkBatch {
			break
		}
	}
	for after := account.ID(""); ; {
		now := s.Now()
		batch, err := s.store.SessionRecords(ctx, after, checkBatch, now, now.Add(-s.IdleTTL))
		if err != nil {
			return total, err
		}
		for _, r := range batch {
			after = r.Session.ID
			total.Sessions++
			ended := r.EndReason(now, s.IdleTTL)
			switch {
			case r.Session.UserEpoch > r.Epoch:
				err = addProblem("%s: it belongs to an epoch of its user that has not begun", after)
			case r.CountsAsLive && ended != "":
				err = addProblem("%s: it counts as live, but is %s", after, ended)
			case !r.CountsAsLive && ended == "":
				err = addProblem("%s: it counts as over, but nothing has ended it", after)
			case r.SaltSize < token.SaltSize || r.Generation < 0:
				err = addProblem("%s: no refresh token can be computed", after)
			case r.Session.ExpiresAt.Before(r.Session.CreatedAt):
				err = addProblem("%s: it ends before it begins", after)
			}
			if err != nil {
				return total, err
			}
		}
		if progress(total); len(batch) < checkBatch {
			return total, nil
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
	keyed, pending := u.Email, u.PendingEmail
	if u.Status == account.Pending {
		keyed, pending = nil, u.Email
	}
	must(equal(u.EmailKey, emailKey(keyed)), "the address is not found by its canonical form")
	must(equal(u.PendingEmailKey, emailKey(pending)),
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
