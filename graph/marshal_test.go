package graph

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"

	"latchkey/graph/generated"
	"latchkey/internal/account"
	"latchkey/internal/page"
)

// bothWays runs an operation with and without fastMarshal.
type bothWays struct{ fast, generated *executor.Executor }

// members resolves the user, profiles and nodes.
type members struct{ answers }

func (members) Profile() generated.ProfileResolver { return &profileResolver{} }

func newBothWays(user *account.User, page *account.ProfileConnection) bothWays {
	pass := func(ctx context.Context, _ any, next graphql.Resolver, _ account.Role) (any, error) { return next(ctx) }
	schema := generated.NewExecutableSchema(generated.Config{
		Schema:     schemaWithoutDefer(),
		Directives: generated.DirectiveRoot{Auth: pass},
		Resolvers: members{answers{
			me:       func(context.Context) (*account.User, error) { return user, nil },
			profiles: func(context.Context, *int) (*account.ProfileConnection, error) { return page, nil },
			node: func(_ context.Context, id account.ID) (account.Node, error) {
				if id == user.ID {
					return user, nil
				}
				return user.Profile, nil
			},
		}},
	})
	both := bothWays{executor.New(schema), executor.New(schema)}
	both.fast.Use(fastMarshal{})
	return both
}

// agree fails the test unless both responses are the same byte for byte, and returns the response.
func (w bothWays) agree(t *testing.T, user *account.User, document string, variables map[string]any) string {
	t.Helper()
	answer := func(exec *executor.Executor) string {
		ctx := context.WithValue(t.Context(), callerKey{}, &requestAuth{caller: &account.Caller{User: user}})
		ctx = graphql.StartOperationTrace(ctx)
		operation, errs := exec.CreateOperationContext(ctx, &graphql.RawParams{Query: document, Variables: variables})
		if errs != nil {
			t.Fatalf("%s: %v", document, errs)
		}
		respond, ctx := exec.DispatchOperation(ctx, operation)
		response := respond(ctx)
		return fmt.Sprint(string(response.Data), response.Errors)
	}
	fast, byGenerated := answer(w.fast), answer(w.generated)
	if fast != byGenerated {
		t.Errorf("%s %v\nfast      %s\ngenerated %s", document, variables, fast, byGenerated)
	}
	return fast
}

func memberNamed(name string) *account.User {
	at := time.Date(2026, 11, 25, 12, 0, 0, 120_000, time.UTC)
	return &account.User{
		ID: "user_1", Username: name, Email: &name, EmailVerified: true, Name: name, Role: account.Member,
		Status: account.Active, CreatedAt: at, LastLoginAt: &at,
		Profile: &account.Profile{
			ID: "profile_1", UserID: "user_1", Username: name, Description: name, Location: "Rome", IsOrganizer: true,
			DateJoined: at, UpdatedOn: at.Add(time.Hour),
		},
	}
}

func listOf(users ...*account.User) *account.ProfileConnection {
	var profiles []*account.Profile
	for _, user := range users {
		profiles = append(profiles, user.Profile)
	}
	page := account.NewProfileConnection(profiles, account.Selection{}, page.Key("a key for cursors"))
	page.HasNext = true
	return page
}

// TestFastMarshal selects fields in all ways that a document can.
func TestFastMarshal(t *testing.T) {
	mario, luigi := memberNamed("mario"), memberNamed(`lu"igi\`+"\n\x01\u2028é")
	luigi.Profile.UserID = "user_2"
	ways := newBothWays(mario, listOf(mario, luigi))
	for _, c := range []struct {
		document  string
		variables map[string]any
		says      string
	}{
		{`{ me { id username } }`, nil, `"username":"mario"`},
		{`{ me { a: id b: id id __typename t: __typename } }`, nil, `"t":"User"`},
		{`{ me { email pendingEmail emailVerified name role status createdAt lastLoginAt } }`, nil, `"pendingEmail":null`},
		{`{ me { profile { viewerCanUpdate } profile { id } } }`, nil, `{"viewerCanUpdate":true,"id":`},
		{`{ me { ...A } } fragment A on User { id ...B } fragment B on Node { id ... on User { name } }`, nil, `"name"`},
		{`{ me { ... on Node { id } ... { name } ... on User @skip(if: true) { email } } }`, nil, `"name"`},
		{`query ($yes: Boolean!) { me { id @skip(if: $yes) name @include(if: $yes) } }`, map[string]any{"yes": true}, `{"name"`},
		{`query ($yes: Boolean!) { me { id @skip(if: $yes) name @include(if: $yes) } }`, map[string]any{"yes": false}, `{"id"`},
		{`query ($yes: Boolean!) { me { profile @skip(if: $yes) { id } name @skip(if: $yes) } }`, map[string]any{"yes": true}, `{}`},
		{`{ node(id: "user_1") { id __typename ... on User { name } ... on Profile { location } } }`, nil, `"User"`},
		{`{ node(id: "profile_1") { id __typename ... on User { name } ... on Profile { location } } }`, nil, `"Rome"`},
		{`{ profiles { nodes { username description viewerCanUpdate } } }`, nil, `"viewerCanUpdate":false`},
		{`{ profiles { edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }`, nil, `"endCursor":"`},
		{`{ profiles { edges { __typename } nodes { __typename } pageInfo { __typename } __typename } }`, nil, `"ProfileEdge"`},
		{`{ profile(id: "profile_1") { id } }`, nil, `null`},
	} {
		if answer := ways.agree(t, mario, c.document, c.variables); !strings.Contains(answer, c.says) {
			t.Errorf("%s: want %s in %s", c.document, c.says, answer)
		}
	}
	empty := newBothWays(mario, listOf())
	empty.agree(t, mario, `{ profiles { edges { cursor } nodes { id } pageInfo { startCursor endCursor } } }`, nil)
	mario.Profile, mario.LastLoginAt, mario.Email = nil, nil, nil
	ways.agree(t, mario, `{ me { email lastLoginAt profile { id } } }`, nil)
}

// resolved are the fields that are left to the generated code.
var resolved = []string{"User.sessions", "ProfileConnection.totalCount"}

// TestFastMarshalIsComplete fails for a new field of the schema that fastMarshal does not know, which costs time.
func TestFastMarshalIsComplete(t *testing.T) {
	schema := schemaWithoutDefer()
	for name, known := range marshalled() {
		for _, field := range schema.Types[name].Fields {
			if !slices.Contains(known, field.Name) && !slices.Contains(resolved, name+"."+field.Name) {
				t.Errorf("%s.%s is neither marshalled here nor left to the generated code", name, field.Name)
			}
		}
	}
}

// marshalled returns the fields that fastMarshal knows, by type.
func marshalled() map[string][]string {
	names := map[string][]string{}
	add(names, userFields)
	add(names, profileFields)
	add(names, connectionFields)
	add(names, edgeFields)
	add(names, pageInfoFields)
	return names
}

func add[T any](names map[string][]string, k *objectType[T]) {
	for name := range k.fields {
		names[k.name] = append(names[k.name], name)
	}
	slices.Sort(names[k.name])
}

// FuzzFastMarshal selects random fields of users with random names and compares both responses.
func FuzzFastMarshal(f *testing.F) {
	f.Add([]byte{}, "mario")
	f.Add([]byte("0123456789 abcdefghijklmnopqrstuvwxyz"), "lu\"igi\\\x00\xff")
	fields := marshalled()
	inside := map[string]string{"User.profile": "Profile", "ProfileConnection.edges": "ProfileEdge",
		"ProfileConnection.nodes": "Profile", "ProfileConnection.pageInfo": "PageInfo", "ProfileEdge.node": "Profile"}
	f.Fuzz(func(t *testing.T, choices []byte, name string) {
		choose := func(n int) int {
			if len(choices) == 0 {
				return 0
			}
			c := int(choices[0])
			choices = choices[1:]
			return c % n
		}
		var selection func(of string) string
		selection = func(of string) string {
			text := "{ __typename "
			for range choose(6) {
				field := fields[of][choose(len(fields[of]))]
				selected := field
				if choose(3) == 1 {
					selected = fmt.Sprintf("a%s%d: %s", field, choose(2), field)
				}
				if child := inside[of+"."+field]; child != "" {
					selected += selection(child)
				}
				switch choose(5) {
				case 1:
					selected = "... on " + of + " { " + selected + " }"
				case 2:
					selected = "... @include(if: false) { " + selected + " }"
				case 3:
					selected = "... @skip(if: false) { " + selected + " }"
				}
				text += selected + " "
			}
			return text + "}"
		}
		user := memberNamed(name)
		newBothWays(user, listOf(user, user)).agree(t, user, "{ me "+selection("User")+" profiles "+
			selection("ProfileConnection")+" }", nil)
	})
}
