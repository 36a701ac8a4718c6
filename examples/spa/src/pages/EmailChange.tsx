import { Link, useNavigate } from 'react-router'

import { graphql } from '../gql'
import { Form } from '../ui/Form'
import { Page } from '../ui/Page'
import { useMutate } from '../ui/useMutate'
import { useEmailToken } from '../ui/useEmailToken'
import { useSession } from '../ui/useSession'

const ConfirmEmailChangeMutation = graphql(`
  mutation ConfirmEmailChange($input: ConfirmEmailChangeInput!) {
    confirmEmailChange(input: $input) {
      user {
        id
      }
      userErrors {
        field
        message
      }
    }
  }
`)

const CancelEmailChangeMutation = graphql(`
  mutation CancelEmailChange($input: CancelEmailChangeInput!) {
    cancelEmailChange(input: $input) {
      cancelled
      userErrors {
        field
        message
      }
    }
  }
`)

/** The page that the email to the new address links to. */
export function ConfirmEmail() {
  const mutate = useMutate()
  const { session } = useSession()
  const token = useEmailToken()
  const navigate = useNavigate()
  return (
    <Page title="Confirm your new email address" narrow lead="This signs you out on all devices.">
      <div className="card">
        {token ? (
          <Form
            action="Confirm email address"
            send={async () => {
              const { user, userErrors } = (await mutate(ConfirmEmailChangeMutation, { input: { token } }))
                .confirmEmailChange
              if (user) {
                await session.restore() // another user may be signed in here
                await navigate('/sign-in', { state: { notice: 'Your new email address is confirmed. Sign in again.' } })
              }
              return userErrors
            }}
          />
        ) : (
          <p>
            Open the link in the email again, or start over in <Link to="/account">your account</Link>.
          </p>
        )}
      </div>
    </Page>
  )
}

/** The page that the email to the old address links to. */
export function CancelEmailChange() {
  const mutate = useMutate()
  const { session } = useSession()
  const token = useEmailToken()
  const navigate = useNavigate()
  return (
    <Page
      title="Keep your email address"
      narrow
      lead="This cancels or reverses the change of your email address. It signs you out on all devices."
    >
      <div className="card">
        {token ? (
          <Form
            action="Cancel the change"
            kind="danger"
            send={async () => {
              const { cancelled, userErrors } = (await mutate(CancelEmailChangeMutation, { input: { token } }))
                .cancelEmailChange
              if (cancelled) {
                await session.restore() // another user may be signed in here
                await navigate('/forgot', {
                  state: {
                    notice: 'The change has been cancelled. Someone else may know your password, so choose a new one.',
                  },
                })
              }
              return userErrors
            }}
          />
        ) : (
          <p>Open the link in the email again.</p>
        )}
      </div>
    </Page>
  )
}
