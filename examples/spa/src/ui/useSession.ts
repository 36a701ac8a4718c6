import { createContext, use } from 'react'

import type { Session, SessionState } from '../session'

export const SessionContext = createContext<{ session: Session; state: SessionState } | null>(null)

/** Returns the session and what is known of it. */
export function useSession() {
  const found = use(SessionContext)
  if (!found) throw new Error('There is no session around this component.')
  return found
}
