import type { ApolloClient, OperationVariables, TypedDocumentNode } from '@apollo/client'
import { useApolloClient } from '@apollo/client/react'

import { useSession } from './useSession'

type Options = Pick<ApolloClient.MutateOptions, 'awaitRefetchQueries' | 'context' | 'refetchQueries' | 'update'>

/** Returns a function that runs a mutation and returns its data. It throws what `errorMessage` accepts. */
export function useMutate() {
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

/** Like useMutate, for mutations that start a session. `tokens` returns the tokens in their data. */
export function useBegin() {
  const mutate = useMutate()
  const { session } = useSession()
  return async <Data, Variables extends OperationVariables>(
    mutation: TypedDocumentNode<Data, Variables>,
    variables: Variables,
    tokens: (data: Data) => { accessToken: string } | null,
  ): Promise<Data> => {
    let data!: Data
    await session.begin(async () => {
      data = await mutate(mutation, variables, { context: { beginsSession: true } })
      return tokens(data)
    })
    return data
  }
}
