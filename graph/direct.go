package graph

import (
	"bytes"
	"context"
	"io"
	"strconv"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"latchkey/internal/account"
)

// direct is an extension of the executor that writes users, profiles and pages of profiles straight into the answer, as
// long as nothing is selected but what they hold. What has to be looked up, and all other types, it leaves to the
// generated code, which writes the same, for ten times the price: it gives each value a context, a place for errors and,
// in lists, a goroutine of its own.
type direct struct{}

// ExtensionName makes direct an extension of the executor.
func (direct) ExtensionName() string { return "Direct" }

// Validate makes direct an extension of the executor.
func (direct) Validate(graphql.ExecutableSchema) error { return nil }

// InterceptField returns what a field resolves to, as JSON where that is cheap.
func (direct) InterceptField(ctx context.Context, next graphql.Resolver) (any, error) {
	resolved, err := next(ctx)
	if err != nil {
		return resolved, err
	}
	switch object := resolved.(type) {
	case *account.User:
		return write(ctx, users, object), nil
	case *account.Profile:
		return write(ctx, profiles, object), nil
	case *account.ProfileConnection:
		return write(ctx, pages, object), nil
	}
	return resolved, nil
}

// write returns the fields that are selected of an object as JSON, or the object if that is not for us.
func write[T any](ctx context.Context, k *kind[T], object *T) any {
	if object == nil {
		return object
	}
	selected, ok := k.selection(graphql.GetOperationContext(ctx), graphql.GetFieldContext(ctx).Field)
	if !ok {
		return object
	}
	var b bytes.Buffer
	selected.write(ctx, &b, object)
	return written(b.Bytes())
}

// written is a part of the answer.
type written []byte

// MarshalGQL makes written something that the generated code takes for the value of any field.
func (j written) MarshalGQL(w io.Writer) { w.Write(j) }

// kind is a type of the schema and those of its fields that are written here.
type kind[T any] struct {
	name   string
	is     []string // the types that it counts as in a fragment
	fields map[string]field[T]
}

// A field returns what writes it, when all that is selected inside of it is written here.
type field[T any] func(*graphql.OperationContext, graphql.CollectedField) (writer[T], bool)

type writer[T any] func(ctx context.Context, b *bytes.Buffer, object *T)

// selection is the fields of an object that are selected, in the order of the answer.
type selection[T any] []selected[T]

type selected[T any] struct {
	name  string // as JSON, with the colon
	write writer[T]
}

// selection returns what is selected inside of a field of this kind; ok is false when some of that is not for us.
func (k *kind[T]) selection(oc *graphql.OperationContext, of graphql.CollectedField) (s selection[T], ok bool) {
	collected := graphql.CollectFields(oc, of.Selections, k.is)
	s = make(selection[T], 0, len(collected))
	for _, f := range collected {
		write, ok := k.writer(oc, f)
		if !ok {
			return nil, false
		}
		s = append(s, selected[T]{`"` + f.Alias + `":`, write})
	}
	return s, true
}

func (k *kind[T]) writer(oc *graphql.OperationContext, f graphql.CollectedField) (writer[T], bool) {
	if f.Name == "__typename" {
		return func(_ context.Context, b *bytes.Buffer, _ *T) { quote(b, k.name) }, true
	}
	field, ok := k.fields[f.Name]
	if !ok {
		return nil, false
	}
	return field(oc, f)
}

func (s selection[T]) write(ctx context.Context, b *bytes.Buffer, object *T) {
	if object == nil {
		b.WriteString("null")
		return
	}
	b.WriteByte('{')
	for i, f := range s {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(f.name)
		f.write(ctx, b, object)
	}
	b.WriteByte('}')
}

// What is written here: everything that these types hold themselves. A field of the schema that is missing costs time
// and nothing else.
var (
	users = &kind[account.User]{"User", []string{"User", "Node"}, map[string]field[account.User]{
		"id":            text(func(u *account.User) string { return string(u.ID) }),
		"username":      text(func(u *account.User) string { return u.Username }),
		"email":         textOrNull(func(u *account.User) *string { return u.Email }),
		"pendingEmail":  textOrNull(func(u *account.User) *string { return u.PendingEmail }),
		"emailVerified": flag(func(_ context.Context, u *account.User) bool { return u.EmailVerified }),
		"name":          text(func(u *account.User) string { return u.Name }),
		"role":          text(func(u *account.User) string { return string(u.Role) }),
		"status":        text(func(u *account.User) string { return string(u.Status) }),
		"createdAt":     moment(func(u *account.User) *time.Time { return &u.CreatedAt }),
		"lastLoginAt":   moment(func(u *account.User) *time.Time { return u.LastLoginAt }),
		"profile":       object(profiles, func(u *account.User) *account.Profile { return u.Profile }),
	}}
	profiles = &kind[account.Profile]{"Profile", []string{"Profile", "Node"}, map[string]field[account.Profile]{
		"id":          text(func(p *account.Profile) string { return string(p.ID) }),
		"username":    text(func(p *account.Profile) string { return p.Username }),
		"description": text(func(p *account.Profile) string { return p.Description }),
		"location":    text(func(p *account.Profile) string { return p.Location }),
		"isOrganizer": flag(func(_ context.Context, p *account.Profile) bool { return p.IsOrganizer }),
		"dateJoined":  moment(func(p *account.Profile) *time.Time { return &p.DateJoined }),
		"updatedOn":   moment(func(p *account.Profile) *time.Time { return &p.UpdatedOn }),
		"viewerCanUpdate": flag(func(ctx context.Context, p *account.Profile) bool {
			return viewerOf(ctx, p.UserID).RequireOwner(p.UserID) == nil
		}),
	}}
	pages = &kind[account.ProfileConnection]{"ProfileConnection", []string{"ProfileConnection"},
		map[string]field[account.ProfileConnection]{
			"edges":    list(edges, (*account.ProfileConnection).Edges),
			"nodes":    list(profiles, func(c *account.ProfileConnection) []*account.Profile { return c.Nodes }),
			"pageInfo": object(places, (*account.ProfileConnection).PageInfo),
		}}
	edges = &kind[account.ProfileEdge]{"ProfileEdge", []string{"ProfileEdge"}, map[string]field[account.ProfileEdge]{
		"cursor": text((*account.ProfileEdge).Cursor),
		"node":   object(profiles, func(e *account.ProfileEdge) *account.Profile { return e.Node }),
	}}
	places = &kind[account.PageInfo]{"PageInfo", []string{"PageInfo"}, map[string]field[account.PageInfo]{
		"hasNextPage":     flag(func(_ context.Context, p *account.PageInfo) bool { return p.HasNextPage }),
		"hasPreviousPage": flag(func(_ context.Context, p *account.PageInfo) bool { return p.HasPreviousPage }),
		"startCursor":     textOrNull((*account.PageInfo).StartCursor),
		"endCursor":       textOrNull((*account.PageInfo).EndCursor),
	}}
)

// leaf returns a field that selects nothing.
func leaf[T any](write writer[T]) field[T] {
	return func(*graphql.OperationContext, graphql.CollectedField) (writer[T], bool) { return write, true }
}

func text[T any](of func(*T) string) field[T] {
	return leaf(func(_ context.Context, b *bytes.Buffer, object *T) { quote(b, of(object)) })
}

func textOrNull[T any](of func(*T) *string) field[T] {
	return leaf(func(_ context.Context, b *bytes.Buffer, object *T) {
		if text := of(object); text != nil {
			quote(b, *text)
		} else {
			b.WriteString("null")
		}
	})
}

func flag[T any](of func(context.Context, *T) bool) field[T] {
	return leaf(func(ctx context.Context, b *bytes.Buffer, object *T) {
		b.Write(strconv.AppendBool(b.AvailableBuffer(), of(ctx, object)))
	})
}

func moment[T any](of func(*T) *time.Time) field[T] {
	return leaf(func(_ context.Context, b *bytes.Buffer, object *T) {
		t := of(object)
		if t == nil {
			b.WriteString("null")
			return
		}
		b.WriteByte('"')
		b.Write(t.AppendFormat(b.AvailableBuffer(), time.RFC3339Nano))
		b.WriteByte('"')
	})
}

func object[T, V any](k *kind[V], of func(*T) *V) field[T] {
	return func(oc *graphql.OperationContext, f graphql.CollectedField) (writer[T], bool) {
		inside, ok := k.selection(oc, f)
		return func(ctx context.Context, b *bytes.Buffer, object *T) { inside.write(ctx, b, of(object)) }, ok
	}
}

func list[T, V any](k *kind[V], of func(*T) []*V) field[T] {
	return func(oc *graphql.OperationContext, f graphql.CollectedField) (writer[T], bool) {
		inside, ok := k.selection(oc, f)
		return func(ctx context.Context, b *bytes.Buffer, object *T) {
			b.WriteByte('[')
			for i, entry := range of(object) {
				if i > 0 {
					b.WriteByte(',')
				}
				inside.write(ctx, b, entry)
			}
			b.WriteByte(']')
		}, ok
	}
}

// quote writes a text as a JSON string, as the generated code does.
func quote(b *bytes.Buffer, text string) {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c == '"' || c == '\\' {
			graphql.MarshalString(text).MarshalGQL(b)
			return
		}
	}
	b.WriteByte('"')
	b.WriteString(text)
	b.WriteByte('"')
}
