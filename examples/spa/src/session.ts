/**
 * Staying signed in with Latchkey, in a browser.
 *
 * This file depends on nothing: copy it. `session-link.ts` beside it joins it to Apollo Client; another GraphQL client
 * needs a joint of its own, which is twenty lines.
 *
 * There are two tokens:
 *
 * - The **refresh token** is in a cookie that scripts cannot read. It works once: each use sets the next one. Whoever
 *   uses an old one is taken for a thief, and the session ends.
 * - The **access token** goes with each request and lives a few minutes. It is kept in this object and nowhere else: a
 *   reload loses it, and gets another for the cookie.
 *
 * All tabs of a browser share the cookie, and that asks for some care:
 *
 * 1. In a tab at most one refresh is under way; whoever needs it waits for the same promise.
 * 2. Among tabs, whatever sets the cookie holds a Web Lock, so that no two requests carry the same refresh token and no
 *    late answer overwrites a newer cookie.
 * 3. A tab tells the others when it signs in or out, by a BroadcastChannel.
 * 4. Somebody else may have signed in since: nothing that one user asked for is asked again in another one's name.
 *
 * How it is used:
 *
 *     const session = new Session('https://accounts.example.com/graphql')
 *     session.subscribe(() => draw(session.state))
 *     await session.restore()                                   // after each load of the page
 *     await session.begin(async () => …obtainToken…)            // to sign in, with `delivery: COOKIE`
 *     fetch(…, { headers: { Authorization: `Bearer ${session.accessToken}` } })
 *     const next = await session.renew(refused)                 // after UNAUTHENTICATED; null: do not ask again
 *     await session.signOut()
 */

/** What is known of the person in front of the browser. */
export type SessionState =
  /** Nothing yet: the server is being asked. */
  | { readonly is: 'starting' }
  /** Nothing yet, and the server cannot be asked. Call `restore` again when there is reason to hope. */
  | { readonly is: 'unreachable' }
  /** This user is signed in, as far as is known. */
  | { readonly is: 'signed-in'; readonly userId: string }
  /** Nobody is signed in. `lost` says that somebody was and did not sign out here: tell them. */
  | { readonly is: 'signed-out'; readonly lost: boolean }

/** Why the server gave neither a token nor a refusal. */
export class SessionError extends Error {
  override readonly name = 'SessionError'

  constructor(
    /** A code of the server, such as `RATE_LIMITED`, or `UNREACHABLE`. */
    readonly code: string,
    /** For how many seconds to wait. */
    readonly retryAfter?: number,
  ) {
    super(`The session could not be renewed: ${code}`)
  }
}

const REFRESH = 'mutation Refresh { refreshToken(input: {}) { tokens { accessToken } userErrors { code } } }'
const SIGN_OUT = 'mutation SignOut { signOut(input: {}) { signedOut } }'

/** How long a request of this file may take. The lock is free again after it, whatever happens. */
const PATIENCE = 30_000

export class Session {
  #state: SessionState = { is: 'starting' }
  #access: string | null = null
  #renewing: Promise<string | null> | null = null
  readonly #endpoint: string
  readonly #name: string
  readonly #others: BroadcastChannel
  readonly #listeners = new Set<() => void>()

  constructor(endpoint: string) {
    this.#endpoint = endpoint
    this.#name = `latchkey ${endpoint}`
    this.#others = new BroadcastChannel(this.#name)
    this.#others.onmessage = ({ data }: MessageEvent<'signed-in' | 'signed-out'>) => {
      if (data === 'signed-out') this.#become({ is: 'signed-out', lost: false })
      else void this.restore()
    }
  }

  /** The state: the same object until `subscribe` tells of another. */
  get state(): SessionState {
    return this.#state
  }

  /** What goes into the header `Authorization` after `Bearer`, or null. It may have expired. */
  get accessToken(): string | null {
    return this.#access
  }

  /** Calls the listener after each change of the state, until the function returned here is called. */
  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Asks the server, by the cookie, who is signed in. It never throws: the outcome is the state. */
  async restore(): Promise<void> {
    if (this.#state.is === 'unreachable') this.#become({ is: 'starting' })
    try {
      await this.renew(this.#access)
    } catch {
      if (this.#state.is === 'starting') this.#become({ is: 'unreachable' })
    }
  }

  /**
   * Returns an access token in place of the one that the server refused with UNAUTHENTICATED. Null means that there
   * is none for the same user: show the refusal, for the state tells the rest. Throws a SessionError when the server
   * cannot say.
   *
   * The reason that the server gives does not matter. Even after REVOKED the cookie may be good, when another tab has
   * signed in or changed the password meanwhile.
   */
  async renew(refused: string | null): Promise<string | null> {
    if (this.#access !== refused) return this.#access
    this.#renewing ??= this.#alone(() => this.#refresh()).finally(() => {
      this.#renewing = null
    })
    return this.#renewing
  }

  /**
   * Runs what begins a session, which is `register`, `obtainToken` or `changePassword` with `delivery: COOKIE`, and
   * takes up the access token that it returns; null is for a refusal.
   *
   * Nothing inside may wait for `renew`, which would wait for this. It need not: who is signed in gets a new access
   * token first. If there is none for the same user, nothing is run, and a SessionError is thrown.
   */
  async begin(ask: () => Promise<string | null>): Promise<void> {
    await this.#alone(async () => {
      if (this.#access && !(await this.#refresh())) throw new SessionError('UNAUTHENTICATED')
      const access = await ask()
      if (!access) return
      this.#access = access
      this.#become({ is: 'signed-in', userId: subject(access) })
      this.#others.postMessage('signed-in')
    })
  }

  /** Ends the session, in all tabs. Throws a SessionError when the server cannot be asked: it goes on then. */
  async signOut(): Promise<void> {
    await this.#alone(() => this.#ask(SIGN_OUT))
    this.forget()
  }

  /** Takes note, in all tabs, that the session is over, because of `deleteMe`, for example. */
  forget(): void {
    this.#become({ is: 'signed-out', lost: false })
    this.#others.postMessage('signed-out')
  }

  async #refresh(): Promise<string | null> {
    const { refreshToken } = await this.#ask(REFRESH)
    const before = this.#state
    const access: string | undefined = refreshToken.tokens?.accessToken
    if (!access) {
      this.#become({ is: 'signed-out', lost: before.is === 'signed-in' || (before.is === 'signed-out' && before.lost) })
      return null
    }
    const userId = subject(access)
    this.#access = access
    if (before.is === 'signed-in' && before.userId === userId) return access
    this.#become({ is: 'signed-in', userId })
    return before.is === 'signed-in' ? null : access
  }

  /**
   * Returns the answer's data. `keepalive` lets a refresh come to its end when the page goes away, so that the browser
   * gets to know the next cookie.
   */
  async #ask(query: string) {
    let answer
    try {
      const response = await fetch(this.#endpoint, {
        method: 'POST',
        credentials: 'include',
        keepalive: true,
        signal: AbortSignal.timeout(PATIENCE),
        headers: {
          'Content-Type': 'application/json',
          ...(this.#access && { Authorization: `Bearer ${this.#access}` }),
        },
        body: JSON.stringify({ query }),
      })
      answer = await response.json()
    } catch {
      throw new SessionError('UNREACHABLE')
    }
    const refusal = answer.errors?.[0]?.extensions
    if (!refusal && !answer.data) throw new SessionError('UNREACHABLE') // somebody else's answer
    if (refusal) throw new SessionError(refusal.code, refusal.retryAfter)
    return answer.data
  }

  /** Runs something while no other tab does such a thing. There are locks where there is https, and on localhost. */
  async #alone<T>(run: () => Promise<T>): Promise<T> {
    return navigator.locks ? await navigator.locks.request(this.#name, run) : run()
  }

  #become(state: SessionState): void {
    if (state.is !== 'signed-in') this.#access = null
    this.#state = state
    for (const listener of this.#listeners) listener()
  }
}

/** Returns the id of the user whom an access token is for. It is not checked here: the server does, each time. */
function subject(access: string): string {
  const claims = access.split('.')[1] ?? ''
  return JSON.parse(atob(claims.replaceAll('-', '+').replaceAll('_', '/'))).sub
}
