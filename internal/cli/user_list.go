package cli

import (
	"context"
	"errors"
	"fmt"

	"latchkey/internal/account"
	"latchkey/internal/auth"
)

type userList struct {
	Limit pageSize `default:"50" help:"Number of users: 1 to 1000."`
	After userID   `help:"Start after the user with this ID."`
	JSON  bool     `help:"Print JSON."`
}

type pageSize int

// Validate accepts 1 to 1000.
func (n pageSize) Validate() error {
	if n < 1 || n > 1000 {
		return errors.New("must be 1 to 1000")
	}
	return nil
}

type userID string

// Validate accepts the ID of a user.
func (id userID) Validate() error { return checkID(account.UserKind, string(id)) }

// Run prints a page of users and, unless in JSON, the option that prints the next page.
func (l userList) Run(ctx context.Context, p *Program) error {
	return p.withService(ctx, func(svc *auth.Service) error {
		users, err := svc.Users(ctx, account.ID(l.After), int(l.Limit)+1)
		if err != nil {
			return err
		}
		more := len(users) > int(l.Limit)
		users = users[:min(len(users), int(l.Limit))]
		if l.JSON {
			list := make([]userJSON, len(users))
			for i, user := range users {
				list[i] = toJSON(user)
			}
			return p.json(list)
		}
		rows := [][]string{{"ID", "USERNAME", "EMAIL", "ROLE", "STATUS", "CREATED", "LAST SIGN-IN"}}
		for _, u := range users {
			rows = append(rows, []string{string(u.ID), u.Username, orDash(u.Email), string(u.Role), string(u.Status),
				formatTime(u.CreatedAt), lastLogin(u)})
		}
		if err := p.table(rows); err != nil || !more {
			return err
		}
		_, err = fmt.Fprintf(p.Stderr, "More: --after %s\n", users[len(users)-1].ID)
		return err
	})
}
