package account

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Code is the machine-readable code of an error.
type Code string

// The codes of user errors: what the user can correct. They are returned as data, in userErrors.
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

// The codes of top-level errors, which apply to a whole request or field.
const (
	Unauthenticated  Code = "UNAUTHENTICATED"
	Forbidden        Code = "FORBIDDEN"
	NotFound         Code = "NOT_FOUND" // also a user error
	BadUserInput     Code = "BAD_USER_INPUT"
	RateLimited      Code = "RATE_LIMITED"
	RequestTooCostly Code = "REQUEST_TOO_COSTLY"
	Internal         Code = "INTERNAL_SERVER_ERROR"
)

// Reason is why a caller is not signed in.
type Reason string

const (
	ReasonMissing Reason = "MISSING"
	ReasonInvalid Reason = "INVALID"
	ReasonExpired Reason = "EXPIRED"
	ReasonRevoked Reason = "REVOKED"
)

// Error is the error type of the domain.
type Error struct {
	Code       Code
	Field      []string      // path inside the input; nil when it concerns no field
	Message    string        // safe to show to every client
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

// Is makes errors.Is compare codes: errors.Is(err, &Error{Code: Taken}) reports whether err has the code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && t.Message == ""
}

// IsCode reports whether err is, or wraps, an Error with the code.
func IsCode(err error, code Code) bool { return errors.Is(err, &Error{Code: code}) }

// UserErrors are all user errors of an input.
type UserErrors []*Error

func (errs UserErrors) Error() string {
	texts := make([]string, len(errs))
	for i, e := range errs {
		texts[i] = e.Error()
	}
	return strings.Join(texts, "; ")
}

// Add adds e, unless it is nil, as a user error at a path inside the input.
func (errs *UserErrors) Add(e *Error, path ...string) {
	if e != nil {
		e.Field = path
		*errs = append(*errs, e)
	}
}

// Has reports whether there is a user error at a path inside the input.
func (errs UserErrors) Has(path ...string) bool {
	return slices.ContainsFunc(errs, func(e *Error) bool { return slices.Equal(e.Field, path) })
}

// Collect adds the user errors in err and returns nil; it returns any other err unchanged.
func (errs *UserErrors) Collect(err error) error {
	var more UserErrors
	if errors.As(err, &more) {
		*errs = append(*errs, more...)
		return nil
	}
	return err
}

// Err returns errs as an error, or nil when it is empty.
func (errs UserErrors) Err() error {
	if len(errs) == 0 {
		return nil
	}
	return errs
}

// At returns e as the only user error, at a path inside the input.
func (e *Error) At(path ...string) error {
	var errs UserErrors
	errs.Add(e, path...)
	return errs
}

// UsernameTaken returns the user error for the username of another account.
func UsernameTaken() *Error { return UserError(Taken, "This username is already taken.") }

// EmailTaken returns the user error for the email address of another account.
func EmailTaken() *Error { return UserError(Taken, "This email address is already in use.") }

// ProfileExists returns the user error for a second profile.
func ProfileExists() *Error { return UserError(AlreadyExists, "You already have a profile.") }

// InvalidToken returns the user error for a one-time token that is unknown, used, replaced, or for another purpose.
func InvalidToken() *Error {
	return UserError(TokenInvalid, "This link is invalid or has been used. Request a new one.")
}

// ExpiredToken returns the user error for a one-time token that has expired.
func ExpiredToken() *Error {
	return UserError(TokenExpired, "This link has expired. Request a new one.")
}

// NoSuchUser returns NOT_FOUND for a user.
func NoSuchUser() *Error { return &Error{Code: NotFound, Message: "There is no such user."} }

// NoSuchProfile returns NOT_FOUND for a profile.
func NoSuchProfile() *Error { return &Error{Code: NotFound, Message: "There is no such profile."} }

// UserError returns a user error without a path; the message is a format for args.
func UserError(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}
