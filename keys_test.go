package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/config"
	"latchkey/internal/store/storetest"
	"latchkey/internal/token"
)

const nextSecret = "ZYXWVUTSRQPONMLKJIHGFEDCBA9876543210"

// signedBy returns the algorithm and the key ID that an access token names.
func (c *client) signedBy() (alg, kid string) {
	c.t.Helper()
	segment, _, _ := strings.Cut(c.access, ".")
	text, err := base64.RawURLEncoding.DecodeString(segment)
	var header struct{ Alg, Kid string }
	if err := errors.Join(err, json.Unmarshal(text, &header)); err != nil {
		c.t.Fatal(err)
	}
	return header.Alg, header.Kid
}

func (c *client) kid() string {
	c.t.Helper()
	_, kid := c.signedBy()
	return kid
}

// renewed returns the client after a refresh.
func (c *client) renewed() *client {
	c.t.Helper()
	c.renew().ok()
	return c
}

// published returns the IDs of the keys that a site publishes, newest first.
func (s *site) published() (ids []string) {
	s.t.Helper()
	response, err := http.Get(s.address + "/.well-known/jwks.json")
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	if have := response.Header.Get("Cache-Control"); have != "public, max-age=60" {
		s.t.Errorf("Cache-Control: %s", have)
	}
	var set struct{ Keys []struct{ Kid string } }
	if err := json.NewDecoder(response.Body).Decode(&set); err != nil {
		s.t.Fatal(err)
	}
	for _, k := range set.Keys {
		ids = append(ids, k.Kid)
	}
	return ids
}

// tend lets each site bring its keys up to date.
func tend(sites ...*site) {
	for _, s := range sites {
		s.t.Helper()
		if err := s.server.service.Keys.Sync(s.t.Context()); err != nil {
			s.t.Fatal(err)
		}
	}
}

// command runs the program on the site's database and clock, and returns what it prints. It logs where the site does.
func (s *site) command(args ...string) (printed string, err error) {
	s.t.Helper()
	return s.commandWith("", args...)
}

// commandWith also types something.
func (s *site) commandWith(typed string, args ...string) (printed string, err error) {
	s.t.Helper()
	var stdout bytes.Buffer
	var stderr io.Writer = os.Stderr
	if s.log != nil {
		stderr = s.log
	}
	env := []string{"LATCHKEY_DATABASE_URL=" + s.database, "LATCHKEY_SECRET=" + testSecret}
	err = run(s.t.Context(), args, env, strings.NewReader(typed), &stdout, stderr, s.clock.Now)
	return stdout.String(), err
}

// does demands that a command succeeds.
func (s *site) does(args ...string) string {
	s.t.Helper()
	printed, err := s.command(args...)
	if err != nil {
		s.t.Fatal(err)
	}
	return printed
}

// declines demands that a command fails and says why, in one line.
func (s *site) declines(why string, args ...string) {
	s.t.Helper()
	printed, err := s.command(args...)
	if err == nil || !strings.Contains(err.Error(), why) || strings.Contains(err.Error(), "\n") || printed != "" {
		s.t.Fatalf("%q: want %q, have %v %s", args, why, err, printed)
	}
}

// rotate makes the next key and returns its ID.
func (s *site) rotate(settings ...string) string {
	s.t.Helper()
	kid, _, _ := strings.Cut(s.does(append([]string{"keys", "rotate"}, settings...)...), " ")
	return kid
}

// refusesToStart returns why no server starts on the site's database.
func (s *site) refusesToStart(settings ...string) string {
	s.t.Helper()
	c, err := config.Read(nil, append(settings, "LATCHKEY_LISTEN=127.0.0.1:0", "LATCHKEY_DATABASE_URL="+s.database))
	if err != nil {
		return err.Error()
	}
	server, err := open(s.t.Context(), c, slog.New(slog.DiscardHandler), s.clock.Now)
	if err == nil {
		server.close()
		s.t.Fatal("it started")
	}
	return err.Error()
}

func TestTheNextKeyIsKnownEverywhereBeforeItSigns(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		other := s.another("LATCHKEY_ACCESS_TOKEN_TTL=15m")
		mario := s.register("mario")
		first := mario.kid()
		if have := other.published(); !slices.Equal(have, []string{first}) {
			t.Fatalf("published at first: %v", have)
		}
		s.clock.advance(time.Minute)
		from := s.clock.Now().Add(5 * time.Minute)
		said := s.does("keys", "rotate")
		next, _, _ := strings.Cut(said, " ")
		if said != next+" signs from "+from.UTC().Format(time.RFC3339)+".\n" {
			t.Fatalf("rotate says %q", said)
		}
		tend(s, other)
		for _, node := range []*site{s, other} {
			if have := node.published(); !slices.Equal(have, []string{next, first}) {
				t.Fatalf("published after the rotation: %v", have)
			}
		}
		s.clock.advance(5*time.Minute - time.Microsecond)
		tend(s, other)
		if mario.renew().ok(); mario.kid() != first {
			t.Fatal("the next key signs before its time")
		}
		old := *mario
		s.clock.advance(time.Microsecond)
		tend(s)
		if mario.renew().ok(); mario.kid() != next {
			t.Fatal("the next key does not sign at its time")
		}
		luigi := other.register("luigi")
		if luigi.kid() != first {
			t.Fatal("the other node has not looked yet")
		}
		mario.site, luigi.site = other, s
		if !mario.alive() || !luigi.alive() {
			t.Fatal("a node does not know the other's key")
		}
		tend(other)
		if mario.renew().ok(); mario.kid() != next {
			t.Fatal("the other node did not follow")
		}
		s.clock.advance(15*time.Minute - 2*time.Second)
		tend(s, other)
		for _, node := range []*site{s, other} {
			if old.site = node; !old.alive() {
				t.Fatal("the rotation ended an access token")
			}
		}
		s.clock.advance(2 * time.Second)
		old.ask(`{ me { id } }`, nil).fails("UNAUTHENTICATED", "EXPIRED")
		luigi.renew().ok()
		mario.renew().ok()
	}, "LATCHKEY_ACCESS_TOKEN_TTL=15m")
}

func TestKeysAreReplacedWhenTheyAreOld(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		other := s.another("LATCHKEY_SIGNING_KEY_MAX_AGE=24h")
		first := s.register("mario").kid()
		s.clock.advance(24*time.Hour - time.Microsecond)
		if tend(s, other); s.count("signing_keys") != 1 {
			t.Fatal("replaced too soon")
		}
		s.clock.advance(time.Microsecond)
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				if err := []*site{s, other}[i%2].server.service.Keys.Sync(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		tend(s, other)
		published := s.published()
		if len(published) != 2 || published[1] != first || !slices.Equal(other.published(), published) {
			t.Fatalf("two nodes at once made %v and %v", published, other.published())
		}
		s.clock.advance(5 * time.Minute)
		tend(s, other)
		if kid := s.signIn("mario").kid(); kid != published[0] {
			t.Fatal("the next key does not sign")
		}
		s.clock.advance(time.Hour - time.Microsecond)
		if tend(s, other); len(s.published()) != 2 {
			t.Fatal("the old key is removed too soon")
		}
		s.clock.advance(time.Microsecond)
		tend(s, other)
		for _, node := range []*site{s, other} {
			if have := node.published(); !slices.Equal(have, published[:1]) {
				t.Fatalf("published at last: %v", have)
			}
		}
		if other.signIn("mario").kid() != published[0] || s.count("signing_keys") != 1 {
			t.Fatal("the wrong key is removed")
		}
	}, "LATCHKEY_SIGNING_KEY_MAX_AGE=24h")
}

func TestRetiringAKeySignsNobodyOut(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		other := s.another()
		mario := s.register("mario")
		first := mario.kid()
		s.declines("the only signing key cannot be retired", "keys", "retire", first)
		next := s.rotate()
		s.declines("there is no signing key", "keys", "retire", next[1:]+"A")
		s.clock.advance(time.Minute)
		tend(s, other)
		mario.site = other
		if !mario.alive() {
			t.Fatal("a failed command did something")
		}
		if said := s.does("keys", "retire", first); !strings.HasSuffix(said, next+" signs.\n") {
			t.Fatalf("retire says %q", said)
		}
		tend(s, other)
		for _, node := range []*site{s, other} {
			mario.site = node
			mario.ask(`{ me { id } }`, nil).fails("UNAUTHENTICATED", "INVALID")
			if have := node.published(); !slices.Equal(have, []string{next}) {
				t.Fatalf("published: %v", have)
			}
		}
		if mario.renew().ok(); mario.kid() != next || !mario.alive() {
			t.Fatal("the session does not go on")
		}

		// One that does not sign goes without a trace, and one that has signed leaves the signer alone.
		unused := s.rotate()
		if said := s.does("keys", "retire", unused); !strings.HasSuffix(said, next+" signs.\n") {
			t.Fatalf("retire says %q", said)
		}
		tend(s, other)
		if mario.renew().ok(); mario.kid() != next || len(s.published()) != 1 {
			t.Fatal("retiring the next key changed the signer")
		}

		// When the signer goes the next one signs, not the one before.
		third := s.rotate()
		s.clock.advance(5 * time.Minute)
		fourth := s.rotate()
		if said := s.does("keys", "retire", third); !strings.HasSuffix(said, fourth+" signs.\n") {
			t.Fatalf("retire says %q", said)
		}
		tend(s, other)
		if mario.renew().ok(); mario.kid() != fourth || !slices.Equal(other.published(), []string{fourth, next}) {
			t.Fatal("the old key signs again")
		}

		// And when an old one goes, the signer and the next one stay what they are.
		s.rotate()
		s.does("keys", "retire", next)
		tend(s, other)
		if mario.renew().ok(); mario.kid() != fourth || len(s.published()) != 2 {
			t.Fatal("retiring an old key changed the signer")
		}
	})
}

func TestRotationInEveryAlgorithm(t *testing.T) {
	for _, alg := range []string{"EdDSA", "ES256", "RS256", "HS256"} {
		t.Run(alg, func(t *testing.T) {
			onEach(t, func(t *testing.T, s *site) {
				mario := s.register("mario")
				before := *mario
				s.clock.advance(time.Second)
				next := s.rotate("--signing-alg", alg)
				s.clock.advance(5 * time.Minute)
				tend(s)
				mario.renew().ok()
				if signed, kid := mario.signedBy(); signed != alg || kid != next || kid == before.kid() || !mario.alive() {
					t.Fatalf("signed with %s by %s", signed, kid)
				}
				want := []string{next, before.kid()}
				if alg == "HS256" {
					want = nil
				}
				if have := s.published(); !slices.Equal(have, want) {
					t.Fatalf("published: %v", have)
				}
				restarted := s.another("LATCHKEY_SIGNING_ALG=" + alg)
				if mario.site = restarted; !mario.alive() {
					t.Fatal("a restart forgets the key")
				}
			}, "LATCHKEY_SIGNING_ALG="+alg)
		})
	}
}

func TestAnotherAlgorithmOverlapsToo(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		mario := s.register("mario")
		first := mario.kid()
		other := s.another("LATCHKEY_SIGNING_ALG=ES256")
		tend(s)
		if mario.site = other; mario.renewed().kid() != first || !mario.alive() || len(s.published()) != 2 {
			t.Fatal("the new algorithm does not wait until it is known")
		}
		s.clock.advance(5 * time.Minute)
		tend(s, other)
		if mario.renew(); mario.kid() == first || !mario.alive() {
			t.Fatal("the new algorithm does not sign")
		}
		if alg, _ := mario.signedBy(); alg != "ES256" {
			t.Fatalf("it signs with %s", alg)
		}
		if mario.site = s; !mario.alive() || mario.renewed().kid() != first {
			t.Fatal("a node that still has the old setting goes on with the old key")
		}
		s.stop()
		s.clock.advance(time.Hour)
		tend(other)
		if mario.site = other; mario.renew().ok() == nil || len(other.published()) != 1 {
			t.Fatal("the key of the old algorithm stays")
		}
	})
}

func TestTheCommandsOfKeys(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		first := s.register("mario").kid()
		made := s.clock.Now()
		s.clock.advance(time.Minute)
		second := s.rotate()
		s.clock.advance(10 * time.Minute)
		third := s.rotate()
		at := func(d time.Duration) string { return made.Add(d).UTC().Format(time.RFC3339) }
		rows := [][]string{
			{"KID", "ALGORITHM", "MADE", "SIGNS", "FROM", "STATE"},
			{first, "EdDSA", at(0), at(0), "old"},
			{second, "EdDSA", at(time.Minute), at(6 * time.Minute), "signing"},
			{third, "EdDSA", at(11 * time.Minute), at(16 * time.Minute), "next"},
		}
		lines := strings.Split(strings.TrimSuffix(s.does("keys", "list"), "\n"), "\n")
		if len(lines) != len(rows) {
			t.Fatalf("the table is %q", lines)
		}
		for i, line := range lines {
			if have := strings.Fields(line); !slices.Equal(have, rows[i]) {
				t.Errorf("row %d is %q, want %q", i, have, rows[i])
			}
		}

		for _, hyphens := range []string{"-", "--"} {
			s.declines("there is no signing key", "keys", "retire", hyphens+strings.Repeat("A", 41), "--signing-alg", "EdDSA")
		}
		const wrong = "wrong-secret-wrong-secret-0123456789"
		s.declines("is the secret of this database", "keys", "rotate", "--secret", wrong)
		s.declines("needs the whole KID", "keys", "retire")
		s.declines("needs the whole KID", "keys", "retire", "--", first[:10])
		if _, err := s.command("keys", "retire", "--secret="+wrong); err == nil || strings.Contains(err.Error(), wrong) {
			t.Errorf("a setting in place of the KID: %v", err)
		}
		for _, args := range [][]string{
			{"keys"}, {"keys", "lost"}, {wrong}, {""}, {"restore"}, {"keys", "list", first}, {"restore-cut", "now"},
			{"keys", "retire", first, "--color", "red"}, {"serve", wrong}, {"keys", "rotate", "--secret"}, {"--" + wrong},
			{"keys", "retire", wrong + "!"}, {"keys", "retire", "--secret-previous-file"},
		} {
			printed, err := s.command(args...)
			if _, ok := errors.AsType[usage](err); !ok || printed != "" || strings.Contains(err.Error(), wrong) ||
				exitCode(err) != 2 {
				t.Errorf("%q: %v %s", args, err, printed)
			}
		}
		if s.count("signing_keys") != 3 {
			t.Error("a refused command did something")
		}
	})
}

func TestCommandsNeedADatabaseInUse(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		s := &site{t: t, database: url, clock: &clock{now: time.Now()}}
		for _, args := range [][]string{{"keys", "list"}, {"keys", "rotate"}, {"restore-cut"}} {
			if printed, err := s.command(args...); err == nil || printed != "" {
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

func TestTheSecretChangesAndNobodyIsSignedOut(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		mario, luigi := s.register("mario"), s.register("luigi")
		const page = `query ($after: String) { profiles(first: 1, after: $after) { pageInfo { endCursor } } }`
		cursor := mario.ask(page, nil).ok().text("profiles.pageInfo.endCursor")
		parent := mario.refresh
		child := mario.renew().ok().text("refreshToken.tokens.refreshToken")
		old := s.another("LATCHKEY_SECRET="+testSecret, "LATCHKEY_SECRET_PREVIOUS="+nextSecret)

		changed := s.another("LATCHKEY_SECRET="+nextSecret, "LATCHKEY_SECRET_PREVIOUS="+testSecret)
		mario.site, luigi.site = changed, changed
		if !mario.alive() || !luigi.alive() {
			t.Fatal("the change ended an access token")
		}
		mario.present(parent).ok().is("refreshToken.tokens.refreshToken", child)
		grandchild := mario.present(child).ok().text("refreshToken.tokens.refreshToken")
		if keyID(t, grandchild) != token.Secret(nextSecret).KeyID() || keyID(t, child) != token.Secret(testSecret).KeyID() {
			t.Fatal("the next generation is not computed with the current secret")
		}
		for _, node := range []*site{changed, old, changed} {
			mario.site = node
			mario.present(child).ok().is("refreshToken.tokens.refreshToken", grandchild)
		}
		mario.site = s // which does not know the secret of the child it would have to give
		mario.present(child).mistakes("refreshToken", "TOKEN_INVALID@refreshToken")
		mario.site = changed
		mario.ask(page, vars{"after": cursor}).fails("BAD_USER_INPUT")

		// Whoever has the old secret and the database can compute nothing that takes over a session that has moved on.
		r, _ := token.ParseRefresh(grandchild)
		var salt []byte
		id := account.IDOf(account.SessionKind, r.Session)
		if err := s.db().QueryRow(`SELECT salt FROM sessions WHERE id = $1`, string(id)).Scan(&salt); err != nil {
			t.Fatal(err)
		}
		again := mario.present(grandchild).ok().text("refreshToken.tokens.refreshToken")
		for _, generation := range []uint64{r.Generation, r.Generation + 1, r.Generation + 2} { // parent, current, next
			forged := token.Secret(testSecret).RefreshToken(r.Session, salt, generation)
			mario.ask(`mutation ($t: String!) { verifyToken(input: {token: $t}) { valid } }`, vars{"t": forged}).ok().is("verifyToken.valid", false)
			mario.present(forged).mistakes("refreshToken", "TOKEN_INVALID@refreshToken")
		}
		mario.refresh = again

		s.clock.advance(time.Minute)
		dropped := s.another("LATCHKEY_SECRET=" + nextSecret)
		mario.site, luigi.site = dropped, dropped
		if !mario.alive() || !luigi.alive() {
			t.Fatal("the keys are still sealed with the previous secret")
		}
		luigi.renew().mistakes("refreshToken", "TOKEN_INVALID@refreshToken")
		if mario.renew().ok(); !mario.alive() {
			t.Fatal("the session does not go on")
		}
		if luigi.site = changed; luigi.renew().ok() == nil || !luigi.alive() {
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

// TestNodesThatDisagreeForAWhile has two nodes between which the secret is changed in turns, as the manual says.
func TestNodesThatDisagreeForAWhile(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		first, second := "LATCHKEY_SECRET="+testSecret, "LATCHKEY_SECRET="+nextSecret
		a := s.another(first, "LATCHKEY_SECRET_PREVIOUS="+nextSecret)
		b := s.another(second, "LATCHKEY_SECRET_PREVIOUS="+testSecret)
		s.stop()
		mario := a.register("mario")
		for _, node := range []*site{b, a, b, b, a} {
			parent := mario.refresh
			mario.site = node
			child := mario.renew().ok().text("refreshToken.tokens.refreshToken")
			for _, replay := range []*site{a, b} {
				mario.site = replay
				mario.present(parent).ok().is("refreshToken.tokens.refreshToken", child)
			}
		}
		next := a.rotate("--secret-previous", nextSecret)
		s.clock.advance(5 * time.Minute)
		tend(a, b)
		for _, node := range []*site{a, b} {
			mario.site = node
			if mario.renew().ok(); mario.kid() != next || !mario.alive() {
				t.Fatal("the nodes do not share a key")
			}
		}
		mario.site = s.another(second, "LATCHKEY_SECRET_PREVIOUS="+testSecret)
		mario.renew().ok()
		if mario.site = s.another(second); !mario.alive() {
			t.Fatal("the last node to start does not seal the keys")
		}
		mario.renew().ok()
	})
}

func TestAWrongSecretStopsTheServer(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		twin := nextSecret
		for token.Secret(twin).KeyID() != token.Secret(testSecret).KeyID() {
			twin += "x"
		}
		s.stop()
		for want, settings := range map[string][]string{
			"neither LATCHKEY_SECRET nor LATCHKEY_SECRET_PREVIOUS is the secret of this database": {
				"LATCHKEY_SECRET=" + nextSecret},
			"the previous secret is the same as the current one": {
				"LATCHKEY_SECRET=" + testSecret, "LATCHKEY_SECRET_PREVIOUS=" + testSecret},
			"the previous secret has the same key id": {"LATCHKEY_SECRET=" + twin, "LATCHKEY_SECRET_PREVIOUS=" + testSecret},
			"LATCHKEY_SECRET_PREVIOUS: the secret repeats itself": {
				"LATCHKEY_SECRET=" + testSecret, "LATCHKEY_SECRET_PREVIOUS=" + strings.Repeat("x", 32)},
		} {
			// Another algorithm would make a key, which must not be sealed with a wrong secret.
			said := s.refusesToStart(append(settings, "LATCHKEY_SIGNING_ALG=ES256")...)
			if !strings.Contains(said, want) || strings.Contains(said, "\n") {
				t.Errorf("want %q, have %q", want, said)
			}
		}
		if s.another(); s.count("signing_keys") != 1 {
			t.Error("a server that did not start made a key")
		}
	})
}

// TestTheSecretFileChanges follows the manual for the secret that was made beside SQLite.
func TestTheSecretFileChanges(t *testing.T) {
	database := storetest.SQLite(t)
	s := serve(t, database, "LATCHKEY_SECRET=")
	file := filepath.Join(filepath.Dir(strings.TrimPrefix(database, "sqlite:")), "latchkey.secret")
	mario := s.register("mario")
	parent := mario.refresh
	child := mario.renew().ok().text("refreshToken.tokens.refreshToken")
	s.stop()
	if err := os.Rename(file, file+".old"); err != nil {
		t.Fatal(err)
	}
	if said := s.refusesToStart(); !strings.Contains(said, "latchkey.secret is missing") {
		t.Fatal(said)
	}
	if _, err := os.Stat(file); err == nil {
		t.Fatal("a secret was made that opens nothing")
	}
	for range 2 {
		mario.site = s.another("LATCHKEY_SECRET=", "LATCHKEY_SECRET_PREVIOUS_FILE="+file+".old")
		mario.present(parent).ok().is("refreshToken.tokens.refreshToken", child)
	}
	mario.present(child).ok()
	mario.site = s.another("LATCHKEY_SECRET=")
	if mario.renew().ok(); !mario.alive() {
		t.Fatal("signed out by the change")
	}
}

func TestTheCutAfterRestoringABackup(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		other := s.another()
		var before []*client
		for _, name := range []string{"mario", "luigi"} {
			before = append(before, s.register(name))
		}
		s.clock.advance(time.Microsecond)
		cut := s.clock.Now().UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano)
		sentence := "Every session begun before " + cut + " is over.\n"
		if said := s.does("restore-cut"); said != sentence {
			t.Fatalf("it says %q", said)
		}
		after := s.signIn("mario")
		for _, node := range []*site{s, other} {
			for _, c := range before {
				c.site = node
				c.ask(`{ me { id } }`, nil).fails("UNAUTHENTICATED", "REVOKED")
				c.present(c.refresh).mistakes("refreshToken", "TOKEN_INVALID@refreshToken")
			}
			if after.site = node; !after.alive() {
				t.Fatal("a session begun since is over")
			}
			after.renew().ok()
		}
		if said := s.does("restore-cut"); said != sentence {
			t.Fatalf("the second time it says %q", said)
		}
		s.clock.advance(-time.Hour)
		if said := s.does("restore-cut"); said != sentence {
			t.Fatalf("with a clock gone back it says %q", said)
		}
		s.clock.advance(time.Hour)
		if !after.alive() || before[0].alive() {
			t.Fatal("the cut moved")
		}
	})
}

// TestTwoRetirements leaves one key, however the two meet.
func TestTwoRetirements(t *testing.T) {
	onEachStrict(t, func(t *testing.T, s *site) {
		for range 5 {
			if _, err := s.server.service.Keys.Rotate(t.Context()); err != nil {
				t.Fatal(err)
			}
			keys, err := s.server.service.Keys.List(t.Context())
			if err != nil || len(keys) != 2 {
				t.Fatalf("%v %v", keys, err)
			}
			retired := make([]bool, len(keys))
			together(len(keys), func(i int) {
				_, err := s.server.service.Keys.Retire(t.Context(), keys[i].ID)
				retired[i] = err == nil
			})
			if n := s.count("signing_keys"); n != 1 || retired[0] == retired[1] {
				t.Fatalf("%d keys are left: %v", n, retired)
			}
		}
	})
}
