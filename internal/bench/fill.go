package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/password"
	"latchkey/internal/store"
	"latchkey/internal/token"
)

const (
	secret       = "made-for-a-bench-and-thrown-away-with-it"
	userPassword = "i-keep-jumping-over-barrels" // the password of every user
	batchSize    = 1_000                         // users in a transaction
	sessions     = 5_000                         // a session can refresh 60 times a minute
)

// fill inserts users with profiles into an empty database and returns the first refresh tokens of some sessions.
func fill(ctx context.Context, url string, users int) (tokens []string, err error) {
	st, err := store.Open(ctx, url)
	if err != nil {
		return nil, err
	}
	defer st.Close()
	if _, err := st.Migrate(ctx, time.Now); err != nil {
		return nil, err
	}
	hash, err := password.NewHasher(1).Hash(ctx, userPassword)
	if err != nil {
		return nil, err
	}
	key, err := token.NewSecret(secret)
	if err != nil {
		return nil, err
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	ids, err := fillUsers(ctx, st, users, hash, now)
	if err != nil {
		return nil, err
	}
	return fillSessions(ctx, st, ids, key, now)
}

// fillUsers inserts users with profiles and returns their IDs.
func fillUsers(ctx context.Context, st *store.Store, users int, hash string, now time.Time) ([]account.ID, error) {
	ids := make([]account.ID, users)
	for batch := 0; batch < users; batch += batchSize {
		if batch%(100*batchSize) == 0 {
			progress("  %d of %d users", batch, users)
		}
		err := st.InTx(ctx, func(tx *store.Tx) (err error) {
			for n := batch; n < min(batch+batchSize, users) && err == nil; n++ {
				ids[n], err = insertUser(ctx, tx, n, hash, now.Add(time.Duration(n-users)*time.Second))
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// fillSessions starts sessions of the users in turn and returns their first refresh tokens.
func fillSessions(
	ctx context.Context, st *store.Store, ids []account.ID, key token.Secret, now time.Time,
) (tokens []string, err error) {
	for len(tokens) < sessions {
		started := len(tokens)
		err := st.InTx(ctx, func(tx *store.Tx) error {
			tokens = tokens[:started]
			for n := range batchSize {
				refresh, err := insertSession(ctx, tx, ids[(started+n)%len(ids)], key, now)
				if err != nil {
					return err
				}
				tokens = append(tokens, refresh)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return tokens, nil
}

// insertUser inserts the n-th user, with a profile, and returns the user's ID.
func insertUser(ctx context.Context, tx *store.Tx, n int, hash string, at time.Time) (account.ID, error) {
	address := username(n) + "@example.com"
	user := account.User{
		ID:            account.NewID(account.UserKind, at),
		Username:      username(n),
		Email:         &address,
		EmailVerified: true,
		Name:          "Mario the Plumber",
		Role:          account.Member,
		Status:        account.Active,
		CreatedAt:     at,
	}
	if err := tx.InsertUser(ctx, &user, hash); err != nil {
		return "", err
	}
	return user.ID, tx.InsertProfile(ctx, &account.Profile{
		ID:          account.NewID(account.ProfileKind, at),
		UserID:      user.ID,
		Description: "I keep jumping over barrels, and look for a princess in every castle.",
		Location:    fmt.Sprint("City ", n%20),
		IsOrganizer: n%10 == 0,
		DateJoined:  at,
		UpdatedOn:   at,
	})
}

// username returns the username of the n-th user. The factor and the prime modulus make them unique and unordered.
func username(n int) string { return fmt.Sprint("user", 10_000_000_000+int64(n+1)*48271%2147483647) }

// insertSession starts a session and returns its first refresh token.
func insertSession(
	ctx context.Context, tx *store.Tx, user account.ID, key token.Secret, now time.Time,
) (string, error) {
	session := account.Session{
		ID:         account.NewID(account.SessionKind, now),
		UserID:     user,
		DeviceName: "bench",
		IPAddress:  "127.0.0.1",
		CreatedAt:  now,
		LastUsedAt: now,
		ExpiresAt:  now.AddDate(0, 0, 1),
	}
	salt := token.NewSalt()
	inserted, err := tx.InsertSession(ctx, session, salt, key.KeyID())
	if err != nil {
		return "", err
	}
	uuid, ok := session.ID.UUID()
	if !inserted || !ok {
		return "", errors.New("session not inserted")
	}
	return key.RefreshToken(uuid, salt, 0), nil
}
