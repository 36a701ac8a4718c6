package cli

import (
	"context"
	"strings"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/auth"
)

// userJSON is a user in JSON, with the field names of the GraphQL schema.
type userJSON struct {
	ID            account.ID     `json:"id"`
	Username      string         `json:"username"`
	Email         *string        `json:"email"`
	PendingEmail  *string        `json:"pendingEmail"`
	EmailVerified bool           `json:"emailVerified"`
	Name          string         `json:"name"`
	Role          account.Role   `json:"role"`
	Status        account.Status `json:"status"`
	CreatedAt     time.Time      `json:"createdAt"`
	LastLoginAt   *time.Time     `json:"lastLoginAt"`
	Sessions      []sessionJSON  `json:"sessions,omitzero"` // live ones; only user show prints them
}

type sessionJSON struct {
	ID         account.ID `json:"id"`
	DeviceName string     `json:"deviceName"`
	UserAgent  string     `json:"userAgent"`
	IPAddress  string     `json:"ipAddress"`
	CreatedAt  time.Time  `json:"createdAt"`
	LastUsedAt time.Time  `json:"lastUsedAt"`
	ExpiresAt  time.Time  `json:"expiresAt"`
}

func toJSON(u *account.User) userJSON {
	return userJSON{
		ID:            u.ID,
		Username:      u.Username,
		Email:         u.Email,
		PendingEmail:  u.PendingEmail,
		EmailVerified: u.EmailVerified,
		Name:          u.Name,
		Role:          u.Role,
		Status:        u.Status,
		CreatedAt:     u.CreatedAt,
		LastLoginAt:   u.LastLoginAt,
	}
}

// aboutUser holds the arguments of a command on one user.
type aboutUser struct {
	User string `arg:"" help:"the ID, username or email address of a user"`
	JSON bool   `help:"Print JSON."`
}

// withUser calls do with the service and the user.
func (a aboutUser) withUser(
	ctx context.Context, p *Program, do func(svc *auth.Service, user *account.User) error,
) error {
	return p.withService(ctx, func(svc *auth.Service) error {
		user, err := svc.FindUser(ctx, a.User)
		if err != nil {
			return err
		}
		return do(svc, user)
	})
}

// report prints the user in JSON, or a sentence about the user, which is a format for the username.
func (a aboutUser) report(p *Program, user *account.User, sentence string) error {
	if a.JSON {
		return p.json(toJSON(user))
	}
	return p.printf(sentence+"\n", user.Username)
}

func roleOf(name string) account.Role { return account.Role(strings.ToUpper(name)) }

func lastLogin(u *account.User) string {
	if u.LastLoginAt == nil {
		return "never"
	}
	return formatTime(*u.LastLoginAt)
}
