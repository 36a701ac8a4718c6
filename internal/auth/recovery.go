package auth

import (
	"context"

	"latchkey/internal/account"
	"latchkey/internal/store"
)

// RequestPasswordReset sends an email with a token for ResetPassword, if an account has the address. The response does
// not reveal whether one has. User errors: those of an email address. Errors: RATE_LIMITED after too many requests from
// the network.
func (s *Service) RequestPasswordReset(
	ctx context.Context, _ account.Actor, email string, client ClientInfo,
) error {
	return s.requestMail(ctx, account.PasswordReset, email, client)
}

// RequestUsernameReminder sends an email with the username, like RequestPasswordReset.
func (s *Service) RequestUsernameReminder(
	ctx context.Context, _ account.Actor, email string, client ClientInfo,
) error {
	return s.requestMail(ctx, account.UsernameReminder, email, client)
}

// requestMail puts a request for an email into the outbox. Which accounts have the address is looked up later, so that
// neither the response nor its time reveals it.
func (s *Service) requestMail(
	ctx context.Context, template account.MailTemplate, email string, client ClientInfo,
) error {
	if userErr := account.CheckEmail(email); userErr != nil {
		return userErr.At("email")
	}
	if err := s.limiter.EmailRequests.Check(ctx, client.IPAddress); err != nil {
		return err
	}
	return s.inTxWithMail(ctx, func(tx *store.Tx) error {
		if err := s.limiter.EmailRequests.Count(ctx, tx, client.IPAddress); err != nil {
			return err
		}
		return s.enqueueRequest(ctx, tx, template, email, "", client)
	})
}
