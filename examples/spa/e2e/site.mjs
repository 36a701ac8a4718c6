import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect, createServer as createGate } from 'node:net'
import { tmpdir } from 'node:os'
import { extname, join, normalize } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'

const here = fileURLToPath(new URL('..', import.meta.url))
const dist = join(here, 'dist')
const types = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' }

/** The time limit for each step of a story. */
export const patience = 60_000

/** Waits until the condition returns a truthy value, and returns it. */
export const until = async (what, condition) => {
  for (const deadline = Date.now() + patience; Date.now() < deadline; ) {
    const found = await condition()
    if (found) return found
    await new Promise((next) => setTimeout(next, 20))
  }
  throw new Error(`timed out waiting until ${what}`)
}

/** Starts the browser that all stories of a file share. */
export const startBrowser = () =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })

/** Returns the path of the server's program: LATCHKEY, or else a build of this repository. */
export const program = () => {
  if (process.env.LATCHKEY) return process.env.LATCHKEY
  const path = join(here, 'node_modules/.cache/latchkey')
  execFileSync('go', ['build', '-o', path, '.'], { cwd: join(here, '../..'), stdio: 'inherit' })
  return path
}

/**
 * A server with its own database, the built application, and browsers. `latchkey` is the path of the server's program;
 * `settings` are its environment.
 */
export class Site {
  #latchkey
  #folder = mkdtempSync(join(tmpdir(), 'commons-'))
  #settings
  #server
  #port
  #gate
  #web
  #contexts = []
  #log = []
  #complaints = []
  #allowed = []
  url

  static async open(browser, latchkey, settings = {}) {
    const site = new Site()
    site.browser = browser
    site.#latchkey = latchkey
    site.#settings = settings
    site.#web = createServer((request, response) => site.#serve(request, response))
    await new Promise((done) => site.#web.listen(0, 'localhost', done))
    site.url = `http://localhost:${site.#web.address().port}`
    site.#gate = createGate((socket) => site.#pass(socket))
    await new Promise((done) => site.#gate.listen(0, 'localhost', done))
    site.endpoint = `http://localhost:${site.#gate.address().port}/graphql`
    await site.start()
    return site
  }

  /** Serves the built application: files as they are, and the page for everything else. */
  #serve(request, response) {
    const path = normalize(join(dist, new URL(request.url, 'http://localhost').pathname))
    const file = path.startsWith(dist) && extname(path) && existsSync(path) ? path : join(dist, 'index.html')
    response.setHeader('Content-Type', types[extname(file)])
    const text = readFileSync(file, 'utf8')
    response.end(file.endsWith('.html') ? text.replaceAll('http://localhost:8080/graphql', this.endpoint) : text)
  }

  /** Forwards a connection to the server, whose port changes with each start. */
  #pass(socket) {
    if (!this.#port) return socket.destroy()
    const server = connect(this.#port, '127.0.0.1')
    socket.on('error', () => server.destroy())
    server.on('error', () => socket.destroy())
    socket.pipe(server).pipe(socket)
  }

  /** Starts the server, on the same database if it ran before. */
  async start(settings = this.#settings) {
    this.#server = spawn(this.#latchkey, [], {
      cwd: this.#folder,
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {
        LATCHKEY_LISTEN: '127.0.0.1:0',
        LATCHKEY_APP_URL: this.url,
        LATCHKEY_LOG_FORMAT: 'json',
        ...settings,
      },
    })
    const lines = createInterface({ input: this.#server.stderr })
    await new Promise((ready, fail) => {
      lines.on('line', (line) => {
        const entry = JSON.parse(line)
        this.#log.push(entry)
        if (entry.msg !== 'latchkey is ready') return
        this.#port = new URL(entry.graphql).port
        ready()
      })
      this.#server.once('exit', (code) =>
        fail(new Error(`the server exited with ${code}: ${JSON.stringify(this.#log.at(-1))}`)),
      )
    })
  }

  async stop() {
    this.#port = null
    if (this.#server.exitCode !== null) return
    const ended = new Promise((done) => this.#server.once('exit', done))
    this.#server.kill()
    await ended
  }

  /** Stops everything and checks that no page wrote an unexpected error or warning to its console. */
  async close() {
    for (const context of this.#contexts) await context.close()
    await this.stop()
    this.#web.closeAllConnections()
    await new Promise((done) => this.#web.close(done))
    await new Promise((done) => this.#gate.close(done))
    rmSync(this.#folder, { recursive: true })
    const unexpected = this.#complaints.filter((text) => !this.#allowed.some((pattern) => pattern.test(text)))
    assert.deepEqual(unexpected, [], 'the console has no other messages')
  }

  /** Allows a console message. Browsers write one for each failed request. */
  allow(...patterns) {
    this.#allowed.push(...patterns)
  }

  /** Returns a browser with an empty profile. */
  async person(options = {}) {
    const context = await this.browser.newContext({ reducedMotion: 'reduce', locale: 'en-US', ...options })
    context.setDefaultTimeout(patience)
    this.#contexts.push(context)
    return context
  }

  /** Opens a page in a new tab of a browser. */
  async tab(context, path = '/') {
    const page = await context.newPage()
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) this.#complaints.push(message.text())
    })
    page.on('pageerror', (error) => this.#complaints.push(String(error)))
    await page.goto(this.url + path)
    return page
  }

  /** Sends an operation directly to the server. `cookie` is a refresh token. */
  async ask(query, { variables, access, cookie } = {}) {
    const response = await fetch(this.endpoint, {
      method: 'POST',
      headers: {
        'Content-Type': 'application/json',
        ...(access && { Authorization: `Bearer ${access}` }),
        ...(cookie && { Cookie: `latchkey=${cookie}`, Origin: this.url }),
      },
      body: JSON.stringify({ query, variables }),
    })
    return response.json()
  }

  /** Creates an account directly on the server, and returns its access token and profile. */
  async register(username, input = {}) {
    const { data } = await this.ask(
      `mutation ($input: RegisterInput!) {
        register(input: $input) { user { profile { id } } tokens { accessToken } userErrors { code field } } }`,
      { variables: { input: { username, password, ...input } } },
    )
    assert.deepEqual(data.register.userErrors, [])
    return { access: data.register.tokens?.accessToken, profile: data.register.user?.profile?.id }
  }

  /** Waits for an email to this address whose subject and text match, and returns the newest one. */
  email(to, subject, text) {
    return until(`an email with ${subject} and ${text} is sent to ${to}`, () =>
      this.#log.findLast((entry) => entry.to === to && subject.test(entry.subject) && text.test(entry.text)),
    )
  }

  /** Waits for an email to this address that links to a page of the application, and returns the link. */
  async link(to, page) {
    const link = new RegExp(`http\\S+/${page}#token=\\S+`)
    return (await this.email(to, /./, link)).text.match(link)[0]
  }
}

export const password = 'i-keep-jumping'

/** Fills in the sign-in page and waits until the user is signed in. */
export const signIn = async (page, username, word = password) => {
  await page.getByLabel('Username or email').fill(username)
  await page.getByLabel('Password', { exact: true }).fill(word)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await signedIn(page)
}

export const signedIn = (page) => page.getByRole('button', { name: 'Sign out', exact: true }).waitFor()

/** Waits for the page with this heading. */
export const heading = (page, name) => page.getByRole('heading', { name, level: 1, exact: true }).waitFor()

/** Waits until the server has answered each of these queries from a page. */
export const answered = (page, ...names) =>
  Promise.all(
    names.map((name) => {
      const asked = new RegExp(`query ${name}\\b`)
      return page.waitForResponse((response) => asked.test(response.request().postData() ?? ''))
    }),
  )

/** Records the operations that a page sends: their names and access tokens. */
export const listen = (page, endpoint) => {
  const asked = []
  page.on('request', (request) => {
    if (request.url() !== endpoint || request.method() !== 'POST') return
    const { query } = request.postDataJSON()
    asked.push({
      name: query.match(/^\w+ (\w+)/)[1],
      access: request.headers()['authorization']?.replace('Bearer ', ''),
    })
  })
  return {
    count: (name) => asked.filter((request) => request.name === name).length,
    get access() {
      return asked.findLast(({ access }) => access)?.access
    },
  }
}
