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

// IntegrityReport is what VerifyIntegrity has checked so far.
type IntegrityReport struct {
	Keys     int
	Users    int
	Sessions int
	Problems int
}

// integrityBatch is how many rows are read at once.
const integrityBatch = 1000

// VerifyIntegrity checks the database file, the schema, the signing keys, all users and all sessions for states that
// cannot occur, and changes nothing. It calls report for each problem, with a sentence that contains no name, address
// or secret, and progress after each batch of rows. It stops when report returns an error.
func (s *Service) VerifyIntegrity(
	ctx context.Context, report func(problem string) error, progress func(IntegrityReport),
) (IntegrityReport, error) {
	check := &integrityCheck{Service: s, report: report, progress: progress}
	for _, step := range []func(context.Context) error{
		check.file, check.schema, check.signingKeys, check.users, check.sessions,
	} {
		if err := step(ctx); err != nil {
			return check.total, err
		}
	}
	return check.total, nil
}

// integrityCheck is one run of VerifyIntegrity. Its methods are the steps.
type integrityCheck struct {
	*Service
	report   func(problem string) error
	progress func(IntegrityReport)
	total    IntegrityReport
}

func (c *integrityCheck) addProblem(format string, args ...any) error {
	c.total.Problems++
	return c.report(fmt.Sprintf(format, args...))
}

// addProblems reports each problem with what is wrong.
func (c *integrityCheck) addProblems(what string, problems []string) error {
	for _, problem := range problems {
		if err := c.addProblem("%s: %s", what, problem); err != nil {
			return err
		}
	}
	return nil
}

func (c *integrityCheck) file(ctx context.Context) error {
	problems, err := c.store.FileCorruption(ctx)
	if err != nil {
		return err
	}
	return c.addProblems("the database file", problems)
}

func (c *integrityCheck) schema(ctx context.Context) error {
	problems, err := c.store.SchemaDrift(ctx)
	if err != nil {
		return err
	}
	return c.addProblems("the schema", problems)
}

func (c *integrityCheck) signingKeys(ctx context.Context) error {
	keys, err := c.store.SigningKeys(ctx)
	if err != nil {
		return err
	}
	for _, k := range keys {
		c.total.Keys++
		if _, _, err := c.secrets.OpenKey(k.ID, k.Alg, k.CreatedAt, k.Sealed); err != nil {
			if err := c.addProblem("signing key %s: the secret does not open it", k.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *integrityCheck) users(ctx context.Context) error {
	for after := account.ID(""); ; {
		batch, err := c.store.UserRecords(ctx, after, integrityBatch)
		if err != nil {
			return err
		}
		for _, u := range batch {
			after = u.ID
			c.total.Users++
			if err := c.addProblems(string(u.ID), userProblems(u)); err != nil {
				return err
			}
		}
		if c.progress(c.total); len(batch) < integrityBatch {
			return nil
		}
	}
}

func (c *integrityCheck) sessions(ctx context.Context) error {
	for after := account.ID(""); ; {
		now := c.Now()
		batch, err := c.store.SessionRecords(ctx, after, integrityBatch, now, now.Add(-c.IdleTTL))
		if err != nil {
			return err
		}
		for _, r := range batch {
			after = r.Session.ID
			c.total.Sessions++
			if problem := sessionProblem(r, r.EndReason(now, c.IdleTTL)); problem != "" {
				if err := c.addProblem("%s: %s", after, problem); err != nil {
					return err
				}
			}
		}
		if c.progress(c.total); len(batch) < integrityBatch {
			return nil
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
	must(u.UsernameKey == account.UsernameKey(u.Username), "the canonical form of the username is wrong")
	must(!strings.ContainsFunc(u.Username, unicode.IsControl), "the username contains control characters")
	must(password.Readable(u.PasswordHash), "the password hash cannot be read")
	must(u.Email != nil || !u.EmailVerified, "an email address is verified, but missing")
	keyed, pending := u.Email, u.PendingEmail
	if u.Status == account.Pending {
		keyed, pending = nil, u.Email
	}
	must(equal(u.EmailKey, emailKey(keyed)), "the canonical form of the email address is wrong")
	must(equal(u.PendingEmailKey, emailKey(pending)),
		"the canonical form of the pending email address is wrong")
	must(u.HasDraft == (u.Status == account.Pending), "the profile draft does not match the status")
	if u.ProfileUsername == nil {
		return problems
	}
	must(u.Status != account.Pending, "the account is pending, but has a profile")
	must(*u.ProfileUsername == u.Username && *u.ProfileKey == account.UsernameKey(u.Username),
		"the username of the profile is not that of the account")
	must(*u.DescriptionKey == account.Canonical(*u.Description) && *u.LocationKey == account.Canonical(*u.Location),
		"the canonical form of the profile's description or location is wrong")
	return problems
}

// sessionProblem returns what cannot be in a session's record, or ""; ended is why the session has ended, or "".
func sessionProblem(r store.SessionRecord, ended string) string {
	switch {
	case r.Session.UserEpoch > r.Epoch:
		return "its epoch is later than that of its user"
	case r.CountsAsLive && ended != "":
		return "it counts as live, but is " + ended
	case !r.CountsAsLive && ended == "":
		return "it counts as ended, but nothing has ended it"
	case r.SaltSize < token.SaltSize || r.Generation < 0:
		return "no refresh token can be computed"
	case r.Session.ExpiresAt.Before(r.Session.CreatedAt):
		return "it expires before it was created"
	}
	return ""
}

func emailKey(address *string) *string {
	if address == nil {
		return nil
	}
	return new(account.EmailKey(*address))
}

func equal(a, b *string) bool { return a == nil && b == nil || a != nil && b != nil && *a == *b }
