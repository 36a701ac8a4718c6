/**
 * Keeps a user signed in with Latchkey.
 *
 * This module has no dependencies and needs no build step: copy it. `examples/spa/src/session-link.ts` connects it to
 * Apollo Client; for another GraphQL client, write twenty similar lines.
 *
 * There are two tokens:
 *
 * - The **access token** is sent with each request and is valid for a few minutes. It is kept in this object only.
 * - The **refresh token** is exchanged for the next access token. It works once: each use returns the next one. If an
 *   old one is used again, the server assumes that it was stolen and ends the session.
 *
 * A Session runs at most one refresh at a time, and all callers wait for the same promise. The delivery decides where
 * the refresh token is kept:
 *
 * - `COOKIE` is for applications in a browser. The refresh token is in a cookie that scripts cannot read. A reload loses
 *   the access token, and `restore` gets the next one. All tabs of a browser share the cookie, so:
 *   1. A request that sets the cookie holds a Web Lock. No two requests send the same refresh token, and no late
 *      response overwrites a newer cookie.
 *   2. A tab notifies the others through a BroadcastChannel when the user signs in or out.
 *   3. Another user may have signed in meanwhile. A request of one user is never repeated as another user.
 * - `BODY` is for everything else. The refresh token is kept in this object only and is lost with it.
 *
 * Usage:
 *
 *     const session = new Session('https://accounts.example.com/graphql')
 *     session.subscribe(() => render(session.state))
 *     await session.restore()                                   // after each load of the page
 *     await session.begin(async () => …obtainToken…)            // to sign in, with the same delivery
 *     fetch(…, { headers: { Authorization: `Bearer ${session.accessToken}` } })
 *     const next = await session.renew(refused)                 // after UNAUTHENTICATED; if null, do not retry
 *     await session.signOut()
 */

/**
 * What is known about the user:
 *
 * - `starting`: nothing yet; the server is being asked.
 * - `unreachable`: nothing yet; the server could not be asked. Call `restore` to try again.
 * - `signed-in`: this user is signed in.
 * - `signed-out`: no user is signed in. If `lost` is true, the session ended without a sign-out here: inform the user.
 *
 * @typedef {{ readonly status: 'starting' }
 *   | { readonly status: 'unreachable' }
 *   | { readonly status: 'signed-in', readonly userId: string }
 *   | { readonly status: 'signed-out', readonly lost: boolean }} SessionState
 */

/** @typedef {{ readonly accessToken: string, readonly refreshToken?: string | null }} Tokens */

/** The server could not be asked, or returned an error. Whether the session is still valid is not known. */
export class SessionError extends Error {
  /** @override */
  name = 'SessionError'

  /**
   * @param {string} code an error code of the server, such as `RATE_LIMITED`, or `UNREACHABLE`
   * @param {string} message
   * @param {number} [retryAfter] seconds to wait
   */
  constructor(code, message, retryAfter) {
    super(message)
    this.code = code
    this.retryAfter = retryAfter
  }
}

const REFRESH = `mutation Refresh($input: RefreshTokenInput!) {
  refreshToken(input: $input) { tokens { accessToken refreshToken } userErrors { code } }
}`
const SIGN_OUT = 'mutation SignOut($input: SignOutInput!) { signOut(input: $input) { signedOut } }'

/** The timeout of a request of this module, in milliseconds. It also limits how long the lock is held. */
const TIMEOUT = 30_000

export class Session {
  /** @type {SessionState} */
  #state
  /** @type {string | null} */
  #accessToken = null
  /** @type {string | null} */
  #refreshToken = null
  /** @type {Promise<string | null> | null} */
  #renewing = null
  /** @type {Promise<unknown>} */
  #last = Promise.resolve()
  /** @type {BroadcastChannel | null} */
  #otherTabs = null
  /** @type {Set<() => void>} */
  #listeners = new Set()
  #endpoint
  #hasCookie
  #lockName

  /**
   * @param {string} endpoint the URL of the server's GraphQL endpoint
   * @param {'COOKIE' | 'BODY'} [delivery] how the refresh token is delivered
   */
  constructor(endpoint, delivery = 'COOKIE') {
    this.#endpoint = endpoint
    this.#hasCookie = delivery === 'COOKIE'
    this.#state = this.#hasCookie ? { status: 'starting' } : { status: 'signed-out', lost: false }
    this.#lockName = `latchkey ${endpoint}`
    if (!this.#hasCookie) return
    this.#otherTabs = new BroadcastChannel(this.#lockName)
    this.#otherTabs.onmessage = ({ data }) => {
      if (data === 'signed-out') this.#setState({ status: 'signed-out', lost: false })
      else void this.restore()
    }
  }

  /** The state. It is the same object until `subscribe` reports a change. */
  get state() {
    return this.#state
  }

  /** The token for the header `Authorization: Bearer …`, or null. It may have expired. */
  get accessToken() {
    return this.#accessToken
  }

  /**
   * Calls the listener after each change of the state. Returns a function that stops it.
   *
   * @param {() => void} listener
   * @returns {() => void}
   */
  subscribe = (listener) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Finds out from the cookie who is signed in. Never throws: the result is the state. */
  async restore() {
    if (this.#state.status === 'unreachable') this.#setState({ status: 'starting' })
    try {
      await this.renew(this.#accessToken)
    } catch {
      if (this.#state.status === 'starting') this.#setState({ status: 'unreachable' })
    }
  }

  /**
   * Returns an access token to replace the one that the server refused with UNAUTHENTICATED, or null if there is none
   * for the same user: then show the error, and the state says what to do next. Throws a SessionError.
   *
   * Call it whatever the reason is. Even after REVOKED the cookie may be valid, if another tab has signed in or changed
   * the password meanwhile.
   *
   * @param {string | null} refused
   * @returns {Promise<string | null>}
   */
  async renew(refused) {
    if (this.#accessToken !== refused) return this.#accessToken
    this.#renewing ??= this.#exclusively(() => this.#refresh()).finally(() => {
      this.#renewing = null
    })
    return this.#renewing
  }

  /**
   * Starts a session. `obtain` runs `register`, `obtainToken` or `changePassword` and returns the tokens, or null if the
   * server refused.
   *
   * `obtain` must not wait for `renew`, which would wait for `begin`. If a user is signed in, their access token is
   * renewed first. If that is not possible for the same user, `obtain` does not run and a SessionError is thrown.
   *
   * @param {() => Promise<Tokens | null>} obtain
   */
  async begin(obtain) {
    await this.#exclusively(async () => {
      if (this.#accessToken && !(await this.#refresh())) {
        throw new SessionError('UNAUTHENTICATED', 'The session has ended.')
      }
      const tokens = await obtain()
      if (!tokens) return
      this.#setTokens(tokens)
      this.#setState({ status: 'signed-in', userId: claimsOf(tokens.accessToken).sub })
      this.#otherTabs?.postMessage('signed-in')
    })
  }

  /** Ends the session, in all tabs. Throws a SessionError if the server cannot be asked: then the session continues. */
  async signOut() {
    await this.#exclusively(() => this.#send(SIGN_OUT))
    this.forget()
  }

  /** Sets the state to signed out, in all tabs, without asking the server, for example after `deleteMe`. */
  forget() {
    this.#setState({ status: 'signed-out', lost: false })
    this.#otherTabs?.postMessage('signed-out')
  }

  /** @returns {Promise<string | null>} */
  async #refresh() {
    const { tokens } = (await this.#send(REFRESH)).refreshToken
    const before = this.#state
    if (!tokens) {
      const lost = before.status === 'signed-in' || (before.status === 'signed-out' && before.lost)
      this.#setState({ status: 'signed-out', lost })
      return null
    }
    this.#setTokens(tokens)
    const userId = claimsOf(tokens.accessToken).sub
    if (before.status === 'signed-in' && before.userId === userId) return tokens.accessToken
    this.#setState({ status: 'signed-in', userId })
    return before.status === 'signed-in' ? null : tokens.accessToken
  }

  /**
   * Returns the data of the response. With `keepalive`, a refresh completes even if the page is closed, so that the
   * browser receives the next cookie.
   *
   * @param {string} query
   * @returns {Promise<any>}
   */
  async #send(query) {
    const input = this.#refreshToken ? { refreshToken: this.#refreshToken } : {}
    let answer
    try {
      const response = await fetch(this.#endpoint, {
        method: 'POST',
        credentials: this.#hasCookie ? 'include' : 'omit',
        keepalive: true,
        signal: AbortSignal.timeout(TIMEOUT),
        headers: {
          'Content-Type': 'application/json',
          ...(this.#accessToken && { Authorization: `Bearer ${this.#accessToken}` }),
        },
        body: JSON.stringify({ query, variables: { input } }),
      })
      answer = await response.json()
    } catch {
      throw new SessionError('UNREACHABLE', 'The server cannot be reached.')
    }
    const [error] = answer.errors ?? []
    if (error?.extensions) throw new SessionError(error.extensions.code, error.message, error.extensions.retryAfter)
    if (!answer.data) throw new SessionError('UNREACHABLE', 'The response is not from Latchkey.')
    return answer.data
  }

  /**
   * Runs functions one at a time: among all tabs if they share a cookie, otherwise in this object. Without Web Locks,
   * which need https or localhost, always in this object only.
   *
   * @template T
   * @param {() => Promise<T>} run
   * @returns {Promise<T>}
   */
  async #exclusively(run) {
    if (this.#hasCookie && navigator.locks) return await navigator.locks.request(this.#lockName, run)
    const result = this.#last.then(run)
    this.#last = result.catch(() => {})
    return result
  }

  /** @param {Tokens} tokens */
  #setTokens({ accessToken, refreshToken }) {
    this.#accessToken = accessToken
    this.#refreshToken = refreshToken ?? null
  }

  /** @param {SessionState} state */
  #setState(state) {
    if (state.status !== 'signed-in') this.#accessToken = this.#refreshToken = null
    this.#state = state
    for (const listener of this.#listeners) listener()
  }
}

/**
 * Returns the claims of an access token without verifying it, which the server does with each request.
 *
 * @param {string} accessToken
 * @returns {{ sub: string, iat: number, exp: number }} the user's ID, and when the token was issued and expires, in
 *   seconds since 1970
 */
export const claimsOf = (accessToken) => {
  const claims = accessToken.split('.')[1] ?? ''
  return JSON.parse(atob(claims.replaceAll('-', '+').replaceAll('_', '/')))
}
