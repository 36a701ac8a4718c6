package sessions

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"latchkey/internal/e2e"
)

// The settings of the model, so short that a story reaches all limits.
const (
	modelAccess = 2 * time.Minute
	modelIdle   = 10 * time.Minute
	modelLimit  = 25 * time.Minute
)

var modelSettings = []string{
	"LATCHKEY_ACCESS_TOKEN_TTL=" + modelAccess.String(),
	"LATCHKEY_REFRESH_IDLE_TTL=" + modelIdle.String(),
	"LATCHKEY_SESSION_TTL=" + modelLimit.String(),
	"LATCHKEY_REFRESH_GRACE=" + grace.String(),
}

// TestRefreshModel checks that the server answers random sequences of user actions, stolen tokens, clock changes and
// restarts as a model predicts.
func TestRefreshModel(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		named := 0
		rapid.Check(t, func(t *rapid.T) {
			w := &world{T: t, env: s, latest: s.Clock.Now()}
			for range 2 {
				named++
				p := &person{name: fmt.Sprintf("mario%d", named), password: e2e.Password}
				w.people = append(w.people, p)
				w.begin(p, s.Register(p.name))
			}
			t.Repeat(map[string]func(*rapid.T){
				"":                   w.check,
				"tick":               w.tick,
				"present":            w.present,
				"present at an edge": w.presentAtAnEdge,
				"refresh too much":   w.refreshTooMuch,
				"sign in":            w.signIn,
				"sign out":           w.signOut,
				"changePassword":     w.changePassword,
				"restart": func(*rapid.T) {
					s.Stop()
					s = s.AnotherNode(modelSettings...)
					w.env = s
				},
			})
			for _, f := range w.families {
				for _, a := range f.access {
					w.use(f, a)
				}
			}
		})
	}, modelSettings...)
}

// world is the state of the model, and the server whose responses it predicts.
type world struct {
	*rapid.T
	env      *e2e.Env
	latest   time.Time // the furthest that the clock has come
	people   []*person
	families []*family
	hurried  bool
}

type person struct {
	name, password string
	epoch          int
}

// family is a session and all tokens it ever had.
type family struct {
	owner               *person
	epoch               int
	refresh             []string // by generation
	access              []access
	begun, used, turned time.Time // turned is when the newest refresh token was created
	ended               bool
	refreshes           int // since counted
	counted             time.Time
}

type access struct {
	token   string
	expires time.Time
}

func (w *world) now() time.Time { return w.env.Clock.Now().UTC().Truncate(microsecond) }

func (f *family) end() time.Time { return earliest(f.used.Add(modelIdle), f.begun.Add(modelLimit)) }

func (f *family) lives(now time.Time) bool {
	return !f.ended && f.epoch == f.owner.epoch && now.Before(f.end())
}

// begin records a new session of a client.
func (w *world) begin(owner *person, c *e2e.Client) {
	now := w.now()
	f := &family{owner: owner, epoch: owner.epoch, begun: now, used: now, turned: now, counted: now}
	f.refresh = append(f.refresh, c.RefreshToken)
	w.families = append(w.families, f)
	w.grant(f, c)
}

// grant notes an access token that a client was given.
func (w *world) grant(f *family, c *e2e.Client) {
	expires := earliest(w.now().Add(modelAccess), f.end()).Truncate(time.Second)
	f.access = append(f.access, access{c.AccessToken, expires})
}

// tick moves the clock, mostly on and sometimes a little back.
func (w *world) tick(t *rapid.T) {
	d := rapid.SampledFrom([]time.Duration{
		time.Second, grace / 2, time.Minute, modelAccess, modelIdle / 2, modelIdle, -time.Second, -2 * skew,
	}).Draw(t, "duration")
	w.moveTo(t, w.now().Add(d))
}

// moveTo moves the clock. Further back than this, access tokens would count as coming from the future.
func (w *world) moveTo(t *rapid.T, now time.Time) {
	if now.Before(w.latest.Add(-50 * time.Second)) {
		t.Skip("too far back")
	}
	w.env.Clock.Set(now)
	if now.After(w.latest) {
		w.latest = now
	}
}

// fate is the result of using a refresh token.
type fate string

const (
	isRefused fate = "refused"
	endsAll   fate = "refused, and the session ends"
	isLimited fate = "too many"
	givesSame fate = "the same child"
	givesNext fate = "the next pair"
)

// foretell returns the result according to the table of transitions.
func (w *world) foretell(f *family, generation int) fate {
	now, newest := w.now(), len(f.refresh)-1
	since := now.Sub(f.turned)
	switch {
	case !f.lives(now):
		return isRefused
	case generation == newest-1 && since < -skew:
		return isRefused
	case generation < newest-1, generation == newest-1 && since >= grace:
		return endsAll
	case f.refreshes >= 60 && now.Before(f.counted.Add(time.Minute)):
		return isLimited
	case generation == newest-1:
		return givesSame
	}
	return givesNext
}

// present presents any token of any session.
func (w *world) present(t *rapid.T) {
	f := rapid.SampledFrom(w.families).Draw(t, "session")
	back := rapid.SampledFrom([]int{0, 1, 2, 5}).Draw(t, "generations back")
	w.exchange(f, max(0, len(f.refresh)-1-back))
}

// presentAtAnEdge presents a token at the moment when its fate changes, or just before.
func (w *world) presentAtAnEdge(t *rapid.T) {
	f := rapid.SampledFrom(w.families).Draw(t, "session")
	edge := rapid.SampledFrom([]time.Time{
		f.turned.Add(grace), f.turned.Add(-skew), f.end(), f.counted.Add(time.Minute), f.access[len(f.access)-1].expires,
	}).Draw(t, "edge")
	before := rapid.SampledFrom([]time.Duration{0, microsecond}).Draw(t, "before")
	back := rapid.SampledFrom([]int{1, 0}).Draw(t, "generations back")
	w.moveTo(t, edge.Add(-before))
	w.check(t)
	w.exchange(f, max(0, len(f.refresh)-1-back))
}

// refreshTooMuch goes beyond the limit of a minute, once in a life for the time that it takes.
func (w *world) refreshTooMuch(t *rapid.T) {
	if w.hurried {
		t.Skip("again")
	}
	w.hurried = true
	f := rapid.SampledFrom(w.families).Draw(t, "session")
	for range 61 {
		w.exchange(f, len(f.refresh)-1)
	}
}

// exchange refreshes with the token of a generation and checks the predicted response, also that of verifyToken.
func (w *world) exchange(f *family, generation int) {
	want := w.foretell(f, generation)
	c := w.env.Anonymous()
	verdict := c.Ask(`mutation ($t: String!) { verifyToken(input: {token: $t}) { valid } }`, e2e.Vars{"t": f.refresh[generation]})
	if valid := want == givesNext || want == givesSame || want == isLimited; verdict.Get("verifyToken.valid") != valid {
		w.Fatalf("generation %d: %s; verifyToken says %s", generation, want, verdict.Body)
	}
	a := c.RefreshWith(f.refresh[generation])
	have := isRefused
	switch {
	case len(a.Errors) > 0 && a.Errors[0].Extensions.Code == "RATE_LIMITED":
		have = isLimited
	case slices.Contains(f.refresh, c.RefreshToken) && c.RefreshToken == f.refresh[len(f.refresh)-1]:
		have = givesSame
	case c.RefreshToken != "" && !slices.Contains(f.refresh, c.RefreshToken):
		have = givesNext
	case a.Get("refreshToken.userErrors.0.code") != "TOKEN_INVALID":
		have = fate(a.Body)
	case want == endsAll:
		have = endsAll // which shows when its tokens are used
	}
	if have != want {
		w.Fatalf("generation %d of %d: want %s, have %s", generation, len(f.refresh)-1, want, have)
	}
	now := w.now()
	switch want {
	case endsAll:
		f.ended = true
	case givesNext:
		f.refresh = append(f.refresh, c.RefreshToken)
		f.used, f.turned = now, now
	}
	if want == givesNext || want == givesSame {
		if !now.Before(f.counted.Add(time.Minute)) {
			f.refreshes, f.counted = 0, now
		}
		f.refreshes++
		w.grant(f, c)
	}
}

// check uses the newest access token of every session.
func (w *world) check(*rapid.T) {
	for _, f := range w.families {
		w.use(f, f.access[len(f.access)-1])
	}
}

// use checks that an access token is accepted or rejected as predicted.
func (w *world) use(f *family, a access) {
	want := "accepted"
	switch now := w.now(); {
	case !now.Before(a.expires):
		want = "EXPIRED"
	case !f.lives(now):
		want = "REVOKED"
	}
	have := "accepted"
	c := &e2e.Client{Env: w.env, AccessToken: a.token}
	if answer := c.Ask(`{ me { username } }`, nil); len(answer.Errors) > 0 {
		have = answer.Errors[0].Extensions.Reason
	} else if answer.Get("me.username") != f.owner.name {
		have = string(answer.Body)
	}
	if have != want {
		w.Fatalf("an access token is %s, want %s", have, want)
	}
}

func (w *world) signIn(t *rapid.T) {
	if len(w.families) > 5 {
		t.Skip("enough sessions")
	}
	p := rapid.SampledFrom(w.people).Draw(t, "person")
	c := w.env.Anonymous()
	c.TrySignIn(p.name, p.password)
	w.begin(p, c)
}

// signOut ends a session by any of its tokens, or nothing.
func (w *world) signOut(t *rapid.T) {
	f := rapid.SampledFrom(w.families).Draw(t, "session")
	w.env.Anonymous().SignOut(rapid.SampledFrom(f.refresh).Draw(t, "token"))
	f.ended = true
}

func (w *world) changePassword(t *rapid.T) {
	f := rapid.SampledFrom(w.families).Draw(t, "session")
	a := f.access[len(f.access)-1]
	if now := w.now(); !f.lives(now) || !now.Before(a.expires) {
		t.Skip("signed out")
	}
	c := &e2e.Client{Env: w.env, AccessToken: a.token}
	renewed := fmt.Sprintf("i-keep-jumping-%d-times", f.owner.epoch)
	c.ChangePassword(f.owner.password, renewed)
	f.owner.epoch++
	f.owner.password = renewed
	w.begin(f.owner, c)
}
