package mail

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"latchkey/internal/account"
	"latchkey/internal/outbox"
)

// senderFunc is a function as a sender.
type senderFunc func(Message) error

func (f senderFunc) Send(_ context.Context, m Message) error { return f(m) }

// TestHandlerDelivers tests that an email is rendered and sent, and which errors of the sender are permanent.
func TestHandlerDelivers(t *testing.T) {
	t.Parallel()
	templates := load(t, "")
	for name, test := range map[string]struct {
		err       error
		permanent bool
	}{
		"accepted":         {nil, false},
		"refused for now":  {errors.New("451 try again later"), false},
		"refused for good": {fmt.Errorf("%w: 550 no such user", ErrRefused), true},
		"not sent in time": {context.DeadlineExceeded, false},
	} {
		var sent []Message
		handler := Handler{Templates: templates, Sender: senderFunc(func(m Message) error {
			sent = append(sent, m)
			return test.err
		})}
		m := mailOf(account.Activation, "en")
		err := handler.Deliver(t.Context(), outbox.Delivery{Kind: outbox.Email, ID: m.ID, Payload: m})
		if len(sent) != 1 || sent[0].To != m.To {
			t.Errorf("%s: sent %+v", name, sent)
		}
		if !errors.Is(err, test.err) || err != nil && err.Error() != test.err.Error() {
			t.Errorf("%s: %v", name, err)
		}
		if permanent := err != test.err; permanent != test.permanent {
			t.Errorf("%s: permanent is %t", name, permanent)
		}
	}
}
