import { useLocation } from 'react-router'

/** Reports success without moving the focus. */
export function Notice({ children }: { children: string | null | undefined }) {
  return <div role="status">{children && <p className="notice">{children}</p>}</div>
}

/** The notice that the previous page passed on: `navigate('/sign-in', { state: { notice: '…' } })`. */
export function PassedNotice() {
  return <Notice>{useLocation().state?.notice}</Notice>
}
