import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { unannounced } from './breaking.mjs'
import { named, ofReadme } from './documents.mjs'
import { ask, serve } from './site.mjs'

const repository = process.env.REPOSITORY
const read = (path) => readFileSync(join(repository, path), 'utf8')
const password = 'i-keep-jumping'
const lifetime = 30 // seconds: none of the clients is slower than that

const server = await serve({ LATCHKEY_ACCESS_TOKEN_TTL: `${lifetime}s` })

// run runs a program and returns its output. If the program fails, the error contains the output.
const run = (program, args, { input, cwd } = {}) => new Promise((done, failed) => {
  const child = execFile(program, args, { cwd }, (error, stdout, stderr) => {
    if (error) failed(new Error(`${program} ${args.join(' ')}: ${stdout}${stderr}`))
    else done(stdout)
  })
  child.stdin.on('error', () => {}) // a program may exit without reading it
  child.stdin.end(input)
})
const npx = (tool, ...args) => run(join('node_modules/.bin', tool), args)

// The snippets of docs/clients.md, by the name after their language, with the URL of this server.
const snippets = new Map([...read('docs/clients.md').matchAll(/^```(.*)\n([^]*?)^```$/gm)].map(([, info, text]) =>
  [info.split(' ')[1], text.replaceAll('http://localhost:8080/', `${server.origin}/`)]))
const taken = new Set()
const take = (name, folder = '.') => {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, name), snippets.get(name))
  taken.add(name)
}
for (const name of ['session.mjs', 'apollo.mjs', 'urql.mjs', 'verify.mjs']) take(name)

let refreshes = 0
const { fetch } = globalThis
globalThis.fetch = (url, options) => {
  if (options?.body?.includes?.('refreshToken(')) refreshes++
  return fetch(url, options)
}
const { Session } = await import('./session.mjs')
const register = async ({ graphql }, username) => {
  const query = `mutation ($n: String!, $p: String!) {
    register(input: { username: $n, password: $p }) { user { id } tokens { accessToken } }
  }`
  return (await ask(graphql, query, { n: username, p: password })).data.register
}
const { user, tokens } = await register(server, 'mario')
const signIn = async () => {
  const session = new Session(server.graphql)
  assert.deepEqual(await session.signIn('mario', password), [])
  return session
}
const [plain, apollo, urql] = [await signIn(), await signIn(), await signIn()]

// expired waits until an access token has expired.
const expired = async (access) => {
  for (const begun = Date.now(); ; await setTimeout(200)) {
    const [error] = (await ask(server.graphql, '{ me { id } }', {}, access)).errors ?? []
    if (error) return assert.equal(error.extensions.reason, 'EXPIRED')
    assert(Date.now() < begun + (lifetime + 30) * 1000, 'the access token does not expire')
  }
}

// oneRefresh checks that operations sent together with an expired token succeed after one refresh.
const oneRefresh = async (session, usernameOf) => {
  const before = refreshes
  await expired(session.accessToken)
  const names = await Promise.all([1, 2, 3, 4, 5].map(usernameOf))
  assert.deepEqual(names, Array(5).fill('mario'))
  assert.equal(refreshes, before + 1)
}

test('the schema is compatible with the released one', () => {
  const [released, current] = [read('internal/e2e/testdata/released.graphqls'), read('schema.graphqls')]
  const today = new Date().toISOString().slice(0, 10)
  assert.deepEqual(unannounced(released, current, read('CHANGELOG.md'), today), [])
})

test('graphql-codegen types every documented operation', async () => {
  const readme = ofReadme(read('README.md'))
  assert(readme.length > 5, 'the README has few operations')
  const documented = readme.map((query, i) => named(query, `Readme${i}`))
  if (existsSync(join(repository, 'graph/explorer'))) {
    const examples = await (await fetch(`${server.origin}/explorer/operations.json`)).json()
    assert(examples.length > 20, 'the explorer has few examples')
    documented.push(...examples.map(({ query }, i) => named(query, `Example${i}`)))
  }
  mkdirSync('operations')
  documented.forEach((text, i) => writeFileSync(`operations/${i}.graphql`, text))
  writeFileSync('operations/clients.graphql', read('docs/clients.graphql'))
  take('codegen.ts')
  take('people.ts')
  await npx('graphql-codegen', '--config', 'codegen.ts')
  await npx('tsc', '--project', '.')
})

test('relay-compiler accepts a connection and refetchable fragments', async () => {
  const schema = await (await fetch(`${server.origin}/schema.graphqls`)).text()
  writeFileSync('schema.graphql', schema)
  await npx('relay-compiler')
  assert.match(readFileSync('relay/__generated__/peoplePersonQuery.graphql.ts', 'utf8'), /"name": "node"/)
})

test('graphql-eslint accepts the schema', () => npx('eslint', 'schema.graphql'))

const list = `query ($first: Int) {
  profiles(first: $first) { edges { node { id username } } pageInfo { endCursor hasNextPage } }
}`

test('a session refreshes once', () => oneRefresh(plain, async (first) => {
  const { data } = await plain.ask(list, { first })
  return data.profiles.edges[0].node.username
}))

test('Apollo Client refreshes once, and finds objects of a list in its cache', async () => {
  const { gql } = await import('@apollo/client')
  const { newClient } = await import('./apollo.mjs')
  const client = newClient(server.graphql, apollo)
  let id
  await oneRefresh(apollo, async (first) => {
    const { data } = await client.query({ query: gql(list), variables: { first }, fetchPolicy: 'network-only' })
    id = data.profiles.edges[0].node.id
    return data.profiles.edges[0].node.username
  })
  const one = await client.query({
    query: gql`query ($id: ID!) { profile(id: $id) { id username } }`, variables: { id }, fetchPolicy: 'cache-only',
  })
  assert.equal(one.data.profile.username, 'mario')
  client.stop()
})

test('urql refreshes once', async () => {
  const { newClient } = await import('./urql.mjs')
  const client = newClient(server.graphql, urql)
  await oneRefresh(urql, async (first) => {
    const { data } = await client.query(list, { first })
    return data.profiles.edges[0].node.username
  })
})

test('no user is signed in after signing out or a wrong password', async () => {
  await plain.signOut()
  assert.equal(plain.accessToken, undefined)
  assert.equal((await plain.ask('{ me { id } }')).errors[0].extensions.reason, 'MISSING')
  assert.equal((await plain.signIn('mario', 'i-never-jump'))[0].code, 'INVALID_CREDENTIALS')
})

// module creates a folder for a Go program, with the dependencies of this repository and others, and returns it.
const module = async (...others) => {
  const folder = mkdtempSync(join(process.cwd(), 'module-'))
  for (const file of ['go.mod', 'go.sum']) cpSync(join(repository, file), join(folder, file))
  if (others.length) await run('go', ['get', ...others], { cwd: folder })
  return folder
}

test("JWT libraries accept our access tokens and no others", async () => {
  const folder = await module('github.com/MicahParks/keyfunc/v3@v3.9.1')
  take('verify.go', folder)
  await run('go', ['build', '-o', 'verify', '.'], { cwd: folder })
  take('verify.py')
  const { verify } = await import('./verify.mjs')
  const verifiers = {
    'jose': verify,
    'PyJWT': (input) => run('/usr/bin/python3', ['verify.py'], { input }),
    'golang-jwt': (input) => run(join(folder, 'verify'), [], { input }),
  }
  for (const begun = Date.now(); await verify(tokens.accessToken).catch(() => false); await setTimeout(200)) {
    assert(Date.now() < begun + (lifetime + 60) * 1000, 'the clock skew is not limited')
  }
  const elsewhere = await serve({ LATCHKEY_PUBLIC_URL: 'http://localhost:8081' }, server.folder)
  const [byOtherKey, forOthers] = [await register(await serve(), 'mario'), await register(elsewhere, 'luigi')]
  for (const [library, check] of Object.entries(verifiers)) {
    const good = await apollo.renew(apollo.accessToken)
    assert.equal((await check(good)).trim(), user.id, library)
    const [header, claims, signature] = good.split('.')
    const bad = {
      expired: tokens.accessToken, byOtherKey: byOtherKey.tokens.accessToken, forOthers: forOthers.tokens.accessToken,
      unsigned: `${header}.${claims}.`, tampered: `${header}.${claims}.${[...signature].reverse().join('')}`,
    }
    for (const [what, token] of Object.entries(bad)) {
      await assert.rejects(check(token), undefined, `${library} accepts one that is ${what}`)
    }
  }
})

test('genqlient generates a client for Go', async () => {
  const folder = await module()
  take('genqlient.yaml', folder)
  take('main.go', folder)
  for (const file of ['schema.graphqls', 'docs/clients.graphql']) {
    cpSync(join(repository, file), join(folder, basename(file)))
  }
  await run('go', ['run', 'github.com/Khan/genqlient'], { cwd: folder })
  assert.match(await run('go', ['run', '.'], { cwd: folder, input: password }), /^mario since 20/)
})

test('every snippet is tested', () => {
  assert.deepEqual([...taken].toSorted(), [...snippets.keys()].toSorted())
})
