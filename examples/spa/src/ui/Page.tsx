import { useEffect, useRef, type ReactNode } from 'react'

import { Arrival } from './Notice'

let first = true

/** A page with its title. `ownHeading` is for those that put a Heading somewhere else. */
export function Page({ title, lead, narrow, ownHeading, children }: {
  title: string
  lead?: ReactNode
  narrow?: boolean
  ownHeading?: boolean
  children: ReactNode
}) {
  useEffect(() => {
    document.title = `${title} · Commons`
  }, [title])
  return (
    <div className={narrow ? 'page narrow' : 'page'}>
      {!ownHeading && <Heading>{title}</Heading>}
      <Arrival />
      {lead && <p className="lead">{lead}</p>}
      {children}
    </div>
  )
}

/** The heading of a page. Whoever comes from another page begins here, with eyes or ears. */
export function Heading({ children }: { children: string }) {
  const heading = useRef<HTMLHeadingElement>(null)
  useEffect(() => {
    if (!first) heading.current?.focus()
    first = false
  }, [])
  return <h1 ref={heading} tabIndex={-1}>{children}</h1>
}
