import { ApolloProvider } from '@apollo/client/react'
import { Fragment, useEffect, useMemo, useSyncExternalStore } from 'react'
import { Navigate, Outlet, Route, Routes, useLocation } from 'react-router'

import { newClient } from './client'
import { Account } from './pages/Account'
import { Activate } from './pages/Activate'
import { CancelEmailChange, ConfirmEmail } from './pages/EmailChange'
import { Forgot } from './pages/Forgot'
import { NotFound } from './pages/NotFound'
import { People } from './pages/People'
import { MyProfile, SomeProfile } from './pages/Profile'
import { ResetPassword } from './pages/ResetPassword'
import { Sessions } from './pages/Sessions'
import { SignIn } from './pages/SignIn'
import { SignUp } from './pages/SignUp'
import type { Session } from './session'
import { Frame } from './ui/Frame'
import { Page } from './ui/Page'
import { SessionContext, useSession } from './ui/useSession'

export function App({ endpoint, session }: { endpoint: string; session: Session }) {
  const state = useSyncExternalStore(session.subscribe, () => session.state)
  const userId = state.status === 'signed-in' ? state.userId : null
  const client = useMemo(() => newClient(endpoint, session), [endpoint, session, userId])

  // The data on the page may be out of date after a time offline.
  useEffect(() => {
    const recover = () => {
      if (session.state.status === 'unreachable') void session.restore()
      else client.refetchQueries({ include: 'active' }).catch(() => {}) // each query shows its own error
    }
    addEventListener('online', recover)
    return () => removeEventListener('online', recover)
  }, [client, session])

  return (
    <SessionContext value={{ session, state }}>
      <ApolloProvider client={client}>
        <Routes>
          <Route element={<Frame />}>
            {/* The pages that emails link to are for everyone. */}
            <Route path="activate" element={<Activate />} />
            <Route path="reset-password" element={<ResetPassword />} />
            <Route path="confirm-email" element={<ConfirmEmail />} />
            <Route path="cancel-email-change" element={<CancelEmailChange />} />
            <Route element={<Guests />}>
              <Route path="sign-in" element={<SignIn />} />
              <Route path="sign-up" element={<SignUp />} />
              <Route path="forgot" element={<Forgot />} />
            </Route>
            <Route element={<Members />}>
              <Route index element={<Navigate to="/people" replace />} />
              <Route path="people" element={<People />} />
              <Route path="people/:id" element={<SomeProfile />} />
              <Route path="profile" element={<MyProfile />} />
              <Route path="account" element={<Account />} />
              <Route path="sessions" element={<Sessions />} />
            </Route>
            <Route path="*" element={<NotFound />} />
          </Route>
        </Routes>
      </ApolloProvider>
    </SessionContext>
  )
}

/** Pages for signed-in users, mounted again for each user. Others sign in first and then return. */
function Members() {
  const { state } = useSession()
  const { pathname, search } = useLocation()
  switch (state.status) {
    case 'signed-in':
      return (
        <Fragment key={state.userId}>
          <Outlet />
        </Fragment>
      )
    case 'signed-out':
      return <Navigate to="/sign-in" replace state={{ to: pathname + search }} />
    default:
      return <Waiting />
  }
}

/** Pages for visitors who are not signed in. After signing in they continue to the page they came for. */
function Guests() {
  const { state } = useSession()
  const location = useLocation()
  switch (state.status) {
    case 'signed-in':
      return <Navigate to={location.state?.to ?? (location.pathname === '/sign-up' ? '/profile' : '/people')} replace />
    case 'signed-out':
      return <Outlet />
    default:
      return <Waiting />
  }
}

/** Shown until it is known whether the user is signed in. */
function Waiting() {
  const { session, state } = useSession()
  if (state.status === 'starting')
    return (
      <p className="waiting" role="status">
        Loading…
      </p>
    )
  return (
    <Page title="No connection">
      <div className="card">
        <p role="alert">The server cannot be reached. Check your connection and try again.</p>
        <button onClick={() => void session.restore()}>Try again</button>
      </div>
    </Page>
  )
}
