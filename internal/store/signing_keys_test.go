package store

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"latchkey/internal/account"
)

func addKey(t *testing.T, s *Store, kid, alg string, number int64) error {
	t.Helper()
	return s.InsertSigningKey(t.Context(), SigningKey{kid, alg, number, []byte(kid), noon, noon})
}

func TestOneConcurrentKeyIsInserted(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		must(t, errors.Join(concurrently(8, func(i int) error { return addKey(t, s, fmt.Sprint("key", i), "EdDSA", 1) })...))
		keys := must1(s.SigningKeys(t.Context()))(t)
		if len(keys) != 1 || string(keys[0].Sealed) != keys[0].ID {
			t.Errorf("the keys are %+v", keys)
		}
	})
}

func TestSigningKeysOldestFirst(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		newest := SigningKey{"a", "EdDSA", 2, []byte{0, 1, 0xff}, noon.Add(time.Microsecond), noon.Add(time.Minute)}
		must(t, s.InsertSigningKey(ctx, newest))
		must(t, addKey(t, s, "c", "EdDSA", 1))
		must(t, addKey(t, s, "b", "RS256", 1))
		keys := must1(s.SigningKeys(ctx))(t)
		if len(keys) != 3 || keys[0].ID != "b" || keys[1].ID != "c" || fmt.Sprint(keys[2]) != fmt.Sprint(newest) {
			t.Errorf("the keys are %+v", keys)
		}
		if err := addKey(t, s, "a", "ES256", 1); err == nil || errors.As(err, new(*account.Error)) {
			t.Error("a second key of one id:", err)
		}
	})
}
