import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from '@apollo/client'
import { relayStylePagination } from '@apollo/client/utilities'

import type { Session } from './session'
import { sessionLink } from './session-link'

/** Returns a client with an empty cache. Each user gets a new one, so that no user sees what another one read. */
export const newClient = (endpoint: string, session: Session) =>
  new ApolloClient({
    link: ApolloLink.from([sessionLink(session), new HttpLink({ uri: endpoint, credentials: 'include' })]),
    cache: new InMemoryCache({
      typePolicies: { Query: { fields: { profiles: relayStylePagination(['filter', 'orderBy']) } } },
    }),
    defaultOptions: { watchQuery: { fetchPolicy: 'cache-and-network', nextFetchPolicy: 'cache-first' } },
  })
