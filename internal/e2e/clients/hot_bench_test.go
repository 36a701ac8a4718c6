package clients

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"latchkey/internal/e2e"
	"latchkey/internal/store/storetest"
)

// BenchmarkHot measures the handling of a request, from its headers to its response, without the network. The
// allocations are about the same on every machine: .ci/allocs limits them.
func BenchmarkHot(b *testing.B) {
	storetest.Each(b, func(b *testing.B, url string) {
		s := e2e.Start(b, url, "LATCHKEY_LOG_LEVEL=info", "LATCHKEY_METRICS_LISTEN=127.0.0.1:0")
		mario := s.Register("mario")
		for i := range 50 {
			s.Exec(fmt.Sprintf(`INSERT INTO users (id, username, username_key, email_verified, name, role, status,
				password_hash, epoch, created_at) VALUES ('user_%[1]d', 'toad%[1]d', 'toad%[1]d', 0=1, '', 'MEMBER',
				'ACTIVE', '', 0, 0)`, i))
			s.Exec(fmt.Sprintf(`INSERT INTO profiles (id, user_id, username, username_key, description,
				description_key, location, location_key, is_organizer, date_joined, updated_on) VALUES ('profile_%[1]d',
				'user_%[1]d', 'toad%[1]d', 'toad%[1]d', 'I keep jumping', '', 'Rome', 'rome', 1=1, %[1]d, %[1]d)`, i))
		}
		for _, request := range []struct {
			name, document string
			variables      e2e.Vars
		}{
			{"me", `{ me { id username email role createdAt profile { id description location isOrganizer } } }`, nil},
			{"profile", `query ($id: ID!) { profile(id: $id) {
				id username description location isOrganizer dateJoined updatedOn } }`, e2e.Vars{"id": mario.ProfileID}},
			{"page", `query ($first: Int) { profiles(first: $first) { edges { node { id username description location
				isOrganizer dateJoined updatedOn } } pageInfo { hasNextPage endCursor } } }`, e2e.Vars{"first": 50}},
			{"updateProfile", `mutation ($id: ID!, $in: ProfileInput!) { updateProfile(id: $id, input: $in) {
				profile { id location updatedOn } userErrors { code } } }`,
				e2e.Vars{"id": mario.ProfileID, "in": e2e.Vars{"location": "Rome"}}},
		} {
			b.Run(request.name, func(b *testing.B) {
				ask, body := directHandler(mario, b), mustJSON(b, e2e.Vars{"query": request.document, "variables": request.variables})
				b.ReportAllocs()
				for b.Loop() {
					ask(body)
				}
			})
		}
		b.Run("refreshToken", func(b *testing.B) {
			const document = `mutation ($t: String!) { refreshToken(input: {refreshToken: $t}) {
				tokens { accessToken refreshToken } userErrors { code } } }`
			ask := directHandler(mario, b)
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				s.Clock.Advance(time.Second) // a session refreshes 60 times in a minute
				body := mustJSON(b, e2e.Vars{"query": document, "variables": e2e.Vars{"t": mario.RefreshToken}})
				b.StartTimer()
				body = ask(body)
				b.StopTimer()
				a := &e2e.Response{T: b, Body: body}
				if err := json.Unmarshal(body, a); err != nil {
					b.Fatal(err)
				}
				mario.UseTokens(a, "refreshToken")
				b.StartTimer()
			}
		})
	})
}

func mustJSON(t testing.TB, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// directHandler returns a function that sends a request as the client, without the network, and returns the response,
// which must have no error and no user error.
func directHandler(c *e2e.Client, t testing.TB) func(body []byte) []byte {
	r := httptest.NewRequest(http.MethodPost, "/graphql", nil)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+c.AccessToken)
	w := &recorder{header: http.Header{}}
	return func(body []byte) []byte {
		clear(w.header)
		w.body.Reset()
		r.Body = io.NopCloser(bytes.NewReader(body))
		c.Server.HTTP().Handler.ServeHTTP(w, r)
		if w.status != http.StatusOK || bytes.Contains(w.body.Bytes(), []byte(`"code":`)) {
			t.Fatalf("%d %s", w.status, w.body.Bytes())
		}
		return w.body.Bytes()
	}
}

// recorder keeps an answer.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) { r.status = status }

func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }
