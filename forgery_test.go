package main

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"latchkey/internal/account"
	"latchkey/internal/store"
	"latchkey/internal/store/storetest"
	"latchkey/internal/token"
)

// forger makes access tokens out of a genuine one and what the server publishes. The key is the forger's own.
type forger struct {
	t               testing.TB
	genuine         string
	header, payload string
	signature       string
	public          []byte
	own             ed25519.PrivateKey
}

// forger returns somebody who has seen the client's access token and the site's public key.
func (c *client) forger() *forger {
	c.t.Helper()
	f := &forger{t: c.t, genuine: c.access, own: ed25519.NewKeyFromSeed([]byte(testSecret)[:ed25519.SeedSize])}
	segments := strings.Split(c.access, ".")
	if len(segments) != 3 {
		c.t.Fatalf("%d segments", len(segments))
	}
	f.header, f.payload, f.signature = f.decode(segments[0]), f.decode(segments[1]), segments[2]
	response, err := http.Get(c.address + "/.well-known/jwks.json")
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	var set struct{ Keys []struct{ X string } }
	if err := json.NewDecoder(response.Body).Decode(&set); err != nil || len(set.Keys) != 1 {
		c.t.Fatalf("%d keys, %v", len(set.Keys), err)
	}
	f.public = []byte(f.decode(set.Keys[0].X))
	return f
}

func (f *forger) decode(segment string) string {
	f.t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(segment)
	if err != nil {
		f.t.Fatal(err)
	}
	return string(text)
}

// unsigned returns the first two segments of a token and the dot behind them.
func (f *forger) unsigned(header, payload string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(header)) + "." + encode([]byte(payload)) + "."
}

// kept puts the genuine signature behind other segments.
func (f *forger) kept(header, payload string) string {
	return f.unsigned(header, payload) + f.signature
}

// signed signs with the forger's own key.
func (f *forger) signed(header, payload string) string {
	text := f.unsigned(header, payload)
	return text + base64.RawURLEncoding.EncodeToString(ed25519.Sign(f.own, []byte(text[:len(text)-1])))
}

// authenticated makes an HS256 token with a key that is no secret.
func (f *forger) authenticated(header, payload string, key []byte) string {
	text := f.unsigned(header, payload)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text[:len(text)-1]))
	return text + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// with returns text with one part replaced, which must be there once.
func (f *forger) with(text, old, new string) string {
	f.t.Helper()
	if strings.Count(text, old) != 1 {
		f.t.Fatalf("%s is not once in %s", old, text)
	}
	return strings.Replace(text, old, new, 1)
}

// member adds a member in front of the others.
func (f *forger) member(text, member string) string { return f.with(text, `{`, `{`+member+`,`) }

// insider signs with the site's own key, as only somebody with its secret and its database can.
func (s *site) insider() *token.Issuer {
	s.t.Helper()
	var ring *token.KeySet
	s.aside(func(tx *store.Tx) error {
		kept, err := tx.SigningKeys(s.t.Context())
		if err != nil {
			return err
		}
		key, err := token.OpenKey(token.Secret(testSecret), kept[0].ID, kept[0].Alg, kept[0].CreatedAt, kept[0].Sealed)
		if err != nil {
			return err
		}
		ring, err = token.NewKeySet([]*token.Key{key}, key.ID)
		return err
	})
	return token.NewIssuer("http://localhost:8080", ring, s.clock.Now)
}

func TestForgedTokensOpenNothing(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		mario, luigi := s.register("mario"), s.register("luigi")
		sameSecret := serve(t, storetest.SQLite(t))
		otherSecret := serve(t, storetest.SQLite(t), "LATCHKEY_SECRET="+nextSecret)
		cursor := mario.ask(`{ profiles(first: 1) { pageInfo { endCursor } } }`, nil).ok().text("profiles.pageInfo.endCursor")
		f := mario.forger()
		header, payload, hs256 := f.header, f.payload, f.with(f.header, "EdDSA", "HS256")
		ofLuigi := f.with(payload, mario.userID, luigi.userID)
		later := f.with(payload, `"exp":`, `"exp":9`)
		now := s.clock.Now()
		claims := token.Claims{
			Subject: mario.userID, SessionID: mario.sessionID(), ID: "x", IssuedAt: now, ExpiresAt: now.Add(time.Minute),
		}
		insider := func(change func(*token.Claims)) string {
			c := claims
			change(&c)
			text, err := s.insider().Issue(c)
			if err != nil {
				t.Fatal(err)
			}
			return text
		}
		before := mario.row()
		for _, row := range []struct{ name, access, reason string }{
			{"another subject", f.kept(header, ofLuigi), "INVALID"},
			{"a later expiry", f.kept(header, later), "INVALID"},
			{"unsigned", f.unsigned(header, payload), "INVALID"},
			{"alg none, unsigned", f.unsigned(f.with(header, "EdDSA", "none"), payload), "INVALID"},
			{"alg nOnE, unsigned", f.unsigned(f.with(header, "EdDSA", "nOnE"), payload), "INVALID"},
			{"alg none, the signature kept", f.kept(f.with(header, "EdDSA", "none"), payload), "INVALID"},
			{"alg a list", f.kept(f.with(header, `"EdDSA"`, `["EdDSA","none"]`), payload), "INVALID"},
			{"alg twice", f.kept(f.member(header, `"alg":"none"`), payload), "INVALID"},
			{"HS256 with the public key", f.authenticated(hs256, ofLuigi, f.public), "INVALID"},
			{"HS256 with an empty key", f.authenticated(hs256, ofLuigi, nil), "INVALID"},
			{"HS256 with the kid as key", f.authenticated(hs256, ofLuigi, []byte(mario.kid())), "INVALID"},
			{"a key of one's own", f.signed(header, ofLuigi), "INVALID"},
			{"a key and a kid of one's own", f.signed(f.with(header, mario.kid(), "mine"), ofLuigi), "INVALID"},
			{"a key of one's own in jwk", f.signed(f.member(header, `"jwk":{"kty":"OKP","crv":"Ed25519","x":"`+
				base64.RawURLEncoding.EncodeToString(f.own.Public().(ed25519.PublicKey))+`"}`), ofLuigi), "INVALID"},
			{"a key of one's own at jku", f.signed(f.member(header, `"jku":"`+s.address+`/jwks.json"`), ofLuigi), "INVALID"},
			{"kid a path", f.authenticated(f.with(hs256, mario.kid(), "/dev/null"), ofLuigi, nil), "INVALID"},
			{"kid an SQL text", f.authenticated(f.with(hs256, mario.kid(), "x' UNION SELECT ''--"), ofLuigi, nil), "INVALID"},
			{"crit", f.kept(f.member(header, `"crit":["b64"],"b64":false`), payload), "INVALID"},
			{"typ JWT", f.kept(f.with(header, "at+jwt", "JWT"), payload), "INVALID"},
			{"sub twice", f.kept(header, f.member(payload, `"sub":"`+luigi.userID+`"`)), "INVALID"},
			{"payload spaced otherwise", f.kept(header, payload+" "), "INVALID"},
			{"with padding", f.genuine + "=", "INVALID"},
			{"cut", f.genuine[:len(f.genuine)-8], "INVALID"},
			{"longer", f.genuine + "AAAA", "INVALID"},
			{"much longer", f.genuine + strings.Repeat("A", 8<<10), "INVALID"},
			{"a tab inside", f.genuine[:20] + "\t" + f.genuine[20:], "INVALID"},
			{"a space inside", f.genuine[:20] + " " + f.genuine[20:], "INVALID"},
			{"not UTF-8", f.genuine + "\xff", "INVALID"},
			{"a BOM before", "\ufeff" + f.genuine, "INVALID"},
			{"in quotes", `"` + f.genuine + `"`, "INVALID"},
			{"two with a comma", f.genuine + "," + luigi.access, "INVALID"},
			{"its scheme twice", "Bearer " + f.genuine, "INVALID"},
			{"two segments", f.genuine[:strings.LastIndexByte(f.genuine, '.')], "INVALID"},
			{"four segments", f.genuine + ".AAAA", "INVALID"},
			{"five segments as of JWE", f.genuine + ".AAAA.AAAA", "INVALID"},
			{"as JSON", `{"payload":"e30","protected":"e30","signature":"` + f.signature + `"}`, "INVALID"},
			{"dots", "..", "INVALID"},
			{"a refresh token", mario.refresh, "INVALID"},
			{"a cursor", cursor, "INVALID"},
			{"an id", mario.userID, "INVALID"},
			{"of a server with the same secret", sameSecret.register("mario").access, "INVALID"},
			{"of a server with another secret", otherSecret.register("mario").access, "INVALID"},

			// What only somebody with the secret and the database can make still goes by the session.
			{"another subject, genuinely signed", insider(func(c *token.Claims) { c.Subject = luigi.userID }), "INVALID"},
			{"no subject that there is, genuinely signed",
				insider(func(c *token.Claims) { c.Subject = string(account.NewID(account.UserKind, now)) }), "INVALID"},
			{"no session that there is, genuinely signed",
				insider(func(c *token.Claims) { c.SessionID = string(account.NewID(account.SessionKind, now)) }), "REVOKED"},
			{"the subject as session, genuinely signed",
				insider(func(c *token.Claims) { c.SessionID = mario.userID }), "REVOKED"},
			{"issued in the future, genuinely signed",
				insider(func(c *token.Claims) { c.IssuedAt = now.Add(time.Hour) }), "INVALID"},
			{"expired, genuinely signed", insider(func(c *token.Claims) { c.ExpiresAt = now }), "EXPIRED"},
		} {
			forged := s.anonymous()
			forged.access = row.access
			a := forged.ask(`{ me { id } }`, nil)
			if a.Status != http.StatusOK || a.get("me") != nil || len(a.Errors) != 1 ||
				a.Errors[0].Extensions.Code != "UNAUTHENTICATED" || a.Errors[0].Extensions.Reason != row.reason {
				t.Errorf("%s: %d %s", row.name, a.Status, a.Body)
			}
			if len(row.access) > 2 && strings.Contains(string(a.Body), row.access) {
				t.Errorf("%s: the answer tells the token", row.name)
			}
		}
		if mario.row() != before || s.count("sessions") != 2 {
			t.Error("a forgery changed a session")
		}
		if strings.Contains(s.said(), f.signature) {
			t.Error("the log holds a signature")
		}
		genuine := s.anonymous()
		genuine.access = insider(func(*token.Claims) {})
		if !genuine.alive() || !mario.alive() || !luigi.alive() {
			t.Fatal("a genuine token is refused")
		}
		if mario.renew().ok(); !mario.alive() {
			t.Fatal("the session does not go on")
		}
	})
}

// TestATokenIsRefusedBesideAnother: one header with one token, or none of them counts (RFC 6750, section 2).
func TestATokenIsRefusedBesideAnother(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		mario, luigi := s.register("mario"), s.register("luigi")
		ask := func(headers ...string) *http.Request {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.address+"/graphql",
				strings.NewReader(`{"query":"{ me { id } }"}`))
			if err != nil {
				t.Fatal(err)
			}
			r.Header["Content-Type"], r.Header["Authorization"] = []string{"application/json"}, headers
			return r
		}
		nobody := s.anonymous()
		nobody.send(ask("Bearer "+mario.access, "Bearer "+luigi.access)).fails("UNAUTHENTICATED", "INVALID")
		nobody.send(ask("Bearer "+mario.access, "Bearer "+mario.access)).fails("UNAUTHENTICATED", "INVALID")
		nobody.send(ask("Basic "+mario.access)).fails("UNAUTHENTICATED", "INVALID")
		nobody.send(ask(mario.access)).fails("UNAUTHENTICATED", "INVALID")
		nobody.send(ask("Bearer "+mario.access)).ok().is("me.id", mario.userID)

		response, err := http.DefaultClient.Do(ask("Bearer " + mario.access + strings.Repeat("A", 32<<10)))
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != http.StatusRequestHeaderFieldsTooLarge || strings.Contains(string(body), "AAAA") {
			t.Errorf("32 KB of header: %d %s %v", response.StatusCode, body, err)
		}
		if !mario.alive() {
			t.Fatal("the session does not go on")
		}
	})
}

// TestTokensThatWereGenuine end with their key or their user, and take nobody else's along.
func TestTokensThatWereGenuine(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		mario, luigi := s.register("mario"), s.register("luigi")
		luigi.ask(`mutation { deleteMe(input: {currentPassword: "i-keep-jumping"}) { userErrors { code } } }`, nil).ok()
		luigi.ask(`{ me { id } }`, nil).fails("UNAUTHENTICATED", "REVOKED")
		again := s.register("luigi") // the name is free, the id is not
		luigi.ask(`{ me { id } }`, nil).fails("UNAUTHENTICATED", "REVOKED")
		if !mario.alive() || !again.alive() {
			t.Fatal("somebody else is signed out")
		}

		retired, old := mario.kid(), *mario
		s.rotate()
		s.does("keys", "retire", retired)
		tend(s)
		old.ask(`{ me { id } }`, nil).fails("UNAUTHENTICATED", "INVALID")
		if mario.renew().ok(); !mario.alive() || mario.kid() == retired {
			t.Fatal("the session does not go on")
		}
		f := mario.forger()
		old.access = f.kept(f.with(f.header, mario.kid(), retired), f.payload)
		old.ask(`{ me { id } }`, nil).fails("UNAUTHENTICATED", "INVALID")
	})
}
