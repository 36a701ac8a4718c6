import { useQuery } from '@apollo/client/react'
import { useEffect, useState, useSyncExternalStore } from 'react'
import { Link, NavLink, Outlet } from 'react-router'

import { errorMessage } from '../errors'
import { graphql } from '../gql'
import { useSession } from './useSession'

export const ViewerQuery = graphql(`
  query Viewer {
    me {
      id
      username
      name
      email
      pendingEmail
      emailVerified
      profile {
        ...ProfileFields
      }
    }
  }
`)

/** The header and footer around each page. */
export function Frame() {
  const { state } = useSession()
  return (
    <>
      <a className="skip" href="#content">
        Skip to content
      </a>
      <header className="top">
        <div className="bar">
          <Link to="/" className="brand">
            <img src="/favicon.svg" alt="" width="28" height="28" />
            Commons
          </Link>
          {state.status === 'signed-in' ? (
            <Navigation key={state.userId} />
          ) : (
            state.status === 'signed-out' && <GuestNavigation />
          )}
        </div>
      </header>
      <Connection />
      <main id="content" tabIndex={-1}>
        <Outlet />
      </main>
      <footer>Example app built with Latchkey.</footer>
    </>
  )
}

function GuestNavigation() {
  return (
    <nav aria-label="Main" className="guest">
      <NavLink to="/sign-in">Sign in</NavLink>
      <NavLink to="/sign-up">Create account</NavLink>
    </nav>
  )
}

function Navigation() {
  const { session } = useSession()
  const { data } = useQuery(ViewerQuery)
  const [problem, setProblem] = useState<string | null>(null)
  useEffect(() => {
    const forget = () => setProblem(null)
    addEventListener('online', forget)
    return () => removeEventListener('online', forget)
  }, [])
  const signOut = () => session.signOut().catch((error: unknown) => setProblem(errorMessage(error).text))
  return (
    <>
      <nav aria-label="Main">
        <NavLink to="/people">People</NavLink>
        <NavLink to="/profile">My profile</NavLink>
        <NavLink to="/account">Account</NavLink>
        <NavLink to="/sessions">Devices</NavLink>
      </nav>
      <div className="who">
        <span className="name" title="Signed in as">
          {data?.me?.username}
        </span>
        <button className="quiet" onClick={signOut}>
          Sign out
        </button>
      </div>
      <div role="alert" className="wide">
        {problem && <p className="alert">You are still signed in. {problem}</p>}
      </div>
    </>
  )
}

const watchConnection = (listener: () => void) => {
  addEventListener('online', listener)
  addEventListener('offline', listener)
  return () => {
    removeEventListener('online', listener)
    removeEventListener('offline', listener)
  }
}

function Connection() {
  const online = useSyncExternalStore(watchConnection, () => navigator.onLine)
  const [stayedOnline, setStayedOnline] = useState(online)
  useEffect(() => {
    if (!online) setStayedOnline(false)
  }, [online])
  return (
    <div role="status" className="connection">
      {online ? (
        !stayedOnline && <span className="unseen">You are back online.</span>
      ) : (
        <p>You are offline. We'll reconnect automatically.</p>
      )}
    </div>
  )
}
