/** The session module, which the explorer uses too. In your own app, replace this file with a copy of session.js. */
export { Session, SessionError, type SessionState } from '../../../graph/explorer/session.js'
