package clients

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/Khan/genqlient/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"latchkey/internal/e2e"
	"latchkey/internal/e2e/client"
)

// typed is a generated client, signed in or not.
type typed struct {
	*e2e.Env
	access string
}

// Do sends a request of the generated code.
func (c *typed) Do(r *http.Request) (*http.Response, error) {
	if c.access != "" {
		r.Header.Set("Authorization", "Bearer "+c.access)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	c.TrackTokens(body)
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, err
}

// refused fails the test unless the first error has the code and, unless it is "", the reason.
func (c *typed) refused(err error, code, reason string) {
	c.T.Helper()
	var list gqlerror.List
	if !errors.As(err, &list) {
		c.T.Fatalf("want %s %s, have %v", code, reason, err)
	}
	if is := list[0].Extensions; is["code"] != code || reason != "" && is["reason"] != reason {
		c.T.Fatalf("want %s %s, have %v", code, reason, is)
	}
}

// ok fails the test if there are errors or user errors.
func (c *typed) ok(err error, userErrors ...client.UserErrorFields) {
	c.T.Helper()
	if err != nil || len(userErrors) > 0 {
		c.T.Fatal(err, userErrors)
	}
}

// TestGoClient checks that a generated Go client goes through a complete session, as docs/clients.md describes it.
func TestGoClient(t *testing.T) {
	e2e.Each(t, func(t *testing.T, s *e2e.Env) {
		ctx, c := t.Context(), &typed{Env: s}
		api := graphql.NewClient(s.URL+"/graphql", c)
		usernames := []string{"yoshi", "toad", "peach", "mario", "luigi"}
		for _, username := range usernames {
			a, err := client.Register(ctx, api, username, e2e.Password, client.TokenDeliveryBody)
			c.ok(err, a.Register.UserErrors...)
		}
		again, err := client.Register(ctx, api, "mario", "short", client.TokenDeliveryBody)
		c.ok(err)
		var userErrors []string
		for _, userError := range again.Register.UserErrors {
			userErrors = append(userErrors, fmt.Sprint(userError.Code, userError.Field))
		}
		slices.Sort(userErrors)
		if want := []string{"TAKEN[username]", "TOO_SHORT[password]"}; !slices.Equal(userErrors, want) {
			t.Fatalf("want %v, have %v", want, userErrors)
		}
		_, err = client.Me(ctx, api)
		c.refused(err, "UNAUTHENTICATED", "MISSING")

		device := "terminal"
		signedIn, err := client.SignIn(ctx, api, "MARIO", e2e.Password, &device, client.TokenDeliveryBody)
		c.ok(err, signedIn.ObtainToken.UserErrors...)
		tokens := signedIn.ObtainToken.Tokens
		c.access = tokens.AccessToken
		me, err := client.Me(ctx, api)
		c.ok(err)
		if me.Me.Username != "mario" || me.Me.Role != client.RoleMember || me.Me.CreatedAt.Location() != time.UTC {
			t.Fatalf("he is %+v", me.Me)
		}

		var met []string
		size, after := 2, (*string)(nil)
		byName := client.ProfileOrder{Field: client.ProfileOrderFieldUsername, Direction: client.OrderDirectionDesc}
		for more := true; more; {
			page, err := client.People(ctx, api, &size, after, nil, &byName)
			c.ok(err)
			for _, edge := range page.Profiles.Edges {
				met = append(met, edge.Node.Username)
			}
			after, more = page.Profiles.PageInfo.EndCursor, page.Profiles.PageInfo.HasNextPage
		}
		if !slices.Equal(met, usernames) {
			t.Fatalf("the pages have %v", met)
		}

		own, place, story := me.Me.Profile.Id, "Rome", "A plumber"
		for _, change := range []client.ProfileInput{{Description: &story}, {Location: &place}} {
			changed, err := client.UpdateProfile(ctx, api, own, change)
			c.ok(err, changed.UpdateProfile.UserErrors...)
		}
		node, err := client.Again(ctx, api, own)
		c.ok(err)
		profile, is := (*node.Node).(*client.AgainNodeProfile)
		if !is || profile.Location != place || profile.Description != story || !profile.ViewerCanUpdate {
			t.Fatalf("his profile is %+v", *node.Node)
		}
		others, err := client.People(ctx, api, nil, nil, &client.ProfileFilter{Search: &usernames[0]}, nil)
		c.ok(err)
		_, err = client.UpdateProfile(ctx, api, others.Profiles.Edges[0].Node.Id, client.ProfileInput{Location: &place})
		c.refused(err, "FORBIDDEN", "")

		s.Clock.Advance(tokens.AccessTokenExpiresAt.Sub(s.Clock.Now()))
		_, err = client.Me(ctx, api)
		c.refused(err, "UNAUTHENTICATED", "EXPIRED")
		refreshed, err := client.Refresh(ctx, api, tokens.RefreshToken)
		c.ok(err, refreshed.RefreshToken.UserErrors...)
		c.access = refreshed.RefreshToken.Tokens.AccessToken
		_, err = client.Me(ctx, api)
		c.ok(err)
		signedOut, err := client.SignOut(ctx, api, nil)
		c.ok(err)
		_, err = client.Me(ctx, api)
		c.refused(err, "UNAUTHENTICATED", "REVOKED")
		refreshed, err = client.Refresh(ctx, api, refreshed.RefreshToken.Tokens.RefreshToken)
		c.ok(err)
		if refreshed.RefreshToken.UserErrors[0].Code != client.UserErrorCodeTokenInvalid || !signedOut.SignOut.SignedOut {
			t.Fatalf("signed out, he has %+v", refreshed.RefreshToken)
		}
	})
}

// TestClientDocsErrorCodes checks that the tables of docs/clients.md hold exactly the codes and reasons of the API.
func TestClientDocsErrorCodes(t *testing.T) {
	manual, err := os.ReadFile("docs/clients.md")
	if err != nil {
		t.Fatal(err)
	}
	var tables [][]string
	for _, table := range strings.Split(string(manual), "| code |")[1:] {
		rows, _, _ := strings.Cut(table, "\n\n")
		var codes []string
		for _, row := range regexp.MustCompile("(?m)^\\| `([A-Z_]+)` \\|").FindAllStringSubmatch(rows, -1) {
			codes = append(codes, row[1])
		}
		slices.Sort(codes)
		tables = append(tables, codes)
	}
	var userErrors, refusals []string
	for _, value := range e2e.LoadSchema(t).Types["UserErrorCode"].EnumValues {
		userErrors = append(userErrors, value.Name)
	}
	codes := append(constants(t, "internal/account/error.go", "Code"), constants(t, "internal/gqlhttp/messages.go", "Code")...)
	for _, code := range codes {
		if !slices.Contains(userErrors, code) || code == "NOT_FOUND" {
			refusals = append(refusals, code)
		}
	}
	slices.Sort(userErrors)
	slices.Sort(refusals)
	if want := [][]string{refusals, userErrors}; fmt.Sprint(tables) != fmt.Sprint(want) {
		t.Errorf("the tables have\n%v, want\n%v", tables, want)
	}
	for _, reason := range constants(t, "internal/account/error.go", "Reason") {
		if !strings.Contains(string(manual), "`"+reason+"`") {
			t.Errorf("the manual does not tell of %s", reason)
		}
	}
}

// constants returns the values of a type's constants in a file.
func constants(t *testing.T, path, typeName string) (values []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(node ast.Node) bool {
		spec, isValue := node.(*ast.ValueSpec)
		if !isValue || len(spec.Values) != 1 {
			return true
		}
		of := spec.Type
		if qualified, is := of.(*ast.SelectorExpr); is {
			of = qualified.Sel
		}
		name, isName := of.(*ast.Ident)
		literal, isLiteral := spec.Values[0].(*ast.BasicLit)
		if isName && isLiteral && name.Name == typeName {
			value, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, value)
		}
		return true
	})
	if len(values) == 0 {
		t.Fatalf("%s has no %s", path, typeName)
	}
	return values
}
