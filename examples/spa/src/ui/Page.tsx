import { useEffect, useRef, type ReactNode } from 'react'

import { Arrival } from './Notice'

let first = true

/** A page with its title. Whoever comes from another page begins at the heading, with eyes or ears. */
export function Page({ title, lead, narrow, children }: {
  title: string
  lead?: ReactNode
  narrow?: boolean
  children: ReactNode
}) {
  const heading = useRef<HTMLHeadingElement>(null)
  useEffect(() => {
    if (!first) heading.current?.focus()
    first = false
  }, [])
  useEffect(() => {
    document.title = `${title} · Commons`
  }, [title])
  return (
    <div className={narrow ? 'page narrow' : 'page'}>
      <h1 ref={heading} tabIndex={-1}>{title}</h1>
      <Arrival />
      {lead && <p className="lead">{lead}</p>}
      {children}
    </div>
  )
}
