package account

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Code is the machine-readable name of a failure.
type Code string

// Mistakes the caller can mend. They travel as data, in userErrors.
const (
	Required           Code = "REQUIRED"
	TooShort           Code = "TOO_SHORT"
	TooLong            Code = "TOO_LONG"
	Invalid            Code = "INVALID"
	Reserved           Code = "RESERVED"
	Taken              Code = "TAKEN"
	PasswordTooCommon  Code = "PASSWORD_TOO_COMMON"
	PasswordTooSimilar Code = "PASSWORD_TOO_SIMILAR"
	InvalidCredentials Code = "INVALID_CREDENTIALS"
	EmailNotVerified   Code = "EMAIL_NOT_VERIFIED"
	RegistrationClosed Code = "REGISTRATION_CLOSED"
	TokenInvalid       Code = "TOKEN_INVALID"
	TokenExpired       Code = "TOKEN_EXPIRED"
	AlreadyExists      Code = "ALREADY_EXISTS"
)

// Refusals of a whole request or field. They travel as errors.
const (
	Unauthenticated  Code = "UNAUTHENTICATED"
	Forbidden        Code = "FORBIDDEN"
	NotFound         Code = "NOT_FOUND" // also a mistake
	BadUserInput     Code = "BAD_USER_INPUT"
	RateLimited      Code = "RATE_LIMITED"
	RequestTooCostly Code = "REQUEST_TOO_COSTLY"
	Internal         Code = "INTERNAL_SERVER_ERROR"
)

// Reason tells a caller why they count as signed out.
type Reason string

const (
	ReasonMissing Reason = "MISSING"
	ReasonInvalid Reason = "INVALID"
	ReasonExpired Reason = "EXPIRED"
	ReasonRevoked Reason = "REVOKED"
)

// Error is the one way in which things fail.
type Error struct {
	Code       Code
	Field      []string      // path inside the input; nil when no field is at fault
	Message    string        // safe to show to anyone
	Reason     Reason        // with UNAUTHENTICATED
	RetryAfter time.Duration // with RATE_LIMITED
	Err        error         // for the log, never for the client
}

func (e *Error) Error() string {
	text := string(e.Code)
	if len(e.Field) > 0 {
		text += " at " + strings.Join(e.Field, ".")
	}
	text += ": " + e.Message
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// Is makes errors.Is compare codes, so that errors.Is(err, &Error{Code: Taken}) asks for the code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && t.Message == ""
}

// IsCode reports whether err is, or wraps, an Error with the code.
func IsCode(err error, code Code) bool { return errors.Is(err, &Error{Code: code}) }

// UserErrors are the things a caller has to mend, all of them at once.
type UserErrors []*Error

func (m UserErrors) Error() string {
	texts := make([]string, len(m))
	for i, e := range m {
		texts[i] = e.Error()
	}
	return strings.Join(texts, "; ")
}

// Add notes e, unless it is nil, as a mistake at a path inside the input.
func (m *UserErrors) Add(e *Error, path ...string) {
	if e != nil {
		e.Field = path
		*m = append(*m, e)
	}
}

// Has reports whether something is wrong at a path inside the input.
func (m UserErrors) Has(path ...string) bool {
	return slices.ContainsFunc(m, func(e *Error) bool { return slices.Equal(e.Field, path) })
}

// Collect takes over the mistakes in err and returns nil; any other err it returns as it is.
func (m *UserErrors) Collect(err error) error {
	var more UserErrors
	if errors.As(err, &more) {
		*m = append(*m, more...)
		return nil
	}
	return err
}

// Err returns the mistakes as an error, or nil when there are none.
func (m UserErrors) Err() error {
	if len(m) == 0 {
		return nil
	}
	return m
}

// At returns e as a mistake at a path inside the input.
func (e *Error) At(path ...string) error {
	var m UserErrors
	m.Add(e, path...)
	return m
}

// UsernameTaken is the mistake of choosing somebody's username.
func UsernameTaken() *Error { return UserError(Taken, "This username is taken.") }

// EmailTaken is the mistake of giving somebody's e-mail address.
func EmailTaken() *Error { return UserError(Taken, "This e-mail address is taken.") }

// ProfileExists is the mistake of making a profile beside the one there is.
func ProfileExists() *Error { return UserError(AlreadyExists, "You have a profile already.") }

// InvalidToken is the mistake of a one-time token that is not good: unknown, used, replaced, or for something else.
func InvalidToken() *Error {
	return UserError(TokenInvalid, "This link is not, or no longer, good: ask for a new one.")
}

// ExpiredToken is the mistake of a one-time token that was good and has run out.
func ExpiredToken() *Error {
	return UserError(TokenExpired, "This link has run out: ask for a new one.")
}

// UserError returns a mistake that is at no path yet; the message is a format for args.
func UserError(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}
