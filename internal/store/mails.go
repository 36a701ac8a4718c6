package store

import (
	"context"
	"time"

	"latchkey/internal/account"
)

// OutboxMail is an email in the outbox.
type OutboxMail struct {
	account.Mail
	AddressKey  string
	Unresolved  bool       // the recipient is not known yet; To is the address in the request
	UserID      account.ID // the user it is about; empty while unknown
	SealedToken []byte
	Attempts    int // so far, including this one
}

const mailColumns = `id, letter, state = 'ASKED' AS asked, COALESCE(user_id, '') AS user_id, recipient, address_key,
	languages, username, new_email, device, ip_address, sealed_token, attempts, created_at, expires_at`

type mailRow struct {
	ID          account.ID           `db:"id"`
	Letter      account.MailTemplate `db:"letter"`
	Asked       bool                 `db:"asked"`
	UserID      account.ID           `db:"user_id"`
	Recipient   string               `db:"recipient"`
	AddressKey  string               `db:"address_key"`
	Languages   string               `db:"languages"`
	Username    string               `db:"username"`
	NewEmail    string               `db:"new_email"`
	Device      string               `db:"device"`
	IPAddress   string               `db:"ip_address"`
	SealedToken []byte               `db:"sealed_token"`
	Attempts    int                  `db:"attempts"`
	CreatedAt   int64                `db:"created_at"`
	ExpiresAt   int64                `db:"expires_at"`
}

func (r *mailRow) toMail() *OutboxMail {
	return &OutboxMail{
		Mail: account.Mail{
			ID:        r.ID,
			Template:  r.Letter,
			To:        r.Recipient,
			Languages: r.Languages,
			Username:  r.Username,
			NewEmail:  r.NewEmail,
			Device:    r.Device,
			IPAddress: r.IPAddress,
			CreatedAt: fromMicros(r.CreatedAt),
			ExpiresAt: fromMicros(r.ExpiresAt),
		},
		AddressKey:  r.AddressKey,
		Unresolved:  r.Asked,
		UserID:      r.UserID,
		SealedToken: r.SealedToken,
		Attempts:    r.Attempts,
	}
}

// Allowance limits the emails of one template to one address.
type Allowance struct {
	Pause time.Duration // between two requests; at least a minute
	Day   int           // requests in 24 hours
}

// EnqueueRequest adds a request for an email to the outbox, unless there were too many; the caller does not learn
// which. The recipient is resolved later. user is the user that the request is about, or empty; a request about one
// user needs no pause after requests about others.
func (q *Queries) EnqueueRequest(ctx context.Context, m account.Mail, user account.ID, a Allowance) error {
	now := m.CreatedAt
	key, ofTemplate := account.EmailKey(m.To), string(m.Template)+"%"
	askedFor, before := string(m.Template), ofTemplate
	if user != "" {
		askedFor += " " + string(user)
		before = askedFor
	}
	_, err := q.exec(ctx, `INSERT INTO mails (id, letter, state, user_id, recipient, address_key, asked_for, minute,
		languages, username, new_email, device, ip_address, attempts, created_at, due_at, expires_at)
		SELECT ?, ?, 'ASKED', NULLIF(?, ''), ?, ?, ?, ?, ?, '', '', '', ?, 0, ?, ?, ?
		WHERE NOT EXISTS (SELECT 1 FROM mails WHERE address_key = ? AND asked_for LIKE ? AND created_at > ?)
		AND (SELECT COUNT(*) FROM mails WHERE address_key = ? AND asked_for LIKE ? AND created_at > ?) < ?
		ON CONFLICT (address_key, asked_for, minute) DO NOTHING`,
		m.ID, m.Template, user, m.To, key, askedFor, now.Unix()/60, m.Languages, m.IPAddress, micros(now), micros(now),
		micros(m.ExpiresAt),
		key, before, micros(m.CreatedAt.Add(-a.Pause)), key, ofTemplate, micros(now.Add(-24*time.Hour)), a.Day)
	return err
}

// EnqueueMail adds an email to the outbox, in the transaction that the email is about, unless the address got as many
// of this template as a day allows.
func (tx *Tx) EnqueueMail(
	ctx context.Context, m account.Mail, user account.ID, sealedToken []byte, a Allowance,
) error {
	key := account.EmailKey(m.To)
	_, err := tx.exec(ctx, `INSERT INTO mails (id, letter, state, user_id, recipient, address_key, languages, username,
		new_email, device, ip_address, sealed_token, attempts, created_at, due_at, expires_at)
		SELECT ?, ?, 'READY', ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?
		WHERE (SELECT COUNT(*) FROM mails WHERE address_key = ? AND letter = ? AND created_at > ?) < ?`,
		m.ID, m.Template, user, m.To, key, m.Languages, m.Username, m.NewEmail, m.Device, m.IPAddress, sealedToken,
		micros(m.CreatedAt), micros(m.CreatedAt), micros(m.ExpiresAt),
		key, m.Template, micros(m.CreatedAt.Add(-24*time.Hour)), a.Day)
	return err
}

// ClaimMails returns at most limit emails that are due. Other nodes do not get them until a time; by then each must be
// sent or postponed. The claim counts as an attempt.
func (s *Store) ClaimMails(ctx context.Context, now, until time.Time, limit int) ([]*OutboxMail, error) {
	var due []struct {
		ID    account.ID `db:"id"`
		DueAt int64      `db:"due_at"`
	}
	if err := s.scanAll(ctx, &due, `SELECT id, due_at FROM mails WHERE state IN ('ASKED', 'READY') AND due_at <= ?
		ORDER BY due_at LIMIT ?`, micros(now), limit); err != nil {
		return nil, err
	}
	var claimed []*OutboxMail
	for _, d := range due {
		var row mailRow
		ok, err := s.execReturning(ctx, &row, `UPDATE mails SET attempts = attempts + 1, due_at = ?
			WHERE id = ? AND due_at = ? AND state IN ('ASKED', 'READY') RETURNING `+mailColumns,
			micros(until), d.ID, d.DueAt)
		if err != nil {
			return claimed, err
		}
		if ok {
			claimed = append(claimed, row.toMail())
		}
	}
	return claimed, nil
}

// LockRequest makes other transactions that resolve the request wait until this one ends; ok is false if the request is
// resolved.
func (tx *Tx) LockRequest(ctx context.Context, id account.ID) (ok bool, err error) {
	rows, err := tx.exec(ctx, `UPDATE mails SET attempts = attempts WHERE id = ? AND state = 'ASKED'`, id)
	return rows == 1, err
}

// ResolveRequest turns a locked request into an email to a user, due immediately.
func (tx *Tx) ResolveRequest(
	ctx context.Context, m account.Mail, user account.ID, sealedToken []byte, now time.Time,
) error {
	_, err := tx.exec(ctx, `UPDATE mails SET letter = ?, state = 'READY', user_id = ?, recipient = ?, username = ?,
		sealed_token = ?, attempts = 0, due_at = ? WHERE id = ? AND state = 'ASKED'`,
		m.Template, user, m.To, m.Username, sealedToken, micros(now), m.ID)
	return err
}

// MailState is the result for an email that is not due any more.
type MailState string

const (
	MailSent    MailState = "SENT"
	MailFailed  MailState = "FAILED"
	MailDropped MailState = "DROPPED" // there was no recipient
)

// FinishMail stores the result for an email and deletes the token in it, unless another node has claimed the email
// since that attempt.
func (q *Queries) FinishMail(ctx context.Context, id account.ID, attempt int, state MailState) error {
	_, err := q.exec(ctx, `UPDATE mails SET state = ?, sealed_token = NULL
		WHERE id = ? AND attempts = ? AND state IN ('ASKED', 'READY')`, state, id, attempt)
	return err
}

// PostponeMail sets when an email is due again, unless another node has claimed it since that attempt.
func (q *Queries) PostponeMail(ctx context.Context, id account.ID, attempt int, due time.Time) error {
	_, err := q.exec(ctx, `UPDATE mails SET due_at = ? WHERE id = ? AND attempts = ? AND state = 'READY'`,
		micros(due), id, attempt)
	return err
}

// deleteUnsentMails deletes the emails to a user that are not sent yet.
func (tx *Tx) deleteUnsentMails(ctx context.Context, user account.ID) error {
	_, err := tx.exec(ctx, `DELETE FROM mails WHERE user_id = ? AND state IN ('ASKED', 'READY')`, user)
	return err
}

// OutboxStats returns the number of unsent emails, and when the oldest was created; the zero time if there is none.
func (q *Queries) OutboxStats(ctx context.Context) (count int, oldest time.Time, err error) {
	var row struct {
		Count  int    `db:"count"`
		Oldest *int64 `db:"oldest"`
	}
	err = q.aggregate(ctx, &row, `SELECT COUNT(*) AS count, MIN(created_at) AS oldest FROM mails
		WHERE state IN ('ASKED', 'READY')`)
	if row.Oldest != nil {
		oldest = fromMicros(*row.Oldest)
	}
	return row.Count, oldest, err
}

// DeleteOldMails deletes at most limit emails created before a time, whatever their state, and returns their number.
func (q *Queries) DeleteOldMails(ctx context.Context, before time.Time, limit int) (removed int64, err error) {
	return q.exec(ctx, `DELETE FROM mails WHERE id IN (SELECT id FROM mails WHERE created_at < ? LIMIT ?)`,
		micros(before), limit)
}
