package store

import (
	"context"
	"slices"
	"strings"
	"time"

	"latchkey/internal/account"
)

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

func (r *profileRow) scanDest() []any {
	return []any{(*string)(&r.ID), (*string)(&r.UserID), &r.Username, &r.Description, &r.Location, &r.IsOrganizer,
		&r.DateJoined, &r.UpdatedOn}
}

// profileRows is a list that implements scanner.
type profileRows []profileRow

func (l *profileRows) scanDest() []any {
	*l = append(*l, profileRow{})
	return (*l)[len(*l)-1].scanDest()
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

// Profile returns a profile.
//
// Errors: NOT_FOUND.
func (q *Queries) Profile(ctx context.Context, id account.ID) (*account.Profile, error) {
	var row profileRow
	if err := q.get(ctx, &row, `SELECT `+profileColumns+` FROM profiles WHERE id = ?`, id); err != nil {
		return nil, err
	}
	return row.profile(), nil
}

// ProfileOwner returns the user that a profile belongs to.
//
// Errors: NOT_FOUND.
func (q *Queries) ProfileOwner(ctx context.Context, id account.ID) (owner account.ID, err error) {
	err = q.get(ctx, &owner, `SELECT user_id FROM profiles WHERE id = ?`, id)
	return owner, err
}

// InsertProfile adds a profile under its user's username, which it sets in p.
//
// Errors: NOT_FOUND without the user, ALREADY_EXISTS if the user has a profile.
func (tx *Tx) InsertProfile(ctx context.Context, p *account.Profile) error {
	// Writing the user's row makes this and a change of the username wait for each other.
	found, err := tx.execReturning(ctx, &p.Username,
		`UPDATE users SET epoch = epoch WHERE id = ? RETURNING username`, p.UserID)
	if err != nil {
		return err
	}
	if !found {
		return account.NoSuchUser()
	}
	_, err = tx.exec(ctx, `INSERT INTO profiles (id, user_id, username, username_key, description,
		description_key, location, location_key, is_organizer, date_joined, updated_on)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		p.ID, p.UserID, p.Username, account.UsernameKey(p.Username), p.Description, account.Canonical(p.Description),
		p.Location, account.Canonical(p.Location), p.IsOrganizer, micros(p.DateJoined), micros(p.UpdatedOn))
	return err
}

// UpdateProfile changes the fields of a profile that are set in the input, and returns the new profile.
//
// Errors: NOT_FOUND if owner has no such profile.
func (q *Queries) UpdateProfile(
	ctx context.Context, id, owner account.ID, in account.ProfileInput, now time.Time,
) (*account.Profile, error) {
	var row profileRow
	found, err := q.execReturning(ctx, &row, `UPDATE profiles SET
		description = COALESCE(?, description), description_key = COALESCE(?, description_key),
		location = COALESCE(?, location), location_key = COALESCE(?, location_key),
		is_organizer = COALESCE(?, is_organizer), updated_on = ?
		WHERE id = ? AND user_id = ? RETURNING `+profileColumns,
		in.Description, canonical(in.Description), in.Location, canonical(in.Location), in.IsOrganizer, micros(now),
		id, owner)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, account.NoSuchProfile()
	}
	return row.profile(), nil
}

// DeleteProfile deletes a profile.
//
// Errors: NOT_FOUND if owner has no such profile.
func (q *Queries) DeleteProfile(ctx context.Context, id, owner account.ID) error {
	rows, err := q.exec(ctx, `DELETE FROM profiles WHERE id = ? AND user_id = ?`, id, owner)
	if err == nil && rows == 0 {
		return account.NoSuchProfile()
	}
	return err
}

func canonical(text *string) *string {
	if text == nil {
		return nil
	}
	key := account.Canonical(*text)
	return &key
}

// Profiles returns the profiles of a window in the order of the selection, and reports whether there are more after
// them or, if the window is taken from the end, before them. The cost depends on the number of profiles returned, not
// on the size of the table.
func (q *Queries) Profiles(ctx context.Context, w account.Window) (profiles []*account.Profile, more bool, err error) {
	query, args := q.pageQuery(w)
	read := q.list
	if w.Selection.Search != "" {
		read = q.scanAll
	}
	var rows profileRows
	if err := read(ctx, &rows, query, args...); err != nil {
		return nil, false, err
	}
	if more = len(rows) > w.Limit; more {
		rows = rows[:w.Limit]
	}
	profiles = make([]*account.Profile, len(rows))
	for i := range rows {
		profiles[i] = rows[i].profile()
	}
	if w.Backward {
		slices.Reverse(profiles)
	}
	return profiles, more, nil
}

// pageQuery returns the query for the rows of a window and one more, from the end that the window is taken from.
func (q *Queries) pageQuery(w account.Window) (query string, args []any) {
	order := w.Selection.Order
	descending := (order.Direction == account.Descending) != w.Backward
	where, args := q.conditions(w.Selection)
	if w.Selection.IsOrganizer == nil && w.Selection.Location == "" {
		where = append(where, `id <> ''`) // makes the indexes of the whole table usable
	}
	bound := func(p *account.Position, after bool) {
		if p == nil {
			return
		}
		comparison := " < "
		if after != (order.Direction == account.Descending) {
			comparison = " > "
		}
		if p.Inclusive {
			comparison = strings.TrimRight(comparison, " ") + "= "
		}
		if order.Field == account.ByUsername {
			where, args = append(where, `username_key`+comparison+`?`), append(args, p.UsernameKey)
		} else {
			where = append(where, `(date_joined, id)`+comparison+`(?, ?)`)
			args = append(args, micros(p.DateJoined), p.ID)
		}
	}
	bound(w.After, true)
	bound(w.Before, false)
	direction := ""
	if descending {
		direction = " DESC"
	}
	by := `date_joined` + direction + `, id` + direction
	if order.Field == account.ByUsername {
		by = `username_key` + direction
	}
	query = `SELECT ` + profileColumns + ` FROM profiles` + whereClause(where) + ` ORDER BY ` + by + ` LIMIT ?`
	return query, append(args, w.Limit+1)
}

// CountProfiles returns the number of profiles of a selection. It reads all of them.
func (q *Queries) CountProfiles(ctx context.Context, selection account.Selection) (n int, err error) {
	where, args := q.conditions(selection)
	var counted []int
	err = q.scanAll(ctx, &counted, `SELECT COUNT(*) FROM profiles`+whereClause(where), args...)
	if err == nil {
		n = counted[0]
	}
	return n, err
}

func (q *Queries) conditions(selection account.Selection) (where []string, args []any) {
	if selection.IsOrganizer != nil {
		where, args = append(where, `is_organizer = ?`), append(args, *selection.IsOrganizer)
	}
	if selection.Location != "" {
		where, args = append(where, `location_key = ?`), append(args, selection.Location)
	}
	if selection.Search != "" {
		// Not LIKE, which compares from every position on, and so is slow for a text that repeats one letter.
		find := func(column string) string { return q.dialect.position + "(" + column + ", ?) > 0" }
		where = append(where, `(`+find("username_key")+` OR `+find("description_key")+` OR `+find("location_key")+`)`)
		args = append(args, selection.Search, selection.Search, selection.Search)
	}
	return where, args
}

func whereClause(conditions []string) string {
	if len(conditions) == 0 {
		return ""
	}
	return ` WHERE ` + strings.Join(conditions, ` AND `)
}
