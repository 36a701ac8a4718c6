import { graphql } from '../gql'

export const ServerInfoQuery = graphql(`
  query ServerInfo {
    serverInfo {
      registration
      emailVerification
      password {
        minLength
        maxLength
      }
    }
  }
`)

/** Says what a password has to be like. */
export const passwordHint = (policy: { minLength: number; maxLength: number } | undefined) =>
  policy &&
  `${policy.minLength} to ${policy.maxLength} characters; not digits alone, ` +
    'not one that many use, and not like your own names.'
