package hostile

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
	"latchkey/internal/e2e"
	"latchkey/internal/store"
	"latchkey/internal/store/storetest"
	"latchkey/internal/token"
)

// forger creates access tokens from a genuine one and the public key of the server, with a key of its own.
type forger struct {
	t               testing.TB
	genuine         string
	header, payload string
	signature       string
	public          []byte
	own             ed25519.PrivateKey
}

// newForger returns a forger who knows an access token of the client and the public key of the server.
func newForger(c *e2e.Client) *forger {
	c.T.Helper()
	f := &forger{t: c.T, genuine: c.AccessToken, own: ed25519.NewKeyFromSeed([]byte(e2e.Secret)[:ed25519.SeedSize])}
	segments := strings.Split(c.AccessToken, ".")
	if len(segments) != 3 {
		c.T.Fatalf("%d segments", len(segments))
	}
	f.header, f.payload, f.signature = f.decode(segments[0]), f.decode(segments[1]), segments[2]
	response, err := http.Get(c.URL + "/.well-known/jwks.json")
	if err != nil {
		c.T.Fatal(err)
	}
	defer response.Body.Close()
	var set struct{ Keys []struct{ X string } }
	if err := json.NewDecoder(response.Body).Decode(&set); err != nil || len(set.Keys) != 1 {
		c.T.Fatalf("%d keys, %v", len(set.Keys), err)
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

// authenticated returns an HS256 token with a public key as its secret.
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

// newInsider signs with the server's key, which needs its secret and its database.
func newInsider(s *e2e.Env) *token.Issuer {
	s.T.Helper()
	var ring *token.KeySet
	s.InStore(func(tx *store.Tx) error {
		kept, err := tx.SigningKeys(s.T.Context())
		if err != nil {
			return err
		}
		key, err := token.OpenKey(token.Secret(e2e.Secret), kept[0].ID, kept[0].Alg, kept[0].CreatedAt, kept[0].Sealed)
		if err != nil {
			return err
		}
		ring, err = token.NewKeySet([]*token.Key{key}, key.ID)
		return err
	})
	return token.NewIssuer("http://localhost:8080", ring, s.Clock.Now)
}

// TestForgedAccessTokens checks that forged access tokens are rejected.
func TestForgedAccessTokens(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		mario, luigi := s.Register("mario"), s.Register("luigi")
		sameSecret := e2e.Start(t, storetest.SQLite(t))
		otherSecret := e2e.Start(t, storetest.SQLite(t), "LATCHKEY_SECRET="+e2e.NextSecret)
		cursor := mario.Ask(`{ profiles(first: 1) { pageInfo { endCursor } } }`, nil).Ok().Text("profiles.pageInfo.endCursor")
		f := newForger(mario)
		header, payload, hs256 := f.header, f.payload, f.with(f.header, "EdDSA", "HS256")
		ofLuigi := f.with(payload, mario.UserID, luigi.UserID)
		later := f.with(payload, `"exp":`, `"exp":9`)
		now := s.Clock.Now()
		claims := token.Claims{
			Subject: mario.UserID, SessionID: mario.SessionID(), ID: "x", IssuedAt: now, ExpiresAt: now.Add(time.Minute),
		}
		insider := func(change func(*token.Claims)) string {
			c := claims
			change(&c)
			text, err := newInsider(s).Issue(c)
			if err != nil {
				t.Fatal(err)
			}
			return text
		}
		before := mario.SessionRow()
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
			{"HS256 with the kid as key", f.authenticated(hs256, ofLuigi, []byte(mario.KeyID())), "INVALID"},
			{"a key of one's own", f.signed(header, ofLuigi), "INVALID"},
			{"a key and a kid of one's own", f.signed(f.with(header, mario.KeyID(), "mine"), ofLuigi), "INVALID"},
			{"a key of one's own in jwk", f.signed(f.member(header, `"jwk":{"kty":"OKP","crv":"Ed25519","x":"`+
				base64.RawURLEncoding.EncodeToString(f.own.Public().(ed25519.PublicKey))+`"}`), ofLuigi), "INVALID"},
			{"a key of one's own at jku", f.signed(f.member(header, `"jku":"`+s.URL+`/jwks.json"`), ofLuigi), "INVALID"},
			{"kid a path", f.authenticated(f.with(hs256, mario.KeyID(), "/dev/null"), ofLuigi, nil), "INVALID"},
			{"kid an SQL text", f.authenticated(f.with(hs256, mario.KeyID(), "x' UNION SELECT ''--"), ofLuigi, nil), "INVALID"},
			{"crit", f.kept(f.member(header, `"crit":["b64"],"b64":false`), payload), "INVALID"},
			{"typ JWT", f.kept(f.with(header, "at+jwt", "JWT"), payload), "INVALID"},
			{"sub twice", f.kept(header, f.member(payload, `"sub":"`+luigi.UserID+`"`)), "INVALID"},
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
			{"two with a comma", f.genuine + "," + luigi.AccessToken, "INVALID"},
			{"its scheme twice", "Bearer " + f.genuine, "INVALID"},
			{"two segments", f.genuine[:strings.LastIndexByte(f.genuine, '.')], "INVALID"},
			{"four segments", f.genuine + ".AAAA", "INVALID"},
			{"five segments as of JWE", f.genuine + ".AAAA.AAAA", "INVALID"},
			{"as JSON", `{"payload":"e30","protected":"e30","signature":"` + f.signature + `"}`, "INVALID"},
			{"dots", "..", "INVALID"},
			{"a refresh token", mario.RefreshToken, "INVALID"},
			{"a cursor", cursor, "INVALID"},
			{"an id", mario.UserID, "INVALID"},
			{"of a server with the same secret", sameSecret.Register("mario").AccessToken, "INVALID"},
			{"of a server with another secret", otherSecret.Register("mario").AccessToken, "INVALID"},

			// A token signed with the secret and the database still depends on the session.
			{"another subject, genuinely signed", insider(func(c *token.Claims) { c.Subject = luigi.UserID }), "INVALID"},
			{"no subject that there is, genuinely signed",
				insider(func(c *token.Claims) { c.Subject = string(account.NewID(account.UserKind, now)) }), "INVALID"},
			{"no session that there is, genuinely signed",
				insider(func(c *token.Claims) { c.SessionID = string(account.NewID(account.SessionKind, now)) }), "REVOKED"},
			{"the subject as session, genuinely signed",
				insider(func(c *token.Claims) { c.SessionID = mario.UserID }), "REVOKED"},
			{"issued in the future, genuinely signed",
				insider(func(c *token.Claims) { c.IssuedAt = now.Add(time.Hour) }), "INVALID"},
			{"expired, genuinely signed", insider(func(c *token.Claims) { c.ExpiresAt = now }), "EXPIRED"},
		} {
			forged := s.Anonymous()
			forged.AccessToken = row.access
			a := forged.Ask(`{ me { id } }`, nil)
			if a.Status != http.StatusOK || a.Get("me") != nil || len(a.Errors) != 1 ||
				a.Errors[0].Extensions.Code != "UNAUTHENTICATED" || a.Errors[0].Extensions.Reason != row.reason {
				t.Errorf("%s: %d %s", row.name, a.Status, a.Body)
			}
			if len(row.access) > 2 && strings.Contains(string(a.Body), row.access) {
				t.Errorf("%s: the answer tells the token", row.name)
			}
		}
		if mario.SessionRow() != before || s.Count("sessions") != 2 {
			t.Error("a forgery changed a session")
		}
		if strings.Contains(s.Logs(), f.signature) {
			t.Error("the log holds a signature")
		}
		genuine := s.Anonymous()
		genuine.AccessToken = insider(func(*token.Claims) {})
		if !genuine.SignedIn() || !mario.SignedIn() || !luigi.SignedIn() {
			t.Fatal("a genuine token is refused")
		}
		if mario.Refresh().Ok(); !mario.SignedIn() {
			t.Fatal("the session does not go on")
		}
	})
}

// TestAuthorizationHeaderRepeated checks that a request with several tokens or Authorization headers is unauthenticated
// (RFC 6750, section 2).
func TestAuthorizationHeaderRepeated(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		mario, luigi := s.Register("mario"), s.Register("luigi")
		ask := func(headers ...string) *http.Request {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/graphql",
				strings.NewReader(`{"query":"{ me { id } }"}`))
			if err != nil {
				t.Fatal(err)
			}
			r.Header["Content-Type"], r.Header["Authorization"] = []string{"application/json"}, headers
			return r
		}
		anonymous := s.Anonymous()
		anonymous.Send(ask("Bearer "+mario.AccessToken, "Bearer "+luigi.AccessToken)).FailsWith("UNAUTHENTICATED", "INVALID")
		anonymous.Send(ask("Bearer "+mario.AccessToken, "Bearer "+mario.AccessToken)).FailsWith("UNAUTHENTICATED", "INVALID")
		anonymous.Send(ask("Basic "+mario.AccessToken)).FailsWith("UNAUTHENTICATED", "INVALID")
		anonymous.Send(ask(mario.AccessToken)).FailsWith("UNAUTHENTICATED", "INVALID")
		anonymous.Send(ask("Bearer "+mario.AccessToken)).Ok().Equals("me.id", mario.UserID)

		response, err := http.DefaultClient.Do(ask("Bearer " + mario.AccessToken + strings.Repeat("A", 32<<10)))
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != http.StatusRequestHeaderFieldsTooLarge || strings.Contains(string(body), "AAAA") {
			t.Errorf("32 KB of header: %d %s %v", response.StatusCode, body, err)
		}
		if !mario.SignedIn() {
			t.Fatal("the session does not go on")
		}
	})
}

// TestFormerAccessTokens checks that access tokens end with their signing key or their user, and that other users stay
// signed in.
func TestFormerAccessTokens(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		mario, luigi := s.Register("mario"), s.Register("luigi")
		luigi.Ask(`mutation { deleteMe(input: {currentPassword: "i-keep-jumping"}) { userErrors { code } } }`, nil).Ok()
		luigi.Ask(`{ me { id } }`, nil).FailsWith("UNAUTHENTICATED", "REVOKED")
		again := s.Register("luigi") // the name is free, the id is not
		luigi.Ask(`{ me { id } }`, nil).FailsWith("UNAUTHENTICATED", "REVOKED")
		if !mario.SignedIn() || !again.SignedIn() {
			t.Fatal("another user is signed out")
		}

		retired, old := mario.KeyID(), *mario
		s.RotateKey()
		s.Run("keys", "retire", retired)
		e2e.SyncKeys(s)
		old.Ask(`{ me { id } }`, nil).FailsWith("UNAUTHENTICATED", "INVALID")
		if mario.Refresh().Ok(); !mario.SignedIn() || mario.KeyID() == retired {
			t.Fatal("the session does not go on")
		}
		f := newForger(mario)
		old.AccessToken = f.kept(f.with(f.header, mario.KeyID(), retired), f.payload)
		old.Ask(`{ me { id } }`, nil).FailsWith("UNAUTHENTICATED", "INVALID")
	})
}
