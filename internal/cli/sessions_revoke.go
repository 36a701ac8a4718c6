package cli

import (
	"context"

	"latchkey/internal/account"
	"latchkey/internal/auth"
)

type sessionsRevoke struct {
	User    string    `arg:"" optional:"" help:"the ID, username or email address of a user"`
	Session sessionID `help:"The ID of the session to revoke, as shown by user show."`
	JSON    bool      `help:"Print JSON."`
}

type sessionID string

// Validate accepts the ID of a session.
func (id sessionID) Validate() error { return checkID(account.SessionKind, string(id)) }

// Run revokes sessions.
func (r sessionsRevoke) Run(ctx context.Context, p *Program) error {
	if (r.User == "") == (r.Session == "") {
		return usage("sessions revoke needs either a user or --session")
	}
	return p.withService(ctx, func(svc *auth.Service) error {
		ended := int64(1)
		if r.Session != "" {
			if err := svc.RevokeSessionByID(ctx, account.Operator, account.ID(r.Session)); err != nil {
				return err
			}
		} else {
			user, err := svc.FindUser(ctx, r.User)
			if err != nil {
				return err
			}
			if ended, err = svc.RevokeSessionsOf(ctx, account.Operator, user.ID); err != nil {
				return err
			}
		}
		if r.JSON {
			return p.json(map[string]int64{"revoked": ended})
		}
		return p.printf("%s revoked.\n", count(ended, "session"))
	})
}
