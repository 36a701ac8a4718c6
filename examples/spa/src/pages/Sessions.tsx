import { useQuery } from '@apollo/client/react'
import { useState } from 'react'

import { graphql } from '../gql'
import type { SessionsQuery as Data } from '../gql/graphql'
import { Alert } from '../ui/Alert'
import { Confirm } from '../ui/Confirm'
import { Notice } from '../ui/Notice'
import { Page } from '../ui/Page'
import { Ago, Day } from '../ui/Time'
import { useMutate } from '../ui/useMutate'

const SessionsQuery = graphql(`
  query Sessions {
    me {
      id
      sessions {
        id
        deviceName
        userAgent
        ipAddress
        createdAt
        lastUsedAt
        isCurrent
      }
    }
  }
`)

const RevokeSessionMutation = graphql(`
  mutation RevokeSession($id: ID!) {
    revokeSession(id: $id) {
      revokedSessionId
      userErrors {
        field
        message
      }
    }
  }
`)

const SignOutOthersMutation = graphql(`
  mutation SignOutOthers {
    signOutEverywhere(input: { keepCurrent: true }) {
      revokedCount
    }
  }
`)

type Session = NonNullable<Data['me']>['sessions'][number]

export function Sessions() {
  const mutate = useMutate()
  const { data, error, refetch } = useQuery(SessionsQuery, { fetchPolicy: 'cache-and-network' })
  const [asking, setAsking] = useState(false)
  const [notice, setNotice] = useState<string | null>(null)
  const sessions = data?.me?.sessions ?? []
  const others = sessions.filter(({ isCurrent }) => !isCurrent)
  return (
    <Page title="Devices" lead="Sign out any device you don't recognize, then change your password.">
      <Notice>{notice}</Notice>
      {error && <Alert error={error} onRetry={() => void refetch().catch(() => {})} />}
      {!data && !error && (
        <p className="waiting" role="status">
          Loading…
        </p>
      )}
      <ul className="sessions">
        {sessions.map((session) => (
          <Device
            key={session.id}
            session={session}
            onEnd={() => setNotice(`${nameOf(session)} has been signed out.`)}
          />
        ))}
      </ul>
      {others.length > 0 && (
        <div className="buttons">
          <button className="danger" onClick={() => setAsking(true)}>
            Sign out all other devices
          </button>
        </div>
      )}
      {data && others.length === 0 && <p className="hint">You are not signed in on any other device.</p>}
      {asking && (
        <Confirm
          title="Sign out all other devices?"
          text="They will have to sign in again. This device stays signed in."
          action="Sign out all other devices"
          onClose={() => setAsking(false)}
          onConfirm={async () => {
            const { signOutEverywhere } = await mutate(
              SignOutOthersMutation,
              {},
              {
                refetchQueries: [SessionsQuery],
                awaitRefetchQueries: true,
              },
            )
            const count = signOutEverywhere.revokedCount
            setNotice(
              count === 1 ? '1 other device has been signed out.' : `${count} other devices have been signed out.`,
            )
          }}
        />
      )}
    </Page>
  )
}

function Device({ session, onEnd }: { session: Session; onEnd: () => void }) {
  const mutate = useMutate()
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>(null)
  const end = async () => {
    if (busy) return
    setBusy(true)
    setError(null)
    try {
      await mutate(
        RevokeSessionMutation,
        { id: session.id },
        {
          update: (cache) => cache.evict({ id: cache.identify(session)! }),
        },
      )
      onEnd()
    } catch (thrown) {
      setError(thrown)
      setBusy(false)
    }
  }
  return (
    <li className="card session">
      <div>
        <h2>
          {nameOf(session)} {session.isCurrent && <span className="badge good">This device</span>}
        </h2>
        <p className="facts">
          <span>
            Last used <Ago of={session.lastUsedAt} />
          </span>
          <span>{session.ipAddress}</span>
          <span>
            Signed in <Day of={session.createdAt} />
          </span>
        </p>
        {session.userAgent && <p className="hint agent">{session.userAgent}</p>}
        {error != null && <Alert error={error} />}
      </div>
      {!session.isCurrent && (
        <button aria-label={`Sign out ${nameOf(session)}`} aria-disabled={busy} onClick={end}>
          Sign out
        </button>
      )}
    </li>
  )
}

const nameOf = ({ deviceName }: { deviceName: string }) => deviceName || 'Unnamed device'
