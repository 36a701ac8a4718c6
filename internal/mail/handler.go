package mail

import (
	"context"
	"errors"

	"latchkey/internal/account"
	"latchkey/internal/outbox"
)

// Handler renders and sends the emails of the outbox.
type Handler struct {
	Templates *Templates
	Sender    Sender
}

// Deliver sends an email. An email that the server refuses permanently is not retried.
func (h Handler) Deliver(ctx context.Context, d outbox.Delivery) error {
	message, err := h.Templates.Render(d.Payload.(account.Mail))
	if err != nil {
		return err
	}
	err = h.Sender.Send(ctx, message)
	if errors.Is(err, ErrRefused) {
		return outbox.Permanent(err)
	}
	return err
}
