import { parse, print, visit } from 'graphql'

// ofReadme returns the operations that a README's shell session and its other examples ask for.
export const ofReadme = (text) => [...text.matchAll(/\bask '([^']+)'|\bask "((?:[^"\\]|\\.)+)"|^(mutation \{.*\})$/gm)]
  .map(([, single, double, plain]) => single ?? double?.replaceAll('\\"', '"') ?? plain)

// named returns a document whose operation has the name, whatever it had before: documents that are taken together must
// not have two of one name.
export const named = (query, name) => print(visit(parse(query), {
  OperationDefinition: (node) => ({ ...node, name: { kind: 'Name', value: name } }),
}))
