import { ApolloLink } from '@apollo/client'
import { from, mergeMap, of } from 'rxjs'

import type { Session } from './session'

declare module '@apollo/client' {
  interface DefaultContext {
    /** True for what runs inside `session.begin`: such an operation is not asked again. */
    beginsSession?: boolean
  }
}

/**
 * Joins a session to Apollo Client. Each operation carries the access token. One that comes back as UNAUTHENTICATED
 * waits for the next token and is asked again, once. A token that was renewed meanwhile is used as it is, so that
 * however many operations are refused together, there is one refresh. FORBIDDEN and the like are answers: another token
 * would not change them.
 */
export const sessionLink = (session: Session) =>
  new ApolloLink((operation, forward) => {
    const send = (access: string | null) => {
      if (access) {
        operation.setContext(({ headers }) => ({ headers: { ...headers, authorization: `Bearer ${access}` } }))
      }
      return forward(operation)
    }
    const access = session.accessToken
    return send(access).pipe(
      mergeMap((result) => {
        const refused = result.errors?.some(({ extensions }) => extensions?.['code'] === 'UNAUTHENTICATED')
        if (!refused || !access || operation.getContext().beginsSession) return of(result)
        return from(session.renew(access)).pipe(mergeMap((next) => (next ? send(next) : of(result))))
      }),
    )
  })
