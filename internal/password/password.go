// Package password hashes and verifies passwords, in equal time for known and unknown users, and checks new passwords
// against a [Policy]. It knows nothing of users, of where hashes are stored, or of how often a password was attempted.
package password

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"latchkey/internal/account"
)

// Limits of a password in Normalization Form C. A longer one is rejected, never truncated.
const (
	MaxLength = 256                     // code points
	maxBytes  = MaxLength * utf8.UTFMax // the most that these take in UTF-8: 1,024
)

// Hash returns the argon2id hash of a password with a new salt, as a PHC string. The password is converted to
// Normalization Form C (NIST SP 800-63B-4, section 3.1.1.2) and changed in no other way: case and spaces matter.
//
// Errors: REQUIRED, INVALID or TOO_LONG for a password that Verify never accepts; RATE_LIMITED when no slot is free
// within 1.5 seconds; the error of ctx when that ends first. A hash that has started is completed.
func (h *Hasher) Hash(ctx context.Context, password string) (encoded string, err error) {
	text, userErr := normalize(password)
	if userErr != nil {
		return "", userErr
	}
	release, err := h.acquire(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	return newArgon2id(text).String(), nil
}

// Verify reports whether encoded is the hash of the password. An empty encoded stands for an unknown user: the result
// is false, after the time of a real check. The same holds for a password that no policy accepts.
//
// Errors: RATE_LIMITED when no slot is free within 1.5 seconds; the error of ctx when that ends first; a plain error,
// which is for the log, when encoded is not a hash or exceeds the allowed cost.
func (h *Hasher) Verify(ctx context.Context, encoded, password string) (ok bool, err error) {
	var stored hash = dummy
	if encoded != "" {
		if stored, err = parse(encoded); err != nil {
			return false, fmt.Errorf("stored password hash: %w", err)
		}
	}
	text, userErr := normalize(password)
	release, err := h.acquire(ctx)
	if err != nil {
		return false, err
	}
	defer release()
	ok = stored.matches(text)
	extraCost(stored).spend(text)
	return ok && encoded != "" && userErr == nil, nil
}

// extraCost returns what a check of stored takes less than one of a new hash. Without it, a fast response to an old
// hash would reveal that the user exists.
func extraCost(stored hash) cost {
	if full, done := currentParams.cost(), stored.cost(); full > done {
		return full - done
	}
	return 0
}

// Readable reports whether encoded is a hash that Verify can check.
func Readable(encoded string) bool {
	_, err := parse(encoded)
	return err == nil
}

// NeedsRehash reports whether a hash differs from what Hash returns now and should be replaced as soon as its password
// is known. That includes stronger hashes, whose slower check reveals that the user exists.
func NeedsRehash(encoded string) bool {
	stored, err := parse(encoded)
	return err != nil || !stored.current()
}

// normalize returns the form of a password that is measured and hashed, or REQUIRED, TOO_LONG or INVALID. U+FFFD is
// rejected because every lone surrogate in JSON or GraphQL becomes one: different passwords would be the same.
func normalize(password string) (string, *account.Error) {
	switch {
	case password == "":
		return "", account.UserError(account.Required, "Choose a password.")
	case len(password) > 4*maxBytes: // Form C never shortens a text to a quarter
		return "", account.UserError(account.TooLong, "A password can have at most %d characters.", MaxLength)
	case !utf8.ValidString(password) || strings.ContainsAny(password, "\x00\uFFFD"):
		return "", account.UserError(account.Invalid, "This is not valid Unicode text.")
	}
	text := account.Composed(password)
	if utf8.RuneCountInString(text) > MaxLength {
		return "", account.UserError(account.TooLong, "A password can have at most %d characters.", MaxLength)
	}
	return text, nil
}
