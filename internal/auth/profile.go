package auth

import (
	"context"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/store"
)

// Profile returns a profile, or nil when there is none with the ID. Errors: UNAUTHENTICATED; BAD_USER_INPUT when id is
// not an ID.
func (s *Service) Profile(ctx context.Context, caller *account.Caller, id account.ID) (*account.Profile, error) {
	if err := requireSignedIn(caller, id); err != nil {
		return nil, err
	}
	profile, err := s.store.Profile(ctx, id)
	return profile, ignoreNotFound(err)
}

// Node returns the object with the ID, or nil when there is none or the caller may not see it. Errors: those of
// Profile.
func (s *Service) Node(ctx context.Context, caller *account.Caller, id account.ID) (account.Node, error) {
	if err := requireSignedIn(caller, id); err != nil {
		return nil, err
	}
	switch id.Kind() {
	case account.ProfileKind:
		profile, err := s.store.Profile(ctx, id)
		if err != nil {
			return nil, ignoreNotFound(err)
		}
		return profile, nil
	case account.UserKind:
		if !caller.CanSee(id) {
			return nil, nil
		}
		user, err := s.store.User(ctx, id)
		if err != nil {
			return nil, ignoreNotFound(err)
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

// Profiles returns a page of profiles. Errors: UNAUTHENTICATED; BAD_USER_INPUT for invalid sizes and cursors.
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
	profiles, hasMore, err := s.store.Profiles(ctx, window)
	if err != nil {
		return nil, err
	}
	page := account.NewProfileConnection(profiles, window.Selection, s.cursors)
	if page.HasPrevious, err = s.hasBefore(ctx, window, profiles, hasMore); err != nil {
		return nil, err
	}
	page.HasNext, err = s.hasAfter(ctx, window, profiles, hasMore)
	return page, err
}

// hasBefore reports whether the selection has profiles before a page or, when the page is empty, at or before its after
// cursor. hasMore is whether the window was longer than the page.
func (s *Service) hasBefore(
	ctx context.Context, w account.Window, page []*account.Profile, hasMore bool,
) (bool, error) {
	if w.Backward && hasMore || w.After == nil {
		return w.Backward && hasMore, nil
	}
	bound := *w.After
	bound.Inclusive = true
	if len(page) > 0 {
		bound = page[0].Position()
	}
	_, any, err := s.store.Profiles(ctx, account.Window{Selection: w.Selection, Before: &bound, Backward: true})
	return any, err
}

// hasAfter is hasBefore for the other side of a page.
func (s *Service) hasAfter(
	ctx context.Context, w account.Window, page []*account.Profile, hasMore bool,
) (bool, error) {
	if !w.Backward && hasMore || w.Before == nil {
		return !w.Backward && hasMore, nil
	}
	bound := *w.Before
	bound.Inclusive = true
	if len(page) > 0 {
		bound = page[len(page)-1].Position()
	}
	_, any, err := s.store.Profiles(ctx, account.Window{Selection: w.Selection, After: &bound})
	return any, err
}

// CountProfiles returns the number of profiles in a page's selection on all pages.
func (s *Service) CountProfiles(ctx context.Context, page *account.ProfileConnection) (int, error) {
	return s.store.CountProfiles(ctx, page.Selection)
}

// CreateProfile creates a profile for a user who has none. User errors: ALREADY_EXISTS, TOO_LONG, INVALID. Errors:
// UNAUTHENTICATED.
func (s *Service) CreateProfile(
	ctx context.Context, actor account.Actor, in account.ProfileInput,
) (*account.Profile, error) {
	caller, err := actor.RequireUser()
	if err != nil {
		return nil, err
	}
	if err := in.Check().Err(); err != nil {
		return nil, err
	}
	profile := newProfile(in, s.Now())
	profile.UserID = caller.User.ID
	err = s.store.InTx(ctx, func(tx *store.Tx) error { return tx.InsertProfile(ctx, profile) })
	switch {
	case account.IsCode(err, account.AlreadyExists):
		return nil, account.ProfileExists().At()
	case err != nil:
		return nil, notFoundToRevoked(err)
	}
	return profile, nil
}

// UpdateProfile changes the user's own profile. User errors: TOO_LONG, INVALID. Errors: UNAUTHENTICATED; BAD_USER_INPUT
// when id is not an ID; FORBIDDEN for another user's profile; NOT_FOUND when it does not exist.
func (s *Service) UpdateProfile(
	ctx context.Context, actor account.Actor, id account.ID, in account.ProfileInput,
) (*account.Profile, error) {
	caller, err := requireUserAndID(actor, id)
	if err != nil {
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

// DeleteProfile deletes the user's own profile and returns the ID it had. The account remains. Errors: those of
// UpdateProfile.
func (s *Service) DeleteProfile(ctx context.Context, actor account.Actor, id account.ID) (*account.ID, error) {
	caller, err := requireUserAndID(actor, id)
	if err != nil {
		return nil, err
	}
	err = s.store.DeleteProfile(ctx, id, caller.User.ID)
	if account.IsCode(err, account.NotFound) {
		return nil, s.notOwned(ctx, caller, id)
	}
	return &id, err
}

// RequireOwner returns nil when the caller owns the object with the ID. Errors: UNAUTHENTICATED; BAD_USER_INPUT
// when id is not an ID; FORBIDDEN for another user's object; NOT_FOUND when it does not exist.
func (s *Service) RequireOwner(ctx context.Context, caller *account.Caller, id account.ID) error {
	if err := requireSignedIn(caller, id); err != nil {
		return err
	}
	if id.Kind() == account.SessionKind {
		return s.checkOwnsSession(ctx, caller, id)
	}
	owner, err := s.store.ProfileOwner(ctx, id)
	if err != nil {
		return err
	}
	return caller.RequireOwner(owner)
}

// notOwned returns why the caller could not change a profile; NOT_FOUND if they have become its owner meanwhile.
func (s *Service) notOwned(ctx context.Context, caller *account.Caller, id account.ID) error {
	if err := s.RequireOwner(ctx, caller, id); err != nil {
		return err
	}
	return account.NoSuchProfile()
}

// requireSignedIn returns nil when the caller is signed in and id has the form of an ID; else UNAUTHENTICATED or
// BAD_USER_INPUT.
func requireSignedIn(caller *account.Caller, id account.ID) error {
	if err := caller.RequireRole(account.Member); err != nil {
		return err
	}
	_, err := account.ParseID(string(id))
	return err
}

// requireUserAndID is requireSignedIn for an actor, which must be a user.
func requireUserAndID(actor account.Actor, id account.ID) (*account.Caller, error) {
	caller, err := actor.RequireUser()
	if err != nil {
		return nil, err
	}
	return caller, requireSignedIn(caller, id)
}

func newProfile(in account.ProfileInput, now time.Time) *account.Profile {
	return &account.Profile{
		ID:          account.NewID(account.ProfileKind, now),
		Description: orDefault(in.Description, ""),
		Location:    orDefault(in.Location, ""),
		IsOrganizer: orDefault(in.IsOrganizer, false),
		DateJoined:  now,
		UpdatedOn:   now,
	}
}

// ignoreNotFound returns nil for NOT_FOUND and any other error unchanged.
func ignoreNotFound(err error) error {
	if account.IsCode(err, account.NotFound) {
		return nil
	}
	return err
}
