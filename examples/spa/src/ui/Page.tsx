import { useEffect, useRef, type ReactNode } from 'react'
import { useNavigationType } from 'react-router'

import { Arrival } from './Notice'

let first = true

/** A page with its title. `ownHeading` is for those that put a Heading somewhere else. */
export function Page({
  title,
  lead,
  narrow,
  ownHeading,
  children,
}: {
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

/** The heading of a page. Whoever comes here from another page begins with it; who goes back sees what they saw. */
export function Heading({ children }: { children: string }) {
  const heading = useRef<HTMLHeadingElement>(null)
  const goesOn = useNavigationType() !== 'POP'
  useEffect(() => {
    if (goesOn) scrollTo(0, 0)
    if (!first) heading.current?.focus({ preventScroll: true })
    first = false
  }, []) // on arrival
  return (
    <h1 ref={heading} tabIndex={-1}>
      {children}
    </h1>
  )
}
