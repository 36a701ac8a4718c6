import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { chromium } from 'playwright-core'

const [linked, embedded, executablePath, modules] = process.argv.slice(2)
const cdn = 'https://cdn.jsdelivr.net/npm/'
const password = 'i-keep-jumping'

// installed returns the file that npm installed for PACKAGE@VERSION/FILE.
const installed = (path) => readFileSync(join(modules, path.replace(/@[^/]*/, '')))

const serve = async (program) => {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-'))
  const latchkey = spawn(program, [], {
    cwd: folder, stdio: ['ignore', 'ignore', 'pipe'],
    env: { LATCHKEY_LISTEN: '127.0.0.1:0', LATCHKEY_ACCESS_TOKEN_TTL: '10s' },
  })
  const address = await new Promise((ready) => {
    createInterface({ input: latchkey.stderr }).on('line', (line) => {
      const entry = JSON.parse(line)
      if (entry.msg === 'latchkey is ready') ready(entry.explorer)
    })
  })
  return { address, stop: () => latchkey.kill() }
}

// open returns a page that can reach its server, and nothing else but a CDN whose files publish returns. It records
// requests to other servers and errors in the console.
const open = async (browser, address, publish) => {
  const context = await browser.newContext()
  context.setDefaultTimeout(60_000)
  const seen = { foreign: [], complaints: [], refreshes: 0 }
  await context.route('**/*', async (route) => {
    const url = route.request().url()
    if (url.startsWith(address)) return route.continue()
    seen.foreign.push(url)
    if (!publish || !url.startsWith(cdn)) return route.abort()
    const contentType = url.endsWith('.css') ? 'text/css' : 'text/javascript'
    return route.fulfill({
      body: publish(url.slice(cdn.length)), contentType, headers: { 'Access-Control-Allow-Origin': '*' },
    })
  })
  const page = await context.newPage()
  page.on('console', (message) => { if (message.type() === 'error') seen.complaints.push(message.text()) })
  page.on('pageerror', (error) => seen.complaints.push(error.message))
  page.on('request', (request) => { if (request.postData()?.includes('refreshToken(')) seen.refreshes++ })
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI, sample }) =>
      console.error(`policy: ${violatedDirective} ${blockedURI} ${sample}`))
  })
  await page.goto(address)
  return { context, page, seen }
}

// tour uses the page as a developer would.
const tour = async (address, { context, page, seen }) => {
  const says = (selector, text) => page.waitForFunction(([selector, text]) =>
    document.querySelector(selector)?.textContent.includes(text), [selector, text])
  const editor = (place) => page.$eval(`${place} .CodeMirror`, ({ CodeMirror }) => CodeMirror.getValue())
  const pick = (title) => page.click(`.examples button:has(strong:text-is("${title}"))`)
  const run = async () => {
    const answered = page.waitForResponse((response) => response.url().endsWith('/graphql'))
    await page.click('.graphiql-execute-button')
    await answered
  }
  const ask = async (title, text) => {
    await pick(title)
    await run()
    await says('.result-window', text)
  }
  const signIn = async (word) => {
    await page.fill('[name=identifier]', 'mario')
    await page.fill('[name=password]', word)
    await page.click('#by-password .primary')
  }

  assert.equal(await page.title(), 'Latchkey')
  await page.waitForSelector('.graphiql-execute-button')
  await run()
  await says('.result-window', '"registration": "OPEN"')
  await says('#latest', 'OK · HTTP 200')
  await says('#latest', 'request ')
  console.log('a query returns its result')

  await page.click('[aria-label="Show Documentation Explorer"]')
  await page.click('.graphiql-doc-explorer-content a:text-is("Mutation")')
  const schema = await (await fetch(`${address}schema.graphqls`)).text()
  const [, description] = schema.match(/"""\s+(\w+ \w+ \w+)[^"]+"""\s+register\(/)
  await says('.graphiql-doc-explorer-content', description)
  await page.click('[aria-label="Show Examples"]')
  await page.click('[aria-label="New tab"]')
  await page.click('.graphiql-query-editor .CodeMirror')
  await page.keyboard.type('{ serverInfo { emailVer')
  await says('.CodeMirror-hints', 'emailVerification')
  await page.keyboard.press('Escape')
  await page.keyboard.press('Tab')
  assert.equal(await page.evaluate(() => document.activeElement.closest('.CodeMirror')), null, 'Tab leaves the editor')
  console.log('the schema is documented, and the editor suggests its fields')

  await ask('Register', '"username": "mario"')
  await ask('Register', '"TAKEN"')
  await says('#latest', '(TAKEN)')
  await ask('Who am I?', 'UNAUTHENTICATED')
  await says('#latest', 'Sign in first. (UNAUTHENTICATED)')
  await signIn('i-never-jump')
  await says('#notice', '(INVALID_CREDENTIALS)')
  await signIn(password)
  await page.waitForSelector('#signed-in:visible')
  await says('#name', 'mario')
  await page.click('#who-am-i')
  await says('#notice', 'mario, mario@example.com, MEMBER, ACTIVE, user_')
  await ask('One profile', '"username": "mario"')
  assert.doesNotMatch(await editor('.graphiql-editor-tool'), /00000000/, 'the variables contain his own ID')
  console.log('mario is signed in')

  const { refreshes } = seen
  for (const begun = Date.now(); seen.refreshes === refreshes;) {
    assert(Date.now() < begun + 60_000, 'the access token is never refreshed')
    await ask('Who am I?', '"username": "mario"')
  }
  console.log('mario stays signed in')

  await page.click('[aria-label="Open settings dialog"]')
  await page.waitForSelector('.graphiql-dialog')
  await page.keyboard.press('Escape')
  await page.waitForSelector('.graphiql-dialog', { state: 'detached' })
  const kept = await page.evaluate(async () => ({
    local: Object.entries(localStorage), session: Object.entries(sessionStorage),
    databases: await indexedDB.databases(), caches: await caches.keys(), cookie: document.cookie,
  }))
  assert.deepEqual(kept, { local: [], session: [], databases: [], caches: [], cookie: '' })
  assert.deepEqual(await context.cookies(), [])
  console.log('nothing is stored')

  await page.click('#sign-out')
  await says('#notice', 'Signed out')
  await ask('Who am I?', 'UNAUTHENTICATED')
  await ask('Sign in', '"refreshToken": "')
  const { data } = JSON.parse(await editor('.result-window'))
  await page.click('[data-other="by-token"]')
  await page.fill('[name=token]', data.obtainToken.tokens.refreshToken)
  await page.click('#by-token .primary')
  await says('#name', 'mario')
  await ask('Change your password', '"accessToken": "')
  await pick('Who am I?')
  await run()
  await says('#latest', 'The session has ended')
  await page.waitForSelector('#by-password:visible')
  console.log('mario is signed out by the button, and by a password change')

  for (let attempts = 0; !(await page.textContent('#notice')).includes('RATE_LIMITED'); attempts++) {
    assert(attempts < 10, 'the attempts are not limited')
    await signIn('i-never-jump')
    await page.waitForSelector('#by-password .primary:enabled')
  }
  await says('#notice', 'Try again in ')
  console.log('too many attempts: the page shows how long to wait')
}

const overdue = setTimeout(() => {
  console.error('the test timed out')
  process.exit(1)
}, 300_000)
const browser = await chromium.launch({
  executablePath,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync'],
})
try {
  const developing = await serve(linked)
  try {
    console.log('with GraphiQL from a CDN:')
    const visit = await open(browser, developing.address, installed)
    await tour(developing.address, visit)
    const pinned = await visit.page.$$eval('[integrity]', (all) =>
      all.map(({ src, href, integrity }) => [src ?? href, integrity]))
    assert.equal(pinned.length, 4)
    for (const [url, integrity] of pinned) {
      const hash = createHash('sha384').update(installed(url.slice(cdn.length))).digest('base64')
      assert.equal(integrity, `sha384-${hash}`, url)
    }
    assert.deepEqual(visit.seen.foreign.toSorted(), pinned.map(([url]) => url).toSorted())
    assert.deepEqual(visit.seen.complaints, [])
    const deceived = await open(browser, developing.address, (path) => `${installed(path)} `)
    await deceived.page.waitForSelector('text=GraphiQL could not be loaded from the CDN.')
    console.log('a file with another hash is refused')
  } finally {
    developing.stop()
  }
  const alone = await serve(embedded)
  try {
    console.log('with GraphiQL embedded in the program:')
    const visit = await open(browser, alone.address)
    await tour(alone.address, visit)
    assert.deepEqual(visit.seen.foreign, [])
    assert.deepEqual(visit.seen.complaints, [])
    console.log('it sends no request to another server')
  } finally {
    alone.stop()
  }
} finally {
  await browser.close()
  clearTimeout(overdue)
}
