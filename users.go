package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/auth"
)

// userJSON is a user for scripts, under the names that the schema has.
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
	Sessions      []sessionJSON  `json:"sessions,omitzero"` // live ones, where they are shown
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

func scriptUser(u *account.User) userJSON {
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

// aboutUser is the user that a command is about.
type aboutUser struct {
	User string `arg:"" help:"the ID, the username or the e-mail address of a user"`
	JSON bool   `help:"Print JSON."`
}

// find calls do with the verbs and the user.
func (a aboutUser) find(
	ctx context.Context, p *program, do func(svc *auth.Service, user *account.User) error,
) error {
	return p.act(ctx, func(svc *auth.Service) error {
		user, err := svc.FindUser(ctx, a.User)
		if err != nil {
			return err
		}
		return do(svc, user)
	})
}

// done prints a sentence about the user, which is a format for their name, or the user in JSON.
func (a aboutUser) done(p *program, user *account.User, sentence string) error {
	if a.JSON {
		return p.json(scriptUser(user))
	}
	return p.printf(sentence+"\n", user.Username)
}

type createUser struct {
	Username string  `arg:"" help:"a username"`
	Email    *string `help:"Their e-mail address, which counts as not confirmed."`
	Name     *string `help:"What they are called."`
	Role     string  `default:"member" enum:"member,staff,admin" help:"member, staff or admin."`
	JSON     bool    `help:"Print JSON."`
}

// Help tells where the password comes from.
func (createUser) Help() string {
	return "The password is asked for on a terminal, which does not show it; elsewhere it is the first line of the " +
		"standard input. The rules are those of registration."
}

// Run makes an active user.
func (c createUser) Run(ctx context.Context, p *program) error {
	return p.act(ctx, func(svc *auth.Service) error {
		password, err := p.password(ctx)
		if err != nil {
			return err
		}
		user, err := svc.CreateUser(ctx, account.RegisterInput{
			Username: &c.Username, Email: c.Email, Name: c.Name, Password: password,
		}, roleOf(c.Role))
		if err != nil {
			return err
		}
		return aboutUser{JSON: c.JSON}.done(p, user, "%s is registered as "+string(user.ID)+".")
	})
}

func roleOf(name string) account.Role { return account.Role(strings.ToUpper(name)) }

type listUsers struct {
	Limit pageSize `default:"50" help:"How many at most: 1 to 1000."`
	After userID   `help:"Begin after the user with this ID."`
	JSON  bool     `help:"Print JSON."`
}

type pageSize int

// Validate admits 1 to 1000.
func (n pageSize) Validate() error {
	if n < 1 || n > 1000 {
		return errors.New("must be 1 to 1000")
	}
	return nil
}

type userID string

// Validate admits the ID of a user.
func (id userID) Validate() error {
	if parsed, err := account.ParseID(string(id)); err != nil || parsed.Kind() != account.UserKind {
		return errors.New("must be the ID of a user")
	}
	return nil
}

// Run prints a page of users, and to people, where the next one begins.
func (l listUsers) Run(ctx context.Context, p *program) error {
	return p.act(ctx, func(svc *auth.Service) error {
		users, err := svc.Users(ctx, account.ID(l.After), int(l.Limit)+1)
		if err != nil {
			return err
		}
		more := len(users) > int(l.Limit)
		users = users[:min(len(users), int(l.Limit))]
		if l.JSON {
			list := make([]userJSON, len(users))
			for i, user := range users {
				list[i] = scriptUser(user)
			}
			return p.json(list)
		}
		rows := [][]string{{"ID", "USERNAME", "E-MAIL", "ROLE", "STATUS", "MADE", "LAST SIGN-IN"}}
		for _, u := range users {
			rows = append(rows, []string{string(u.ID), u.Username, orNone(u.Email), string(u.Role), string(u.Status),
				stamp(u.CreatedAt), lastLogin(u)})
		}
		if err := p.table(rows); err != nil || !more {
			return err
		}
		_, err = fmt.Fprintf(p.stderr, "There are more: --after %s\n", users[len(users)-1].ID)
		return err
	})
}

func orNone(text *string) string {
	if text == nil {
		return "-"
	}
	return *text
}

func lastLogin(u *account.User) string {
	if u.LastLoginAt == nil {
		return "never"
	}
	return stamp(*u.LastLoginAt)
}

type showUser struct{ aboutUser }

// Run prints a user with their live sessions.
func (s showUser) Run(ctx context.Context, p *program) error {
	return s.find(ctx, p, func(svc *auth.Service, u *account.User) error {
		sessions, err := svc.SessionsOf(ctx, u.ID)
		if err != nil {
			return err
		}
		if s.JSON {
			shown := scriptUser(u)
			shown.Sessions = make([]sessionJSON, len(sessions))
			for i, session := range sessions {
				shown.Sessions[i] = sessionJSON{session.ID, session.DeviceName, session.UserAgent, session.IPAddress,
					session.CreatedAt, session.LastUsedAt, session.ExpiresAt}
			}
			return p.json(shown)
		}
		confirmed := ""
		if u.Email != nil && !u.EmailVerified {
			confirmed = " (not confirmed)"
		}
		if err := p.table([][]string{
			{"ID", string(u.ID)},
			{"Username", u.Username},
			{"E-mail", orNone(u.Email) + confirmed},
			{"Waiting for", orNone(u.PendingEmail)},
			{"Name", cmp.Or(u.Name, "-")},
			{"Role", string(u.Role)},
			{"Status", string(u.Status)},
			{"Made", stamp(u.CreatedAt)},
			{"Last sign-in", lastLogin(u)},
		}); err != nil || len(sessions) == 0 {
			return err
		}
		rows := [][]string{{"\nSESSION", "DEVICE", "FROM", "BEGUN", "LAST USED"}}
		for _, session := range sessions {
			device := cmp.Or(session.DeviceName, session.UserAgent, "-")
			rows = append(rows, []string{string(session.ID), device, cmp.Or(session.IPAddress, "-"),
				stamp(session.CreatedAt), stamp(session.LastUsedAt)})
		}
		return p.table(rows)
	})
}

type disableUser struct{ aboutUser }

// Run shuts a user out.
func (d disableUser) Run(ctx context.Context, p *program) error {
	return d.find(ctx, p, func(svc *auth.Service, user *account.User) error {
		user, err := svc.DisableUser(ctx, user.ID)
		if err != nil {
			return err
		}
		return d.done(p, user, "%s is disabled; every session is over.")
	})
}

type enableUser struct{ aboutUser }

// Run lets a user in again.
func (e enableUser) Run(ctx context.Context, p *program) error {
	return e.find(ctx, p, func(svc *auth.Service, user *account.User) error {
		user, err := svc.EnableUser(ctx, user.ID)
		if err != nil {
			return err
		}
		return e.done(p, user, "%s may sign in.")
	})
}

type setRole struct {
	aboutUser
	Role string `arg:"" enum:"member,staff,admin" help:"a role: member, staff or admin"`
}

// Run changes what a user may do.
func (r setRole) Run(ctx context.Context, p *program) error {
	return r.find(ctx, p, func(svc *auth.Service, user *account.User) error {
		user, err := svc.SetRole(ctx, user.ID, roleOf(r.Role))
		if err != nil {
			return err
		}
		return r.done(p, user, "%s is "+r.Role+"; sessions begun in another role are over.")
	})
}

type resetPassword struct{ aboutUser }

// Run has the link for a new password mailed.
func (r resetPassword) Run(ctx context.Context, p *program) error {
	c, err := p.config()
	if err != nil {
		return err
	}
	if sender, err := newSender(c, p.log(c)); sender == nil || err != nil {
		return cmp.Or(err, errNoMail)
	}
	return r.find(ctx, p, func(svc *auth.Service, user *account.User) error {
		user, err := svc.MailPasswordReset(ctx, user.ID)
		if err != nil {
			return err
		}
		return r.done(p, user, "A mail with the link for a new password, good for an hour, is in the outbox for %s; "+
			"a server sends it. The present password works until then.")
	})
}

type deleteUser struct {
	aboutUser
	Yes bool `help:"Do not ask."`
}

// Run removes a user for ever.
func (d deleteUser) Run(ctx context.Context, p *program) error {
	return d.find(ctx, p, func(svc *auth.Service, user *account.User) error {
		if !d.Yes {
			sure, err := p.confirmed(ctx, fmt.Sprintf("Delete %s (%s) with all that is theirs, for ever?",
				user.Username, user.ID))
			if err != nil {
				return err
			}
			if !sure {
				return errors.New("nothing is deleted")
			}
		}
		user, err := svc.RemoveUser(ctx, user.ID)
		if err != nil {
			return err
		}
		return d.done(p, user, "%s is deleted.")
	})
}

type revokeSessions struct {
	User    string    `arg:"" optional:"" help:"the ID, the username or the e-mail address of a user"`
	Session sessionID `help:"The ID of the one session to end, as user show lists it."`
	JSON    bool      `help:"Print JSON."`
}

type sessionID string

// Validate admits the ID of a session.
func (id sessionID) Validate() error {
	if parsed, err := account.ParseID(string(id)); err != nil || parsed.Kind() != account.SessionKind {
		return errors.New("must be the ID of a session")
	}
	return nil
}

// Run ends sessions.
func (r revokeSessions) Run(ctx context.Context, p *program) error {
	if (r.User == "") == (r.Session == "") {
		return usage("sessions revoke needs a user or --session, one of them")
	}
	return p.act(ctx, func(svc *auth.Service) error {
		ended := int64(1)
		if r.Session != "" {
			if err := svc.RevokeSessionByID(ctx, account.ID(r.Session)); err != nil {
				return err
			}
		} else {
			user, err := svc.FindUser(ctx, r.User)
			if err != nil {
				return err
			}
			if ended, err = svc.RevokeSessionsOf(ctx, user.ID); err != nil {
				return err
			}
		}
		if r.JSON {
			return p.json(map[string]int64{"revoked": ended})
		}
		return p.printf("Sessions ended: %d.\n", ended)
	})
}
