const days = new Intl.DateTimeFormat('en', { dateStyle: 'medium' })
const moments = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'short' })
const distances = new Intl.RelativeTimeFormat('en', { numeric: 'auto' })

/** A day, with the moment for who points at it. */
export function Day({ of }: { of: string }) {
  return (
    <time dateTime={of} title={moments.format(new Date(of))}>
      {days.format(new Date(of))}
    </time>
  )
}

/** How long ago something was. */
export function Ago({ of }: { of: string }) {
  return (
    <time dateTime={of} title={moments.format(new Date(of))}>
      {ago((Date.parse(of) - Date.now()) / 1000)}
    </time>
  )
}

function ago(seconds: number): string {
  if (seconds > -60) return 'just now'
  if (seconds > -3600) return distances.format(Math.round(seconds / 60), 'minute')
  if (seconds > -86_400) return distances.format(Math.round(seconds / 3600), 'hour')
  return distances.format(Math.round(seconds / 86_400), 'day')
}
