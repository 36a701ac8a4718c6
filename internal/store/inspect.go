package store

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"latchkey/internal/account"
)

// UserRecord is what is stored of a user and their profile, for checking that it is consistent.
type UserRecord struct {
	ID              account.ID     `db:"id"`
	Username        string         `db:"username"`
	UsernameKey     string         `db:"username_key"`
	Email           *string        `db:"email"`
	EmailKey        *string        `db:"email_key"`
	PendingEmail    *string        `db:"pending_email"`
	PendingEmailKey *string        `db:"pending_email_key"`
	EmailVerified   bool           `db:"email_verified"`
	PasswordHash    string         `db:"password_hash"`
	Status          account.Status `db:"status"`
	HasDraft        bool           `db:"has_draft"` // the profile of a PENDING user
	ProfileUsername *string        `db:"profile_username"`
	ProfileKey      *string        `db:"profile_key"`
	Description     *string        `db:"description"`
	DescriptionKey  *string        `db:"description_key"`
	Location        *string        `db:"location"`
	LocationKey     *string        `db:"location_key"`
}

// UserRecords returns at most limit records whose IDs come after one, in the order of their IDs.
func (s *Store) UserRecords(ctx context.Context, after account.ID, limit int) (records []UserRecord, err error) {
	err = s.scanAll(ctx, &records, `SELECT u.id, u.username, u.username_key, u.email, u.email_key, u.pending_email,
		u.pending_email_key, u.email_verified, u.password_hash, u.status, u.profile_draft IS NOT NULL AS has_draft,
		p.username AS profile_username, p.username_key AS profile_key, p.description, p.description_key, p.location,
		p.location_key
		FROM `+userTables+` WHERE u.id > ? ORDER BY u.id LIMIT ?`, after, limit)
	return records, err
}

// SessionRecord is what is stored of a session and decides whether it is live.
type SessionRecord struct {
	account.Liveness
	CountsAsLive bool  // in the condition of the statements that change sessions
	SaltSize     int   // in bytes
	Generation   int64 // of its refresh token
}

// SessionRecords returns at most limit records whose IDs come after one, in the order of their IDs.
func (s *Store) SessionRecords(
	ctx context.Context, after account.ID, limit int, now, idleSince time.Time,
) ([]SessionRecord, error) {
	var rows []struct {
		sessionRow
		UserID       account.ID     `db:"user_id"`
		Epoch        int64          `db:"epoch"`
		Status       account.Status `db:"status"`
		MinAuthTime  int64          `db:"min_auth_time"`
		CountsAsLive bool           `db:"counts_as_live"`
		SaltSize     int            `db:"salt_size"`
		Generation   int64          `db:"generation"`
	}
	err := s.scanAll(ctx, &rows, `SELECT `+sessionColumns+`, s.user_id, s.generation, length(s.salt) AS salt_size,
		u.epoch, u.status, `+minAuthTime+` AS min_auth_time,
		EXISTS (SELECT 1 FROM sessions WHERE id = s.id AND `+live+`) AS counts_as_live
		FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id > ? ORDER BY s.id LIMIT ?`,
		micros(now), micros(idleSince), after, limit)
	records := make([]SessionRecord, len(rows))
	for i, r := range rows {
		records[i] = SessionRecord{
			Liveness: account.Liveness{
				Session:     r.session(r.UserID),
				Epoch:       r.Epoch,
				Status:      r.Status,
				MinAuthTime: fromMicros(r.MinAuthTime),
			},
			CountsAsLive: r.CountsAsLive,
			SaltSize:     r.SaltSize,
			Generation:   r.Generation,
		}
	}
	return records, err
}

// createStatement matches the statements with which migrations create tables and indexes.
var createStatement = regexp.MustCompile(`(?m)^CREATE (TABLE|INDEX) (\w+)`)

// SchemaDrift returns a message for each table or index that is missing, and for each trigger, as Latchkey creates
// none.
func (s *Store) SchemaDrift(ctx context.Context) (found []string, err error) {
	steps, err := s.migrations()
	if err != nil {
		return nil, err
	}
	var objects, triggers []string
	if err := s.scanAll(ctx, &objects, s.dialect.objects); err != nil {
		return nil, err
	}
	if err := s.scanAll(ctx, &triggers, s.dialect.triggers); err != nil {
		return nil, err
	}
	for _, step := range steps {
		for _, made := range createStatement.FindAllStringSubmatch(step.script, -1) {
			if !slices.Contains(objects, made[2]) {
				found = append(found, fmt.Sprintf("%s %s is missing", strings.ToLower(made[1]), made[2]))
			}
		}
	}
	for _, name := range triggers {
		found = append(found, fmt.Sprintf("there is a trigger %q, which is not Latchkey's", name))
	}
	return found, nil
}

// FileCorruption returns a message for each problem in the database file and each broken reference between tables. It
// has no time limit. PostgreSQL checks its files itself.
func (s *Store) FileCorruption(ctx context.Context) (found []string, err error) {
	if s.dialect.corruption == nil {
		return nil, nil
	}
	return s.dialect.corruption(ctx, s.readPool)
}
