import { useEffect, useState } from 'react'

import { duration, troubleOf } from '../trouble'

/** Tells of an error as soon as it is there. Where the server says how long to wait, the rest of the time is shown. */
export function Alert({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const [{ text, again }, setTrouble] = useState(() => troubleOf(error))
  const [seen, setSeen] = useState(error)
  if (seen !== error) {
    setSeen(error)
    setTrouble(troubleOf(error))
  }
  const left = useCountdown(again)
  return (
    <div className="alert">
      <p role="alert">{left === 0 ? 'You can try again now.' : text}</p>
      {left !== undefined && left > 0 && <p aria-hidden="true" className="countdown">{duration(left)} left</p>}
      {onRetry && <button className="quiet" onClick={onRetry}>Try again</button>}
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
