import { createContext, use } from 'react'

import type { Session, SessionState } from '../session'

export const SessionContext = createContext<{ session: Session; state: SessionState } | null>(null)

/** Returns the session and its state. */
export function useSession() {
  const found = use(SessionContext)
  if (!found) throw new Error('This component is not inside a SessionContext.')
  return found
}
