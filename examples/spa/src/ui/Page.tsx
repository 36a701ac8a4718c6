import { useEffect, useRef, type ReactNode } from 'react'
import { useNavigationType } from 'react-router'

import { PassedNotice } from './Notice'

let first = true

/** A page with its title. With `ownHeading`, the page renders its Heading itself. */
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
      <PassedNotice />
      {lead && <p className="lead">{lead}</p>}
      {children}
    </div>
  )
}

/** The heading of a page. It gets the focus on arrival. Going back keeps the scroll position. */
export function Heading({ children }: { children: string }) {
  const heading = useRef<HTMLHeadingElement>(null)
  const forward = useNavigationType() !== 'POP'
  useEffect(() => {
    if (forward) scrollTo(0, 0)
    if (!first) heading.current?.focus({ preventScroll: true })
    first = false
  }, []) // on arrival
  return (
    <h1 ref={heading} tabIndex={-1}>
      {children}
    </h1>
  )
}
