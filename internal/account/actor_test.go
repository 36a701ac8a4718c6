package account

import "testing"

// TestActors asks for each kind of actor what it may do.
func TestActors(t *testing.T) {
	user := &User{ID: "user_1", Role: Admin}
	for _, test := range []struct {
		name           string
		actor          Actor
		kind           ActorKind
		user, operator Code // that the requirements fail with; empty for those that are met
	}{
		{"user", ActorOf(&Caller{User: user}), UserActor, "", Forbidden},
		{"anonymous", Anonymous, AnonymousActor, Unauthenticated, Forbidden},
		{"signed out", ActorOf(&Caller{Reason: ReasonRevoked}), AnonymousActor, Unauthenticated, Forbidden},
		{"unknown", ActorOf(&Caller{Err: &Error{Code: Internal}}), AnonymousActor, Internal, Forbidden},
		{"operator", Operator, OperatorActor, Forbidden, ""},
		{"system", System, SystemActor, Forbidden, ""},
		{"zero", Actor{}, "", Forbidden, Forbidden},
	} {
		t.Run(test.name, func(t *testing.T) {
			if kind := test.actor.Kind(); kind != test.kind {
				t.Errorf("kind %q, want %q", kind, test.kind)
			}
			caller, err := test.actor.RequireUser()
			if test.user != "" && !IsCode(err, test.user) || test.user == "" && (err != nil || caller.User != user) {
				t.Errorf("RequireUser: %v, want %q", err, test.user)
			}
			err = test.actor.RequireOperator()
			if test.operator != "" && !IsCode(err, test.operator) || test.operator == "" && err != nil {
				t.Errorf("RequireOperator: %v, want %q", err, test.operator)
			}
		})
	}
}
