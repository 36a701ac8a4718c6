package graph

import (
	"context"

	"github.com/99designs/gqlgen/graphql"

	"latchkey/graph/generated"
	"latchkey/internal/account"
	"latchkey/internal/auth"
)

// directives returns the directives that protect fields. Each is sufficient alone, because nothing may depend on their
// order. @public allows everyone and @credential is counted before anything runs, so neither needs code here.
func directives(svc *auth.Service) generated.DirectiveRoot {
	return generated.DirectiveRoot{
		Auth: func(ctx context.Context, _ any, next graphql.Resolver, role account.Role) (any, error) {
			if err := callerFrom(ctx).RequireRole(role); err != nil {
				return nil, err
			}
			return next(ctx)
		},
		Owner: func(ctx context.Context, _ any, next graphql.Resolver, arg string) (any, error) {
			id, _ := graphql.GetFieldContext(ctx).Args[arg].(account.ID)
			if err := svc.RequireOwner(ctx, callerFrom(ctx), id); err != nil {
				return nil, err
			}
			return next(ctx)
		},
	}
}
