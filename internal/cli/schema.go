package cli

type printSchema struct{}

// Run prints the GraphQL schema.
func (printSchema) Run(p *Program) error { return p.printf("%s", p.Schema) }
