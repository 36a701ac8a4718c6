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

// fastMarshal is an extension of the executor that marshals users, profiles and pages of profiles directly if only
// fields are selected that these types hold themselves. It leaves fields with a resolver of their own and all other
// types to the generated code, which produces the same JSON at ten times the cost: it creates a context and an error
// list for each value and a goroutine for each entry of a list.
type fastMarshal struct{}

// ExtensionName makes fastMarshal an extension of the executor.
func (fastMarshal) ExtensionName() string { return "FastMarshal" }

// Validate makes fastMarshal an extension of the executor.
func (fastMarshal) Validate(graphql.ExecutableSchema) error { return nil }

// InterceptField returns the value of a field, as JSON if fastMarshal can marshal it.
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

// write returns the selected fields of an object as JSON, or the object itself if fastMarshal cannot marshal it.
func write[T any](ctx context.Context, t *objectType[T], object *T) any {
	if object == nil {
		return object
	}
	selected, ok := t.selection(graphql.GetOperationContext(ctx), graphql.GetFieldContext(ctx).Field)
	if !ok {
		return object
	}
	var b bytes.Buffer
	selected.write(ctx, &b, object)
	return rawJSON(b.Bytes())
}

// rawJSON is a part of the response.
type rawJSON []byte

// MarshalGQL makes rawJSON a value of any type for the generated code.
func (j rawJSON) MarshalGQL(w io.Writer) { w.Write(j) }

// objectType is a type of the schema with the fields that fastMarshal can marshal.
type objectType[T any] struct {
	name      string
	satisfies []string // type conditions of fragments that it satisfies
	fields    map[string]field[T]
}

// field returns the writer of a field; ok is false if fastMarshal cannot marshal all that is selected inside of it.
type field[T any] func(*graphql.OperationContext, graphql.CollectedField) (_ writer[T], ok bool)

type writer[T any] func(ctx context.Context, b *bytes.Buffer, object *T)

// selection is the selected fields of an object in the order of the response.
type selection[T any] []selected[T]

type selected[T any] struct {
	name  string // as JSON, with the colon
	write writer[T]
}

// selection returns what is selected inside of a field of this type; ok is false if fastMarshal cannot marshal it.
func (t *objectType[T]) selection(oc *graphql.OperationContext, of graphql.CollectedField) (s selection[T], ok bool) {
	collected := graphql.CollectFields(oc, of.Selections, t.satisfies)
	s = make(selection[T], 0, len(collected))
	for _, f := range collected {
		write, ok := t.writer(oc, f)
		if !ok {
			return nil, false
		}
		s = append(s, selected[T]{`"` + f.Alias + `":`, write})
	}
	return s, true
}

func (t *objectType[T]) writer(oc *graphql.OperationContext, f graphql.CollectedField) (writer[T], bool) {
	if f.Name == "__typename" {
		return func(_ context.Context, b *bytes.Buffer, _ *T) { writeString(b, t.name) }, true
	}
	field, ok := t.fields[f.Name]
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

// The types and fields that fastMarshal can marshal: all that these types hold themselves. A missing field only costs
// time.
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
			return viewerFor(ctx, p.UserID).CanUpdate(p)
		}),
	}}
	connectionFields = &objectType[account.ProfileConnection]{"ProfileConnection", []string{"ProfileConnection"},
		map[string]field[account.ProfileConnection]{
			"edges":    listField(edgeFields, (*account.ProfileConnection).Edges),
			"nodes":    listField(profileFields, func(c *account.ProfileConnection) []*account.Profile { return c.Nodes }),
			"pageInfo": objectField(pageInfoFields, (*account.ProfileConnection).PageInfo),
		}}
	edgeFields = &objectType[account.ProfileEdge]{"ProfileEdge", []string{"ProfileEdge"},
		map[string]field[account.ProfileEdge]{
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

// leaf returns a field without selections.
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
		at := of(object)
		if at == nil {
			b.WriteString("null")
			return
		}
		b.WriteByte('"')
		b.Write(at.AppendFormat(b.AvailableBuffer(), time.RFC3339Nano))
		b.WriteByte('"')
	})
}

func objectField[T, V any](t *objectType[V], of func(*T) *V) field[T] {
	return func(oc *graphql.OperationContext, f graphql.CollectedField) (writer[T], bool) {
		inside, ok := t.selection(oc, f)
		return func(ctx context.Context, b *bytes.Buffer, object *T) { inside.write(ctx, b, of(object)) }, ok
	}
}

func listField[T, V any](t *objectType[V], of func(*T) []*V) field[T] {
	return func(oc *graphql.OperationContext, f graphql.CollectedField) (writer[T], bool) {
		inside, ok := t.selection(oc, f)
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

// writeString writes a JSON string like the generated code.
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
