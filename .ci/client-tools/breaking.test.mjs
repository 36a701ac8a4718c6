import assert from 'node:assert/strict'
import { test } from 'node:test'
import { unannounced } from './breaking.mjs'

const schema = (
  profile, query = 'me: Profile @auth', enumeration = 'MEMBER ADMIN', input = 'keep: Boolean! = true',
) => `
  directive @auth on FIELD_DEFINITION
  directive @public on FIELD_DEFINITION
  type Query { ${query} }
  type Profile { id: ID! ${profile} }
  enum Role { ${enumeration} }
  input Ending { ${input} }`
const deprecated = '@deprecated(reason: "Use place, until 2027-01-31.")'
const before = schema(`place: String! location: String ${deprecated}`)
const removed = 'Profile.location was removed.'
const announced = `# Changelog\n\n## Unreleased\n\n- Breaking: ${removed}\n\n## 1.0\n`

test('additions are not breaking', () => {
  const after = schema(`place: String! area: Int location: String ${deprecated}`,
    'me: Profile @auth you: Profile @auth', 'MEMBER ADMIN STAFF', 'keep: Boolean! = true all: Boolean')
  assert.deepEqual(unannounced(before, after, '', '2026-01-01'), [])
})
test('a removal must be announced, after the end of its deprecation', () => {
  const after = schema('place: String!')
  assert.deepEqual(unannounced(before, after, announced, '2027-02-01'), [])
  assert.deepEqual(unannounced(before, after, announced, '2027-01-31').length, 1)
  assert.deepEqual(unannounced(before, after, '', '2027-02-01'), [`CHANGELOG.md lacks: - Breaking: ${removed}`])
  assert.equal(unannounced(before, after, announced.replace('## Unr', '## 2.0\n\n## Unr'), '2027-02-01').length, 1)
  assert.match(unannounced(schema('location: String'), schema(''), announced, '2027-02-01')[0], /no date/)
})
test('every kind of breaking change is found', () => {
  const base = schema('name: String!')
  for (const after of [
    schema('name: String'), schema('name: Int!'), schema('name: String!', 'me: Profile @public'),
    schema('name: String!', 'me(id: ID!): Profile @auth'), schema('name: String!', undefined, 'MEMBER'),
    schema('name: String!', undefined, undefined, 'keep: Boolean! = false'),
    schema('name: String!', undefined, undefined, 'keep: Boolean!'),
    schema('name: String!', undefined, undefined, 'keep: Boolean! = true all: Boolean!'),
  ]) assert.notDeepEqual(unannounced(base, after, '', '2026-01-01'), [], after)
})
test('a deprecation must have a date', () => {
  assert.equal(unannounced(before, before.replace(', until 2027-01-31', ''), '', '2026-01-01').length, 1)
})
