import { ApolloLink } from '@apollo/client'
import { from, mergeMap, of } from 'rxjs'

import type { Session } from './session'

declare module '@apollo/client' {
  interface DefaultContext {
    /** True for operations inside `session.begin`: they are not retried. */
    beginsSession?: boolean
  }
}

/**
 * Connects a session to Apollo Client. Each operation is sent with the access token. After UNAUTHENTICATED it waits for
 * the next token and is sent again, once. A token that was renewed meanwhile is used as it is, so any number of
 * operations that are refused together cause one refresh. Other errors, such as FORBIDDEN, are not retried: another
 * token would not help.
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
