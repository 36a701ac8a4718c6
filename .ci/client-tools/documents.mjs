import { parse, print, visit } from 'graphql'

// ofReadme returns the operations in a README's shell session and its other examples.
export const ofReadme = (text) => [...text.matchAll(/\bask '([^']+)'|\bask "((?:[^"\\]|\\.)+)"|^(mutation \{.*\})$/gm)]
  .map(([, single, double, plain]) => single ?? double?.replaceAll('\\"', '"') ?? plain)

// named returns the document with another operation name, because names must be unique among documents that are
// generated together.
export const named = (query, name) => print(visit(parse(query), {
  OperationDefinition: (node) => ({ ...node, name: { kind: 'Name', value: name } }),
}))
