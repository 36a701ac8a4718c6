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

// fastMarshal is an extension of the executor that writes users, profiles and pages of profiles straight into the answer, as
// long as nothing is selected but what they hold. What has to be looked up, and all other types, it leaves to the
// generated code, which writes the same, for ten times the price: it gives each value a context, a place for errors and,
// in lists, a goroutine of its own.
type fastMarshal struct{}

// ExtensionName makes direct an extension of the executor.
func (fastMarshal) ExtensionName() string { return "Direct" }

// Validate makes direct an extension of the executor.
func (fastMarshal) Validate(graphql.ExecutableSchema) error { return nil }

// InterceptField returns what a field resolves to, as JSON where that is cheap.
func (fastMarshal) InterceptField(ctx context.Context, next graphql.Resolver) (any, error) {
	resolved, err := next(ctx)
	if err != nil {
		return resolved, err
	}
	switch object := resolved.(type) {
	case *account.User:
		return write(ctx, userFields, object), nil
	case *account.Profile:
		return write(ctx, profileFields, object), nil
	case *account.ProfileConnection:
		return write(ctx, connectionFields, object), nil
	}
	return resolved, nil
}

// write returns the fields that are selected of an object as JSON, or the object if that is not for us.
func write[T any](ctx context.Context, k *objectType[T], object *T) any {
	if object == nil {
		return object
	}
	selected, ok := k.selection(graphql.GetOperationContext(ctx), graphql.GetFieldContext(ctx).Field)
	if !ok {
		return object
	}
	var b bytes.Buffer
	selected.write(ctx, &b, object)
	return rawJSON(b.Bytes())
}

// rawJSON is a part of the answer.
type rawJSON []byte

// MarshalGQL makes written something that the generated code takes for the value of any field.
func (j rawJSON) MarshalGQL(w io.Writer) { w.Write(j) }

// objectType is a type of the schema and those of its fields that are written here.
type objectType[T any] struct {
	name   string
	satisfies     []string // the types that it counts as in a fragment
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
func (k *objectType[T]) selection(oc *graphql.OperationContext, of graphql.CollectedField) (s selection[T], ok bool) {
	collected := graphql.CollectFields(oc, of.Selections, k.satisfies)
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

func (k *objectType[T]) writer(oc *graphql.OperationContext, f graphql.CollectedField) (writer[T], bool) {
	if f.Name == "__typename" {
		return func(_ context.Context, b *bytes.Buffer, _ *T) { writeString(b, k.name) }, true
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
	userFields = &objectType[account.User]{"User", []string{"User", "Node"}, map[string]field[account.User]{
		"id":            stringField(func(u *account.User) string { return string(u.ID) }),
		"username":      stringField(func(u *account.User) string { return u.Username }),
		"email":         nullableField(func(u *account.User) *string { return u.Email }),
		"pendingEmail":  nullableField(func(u *account.User) *string { return u.PendingEmail }),
		"emailVerified": boolField(func(_ context.Context, u *account.User) bool { return u.EmailVerified }),
		"name":          stringField(func(u *account.User) string { return u.Name }),
		"role":          stringField(func(u *account.User) string { return string(u.Role) }),
		"status":        stringField(func(u *account.User) string { return string(u.Status) }),
		"createdAt":     timeField(func(u *account.User) *time.Time { return &u.CreatedAt }),
		"lastLoginAt":   timeField(func(u *account.User) *time.Time { return u.LastLoginAt }),
		"profile":       objectField(profileFields, func(u *account.User) *account.Profile { return u.Profile }),
	}}
	profileFields = &objectType[account.Profile]{"Profile", []string{"Profile", "Node"}, map[string]field[account.Profile]{
		"id":          stringField(func(p *account.Profile) string { return string(p.ID) }),
		"username":    stringField(func(p *account.Profile) string { return p.Username }),
		"description": stringField(func(p *account.Profile) string { return p.Description }),
		"location":    stringField(func(p *account.Profile) string { return p.Location }),
		"isOrganizer": boolField(func(_ context.Context, p *account.Profile) bool { return p.IsOrganizer }),
		"dateJoined":  timeField(func(p *account.Profile) *time.Time { return &p.DateJoined }),
		"updatedOn":   timeField(func(p *account.Profile) *time.Time { return &p.UpdatedOn }),
		"viewerCanUpdate": boolField(func(ctx context.Context, p *account.Profile) bool {
			return viewerFor(ctx, p.UserID).RequireOwner(p.UserID) == nil
		}),
	}}
	connectionFields = &objectType[account.ProfileConnection]{"ProfileConnection", []string{"ProfileConnection"},
		map[string]field[account.ProfileConnection]{
			"edges":    listField(edgeFields, (*account.ProfileConnection).Edges),
			"nodes":    listField(profileFields, func(c *account.ProfileConnection) []*account.Profile { return c.Nodes }),
			"pageInfo": objectField(pageInfoFields, (*account.ProfileConnection).PageInfo),
		}}
	edgeFields = &objectType[account.ProfileEdge]{"ProfileEdge", []string{"ProfileEdge"}, map[string]field[account.ProfileEdge]{
		"cursor": stringField((*account.ProfileEdge).Cursor),
		"node":   objectField(profileFields, func(e *account.ProfileEdge) *account.Profile { return e.Node }),
	}}
	pageInfoFields = &objectType[account.PageInfo]{"PageInfo", []string{"PageInfo"}, map[string]field[account.PageInfo]{
		"hasNextPage":     boolField(func(_ context.Context, p *account.PageInfo) bool { return p.HasNextPage }),
		"hasPreviousPage": boolField(func(_ context.Context, p *account.PageInfo) bool { return p.HasPreviousPage }),
		"startCursor":     nullableField((*account.PageInfo).StartCursor),
		"endCursor":       nullableField((*account.PageInfo).EndCursor),
	}}
)

// leaf returns a field that selects nothing.
func leaf[T any](write writer[T]) field[T] {
	return func(*graphql.OperationContext, graphql.CollectedField) (writer[T], bool) { return write, true }
}

func stringField[T any](of func(*T) string) field[T] {
	return leaf(func(_ context.Context, b *bytes.Buffer, object *T) { writeString(b, of(object)) })
}

func nullableField[T any](of func(*T) *string) field[T] {
	return leaf(func(_ context.Context, b *bytes.Buffer, object *T) {
		if text := of(object); text != nil {
			writeString(b, *text)
		} else {
			b.WriteString("null")
		}
	})
}

func boolField[T any](of func(context.Context, *T) bool) field[T] {
	return leaf(func(ctx context.Context, b *bytes.Buffer, object *T) {
		b.Write(strconv.AppendBool(b.AvailableBuffer(), of(ctx, object)))
	})
}

func timeField[T any](of func(*T) *time.Time) field[T] {
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

func objectField[T, V any](k *objectType[V], of func(*T) *V) field[T] {
	return func(oc *graphql.OperationContext, f graphql.CollectedField) (writer[T], bool) {
		inside, ok := k.selection(oc, f)
		return func(ctx context.Context, b *bytes.Buffer, object *T) { inside.write(ctx, b, of(object)) }, ok
	}
}

func listField[T, V any](k *objectType[V], of func(*T) []*V) field[T] {
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

// writeString writes a text as a JSON string, as the generated code does.
func writeString(b *bytes.Buffer, text string) {
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
