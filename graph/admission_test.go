package graph

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"latchkey/graph/generated"
	"latchkey/internal/account"
)

// The limits of package gqlhttp.
const (
	maxQueries          = 64
	maxScanQueries      = 4
	admissionTimeout    = 5 * time.Second
	maxResponse         = 4 << 20
	maxText             = 400_000
	maxPendingBytes     = 64 << 20
	maxPendingPerClient = 8 << 20
	msgTooManyPending   = "Too many large responses are being sent. Select less, or try again in a moment."
)

// TestPendingResponses requests more long responses than the budgets allow, for one user and for all, without reading
// them, and then reads them.
func TestPendingResponses(t *testing.T) {
	const long, ofUser, all = maxResponse / 2, maxPendingPerClient/(maxResponse/2) - 1, maxPendingBytes/(maxResponse/2) - 1
	const ofAddress = maxPendingPerClient / maxText
	someone := &account.User{
		ID: "user_1", Username: strings.Repeat("x", long), Role: account.Member, Status: account.Active,
		Profile: &account.Profile{ID: "profile_1"},
	}
	answers := signedIn
	answers.me = func(context.Context) (*account.User, error) { return someone, nil }
	acted := 0
	answers.obtainToken = func(context.Context, account.ObtainTokenInput) (*generated.ObtainTokenPayload, error) {
		acted++
		return &generated.ObtainTokenPayload{User: someone, UserErrors: []*account.Error{}}, nil
	}
	handler := NewHandler(answers.schema(), Options{Log: slog.New(slog.DiscardHandler)})
	as := func(user int) context.Context {
		return context.WithValue(t.Context(), callerKey{}, &requestAuth{tokenUserID: account.ID(fmt.Sprint("user_", user))})
	}
	const me, info = "{me{username}}", "{serverInfo{registration}}"
	const signIn = `mutation{obtainToken(input:{identifier:\"a\",password:\"b\"}){user{username}}}`
	telling := strings.Replace(signIn, "username", "username profile{"+aliases(maxText/40_000, "description")+"}", 1)
	answered := func(user int, query, part string) {
		t.Helper()
		if w := serve(as(user), handler, query); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), part) {
			t.Errorf("user %d, %s: %d %.200s", user, query, w.Code, w.Body)
		}
	}
	refused := func(user int, query string) {
		t.Helper()
		w := serve(as(user), handler, query)
		const want = `{"errors":[{"message":"` + msgTooManyPending + `","extensions":{"code":"RATE_LIMITED","retryAfter":1}}]}` + "\n"
		if w.Body.String() != want || w.Header().Get("Retry-After") != "1" {
			t.Errorf("user %d: %v %.200s", user, w.Header(), w.Body)
		}
	}
	writing, reading := make(chan bool), make(chan bool)
	var served sync.WaitGroup
	read := sync.OnceFunc(func() { close(reading); served.Wait() })
	defer read()
	leave := func(user int, query string) { // before the answer is read
		served.Go(func() {
			handler.ServeHTTP(&slowWriter{httptest.NewRecorder(), writing, reading}, asking(as(user), query))
		})
		<-writing
	}

	for range ofUser {
		leave(0, me)
	}
	for range ofUser + 1 { // what is rejected reserves nothing
		refused(0, me)
	}
	answered(0, info, "OPEN")
	answered(0, signIn, someone.Username)
	answered(1, me, someone.Username)
	for range ofAddress {
		leave(0, telling)
	}
	refused(1, telling) // from the same address
	answered(1, signIn, someone.Username)
	if want := 1 + ofAddress + 1; acted != want {
		t.Errorf("%d mutations were made, want %d", acted, want)
	}
	for n := range all - ofUser {
		leave(1+n/ofUser, me)
	}
	refused(all, me)
	answered(all, info, "OPEN")

	read()
	for user := range all {
		answered(user, me, someone.Username)
	}
	answered(1, telling, someone.Username)
}

// TestQueriesWait checks that queries above the limit wait, and mutations do not.
func TestQueriesWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		working := make(chan bool)
		answers := signedIn
		answers.me = func(ctx context.Context) (*account.User, error) {
			<-working
			return signedIn.me(ctx)
		}
		handler := NewHandler(answers.schema(), Options{Log: slog.New(slog.DiscardHandler)})
		const me, info = "{me{username}}", "{serverInfo{registration}}"
		const signIn = `mutation{obtainToken(input:{identifier:\"a\",password:\"b\"}){userErrors{code}}}`
		ask := func(query string) string { return serve(t.Context(), handler, query).Body.String() }
		var crowd sync.WaitGroup
		for range maxQueries {
			crowd.Go(func() { ask(me) })
		}
		synctest.Wait()
		began := time.Now()
		search := `{profiles(filter:{search:\"x\"}){nodes{id}}}`
		for i, query := range slices.Concat([]string{info}, slices.Repeat([]string{search}, maxScanQueries+1)) {
			answer := ask(query)
			if !strings.Contains(answer, `"code":"RATE_LIMITED","retryAfter":1`) ||
				time.Since(began) != time.Duration(i+1)*admissionTimeout {
				t.Errorf("after %s: %s", time.Since(began), answer)
			}
		}
		if answer := ask(signIn); strings.Contains(answer, "errors") {
			t.Error(answer)
		}
		working <- true // one leaves
		if answer := ask(info); !strings.Contains(answer, "OPEN") {
			t.Error(answer)
		}
		close(working)
		crowd.Wait()
		if answer := ask(search); strings.Contains(answer, "errors") {
			t.Error(answer)
		}
	})
}

// TestScansAreFew checks that few scans run at the same time, and that other queries do not wait for them.
func TestScansAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		searching := make(chan bool)
		answers := signedIn
		answers.profiles = func(ctx context.Context, first *int) (*account.ProfileConnection, error) {
			<-searching
			return signedIn.profiles(ctx, first)
		}
		handler := NewHandler(answers.schema(), Options{Log: slog.New(slog.DiscardHandler)})
		ask := func(query string) string { return serve(t.Context(), handler, query).Body.String() }
		var crowd sync.WaitGroup
		var refused atomic.Int32
		for _, query := range []string{`{profiles(filter:{search:\"x\"}){nodes{id}}}`, "{profiles{totalCount}}"} {
			for range maxScanQueries {
				crowd.Go(func() {
					if strings.Contains(ask(query), "RATE_LIMITED") {
						refused.Add(1)
					}
				})
			}
		}
		synctest.Wait()
		if answer := ask("{me{username}}"); strings.Contains(answer, "errors") {
			t.Error(answer)
		}
		time.Sleep(admissionTimeout)
		synctest.Wait()
		close(searching)
		crowd.Wait()
		if n := refused.Load(); n != maxScanQueries {
			t.Errorf("%d were refused, want %d", n, maxScanQueries)
		}
		if answer := ask(`{profiles(filter:{search:\"x\"}){nodes{id}}}`); strings.Contains(answer, "errors") {
			t.Error(answer)
		}
	})
}

// slowWriter is a response that its client reads once reading is closed.
type slowWriter struct {
	*httptest.ResponseRecorder
	writing chan<- bool
	reading <-chan bool
}

func (u *slowWriter) Write(p []byte) (int, error) {
	u.writing <- true
	<-u.reading
	return len(p), nil
}
