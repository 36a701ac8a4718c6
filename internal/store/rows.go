package store

import (
	"time"

	"latchkey/internal/account"
)

// The shapes of rows, and how they become account's nouns.

// micros is a time as the databases keep it: microseconds since 1970, UTC.
func micros(t time.Time) int64 { return t.UnixMicro() }

func moment(micros int64) time.Time { return time.UnixMicro(micros).UTC() }

func momentOrNil(micros *int64) *time.Time {
	if micros == nil {
		return nil
	}
	t := moment(*micros)
	return &t
}

const userColumns = `u.id AS user_id, u.username AS user_username, u.email, u.pending_email, u.email_verified, u.name,
	u.role, u.status, u.created_at AS user_created_at, u.last_login_at, p.id AS profile_id, p.username AS profile_username,
	p.description, p.location, p.is_organizer, p.date_joined, p.updated_on`

const userTables = `users u LEFT JOIN profiles p ON p.user_id = u.id`

type userRow struct {
	UserID          account.ID     `db:"user_id"`
	Username        string         `db:"user_username"`
	Email           *string        `db:"email"`
	PendingEmail    *string        `db:"pending_email"`
	EmailVerified   bool           `db:"email_verified"`
	Name            string         `db:"name"`
	Role            account.Role   `db:"role"`
	Status          account.Status `db:"status"`
	CreatedAt       int64          `db:"user_created_at"`
	LastLoginAt     *int64         `db:"last_login_at"`
	ProfileID       *account.ID    `db:"profile_id"`
	ProfileUsername *string        `db:"profile_username"`
	Description     *string        `db:"description"`
	Location        *string        `db:"location"`
	IsOrganizer     *bool          `db:"is_organizer"`
	DateJoined      *int64         `db:"date_joined"`
	UpdatedOn       *int64         `db:"updated_on"`
}

func (r *userRow) user() *account.User {
	user := &account.User{
		ID:            r.UserID,
		Username:      r.Username,
		Email:         r.Email,
		PendingEmail:  r.PendingEmail,
		EmailVerified: r.EmailVerified,
		Name:          r.Name,
		Role:          r.Role,
		Status:        r.Status,
		CreatedAt:     moment(r.CreatedAt),
		LastLoginAt:   momentOrNil(r.LastLoginAt),
	}
	if r.ProfileID != nil {
		user.Profile = &account.Profile{
			ID:          *r.ProfileID,
			UserID:      r.UserID,
			Username:    *r.ProfileUsername,
			Description: *r.Description,
			Location:    *r.Location,
			IsOrganizer: *r.IsOrganizer,
			DateJoined:  moment(*r.DateJoined),
			UpdatedOn:   moment(*r.UpdatedOn),
		}
	}
	return user
}

func usersOf(rows []userRow) []*account.User {
	users := make([]*account.User, len(rows))
	for i := range rows {
		users[i] = rows[i].user()
	}
	return users
}

const profileColumns = `id, user_id, username, description, location, is_organizer, date_joined, updated_on`

type profileRow struct {
	ID          account.ID `db:"id"`
	UserID      account.ID `db:"user_id"`
	Username    string     `db:"username"`
	Description string     `db:"description"`
	Location    string     `db:"location"`
	IsOrganizer bool       `db:"is_organizer"`
	DateJoined  int64      `db:"date_joined"`
	UpdatedOn   int64      `db:"updated_on"`
}

func (r *profileRow) profile() *account.Profile {
	return &account.Profile{
		ID:          r.ID,
		UserID:      r.UserID,
		Username:    r.Username,
		Description: r.Description,
		Location:    r.Location,
		IsOrganizer: r.IsOrganizer,
		DateJoined:  moment(r.DateJoined),
		UpdatedOn:   moment(r.UpdatedOn),
	}
}
