package cli

type schema struct{}

// Run prints the GraphQL schema.
func (schema) Run(p *Program) error { return p.printf("%s", p.Schema) }
