import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { chromium } from 'playwright-core'

// Serves an empty page on a free port. The test runs the application's code in it.
const page = async (host) => {
  const server = createServer((_, response) => response.setHeader('Content-Type', 'text/html').end('<title>app</title>'))
  await new Promise((done) => server.listen(0, '127.0.0.1', done))
  return { url: `http://${host}:${server.address().port}`, close: () => server.close() }
}
const application = await page('localhost')
const otherOrigin = await page('127.0.0.1')

const folder = mkdtempSync(join(tmpdir(), 'latchkey-'))
const latchkey = spawn(process.argv[2], [], {
  cwd: folder, stdio: ['ignore', 'ignore', 'pipe'],
  env: { LATCHKEY_LISTEN: '127.0.0.1:0', LATCHKEY_ALLOWED_ORIGINS: application.url, LATCHKEY_APP_URL: application.url },
})
const address = await new Promise((ready) => {
  createInterface({ input: latchkey.stderr }).on('line', (line) => {
    const entry = JSON.parse(line)
    if (entry.msg === 'latchkey is ready') ready(entry.graphql.replace('127.0.0.1', 'localhost'))
  })
})

const browser = await chromium.launch({
  executablePath: process.argv[3],
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync'],
})
try {
  const context = await browser.newContext()
  const open = async (url) => {
    const tab = await context.newPage()
    await tab.goto(url)
    return tab
  }
  const ask = (tab, query, access) => tab.evaluate(async ([address, query, access]) => {
    const headers = { 'Content-Type': 'application/json' }
    if (access) headers.Authorization = `Bearer ${access}`
    const answer = await fetch(address, { method: 'POST', credentials: 'include', headers, body: JSON.stringify({ query }) })
    return answer.json()
  }, [address, query, access])
  const refresh = async (tab) => (await ask(tab, 'mutation { refreshToken(input: {}) { tokens { accessToken refreshToken } userErrors { code } } }')).data.refreshToken
  const me = async (tab, access) => (await ask(tab, '{ me { username } }', access)).data.me?.username

  const first = await open(application.url)
  const registered = (await ask(first, `mutation { register(input: {username: "mario", password: "i-keep-jumping", delivery: COOKIE}) {
    tokens { accessToken refreshToken } } }`)).data.register.tokens
  assert.equal(registered.refreshToken, null, 'the refresh token is not in the body')
  assert.equal(await me(first, registered.accessToken), 'mario')
  assert.equal(await first.evaluate(() => document.cookie), '', 'scripts cannot read the cookie')
  const [cookie] = await context.cookies(address)
  assert.equal(cookie.httpOnly && cookie.sameSite === 'Strict' && cookie.path === '/', true)
  console.log('signed in: scripts cannot read the cookie')

  await first.reload()
  const reloaded = await refresh(first)
  assert.equal(await me(first, reloaded.tokens.accessToken), 'mario')
  console.log('reloaded: still signed in')

  const second = await open(application.url)
  const both = await Promise.all([refresh(first), refresh(second)])
  for (const { tokens } of both) assert.equal(await me(first, tokens.accessToken), 'mario')
  console.log('two tabs refreshed at the same time: both signed in')

  const stranger = await open(otherOrigin.url)
  await assert.rejects(refresh(stranger), /Failed to fetch/)
  await assert.rejects(ask(stranger, '{ __typename }'), /Failed to fetch/)
  await assert.rejects(stranger.evaluate((address) => fetch(address, {
    method: 'POST', mode: 'no-cors', credentials: 'include', body: '{"query": "mutation { signOut(input: {}) { signedOut } }"}',
  }), address), /Failed to fetch/)
  assert.equal(await me(second, (await refresh(second)).tokens.accessToken), 'mario')
  console.log('another origin: cannot read a response or end the session')

  await ask(first, 'mutation { signOut(input: {}) { signedOut } }')
  assert.deepEqual(await context.cookies(address), [], 'signing out deletes the cookie')
  assert.equal((await refresh(second)).userErrors[0].code, 'TOKEN_INVALID')
  assert.equal(await me(second, both[1].tokens.accessToken), undefined, 'the other tab is signed out too')
  console.log('signed out in one tab: signed out in the other')
} finally {
  await browser.close()
  latchkey.kill()
  application.close()
  otherOrigin.close()
}
