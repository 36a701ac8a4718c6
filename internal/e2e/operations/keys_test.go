package operations

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/cli"
	"latchkey/internal/e2e"
	"latchkey/internal/store/storetest"
	"latchkey/internal/token"
)

// afterRefresh returns the client after a refresh.
func afterRefresh(c *e2e.Client) *e2e.Client {
	c.T.Helper()
	c.Refresh().Ok()
	return c
}

// publishedKeys returns the IDs of the keys in the JWKS of a server, newest first.
func publishedKeys(s *e2e.Env) (ids []string) {
	s.T.Helper()
	response, err := http.Get(s.URL + "/.well-known/jwks.json")
	if err != nil {
		s.T.Fatal(err)
	}
	defer response.Body.Close()
	if have := response.Header.Get("Cache-Control"); have != "public, max-age=60" {
		s.T.Errorf("Cache-Control: %s", have)
	}
	var set struct{ Keys []struct{ Kid string } }
	if err := json.NewDecoder(response.Body).Decode(&set); err != nil {
		s.T.Fatal(err)
	}
	for _, k := range set.Keys {
		ids = append(ids, k.Kid)
	}
	return ids
}

// TestKeyPublishedBeforeUse checks that all nodes publish a new signing key before one signs with it.
func TestKeyPublishedBeforeUse(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		other := s.AnotherNode("LATCHKEY_ACCESS_TOKEN_TTL=15m")
		mario := s.Register("mario")
		first := mario.KeyID()
		if have := publishedKeys(other); !slices.Equal(have, []string{first}) {
			t.Fatalf("published at first: %v", have)
		}
		s.Clock.Advance(time.Minute)
		from := s.Clock.Now().Add(5 * time.Minute)
		printed := s.Run("keys", "rotate")
		next, _, _ := strings.Cut(printed, " ")
		if printed != next+" signs from "+from.UTC().Format(time.RFC3339)+".\n" {
			t.Fatalf("rotate says %q", printed)
		}
		e2e.SyncKeys(s, other)
		for _, node := range []*e2e.Env{s, other} {
			if have := publishedKeys(node); !slices.Equal(have, []string{next, first}) {
				t.Fatalf("published after the rotation: %v", have)
			}
		}
		s.Clock.Advance(5*time.Minute - time.Microsecond)
		e2e.SyncKeys(s, other)
		if mario.Refresh().Ok(); mario.KeyID() != first {
			t.Fatal("the next key signs before its time")
		}
		old := *mario
		s.Clock.Advance(time.Microsecond)
		e2e.SyncKeys(s)
		if mario.Refresh().Ok(); mario.KeyID() != next {
			t.Fatal("the next key does not sign at its time")
		}
		luigi := other.Register("luigi")
		if luigi.KeyID() != first {
			t.Fatal("the other node has not looked yet")
		}
		mario.Env, luigi.Env = other, s
		if !mario.SignedIn() || !luigi.SignedIn() {
			t.Fatal("a node does not know the other's key")
		}
		e2e.SyncKeys(other)
		if mario.Refresh().Ok(); mario.KeyID() != next {
			t.Fatal("the other node did not follow")
		}
		s.Clock.Advance(15*time.Minute - 2*time.Second)
		e2e.SyncKeys(s, other)
		for _, node := range []*e2e.Env{s, other} {
			if old.Env = node; !old.SignedIn() {
				t.Fatal("the rotation ended an access token")
			}
		}
		s.Clock.Advance(2 * time.Second)
		old.Ask(`{ me { id } }`, nil).FailsWith("UNAUTHENTICATED", "EXPIRED")
		luigi.Refresh().Ok()
		mario.Refresh().Ok()
	}, "LATCHKEY_ACCESS_TOKEN_TTL=15m")
}

// TestKeyRotationByAge checks that signing keys are rotated when they reach their maximum age.
func TestKeyRotationByAge(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		other := s.AnotherNode("LATCHKEY_SIGNING_KEY_MAX_AGE=24h")
		first := s.Register("mario").KeyID()
		s.Clock.Advance(24*time.Hour - time.Microsecond)
		if e2e.SyncKeys(s, other); s.Count("signing_keys") != 1 {
			t.Fatal("replaced too soon")
		}
		s.Clock.Advance(time.Microsecond)
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				if err := []*e2e.Env{s, other}[i%2].Server.Service().Keys.Sync(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		e2e.SyncKeys(s, other)
		published := publishedKeys(s)
		if len(published) != 2 || published[1] != first || !slices.Equal(publishedKeys(other), published) {
			t.Fatalf("two nodes at once made %v and %v", published, publishedKeys(other))
		}
		s.Clock.Advance(5 * time.Minute)
		e2e.SyncKeys(s, other)
		if kid := s.SignIn("mario").KeyID(); kid != published[0] {
			t.Fatal("the next key does not sign")
		}
		s.Clock.Advance(time.Hour - time.Microsecond)
		if e2e.SyncKeys(s, other); len(publishedKeys(s)) != 2 {
			t.Fatal("the old key is removed too soon")
		}
		s.Clock.Advance(time.Microsecond)
		e2e.SyncKeys(s, other)
		for _, node := range []*e2e.Env{s, other} {
			if have := publishedKeys(node); !slices.Equal(have, published[:1]) {
				t.Fatalf("published at last: %v", have)
			}
		}
		if other.SignIn("mario").KeyID() != published[0] || s.Count("signing_keys") != 1 {
			t.Fatal("the wrong key is removed")
		}
	}, "LATCHKEY_SIGNING_KEY_MAX_AGE=24h")
}

// TestKeyRetireKeepsSessions checks that retiring a signing key ends no session.
func TestKeyRetireKeepsSessions(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		other := s.AnotherNode()
		mario := s.Register("mario")
		first := mario.KeyID()
		s.RunFails("the only signing key cannot be retired", "keys", "retire", first)
		next := s.RotateKey()
		s.RunFails("there is no signing key", "keys", "retire", next[1:]+"A")
		s.Clock.Advance(time.Minute)
		e2e.SyncKeys(s, other)
		mario.Env = other
		if !mario.SignedIn() {
			t.Fatal("a failed command did something")
		}
		if printed := s.Run("keys", "retire", first); !strings.HasSuffix(printed, next+" signs now.\n") {
			t.Fatalf("retire says %q", printed)
		}
		e2e.SyncKeys(s, other)
		for _, node := range []*e2e.Env{s, other} {
			mario.Env = node
			mario.Ask(`{ me { id } }`, nil).FailsWith("UNAUTHENTICATED", "INVALID")
			if have := publishedKeys(node); !slices.Equal(have, []string{next}) {
				t.Fatalf("published: %v", have)
			}
		}
		if mario.Refresh().Ok(); mario.KeyID() != next || !mario.SignedIn() {
			t.Fatal("the session does not go on")
		}

		// One that does not sign goes without a trace, and one that has signed leaves the signer alone.
		unused := s.RotateKey()
		if printed := s.Run("keys", "retire", unused); !strings.HasSuffix(printed, next+" signs now.\n") {
			t.Fatalf("retire says %q", printed)
		}
		e2e.SyncKeys(s, other)
		if mario.Refresh().Ok(); mario.KeyID() != next || len(publishedKeys(s)) != 1 {
			t.Fatal("retiring the next key changed the signer")
		}

		// When the signer goes the next one signs, not the one before.
		third := s.RotateKey()
		s.Clock.Advance(5 * time.Minute)
		fourth := s.RotateKey()
		if printed := s.Run("keys", "retire", third); !strings.HasSuffix(printed, fourth+" signs now.\n") {
			t.Fatalf("retire says %q", printed)
		}
		e2e.SyncKeys(s, other)
		if mario.Refresh().Ok(); mario.KeyID() != fourth || !slices.Equal(publishedKeys(other), []string{fourth, next}) {
			t.Fatal("the old key signs again")
		}

		// And when an old one goes, the signer and the next one stay what they are.
		s.RotateKey()
		s.Run("keys", "retire", next)
		e2e.SyncKeys(s, other)
		if mario.Refresh().Ok(); mario.KeyID() != fourth || len(publishedKeys(s)) != 2 {
			t.Fatal("retiring an old key changed the signer")
		}
	})
}

// TestKeyRotationAlgorithms checks that rotation works with each algorithm.
func TestKeyRotationAlgorithms(t *testing.T) {
	for _, alg := range []string{"EdDSA", "ES256", "RS256", "HS256"} {
		t.Run(alg, func(t *testing.T) {
			e2e.Each(t, func(t *testing.T, s *e2e.Env) {
				mario := s.Register("mario")
				before := *mario
				s.Clock.Advance(time.Second)
				next := s.RotateKey("--signing-alg", alg)
				s.Clock.Advance(5 * time.Minute)
				e2e.SyncKeys(s)
				mario.Refresh().Ok()
				if signed, kid := mario.SigningKey(); signed != alg || kid != next || kid == before.KeyID() || !mario.SignedIn() {
					t.Fatalf("signed with %s by %s", signed, kid)
				}
				want := []string{next, before.KeyID()}
				if alg == "HS256" {
					want = nil
				}
				if have := publishedKeys(s); !slices.Equal(have, want) {
					t.Fatalf("published: %v", have)
				}
				restarted := s.AnotherNode("LATCHKEY_SIGNING_ALG=" + alg)
				if mario.Env = restarted; !mario.SignedIn() {
					t.Fatal("a restart forgets the key")
				}
			}, "LATCHKEY_SIGNING_ALG="+alg)
		})
	}
}

// TestKeyRotationChangesAlgorithm checks that keys of the old and the new algorithm overlap.
func TestKeyRotationChangesAlgorithm(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		mario := s.Register("mario")
		first := mario.KeyID()
		other := s.AnotherNode("LATCHKEY_SIGNING_ALG=ES256")
		e2e.SyncKeys(s)
		if mario.Env = other; afterRefresh(mario).KeyID() != first || !mario.SignedIn() || len(publishedKeys(s)) != 2 {
			t.Fatal("the new algorithm does not wait until it is known")
		}
		s.Clock.Advance(5 * time.Minute)
		e2e.SyncKeys(s, other)
		if mario.Refresh(); mario.KeyID() == first || !mario.SignedIn() {
			t.Fatal("the new algorithm does not sign")
		}
		if alg, _ := mario.SigningKey(); alg != "ES256" {
			t.Fatalf("it signs with %s", alg)
		}
		if mario.Env = s; !mario.SignedIn() || afterRefresh(mario).KeyID() != first {
			t.Fatal("a node that still has the old setting goes on with the old key")
		}
		s.Stop()
		s.Clock.Advance(time.Hour)
		e2e.SyncKeys(other)
		if mario.Env = other; mario.Refresh().Ok() == nil || len(publishedKeys(other)) != 1 {
			t.Fatal("the key of the old algorithm stays")
		}
	})
}

// TestKeyCommands checks that the keys commands list, rotate and retire signing keys.
func TestKeyCommands(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		first := s.Register("mario").KeyID()
		made := s.Clock.Now()
		s.Clock.Advance(time.Minute)
		second := s.RotateKey()
		s.Clock.Advance(10 * time.Minute)
		third := s.RotateKey()
		at := func(d time.Duration) string { return made.Add(d).UTC().Format(time.RFC3339) }
		rows := [][]string{
			{"KID", "ALGORITHM", "CREATED", "SIGNS", "FROM", "STATE"},
			{first, "EdDSA", at(0), at(0), "old"},
			{second, "EdDSA", at(time.Minute), at(6 * time.Minute), "signing"},
			{third, "EdDSA", at(11 * time.Minute), at(16 * time.Minute), "next"},
		}
		lines := strings.Split(strings.TrimSuffix(s.Run("keys", "list"), "\n"), "\n")
		if len(lines) != len(rows) {
			t.Fatalf("the table is %q", lines)
		}
		for i, line := range lines {
			if have := strings.Fields(line); !slices.Equal(have, rows[i]) {
				t.Errorf("row %d is %q, want %q", i, have, rows[i])
			}
		}

		for _, hyphens := range []string{"-", "--"} {
			s.RunFails("there is no signing key", "keys", "retire", hyphens+strings.Repeat("A", 41), "--signing-alg", "EdDSA")
		}
		const wrong = "wrong-secret-wrong-secret-0123456789"
		s.RunFails("is the secret of this database", "keys", "rotate", "--secret", wrong)
		s.RunFails("needs the complete KID", "keys", "retire")
		s.RunFails("needs the complete KID", "keys", "retire", "--", first[:10])
		if _, err := s.TryRun("keys", "retire", "--secret="+wrong); err == nil || strings.Contains(err.Error(), wrong) {
			t.Errorf("a setting in place of the KID: %v", err)
		}
		for _, args := range [][]string{
			{"keys"}, {"keys", "lost"}, {wrong}, {""}, {"restore"}, {"keys", "list", first}, {"restore-cut", "now"},
			{"keys", "retire", first, "--color", "red"}, {"serve", wrong}, {"keys", "rotate", "--secret"}, {"--" + wrong},
			{"keys", "retire", wrong + "!"}, {"keys", "retire", "--secret-previous-file"},
		} {
			printed, err := s.TryRun(args...)
			if err == nil || printed != "" || strings.Contains(err.Error(), wrong) || cli.ExitCode(err) != 2 {
				t.Errorf("%q: %v %s", args, err, printed)
			}
		}
		if s.Count("signing_keys") != 3 {
			t.Error("a refused command did something")
		}
	})
}

// TestKeyCommandsNeedDatabase checks that the keys commands and restore-cut neither accept nor create an empty
// database.
func TestKeyCommandsNeedDatabase(t *testing.T) {
	e2e.EachDatabase(t, func(t *testing.T, url string) {
		s := e2e.NewEnv(t, url, e2e.NewClock(time.Now()))
		for _, args := range [][]string{{"keys", "list"}, {"keys", "rotate"}, {"restore-cut"}} {
			if printed, err := s.TryRun(args...); err == nil || printed != "" {
				t.Errorf("%q on nothing: %v %s", args, err, printed)
			}
		}
		if path, isSQLite := strings.CutPrefix(url, "sqlite:"); isSQLite {
			if files, err := os.ReadDir(filepath.Dir(path)); len(files) > 0 || err != nil {
				t.Errorf("they made %v %v", files, err)
			}
		}
	})
}

// TestSecretRotationKeepsSessions checks that changing the secret ends no session.
func TestSecretRotationKeepsSessions(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		mario, luigi := s.Register("mario"), s.Register("luigi")
		const page = `query ($after: String) { profiles(first: 1, after: $after) { pageInfo { endCursor } } }`
		cursor := mario.Ask(page, nil).Ok().Text("profiles.pageInfo.endCursor")
		parent := mario.RefreshToken
		child := mario.Refresh().Ok().Text("refreshToken.tokens.refreshToken")
		old := s.AnotherNode("LATCHKEY_SECRET="+e2e.Secret, "LATCHKEY_SECRET_PREVIOUS="+e2e.NextSecret)

		changed := s.AnotherNode("LATCHKEY_SECRET="+e2e.NextSecret, "LATCHKEY_SECRET_PREVIOUS="+e2e.Secret)
		mario.Env, luigi.Env = changed, changed
		if !mario.SignedIn() || !luigi.SignedIn() {
			t.Fatal("the change ended an access token")
		}
		mario.RefreshWith(parent).Ok().Equals("refreshToken.tokens.refreshToken", child)
		grandchild := mario.RefreshWith(child).Ok().Text("refreshToken.tokens.refreshToken")
		if keyID(t, grandchild) != token.Secret(e2e.NextSecret).KeyID() || keyID(t, child) != token.Secret(e2e.Secret).KeyID() {
			t.Fatal("the next generation is not computed with the current secret")
		}
		for _, node := range []*e2e.Env{changed, old, changed} {
			mario.Env = node
			mario.RefreshWith(child).Ok().Equals("refreshToken.tokens.refreshToken", grandchild)
		}
		mario.Env = s // which does not know the secret of the child it would have to give
		mario.RefreshWith(child).HasUserErrors("refreshToken", "TOKEN_INVALID@refreshToken")
		mario.Env = changed
		mario.Ask(page, e2e.Vars{"after": cursor}).FailsWith("BAD_USER_INPUT")

		// With the old secret and the database, no token can be computed that continues a refreshed session.
		r, _ := token.ParseRefresh(grandchild)
		var salt []byte
		id := account.IDOf(account.SessionKind, r.Session)
		if err := s.DB().QueryRow(`SELECT salt FROM sessions WHERE id = $1`, string(id)).Scan(&salt); err != nil {
			t.Fatal(err)
		}
		again := mario.RefreshWith(grandchild).Ok().Text("refreshToken.tokens.refreshToken")
		for _, generation := range []uint64{r.Generation, r.Generation + 1, r.Generation + 2} { // parent, current, next
			forged := token.Secret(e2e.Secret).RefreshToken(r.Session, salt, generation)
			mario.Ask(`mutation ($t: String!) { verifyToken(input: {token: $t}) { valid } }`, e2e.Vars{"t": forged}).Ok().Equals("verifyToken.valid", false)
			mario.RefreshWith(forged).HasUserErrors("refreshToken", "TOKEN_INVALID@refreshToken")
		}
		mario.RefreshToken = again

		s.Clock.Advance(time.Minute)
		dropped := s.AnotherNode("LATCHKEY_SECRET=" + e2e.NextSecret)
		mario.Env, luigi.Env = dropped, dropped
		if !mario.SignedIn() || !luigi.SignedIn() {
			t.Fatal("the keys are still sealed with the previous secret")
		}
		luigi.Refresh().HasUserErrors("refreshToken", "TOKEN_INVALID@refreshToken")
		if mario.Refresh().Ok(); !mario.SignedIn() {
			t.Fatal("the session does not go on")
		}
		if luigi.Env = changed; luigi.Refresh().Ok() == nil || !luigi.SignedIn() {
			t.Fatal("a refusal ended the session")
		}
	})
}

// keyID returns the byte by which a refresh token names its secret.
func keyID(t *testing.T, refresh string) byte {
	t.Helper()
	r, ok := token.ParseRefresh(refresh)
	if !ok {
		t.Fatal("not a refresh token")
	}
	return r.KeyID
}

// TestSecretRotationOnTwoNodes checks that two nodes accept each other's tokens while the secret is changed on one
// after the other, as docs/operations.md describes it.
func TestSecretRotationOnTwoNodes(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		first, second := "LATCHKEY_SECRET="+e2e.Secret, "LATCHKEY_SECRET="+e2e.NextSecret
		a := s.AnotherNode(first, "LATCHKEY_SECRET_PREVIOUS="+e2e.NextSecret)
		b := s.AnotherNode(second, "LATCHKEY_SECRET_PREVIOUS="+e2e.Secret)
		s.Stop()
		mario := a.Register("mario")
		for _, node := range []*e2e.Env{b, a, b, b, a} {
			parent := mario.RefreshToken
			mario.Env = node
			child := mario.Refresh().Ok().Text("refreshToken.tokens.refreshToken")
			for _, replay := range []*e2e.Env{a, b} {
				mario.Env = replay
				mario.RefreshWith(parent).Ok().Equals("refreshToken.tokens.refreshToken", child)
			}
		}
		next := a.RotateKey("--secret-previous", e2e.NextSecret)
		s.Clock.Advance(5 * time.Minute)
		e2e.SyncKeys(a, b)
		for _, node := range []*e2e.Env{a, b} {
			mario.Env = node
			if mario.Refresh().Ok(); mario.KeyID() != next || !mario.SignedIn() {
				t.Fatal("the nodes do not share a key")
			}
		}
		mario.Env = s.AnotherNode(second, "LATCHKEY_SECRET_PREVIOUS="+e2e.Secret)
		mario.Refresh().Ok()
		if mario.Env = s.AnotherNode(second); !mario.SignedIn() {
			t.Fatal("the last node to start does not seal the keys")
		}
		mario.Refresh().Ok()
	})
}

// TestSecretWrong checks that a server does not start with a wrong secret.
func TestSecretWrong(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		twin := e2e.NextSecret
		for token.Secret(twin).KeyID() != token.Secret(e2e.Secret).KeyID() {
			twin += "x"
		}
		s.Stop()
		for want, settings := range map[string][]string{
			"neither LATCHKEY_SECRET nor LATCHKEY_SECRET_PREVIOUS is the secret of this database": {
				"LATCHKEY_SECRET=" + e2e.NextSecret},
			"the previous secret is the same as the current one": {
				"LATCHKEY_SECRET=" + e2e.Secret, "LATCHKEY_SECRET_PREVIOUS=" + e2e.Secret},
			"the previous secret has the same key id": {"LATCHKEY_SECRET=" + twin, "LATCHKEY_SECRET_PREVIOUS=" + e2e.Secret},
			"LATCHKEY_SECRET_PREVIOUS: the secret repeats itself": {
				"LATCHKEY_SECRET=" + e2e.Secret, "LATCHKEY_SECRET_PREVIOUS=" + strings.Repeat("x", 32)},
		} {
			// Another algorithm would create a key, which must not be sealed with a wrong secret.
			printed := s.StartError(append(settings, "LATCHKEY_SIGNING_ALG=ES256")...)
			if !strings.Contains(printed, want) || strings.Contains(printed, "\n") {
				t.Errorf("want %q, have %q", want, printed)
			}
		}
		if s.AnotherNode(); s.Count("signing_keys") != 1 {
			t.Error("a server that did not start made a key")
		}
	})
}

// TestSecretFileRotation checks that the steps of docs/operations.md change the secret in the file beside SQLite.
func TestSecretFileRotation(t *testing.T) {
	database := storetest.SQLite(t)
	s := e2e.Start(t, database, "LATCHKEY_SECRET=")
	file := filepath.Join(filepath.Dir(strings.TrimPrefix(database, "sqlite:")), "latchkey.secret")
	mario := s.Register("mario")
	parent := mario.RefreshToken
	child := mario.Refresh().Ok().Text("refreshToken.tokens.refreshToken")
	s.Stop()
	if err := os.Rename(file, file+".old"); err != nil {
		t.Fatal(err)
	}
	if printed := s.StartError(); !strings.Contains(printed, "latchkey.secret is missing") {
		t.Fatal(printed)
	}
	if _, err := os.Stat(file); err == nil {
		t.Fatal("a secret was made that opens nothing")
	}
	for range 2 {
		mario.Env = s.AnotherNode("LATCHKEY_SECRET=", "LATCHKEY_SECRET_PREVIOUS_FILE="+file+".old")
		mario.RefreshWith(parent).Ok().Equals("refreshToken.tokens.refreshToken", child)
	}
	mario.RefreshWith(child).Ok()
	mario.Env = s.AnotherNode("LATCHKEY_SECRET=")
	if mario.Refresh().Ok(); !mario.SignedIn() {
		t.Fatal("signed out by the change")
	}
}

// TestSessionsRevokedAfterRestore checks that restore-cut revokes each session created before it, on all nodes.
func TestSessionsRevokedAfterRestore(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		other := s.AnotherNode()
		var before []*e2e.Client
		for _, name := range []string{"mario", "luigi"} {
			before = append(before, s.Register(name))
		}
		s.Clock.Advance(time.Microsecond)
		cut := s.Clock.Now().UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano)
		sentence := "Every session created before " + cut + " is revoked.\n"
		if printed := s.Run("restore-cut"); printed != sentence {
			t.Fatalf("it prints %q", printed)
		}
		after := s.SignIn("mario")
		for _, node := range []*e2e.Env{s, other} {
			for _, c := range before {
				c.Env = node
				c.Ask(`{ me { id } }`, nil).FailsWith("UNAUTHENTICATED", "REVOKED")
				c.RefreshWith(c.RefreshToken).HasUserErrors("refreshToken", "TOKEN_INVALID@refreshToken")
			}
			if after.Env = node; !after.SignedIn() {
				t.Fatal("a session begun since is over")
			}
			after.Refresh().Ok()
		}
		if printed := s.Run("restore-cut"); printed != sentence {
			t.Fatalf("the second time it prints %q", printed)
		}
		s.Clock.Advance(-time.Hour)
		if printed := s.Run("restore-cut"); printed != sentence {
			t.Fatalf("with a clock gone back it says %q", printed)
		}
		s.Clock.Advance(time.Hour)
		if !after.SignedIn() || before[0].SignedIn() {
			t.Fatal("the cut moved")
		}
	})
}

// TestKeyRetireConcurrent checks that two concurrent retirements leave one signing key.
func TestKeyRetireConcurrent(t *testing.T) {
	e2e.EachStrict(t, func(t *testing.T, s *e2e.Env) {
		for range 5 {
			if _, err := s.Server.Service().Keys.Rotate(t.Context(), account.Operator); err != nil {
				t.Fatal(err)
			}
			keys, err := s.Server.Service().Keys.List(t.Context())
			if err != nil || len(keys) != 2 {
				t.Fatalf("%v %v", keys, err)
			}
			retired := make([]bool, len(keys))
			e2e.Concurrently(len(keys), func(i int) {
				_, err := s.Server.Service().Keys.Retire(t.Context(), account.Operator, keys[i].ID)
				retired[i] = err == nil
			})
			if n := s.Count("signing_keys"); n != 1 || retired[0] == retired[1] {
				t.Fatalf("%d keys are left: %v", n, retired)
			}
		}
	})
}
