import { CombinedGraphQLErrors } from '@apollo/client'

import { SessionError } from './session'

/** What to tell people when something did not work that they cannot mend in a form. */
export interface Trouble {
  readonly text: string
  /** When it makes sense to try again, in milliseconds since 1970; left out where nobody knows. */
  readonly again?: number
}

/** Puts an error into words. The codes are those of the schema. */
export function troubleOf(error: unknown): Trouble {
  if (error instanceof SessionError) return told(error.code, { retryAfter: error.retryAfter })
  if (CombinedGraphQLErrors.is(error)) {
    const extensions = error.errors[0]?.extensions ?? {}
    return told(String(extensions['code']), extensions)
  }
  return told('UNREACHABLE')
}

function told(code: string, { retryAfter, requestId }: { retryAfter?: unknown; requestId?: unknown } = {}): Trouble {
  switch (code) {
    case 'UNREACHABLE':
      return { text: 'The server cannot be reached. Check your connection and try again.' }
    case 'RATE_LIMITED': {
      const seconds = Number(retryAfter)
      return seconds > 0
        ? { text: 'That was too often.', again: Date.now() + seconds * 1000 }
        : { text: 'That was too often. Try again later.' }
    }
    case 'UNAUTHENTICATED':
      return { text: 'You are not signed in any more.' }
    case 'FORBIDDEN':
      return { text: 'You may not do that.' }
    case 'NOT_FOUND':
      return { text: 'This does not exist, or not any more.' }
    case 'INTERNAL_SERVER_ERROR':
      return {
        text: `Something went wrong on the server.${requestId ? ` Quote this when you report it: ${requestId}` : ''}`,
      }
    default:
      return { text: 'The server refused that. Reload the page and try again.' }
  }
}

/** Returns a time in the largest unit that says it well, rounded up. */
export function duration(seconds: number): string {
  const [count, unit] =
    seconds < 90 ? [seconds, 'second'] : seconds < 5400 ? [seconds / 60, 'minute'] : [seconds / 3600, 'hour']
  const whole = Math.ceil(count)
  return `${whole} ${unit}${whole === 1 ? '' : 's'}`
}
