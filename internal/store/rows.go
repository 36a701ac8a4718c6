package store

import (
	"database/sql"
	"time"

	"latchkey/internal/account"
)

// The shapes of rows, and how they become account's nouns.

// micros is a time as the databases keep it: microseconds since 1970, UTC.
func micros(t time.Time) int64 { return t.UnixMicro() }

func fromMicros(micros int64) time.Time { return time.UnixMicro(micros).UTC() }

func fromNullMicros(micros sql.Null[int64]) *time.Time {
	if !micros.Valid {
		return nil
	}
	t := fromMicros(micros.V)
	return &t
}

func fromNull[T any](value sql.Null[T]) *T {
	if !value.Valid {
		return nil
	}
	return &value.V
}

// scanner is a row that says where its columns go, in their order. It is read in half the time that one takes whose
// fields are found by their tags. A struct that embeds one needs targets of its own.
type scanner interface{ scanDest() []any }

const userColumns = `u.id AS user_id, u.username AS user_username, u.email, u.pending_email, u.email_verified, u.name,
	u.role, u.status, u.created_at AS user_created_at, u.last_login_at, p.id AS profile_id, p.username AS profile_username,
	p.description, p.location, p.is_organizer, p.date_joined, p.updated_on`

const userTables = `users u LEFT JOIN profiles p ON p.user_id = u.id`

type userRow struct {
	UserID          account.ID       `db:"user_id"`
	Username        string           `db:"user_username"`
	Email           sql.Null[string] `db:"email"`
	PendingEmail    sql.Null[string] `db:"pending_email"`
	EmailVerified   bool             `db:"email_verified"`
	Name            string           `db:"name"`
	Role            account.Role     `db:"role"`
	Status          account.Status   `db:"status"`
	CreatedAt       int64            `db:"user_created_at"`
	LastLoginAt     sql.Null[int64]  `db:"last_login_at"`
	ProfileID       sql.Null[string] `db:"profile_id"`
	ProfileUsername sql.Null[string] `db:"profile_username"`
	Description     sql.Null[string] `db:"description"`
	Location        sql.Null[string] `db:"location"`
	IsOrganizer     sql.Null[bool]   `db:"is_organizer"`
	DateJoined      sql.Null[int64]  `db:"date_joined"`
	UpdatedOn       sql.Null[int64]  `db:"updated_on"`
}

func (r *userRow) targets() []any {
	return []any{(*string)(&r.UserID), &r.Username, &r.Email, &r.PendingEmail, &r.EmailVerified, &r.Name,
		(*string)(&r.Role), (*string)(&r.Status), &r.CreatedAt, &r.LastLoginAt, &r.ProfileID, &r.ProfileUsername,
		&r.Description, &r.Location, &r.IsOrganizer, &r.DateJoined, &r.UpdatedOn}
}

func (r *userRow) user() *account.User {
	user := &account.User{
		ID:            r.UserID,
		Username:      r.Username,
		Email:         fromNull(r.Email),
		PendingEmail:  fromNull(r.PendingEmail),
		EmailVerified: r.EmailVerified,
		Name:          r.Name,
		Role:          r.Role,
		Status:        r.Status,
		CreatedAt:     fromMicros(r.CreatedAt),
		LastLoginAt:   fromNullMicros(r.LastLoginAt),
	}
	if r.ProfileID.Valid {
		user.Profile = &account.Profile{
			ID:          account.ID(r.ProfileID.V),
			UserID:      r.UserID,
			Username:    r.ProfileUsername.V,
			Description: r.Description.V,
			Location:    r.Location.V,
			IsOrganizer: r.IsOrganizer.V,
			DateJoined:  fromMicros(r.DateJoined.V),
			UpdatedOn:   fromMicros(r.UpdatedOn.V),
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

func (r *profileRow) targets() []any {
	return []any{(*string)(&r.ID), (*string)(&r.UserID), &r.Username, &r.Description, &r.Location, &r.IsOrganizer,
		&r.DateJoined, &r.UpdatedOn}
}

// profileRows is a list of rows that is read directly.
type profileRows []profileRow

func (l *profileRows) targets() []any {
	*l = append(*l, profileRow{})
	return (*l)[len(*l)-1].targets()
}

func (r *profileRow) profile() *account.Profile {
	return &account.Profile{
		ID:          r.ID,
		UserID:      r.UserID,
		Username:    r.Username,
		Description: r.Description,
		Location:    r.Location,
		IsOrganizer: r.IsOrganizer,
		DateJoined:  fromMicros(r.DateJoined),
		UpdatedOn:   fromMicros(r.UpdatedOn),
	}
}
