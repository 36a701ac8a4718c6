import { NetworkStatus } from '@apollo/client'
import { useQuery } from '@apollo/client/react'
import { useEffect, useRef, useState } from 'react'
import { Link, useSearchParams } from 'react-router'

import { graphql } from '../gql'
import type { OrderDirection, ProfileOrderField } from '../gql/graphql'
import { Alert } from '../ui/Alert'
import { Avatar } from '../ui/Avatar'
import { Page } from '../ui/Page'

const PeopleQuery = graphql(`
  query People($first: Int!, $after: String, $filter: ProfileFilter!, $orderBy: ProfileOrder!) {
    profiles(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {
      edges {
        cursor
        node {
          ...ProfileFields
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`)

/** A query apart from the list: counting reads every match and is slower. */
const CountQuery = graphql(`
  query PeopleCount($filter: ProfileFilter!) {
    profiles(first: 0, filter: $filter) {
      totalCount
    }
  }
`)

const orders: Record<string, { label: string; field: ProfileOrderField; direction: OrderDirection }> = {
  name: { label: 'Name, A to Z', field: 'USERNAME', direction: 'ASC' },
  'name-down': { label: 'Name, Z to A', field: 'USERNAME', direction: 'DESC' },
  newest: { label: 'Newest first', field: 'DATE_JOINED', direction: 'DESC' },
  oldest: { label: 'Oldest first', field: 'DATE_JOINED', direction: 'ASC' },
}

export function People() {
  const [params, setParams] = useSearchParams()
  const value = (name: string) => params.get(name) ?? ''
  const set = (name: string, to: string) => {
    const next = new URLSearchParams(window.location.search) // not `params`, which may be older
    if (to) next.set(name, to)
    else next.delete(name)
    setParams(next, { replace: true })
  }

  const order = orders[value('order')] ?? orders['newest']!
  const role = value('role')
  const filter = {
    search: value('search'),
    location: value('location'),
    isOrganizer: role === 'organizer' ? true : role === 'attendee' ? false : null,
  }
  const orderBy = { field: order.field, direction: order.direction }
  const { data, previousData, error, networkStatus, fetchMore, refetch } = useQuery(PeopleQuery, {
    variables: { first: 20, filter, orderBy },
    fetchPolicy: 'cache-first', // on return from a profile the list is as long as before
    notifyOnNetworkStatusChange: true,
  })
  const { data: counted } = useQuery(CountQuery, { variables: { filter } })

  const shown = data ?? previousData
  const people = shown?.profiles.edges ?? []
  const { hasNextPage, endCursor } = shown?.profiles.pageInfo ?? {}
  const [moreError, setMoreError] = useState<unknown>(null)
  const loadMore = () => {
    if (networkStatus !== NetworkStatus.ready || !endCursor) return
    setMoreError(null)
    fetchMore({ variables: { after: endCursor } }).catch(setMoreError)
  }
  const count = counted?.profiles.totalCount

  return (
    <Page title="People">
      <search>
        <form className="filters card" onSubmit={(event) => event.preventDefault()}>
          <label className="grow">
            Search
            <Search
              value={value('search')}
              maxLength={100}
              placeholder="Name, text or location"
              onSettle={(typed) => set('search', typed)}
            />
          </label>
          <label>
            Location
            <Search
              value={value('location')}
              maxLength={30}
              placeholder="Anywhere"
              onSettle={(typed) => set('location', typed)}
            />
          </label>
          <label>
            Role
            <select value={role} onChange={(event) => set('role', event.target.value)}>
              <option value="">Everyone</option>
              <option value="organizer">Organizers</option>
              <option value="attendee">Attendees</option>
            </select>
          </label>
          <label>
            Sort by
            <select value={params.get('order') ?? 'newest'} onChange={(event) => set('order', event.target.value)}>
              {Object.entries(orders).map(([name, { label }]) => (
                <option key={name} value={name}>
                  {label}
                </option>
              ))}
            </select>
          </label>
        </form>
      </search>
      <p className="count" role="status">
        {count === undefined ? ' ' : count === 1 ? '1 person' : `${count.toLocaleString('en')} people`}
      </p>
      {error && <Alert error={error} onRetry={() => void refetch().catch(() => {})} />}
      <ul className="people" aria-busy={data === undefined && !error}>
        {people.map(({ node }) => (
          <li key={node.id} className="card person">
            <Avatar name={node.username} />
            <div>
              <Link to={`/people/${node.id}`}>{node.username}</Link>
              <p className="facts">
                <span className="badge">{node.isOrganizer ? 'Organizer' : 'Attendee'}</span>
                {node.location && <span>{node.location}</span>}
              </p>
              {node.description && <p className="excerpt">{node.description}</p>}
            </div>
          </li>
        ))}
      </ul>
      {data && people.length === 0 && <p className="no-matches">No matches. Try fewer words or other filters.</p>}
      {!shown && !error && (
        <p className="waiting" role="status">
          Loading…
        </p>
      )}
      {moreError != null && <Alert error={moreError} />}
      {data && hasNextPage && (
        <LoadMore busy={networkStatus === NetworkStatus.fetchMore} stopped={moreError != null} onReach={loadMore} />
      )}
    </Page>
  )
}

/** A button that loads more when clicked, or as soon as it scrolls near the window. */
function LoadMore({ busy, stopped, onReach }: { busy: boolean; stopped: boolean; onReach: () => void }) {
  const button = useRef<HTMLButtonElement>(null)
  useEffect(() => {
    if (busy || stopped) return
    const observer = new IntersectionObserver(([entry]) => entry?.isIntersecting && onReach(), { rootMargin: '400px' })
    observer.observe(button.current!)
    return () => observer.disconnect()
  })
  return (
    <div className="buttons more">
      <button ref={button} aria-disabled={busy} onClick={onReach}>
        {busy ? 'Loading…' : 'Show more'}
      </button>
    </div>
  )
}

/** A search input that reports its value once the user pauses typing. */
function Search({
  value,
  onSettle,
  ...input
}: {
  value: string
  maxLength: number
  placeholder: string
  onSettle: (typed: string) => void
}) {
  const [typed, setTyped] = useState(value)
  const reported = useRef(value)
  useEffect(() => {
    if (value === reported.current) return
    reported.current = value // changed from outside
    setTyped(value)
  }, [value])
  useEffect(() => {
    const timer = setTimeout(() => {
      if (typed === reported.current) return
      reported.current = typed
      onSettle(typed)
    }, 250)
    return () => clearTimeout(timer)
  }, [typed]) // not on other renders
  return <input type="search" value={typed} onChange={(event) => setTyped(event.target.value)} {...input} />
}
