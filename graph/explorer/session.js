// Who calls: signs in, stays signed in and signs out. The tokens are in this module's memory and nowhere else.

const tokens = 'tokens { accessToken accessTokenExpiresAt refreshToken }'
const mistakes = 'userErrors { code field message }'
const operations = {
  signIn: `mutation ($input: ObtainTokenInput!) { obtainToken(input: $input) { ${tokens} ${mistakes} } }`,
  refresh: `mutation ($input: RefreshTokenInput!) { refreshToken(input: $input) { ${tokens} ${mistakes} } }`,
  verify: 'mutation ($input: VerifyTokenInput!) { verifyToken(input: $input) { valid kind expiresAt } }',
  signOut: 'mutation ($input: SignOutInput!) { signOut(input: $input) { signedOut } }',
  me: '{ me { id username email role status profile { id } sessions { id isCurrent } } }',
}

// A Refusal has a message for people, and the codes that the server gave.
class Refusal extends Error {
  constructor(message, codes = []) {
    super(message)
    this.codes = codes
  }
}

const unauthenticated = {
  MISSING: 'Sign in first.',
  EXPIRED: 'The access token has expired.',
  INVALID: 'The access token is not one of this server.',
  REVOKED: 'The session has ended.',
}

const duration = (seconds) => {
  const [amount, unit] = seconds < 120 ? [seconds, 'second'] : [Math.ceil(seconds / 60), 'minute']
  return `${amount} ${unit}${amount === 1 ? '' : 's'}`
}

const explain = ({ message, extensions: { code, reason, retryAfter } = {} }) => {
  let text = code === 'UNAUTHENTICATED' ? unauthenticated[reason] ?? message : message
  if (retryAfter) text += ` Try again in ${duration(retryAfter)}.`
  return code ? `${text} (${code})` : text
}

// The editor's operation may have left out any part of a mistake.
const explainMistake = ({ code, field, message = 'The input has a mistake.' }) =>
  `${field?.length ? `${field.join('.')}: ` : ''}${message}${code ? ` (${code})` : ''}`

// complaints returns what an answer complains of, in sentences: errors, and the userErrors of its fields.
export const complaints = ({ errors = [], data }) => [
  ...errors.map(explain),
  ...Object.values(data ?? {}).flatMap((payload) => (payload?.userErrors ?? []).map(explainMistake)),
]

const codes = ({ errors = [], data }) => [
  ...errors.map((error) => error.extensions?.code),
  ...Object.values(data ?? {}).flatMap((payload) => (payload?.userErrors ?? []).map((mistake) => mistake.code)),
]

// held is the session, or null: its tokens, when to refresh (by this machine's clock, in milliseconds) and its user. A
// pasted access token comes without a refresh token.
let held = null
let refreshing = null
let listener = () => {}

const hold = (session) => {
  held = session
  listener(caller())
}

// caller returns who is signed in and until when, without any token; null for nobody.
export const caller = () =>
  (held?.user ? { user: held.user, until: held.until, renews: Boolean(held.refresh) } : null)

// onCaller calls back whenever somebody else is signed in, or for longer.
export const onCaller = (callback) => { listener = callback }

// post sends an operation and returns the answer with what the footer tells of it.
const post = async (operation, headers, credentials) => {
  const began = performance.now()
  const response = await fetch('/graphql', {
    method: 'POST',
    credentials,
    headers: { Accept: 'application/json', 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify(operation),
  }).catch(() => { throw new Refusal('The server does not answer.') })
  const answer = await response.json()
    .catch(() => { throw new Refusal(`The server answered ${response.status}, without JSON.`) })
  return {
    answer,
    status: response.status,
    requestID: response.headers.get('X-Request-Id'),
    milliseconds: performance.now() - began,
    serverTime: Date.parse(response.headers.get('Date')),
  }
}

const bearer = (access) => (access ? { Authorization: `Bearer ${access}` } : {})

// call asks for one field on the bar's own behalf. It sends no cookie, which may be another application's.
const call = async (query, variables, access) => {
  const { answer, serverTime } = await post({ query, variables }, bearer(access), 'omit')
  return { payload: Object.values(accepted(answer))[0], serverTime }
}

// accepted returns the data of an answer without complaints.
const accepted = (answer) => {
  const wrong = complaints(answer)
  if (wrong.length) throw new Refusal(wrong.join(' '), codes(answer))
  return answer.data
}

// tokensOf returns a pair as the session holds it. The server's clock decides when its access token is stale; its Date
// header has whole seconds, so it may be up to one later than that.
const tokensOf = ({ payload: { tokens }, serverTime }) => {
  const until = Date.parse(tokens.accessTokenExpiresAt)
  return {
    access: tokens.accessToken,
    refresh: tokens.refreshToken,
    until: new Date(until),
    staleAt: Date.now() + until - serverTime - 1000,
  }
}

// begin makes a session the page's, once the server has told whose it is.
const begin = async (session) => {
  held = session
  try {
    await whoAmI()
  } catch (refusal) {
    hold(null)
    throw refusal
  }
}

// signIn begins a session with a password.
export const signIn = async (identifier, password) => {
  const input = { identifier, password, deviceName: 'Explorer' }
  await begin(tokensOf(await call(operations.signIn, { input })))
}

// adopt goes on with a token of either kind.
export const adopt = async (token) => {
  const { payload: { valid, kind, expiresAt } } = await call(operations.verify, { input: { token } })
  if (!valid) throw new Refusal('The server does not accept this token, or no longer.')
  if (kind === 'ACCESS') return begin({ access: token, until: new Date(expiresAt) })
  return begin(tokensOf(await call(operations.refresh, { input: { refreshToken: token } })))
}

// refresh gets the next pair, once for all who wait for it. A refused token ends the session here.
const refresh = () => {
  refreshing ??= renew(held).finally(() => { refreshing = null })
  return refreshing
}

const renew = async (session) => {
  try {
    Object.assign(session, tokensOf(await call(operations.refresh, { input: { refreshToken: session.refresh } })))
    hold(held)
  } catch (refusal) {
    if (!refusal.codes?.includes('TOKEN_INVALID')) throw refusal
    if (held === session) hold(null)
    throw new Refusal('The session has ended: sign in again.')
  }
}

// asCaller sends something with the caller's access token, refreshed when it is stale. When the server refuses the
// token all the same, it gets the next one and sends again, if that does no harm, or forgets the session.
const asCaller = async (send, repeatable) => {
  if (held?.refresh && Date.now() >= held.staleAt) await refresh()
  const session = held
  const result = await send(session?.access)
  const [reason] = (result.answer.errors ?? []).map(({ extensions }) => extensions?.reason).filter(Boolean)
  if (!session || held !== session || !reason) return result
  if (session.refresh && reason !== 'REVOKED') {
    await refresh()
    return repeatable ? send(session.access) : result
  }
  hold(null)
  return result
}

// whoAmI returns the caller's account as it is now.
export const whoAmI = async () => {
  const session = held
  const { answer } = await asCaller((access) => post({ query: operations.me }, bearer(access), 'omit'), true)
  session.user = accepted(answer).me
  if (held === session) hold(session)
  return session.user
}

// signOut ends the session, and forgets it even if the server does not answer.
export const signOut = async () => {
  const { access, refresh } = held
  hold(null)
  await call(operations.signOut, { input: { refreshToken: refresh } }, access)
}

// repeatable tells whether an operation that was refused for its token ran nothing that must not run twice.
const repeatable = (document, name) => {
  const operation = document?.definitions
    .find((definition) => definition.kind === 'OperationDefinition' && definition.name?.value === name)
  const fields = operation?.selectionSet.selections ?? []
  return operation?.operation === 'query' || fields.length === 1 && fields[0].kind === 'Field'
}

// explore sends what the editor holds as the caller, unless its headers say otherwise, and returns what post does.
export const explore = async (operation, headers = {}, document = null) => {
  const send = (access) => post(operation, { ...bearer(access), ...headers }, 'same-origin')
  if (Object.keys(headers).some((name) => name.toLowerCase() === 'authorization')) return send()
  return asCaller(send, repeatable(document, operation.operationName))
}
