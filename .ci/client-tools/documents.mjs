import { parse, print, visit } from 'graphql'

// ofReadme returns the operations in the requests of a README's shell session.
export const ofReadme = (text) => [...text.matchAll(/"query": ("(?:[^"\\]|\\.)+")/g)].map(([, query]) => JSON.parse(query))

// named returns the document with another operation name, because names must be unique among documents that are
// generated together.
export const named = (query, name) => print(visit(parse(query), {
  OperationDefinition: (node) => ({ ...node, name: { kind: 'Name', value: name } }),
}))
