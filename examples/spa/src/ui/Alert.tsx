import { useEffect, useMemo, useState } from 'react'

import { duration, troubleOf } from '../trouble'

/** Tells of an error at once. Where the server says how long to wait, the time runs down for those who see it. */
export function Alert({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const [{ text, again }, setTrouble] = useState(() => troubleOf(error))
  const [seen, setSeen] = useState(error)
  if (seen !== error) {
    setSeen(error)
    setTrouble(troubleOf(error))
  }
  const left = useCountdown(again)
  const waits = useMemo(() => (again === undefined ? 0 : Math.ceil((again - Date.now()) / 1000)), [again])
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
            <span className="unseen"> You can try again in {duration(waits)}.</span>
            <span aria-hidden="true"> You can try again in {duration(left)}.</span>
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

/** Returns the whole seconds until a moment, and undefined without one. */
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
