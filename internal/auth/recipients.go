package auth

import (
	"context"

	"latchkey/internal/account"
	"latchkey/internal/outbox"
	"latchkey/internal/store"
)

// maxPendingRecipients is how many pending accounts with one address receive their email again on a request.
const maxPendingRecipients = 3

// inTxWithMail is InTx for what adds emails to the outbox.
func (s *Service) inTxWithMail(ctx context.Context, f func(tx *store.Tx) error) error {
	return s.Outbox.InTx(ctx, f)
}

// enqueueRequest adds a request for an email to an address to the outbox. user is the user it is about, or empty.
func (s *Service) enqueueRequest(
	ctx context.Context, tx *store.Tx, template account.MailTemplate, address string, user account.ID,
	client ClientInfo,
) error {
	return s.Outbox.EnqueueRequest(ctx, tx, s.newMail(template, address, client), user)
}

// enqueueNotice adds an email to a user to the outbox. Without an address it does nothing.
func (s *Service) enqueueNotice(
	ctx context.Context, tx *store.Tx, user *account.User, template account.MailTemplate, client ClientInfo,
) error {
	if user.Email == nil {
		return nil
	}
	return s.Outbox.EnqueueEmail(ctx, tx, s.newMailTo(user, template, client), user.ID)
}

// newMailTo returns an email to a user who has an address.
func (s *Service) newMailTo(user *account.User, template account.MailTemplate, client ClientInfo) account.Mail {
	m := s.newMail(template, *user.Email, client)
	m.Username = user.Username
	return m
}

func (s *Service) newMail(template account.MailTemplate, address string, client ClientInfo) account.Mail {
	now := s.Now()
	return account.Mail{
		ID:        account.NewID(account.MailKind, now),
		Template:  template,
		To:        address,
		Languages: account.Printable(client.Languages, account.MaxLanguages),
		IPAddress: client.IPAddress,
		CreatedAt: now,
		ExpiresAt: now.Add(template.TTL()),
	}
}

// recipients is the [outbox.Resolve] of the outbox.
func recipients(ctx context.Context, tx *store.Tx, request *store.OutboxMail) ([]outbox.Recipient, error) {
	users, err := tx.UsersByAddress(ctx, request.AddressKey, 1+maxPendingRecipients)
	if err != nil {
		return nil, err
	}
	var subject *account.User
	if request.UserID != "" {
		if subject, err = tx.User(ctx, request.UserID); err != nil {
			return nil, ignoreNotFound(err)
		}
	}
	return selectRecipients(request, users, subject), nil
}

// selectRecipients returns the emails that a request results in. users are those with the requested address, its holder
// first; subject is the user that the request is about, or nil. When another user than subject has confirmed the
// address, they receive a notice instead of the others' emails.
func selectRecipients(
	request *store.OutboxMail, users []*account.User, subject *account.User,
) (selected []outbox.Recipient) {
	template := request.Template
	if template == account.PasswordReset || template == account.UsernameReminder {
		if len(users) > 0 && users[0].Status != account.Disabled {
			selected = append(selected, outbox.Recipient{Template: template, User: users[0], To: *users[0].Email})
		}
		return selected
	}
	holder, pending := holderOf(users)
	if subject == nil {
		for _, user := range pending[:min(len(pending), maxPendingRecipients)] {
			selected = append(selected, outbox.Recipient{Template: template, User: user, To: *user.Email})
		}
	} else if to := addressToConfirm(subject, template); to != nil && account.EmailKey(*to) == request.AddressKey {
		selected = append(selected, outbox.Recipient{Template: template, User: subject, To: *to})
	}
	known := holder != nil && holder.EmailVerified && (subject == nil || holder.ID != subject.ID)
	if len(selected) > 0 && known {
		return []outbox.Recipient{{Template: account.KnownAddress, User: holder, To: *holder.Email}}
	}
	return selected
}

// addressToConfirm returns the address that a user has to confirm by an email with a template, or nil.
func addressToConfirm(user *account.User, template account.MailTemplate) *string {
	switch {
	case template == account.Activation && user.Status == account.Pending:
		return user.Email
	case template == account.EmailConfirmation:
		return user.PendingEmail
	}
	return nil
}

// holderOf returns the user who has an address, or nil, and the pending accounts with it.
func holderOf(users []*account.User) (holder *account.User, pending []*account.User) {
	if len(users) > 0 && users[0].Status != account.Pending {
		return users[0], users[1:]
	}
	return nil, users
}
