package cli

import (
	"cmp"
	"context"

	"latchkey/internal/account"
	"latchkey/internal/auth"
)

type userShow struct{ aboutUser }

// Run prints a user with their live sessions.
func (s userShow) Run(ctx context.Context, p *Program) error {
	return s.withUser(ctx, p, func(svc *auth.Service, u *account.User) error {
		sessions, err := svc.SessionsOf(ctx, u.ID)
		if err != nil {
			return err
		}
		if s.JSON {
			shown := toJSON(u)
			shown.Sessions = make([]sessionJSON, len(sessions))
			for i, session := range sessions {
				shown.Sessions[i] = sessionJSON{session.ID, session.DeviceName, session.UserAgent, session.IPAddress,
					session.CreatedAt, session.LastUsedAt, session.ExpiresAt}
			}
			return p.json(shown)
		}
		note := ""
		if u.Email != nil && !u.EmailVerified {
			note = " (not verified)"
		}
		if err := p.table([][]string{
			{"ID", string(u.ID)},
			{"Username", u.Username},
			{"Email", orDash(u.Email) + note},
			{"Pending email", orDash(u.PendingEmail)},
			{"Name", cmp.Or(u.Name, "-")},
			{"Role", string(u.Role)},
			{"Status", string(u.Status)},
			{"Created", formatTime(u.CreatedAt)},
			{"Last sign-in", lastLogin(u)},
		}); err != nil || len(sessions) == 0 {
			return err
		}
		rows := [][]string{{"\nSESSION", "DEVICE", "IP ADDRESS", "CREATED", "LAST USED"}}
		for _, session := range sessions {
			device := cmp.Or(session.DeviceName, session.UserAgent, "-")
			rows = append(rows, []string{string(session.ID), device, cmp.Or(session.IPAddress, "-"),
				formatTime(session.CreatedAt), formatTime(session.LastUsedAt)})
		}
		return p.table(rows)
	})
}
