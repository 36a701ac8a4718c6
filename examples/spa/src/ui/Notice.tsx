import { useLocation } from 'react-router'

/** Says that something has worked, without asking for attention. */
export function Notice({ children }: { children: string | null | undefined }) {
  return <div role="status">{children && <p className="notice">{children}</p>}</div>
}

/** What the page before this one wants to be said here: `navigate('/sign-in', { state: { notice: '…' } })`. */
export function Arrival() {
  return <Notice>{useLocation().state?.notice}</Notice>
}
