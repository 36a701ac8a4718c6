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

/** Returns the rules for a password. */
export const passwordHint = (policy: { minLength: number; maxLength: number } | undefined) =>
  policy && `${policy.minLength}–${policy.maxLength} characters. Avoid common passwords, numbers only, or your name.`
