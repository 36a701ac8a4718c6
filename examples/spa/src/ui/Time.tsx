const days = new Intl.DateTimeFormat('en', { dateStyle: 'medium' })
const times = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'short' })
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' })

/** A date, with the time as a tooltip. */
export function Day({ of }: { of: string }) {
  return (
    <time dateTime={of} title={times.format(new Date(of))}>
      {days.format(new Date(of))}
    </time>
  )
}

/** The time since then, such as "2 hours ago". */
export function Ago({ of }: { of: string }) {
  return (
    <time dateTime={of} title={times.format(new Date(of))}>
      {ago((Date.parse(of) - Date.now()) / 1000)}
    </time>
  )
}

function ago(seconds: number): string {
  if (seconds > -60) return 'just now'
  if (seconds > -3600) return relative.format(Math.round(seconds / 60), 'minute')
  if (seconds > -86_400) return relative.format(Math.round(seconds / 3600), 'hour')
  return relative.format(Math.round(seconds / 86_400), 'day')
}
