import { useEffect, useMemo, useState } from 'react'

import { duration, errorMessage } from '../errors'

/** Shows an error. If the server says how long to wait, sighted users see a countdown; screen readers hear it once. */
export function Alert({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const [{ text, retryAt }, setMessage] = useState(() => errorMessage(error))
  const [seen, setSeen] = useState(error)
  if (seen !== error) {
    setSeen(error)
    setMessage(errorMessage(error))
  }
  const left = useCountdown(retryAt)
  const total = useMemo(() => (retryAt === undefined ? 0 : Math.ceil((retryAt - Date.now()) / 1000)), [retryAt])
  return (
    <div className="alert">
      <p role="alert">
        {left === undefined ? (
          text
        ) : left === 0 ? (
          'You can try again now.'
        ) : (
          <>
            {text}
            <span className="unseen"> Try again in {duration(total)}.</span>
            <span aria-hidden="true"> Try again in {duration(left)}.</span>
          </>
        )}
      </p>
      {onRetry && (
        <button className="quiet" onClick={onRetry}>
          Try again
        </button>
      )}
    </div>
  )
}

/** Returns the whole seconds until a time, or undefined if there is none. */
function useCountdown(until: number | undefined): number | undefined {
  const [now, setNow] = useState(Date.now)
  useEffect(() => {
    if (until === undefined) return
    setNow(Date.now())
    const clock = setInterval(() => setNow(Date.now()), 1000)
    return () => clearInterval(clock)
  }, [until])
  return until === undefined ? undefined : Math.max(0, Math.ceil((until - now) / 1000))
}
