// Sends the explorer's requests, as the signed-in user if there is one. The tokens are kept in memory only.

import { claimsOf, Session, SessionError } from './session.js'

const endpoint = '/graphql'
const tokens = 'tokens { accessToken refreshToken }'
const userErrors = 'userErrors { code field message }'
const operations = {
  signIn: `mutation ($input: ObtainTokenInput!) { obtainToken(input: $input) { ${tokens} ${userErrors} } }`,
  refresh: `mutation ($input: RefreshTokenInput!) { refreshToken(input: $input) { ${tokens} ${userErrors} } }`,
  verify: 'mutation ($input: VerifyTokenInput!) { verifyToken(input: $input) { valid kind } }',
  me: '{ me { id username email role status profile { id } sessions { id isCurrent } } }',
}

const unauthenticated = {
  MISSING: 'Sign in first.',
  EXPIRED: 'The access token has expired.',
  INVALID: 'The access token is invalid.',
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

// The operation in the editor may have omitted any field of a user error.
const explainUserError = ({ code, field, message = 'The input is invalid.' }) =>
  `${field?.length ? `${field.join('.')}: ` : ''}${message}${code ? ` (${code})` : ''}`

// complaints returns the errors of a response and the userErrors of its fields as sentences.
export const complaints = ({ errors = [], data }) => [
  ...errors.map(explain),
  ...Object.values(data ?? {}).flatMap((payload) => (payload?.userErrors ?? []).map(explainUserError)),
]

const session = new Session(endpoint, 'BODY')

let user = null // the signed-in user, as last fetched
let renewable = false // A pasted access token comes without a refresh token.
let staleAt = Infinity // when to renew the access token, by this machine's clock, in milliseconds
let listener = () => {}

// caller returns the signed-in user and when the access token expires, or null.
export const caller = () =>
  (user ? { user, until: new Date(claimsOf(session.accessToken).exp * 1000), renewable } : null)

// onCaller calls back when another user is signed in, and when the access token was renewed.
export const onCaller = (callback) => { listener = callback }

session.subscribe(() => {
  if (session.state.status === 'signed-in') return
  user = null
  listener(null)
})

// post sends an operation and returns the response with what the footer shows about it.
const post = async (operation, headers, credentials) => {
  const began = performance.now()
  const response = await fetch(endpoint, {
    method: 'POST',
    credentials,
    headers: { Accept: 'application/json', 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify(operation),
  }).catch(() => { throw new Error('The server cannot be reached.') })
  const answer = await response.json()
    .catch(() => { throw new Error(`The server returned status ${response.status} without JSON.`) })
  return {
    answer,
    status: response.status,
    requestID: response.headers.get('X-Request-Id'),
    milliseconds: performance.now() - began,
  }
}

const bearer = (access) => (access ? { Authorization: `Bearer ${access}` } : {})

// call runs one mutation for the bar and returns its payload. It sends no cookie, which may be another application's.
const call = async (query, input) => {
  const { answer } = await post({ query, variables: { input } }, {}, 'omit')
  return Object.values(accepted(answer))[0]
}

// accepted returns the data of a response without errors.
const accepted = (answer) => {
  const wrong = complaints(answer)
  if (wrong.length) throw new Error(wrong.join(' '))
  return answer.data
}

// explained runs a function of the session and throws its errors with a message to show.
const explained = async (run) => {
  try {
    return await run()
  } catch (error) {
    if (!(error instanceof SessionError) || error.code === 'UNREACHABLE') throw error
    const { message, code, retryAfter } = error
    throw new Error(explain({ message, extensions: { code, retryAfter } }))
  }
}

// schedule sets when to renew a new access token: one second before it expires.
const schedule = () => {
  const { iat, exp } = claimsOf(session.accessToken)
  staleAt = Date.now() + (exp - iat - 1) * 1000
}

// begin starts a session with these tokens, if the server returns their user.
const begin = async (tokens) => {
  renewable = Boolean(tokens.refreshToken)
  await session.begin(async () => tokens)
  schedule()
  try {
    await whoAmI()
  } catch (error) {
    session.forget()
    throw error
  }
}

// signIn starts a session with a password.
export const signIn = async (identifier, password) => {
  const payload = await call(operations.signIn, { identifier, password, deviceName: 'Explorer' })
  await begin(payload.tokens)
}

// adopt starts a session with an access or a refresh token.
export const adopt = async (token) => {
  const { valid, kind } = await call(operations.verify, { token })
  if (!valid) throw new Error('This token is invalid or has expired.')
  await begin(kind === 'ACCESS' ? { accessToken: token }
    : (await call(operations.refresh, { refreshToken: token })).tokens)
}

// renew returns an access token to replace this one.
const renew = async (access) => {
  const next = await explained(() => session.renew(access))
  if (!next) throw new Error('The session has ended. Sign in again.')
  schedule()
  listener(caller())
  return next
}

// asCaller sends a request with the access token, which it renews first if it is about to expire. If the server refuses
// the token anyway, asCaller renews it and, if repeatable, sends the request again. If the token cannot be renewed, the
// session is over.
const asCaller = async (send, repeatable) => {
  if (renewable && session.accessToken && Date.now() >= staleAt) await renew(session.accessToken)
  const { state, accessToken } = session
  const result = await send(accessToken)
  const [reason] = (result.answer.errors ?? []).map(({ extensions }) => extensions?.reason).filter(Boolean)
  if (!accessToken || session.state !== state || !reason) return result
  if (renewable && reason !== 'REVOKED') {
    const next = await renew(accessToken)
    return repeatable ? send(next) : result
  }
  session.forget()
  return result
}

// whoAmI fetches the signed-in user.
export const whoAmI = async () => {
  const { state } = session
  const { answer } = await asCaller((access) => post({ query: operations.me }, bearer(access), 'omit'), true)
  const { me } = accepted(answer)
  if (session.state === state) {
    user = me
    listener(caller())
  }
  return me
}

// signOut ends the session. The tokens are forgotten even if the server cannot be reached.
export const signOut = async () => {
  try {
    await explained(() => session.signOut())
  } finally {
    session.forget()
  }
}

// isRepeatable reports whether an operation whose token was refused can be sent again: queries can, and mutations with
// a single field, which did not run.
const isRepeatable = (document, name) => {
  const operation = document?.definitions
    .find((definition) => definition.kind === 'OperationDefinition' && definition.name?.value === name)
  const fields = operation?.selectionSet.selections ?? []
  return operation?.operation === 'query' || fields.length === 1 && fields[0].kind === 'Field'
}

// explore sends the operation in the editor as the signed-in user, unless its headers have an Authorization of their
// own. It returns what post returns.
export const explore = async (operation, headers = {}, document = null) => {
  const send = (access) => post(operation, { ...bearer(access), ...headers }, 'same-origin')
  if (Object.keys(headers).some((name) => name.toLowerCase() === 'authorization')) return send()
  return asCaller(send, isRepeatable(document, operation.operationName))
}
