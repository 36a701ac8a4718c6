import { CombinedGraphQLErrors } from '@apollo/client'

import { SessionError } from './session'

/** What to show for an error that is not about a field of a form. */
export interface ErrorMessage {
  readonly text: string
  /** When to try again, in milliseconds since 1970, if the server says so. */
  readonly retryAt?: number
}

/** Returns the message to show for an error. The codes are those of the schema. */
export function errorMessage(error: unknown): ErrorMessage {
  if (error instanceof SessionError) return messageFor(error.code, { retryAfter: error.retryAfter })
  if (CombinedGraphQLErrors.is(error)) {
    const extensions = error.errors[0]?.extensions ?? {}
    return messageFor(String(extensions['code']), extensions)
  }
  return messageFor('UNREACHABLE')
}

function messageFor(
  code: string,
  { retryAfter, requestId }: { retryAfter?: unknown; requestId?: unknown } = {},
): ErrorMessage {
  switch (code) {
    case 'UNREACHABLE':
      return { text: 'The server cannot be reached. Check your connection and try again.' }
    case 'RATE_LIMITED': {
      const seconds = Number(retryAfter)
      return seconds > 0
        ? { text: 'Too many attempts.', retryAt: Date.now() + seconds * 1000 }
        : { text: 'Too many attempts. Try again later.' }
    }
    case 'UNAUTHENTICATED':
      return { text: 'You are no longer signed in.' }
    case 'FORBIDDEN':
      return { text: 'You are not allowed to do that.' }
    case 'NOT_FOUND':
      return { text: 'This does not exist or has been deleted.' }
    case 'INTERNAL_SERVER_ERROR':
      return {
        text: `Something went wrong on the server.${requestId ? ` Request ID: ${requestId}` : ''}`,
      }
    default:
      return { text: 'The server rejected the request. Reload the page and try again.' }
  }
}

/** Returns a duration such as "5 minutes", in the largest suitable unit and rounded up. */
export function duration(seconds: number): string {
  const [count, unit] =
    seconds < 90 ? [seconds, 'second'] : seconds < 5400 ? [seconds / 60, 'minute'] : [seconds / 3600, 'hour']
  const whole = Math.ceil(count)
  return `${whole} ${unit}${whole === 1 ? '' : 's'}`
}
