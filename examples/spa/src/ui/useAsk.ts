import type { ApolloClient, OperationVariables, TypedDocumentNode } from '@apollo/client'
import { useApolloClient } from '@apollo/client/react'

import { useSession } from './useSession'

type Options = Pick<ApolloClient.MutateOptions, 'awaitRefetchQueries' | 'context' | 'refetchQueries' | 'update'>

/** Returns a function that runs a mutation and returns its data. It throws what `troubleOf` puts into words. */
export function useAsk() {
  const client = useApolloClient()
  return async <Data, Variables extends OperationVariables>(
    mutation: TypedDocumentNode<Data, Variables>,
    variables: Variables,
    options?: Options,
  ): Promise<Data> => {
    const { data } = await client.mutate<Data, OperationVariables>({ mutation, variables, ...(options as object) })
    return data as Data
  }
}

/** Returns the same for mutations that begin a session. `tokens` finds them in the data. */
export function useBegin() {
  const ask = useAsk()
  const { session } = useSession()
  return async <Data, Variables extends OperationVariables>(
    mutation: TypedDocumentNode<Data, Variables>,
    variables: Variables,
    tokens: (data: Data) => { accessToken: string } | null,
  ): Promise<Data> => {
    let data!: Data
    await session.begin(async () => {
      data = await ask(mutation, variables, { context: { beginsSession: true } })
      return tokens(data)?.accessToken ?? null
    })
    return data
  }
}
