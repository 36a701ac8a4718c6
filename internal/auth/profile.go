package auth

import (
	"context"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/store"
)

// Profile returns a profile, or nil when there is none with the ID.
func (s *Service) Profile(ctx context.Context, caller *account.Caller, id account.ID) (*account.Profile, error) {
	if err := admit(caller, id); err != nil {
		return nil, err
	}
	profile, err := s.store.Profile(ctx, id)
	return profile, unlessAbsent(err)
}

// Node returns whatever has the ID, if the caller may see it, and nil otherwise.
func (s *Service) Node(ctx context.Context, caller *account.Caller, id account.ID) (account.Node, error) {
	if err := admit(caller, id); err != nil {
		return nil, err
	}
	switch id.Kind() {
	case account.ProfileKind:
		profile, err := s.store.Profile(ctx, id)
		if err != nil {
			return nil, unlessAbsent(err)
		}
		return profile, nil
	case account.UserKind:
		if !caller.CanSee(id) {
			return nil, nil
		}
		user, err := s.store.User(ctx, id)
		if err != nil {
			return nil, unlessAbsent(err)
		}
		return user, nil
	case account.SessionKind:
		session, err := s.session(ctx, id)
		if session == nil || !caller.CanSee(session.UserID) {
			return nil, err
		}
		return session, nil
	}
	return nil, nil
}

// Profiles returns a page of profiles; BAD_USER_INPUT for sizes and cursors that make no sense.
func (s *Service) Profiles(
	ctx context.Context, caller *account.Caller, q account.ProfileQuery,
) (*account.ProfileConnection, error) {
	if err := caller.RequireRole(account.Member); err != nil {
		return nil, err
	}
	window, err := q.Window(s.cursors)
	if err != nil {
		return nil, err
	}
	profiles, more, err := s.store.Profiles(ctx, window)
	if err != nil {
		return nil, err
	}
	page := account.NewProfileConnection(profiles, window.Selection, s.cursors)
	if page.HasPrevious, err = s.anyInFront(ctx, window, profiles, more); err != nil {
		return nil, err
	}
	page.HasNext, err = s.anyBehind(ctx, window, profiles, more)
	return page, err
}

// anyInFront reports whether the selection has profiles in front of a page, or, when it is empty, at its after cursor or
// in front of that; more is whether the window has more than the page on the side it was not cut from.
func (s *Service) anyInFront(ctx context.Context, w account.Window, page []*account.Profile, more bool) (bool, error) {
	if w.Backward && more || w.After == nil {
		return w.Backward && more, nil
	}
	bound := *w.After
	bound.Inclusive = true
	if len(page) > 0 {
		bound = page[0].Position()
	}
	_, any, err := s.store.Profiles(ctx, account.Window{Selection: w.Selection, Before: &bound, Backward: true})
	return any, err
}

// anyBehind is the mirror of anyInFront.
func (s *Service) anyBehind(ctx context.Context, w account.Window, page []*account.Profile, more bool) (bool, error) {
	if !w.Backward && more || w.Before == nil {
		return !w.Backward && more, nil
	}
	bound := *w.Before
	bound.Inclusive = true
	if len(page) > 0 {
		bound = page[len(page)-1].Position()
	}
	_, any, err := s.store.Profiles(ctx, account.Window{Selection: w.Selection, After: &bound})
	return any, err
}

// CountProfiles returns how many profiles a page's selection has on all pages together.
func (s *Service) CountProfiles(ctx context.Context, page *account.ProfileConnection) (int, error) {
	return s.store.CountProfiles(ctx, page.Selection)
}

// CreateProfile makes a profile for a caller who has none. Mistakes: ALREADY_EXISTS, TOO_LONG, INVALID.
func (s *Service) CreateProfile(
	ctx context.Context, caller *account.Caller, in account.ProfileInput,
) (*account.Profile, error) {
	if err := caller.RequireRole(account.Member); err != nil {
		return nil, err
	}
	if err := in.Check().Err(); err != nil {
		return nil, err
	}
	profile := newProfile(in, s.Now())
	profile.UserID = caller.User.ID
	err := s.store.InTx(ctx, func(tx *store.Tx) error { return tx.InsertProfile(ctx, profile) })
	switch {
	case account.IsCode(err, account.AlreadyExists):
		return nil, account.ProfileExists().At()
	case err != nil:
		return nil, gone(err)
	}
	return profile, nil
}

// UpdateProfile changes the caller's own profile; FORBIDDEN for somebody else's, NOT_FOUND for nobody's. Mistakes:
// TOO_LONG, INVALID.
func (s *Service) UpdateProfile(
	ctx context.Context, caller *account.Caller, id account.ID, in account.ProfileInput,
) (*account.Profile, error) {
	if err := admit(caller, id); err != nil {
		return nil, err
	}
	if err := in.Check().Err(); err != nil {
		return nil, err
	}
	profile, err := s.store.UpdateProfile(ctx, id, caller.User.ID, in, s.Now())
	if account.IsCode(err, account.NotFound) {
		return nil, s.notOwned(ctx, caller, id)
	}
	return profile, err
}

// DeleteProfile removes the caller's own profile and returns the ID it had; FORBIDDEN for somebody else's, NOT_FOUND
// for nobody's. The user stays.
func (s *Service) DeleteProfile(ctx context.Context, caller *account.Caller, id account.ID) (*account.ID, error) {
	if err := admit(caller, id); err != nil {
		return nil, err
	}
	err := s.store.DeleteProfile(ctx, id, caller.User.ID)
	if account.IsCode(err, account.NotFound) {
		return nil, s.notOwned(ctx, caller, id)
	}
	return &id, err
}

// RequireProfileOwner returns nil when the caller owns what the ID names; FORBIDDEN for somebody else's, NOT_FOUND for nobody's,
// UNAUTHENTICATED when signed out, BAD_USER_INPUT when it is no ID.
func (s *Service) RequireProfileOwner(ctx context.Context, caller *account.Caller, id account.ID) error {
	if err := admit(caller, id); err != nil {
		return err
	}
	if id.Kind() == account.SessionKind {
		return s.mayEnd(ctx, caller, id)
	}
	owner, err := s.store.ProfileOwner(ctx, id)
	if err != nil {
		return err
	}
	return caller.RequireOwner(owner)
}

// notOwned tells why a row was not the caller's to change; NOT_FOUND if it has become theirs in between.
func (s *Service) notOwned(ctx context.Context, caller *account.Caller, id account.ID) error {
	if err := s.RequireProfileOwner(ctx, caller, id); err != nil {
		return err
	}
	return &account.Error{Code: account.NotFound, Message: "There is no such profile."}
}

// admit returns nil when the caller is signed in and id has the form of one; else UNAUTHENTICATED or BAD_USER_INPUT.
func admit(caller *account.Caller, id account.ID) error {
	if err := caller.RequireRole(account.Member); err != nil {
		return err
	}
	_, err := account.ParseID(string(id))
	return err
}

func newProfile(in account.ProfileInput, now time.Time) *account.Profile {
	return &account.Profile{
		ID:          account.NewID(account.ProfileKind, now),
		Description: value(in.Description, ""),
		Location:    value(in.Location, ""),
		IsOrganizer: value(in.IsOrganizer, false),
		DateJoined:  now,
		UpdatedOn:   now,
	}
}

// unlessAbsent forgets that something does not exist.
func unlessAbsent(err error) error {
	if account.IsCode(err, account.NotFound) {
		return nil
	}
	return err
}
