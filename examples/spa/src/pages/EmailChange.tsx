import { Link, useNavigate } from 'react-router'

import { graphql } from '../gql'
import { Form } from '../ui/Form'
import { Page } from '../ui/Page'
import { useAsk } from '../ui/useAsk'
import { useMailToken } from '../ui/useMailToken'
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

/** Where the mail to the new address leads to. */
export function ConfirmEmail() {
  const ask = useAsk()
  const { session } = useSession()
  const token = useMailToken()
  const navigate = useNavigate()
  return (
    <Page title="Confirm your new e-mail address" narrow lead="Every device is signed out by this.">
      <div className="card">
        {token ? (
          <Form
            action="Confirm new address"
            send={async () => {
              const { user, userErrors } = (await ask(ConfirmEmailChangeMutation, { input: { token } }))
                .confirmEmailChange
              if (user) {
                await session.restore() // who is signed in here need not be who changes
                await navigate('/sign-in', { state: { notice: 'Your new address is confirmed. Sign in again.' } })
              }
              return userErrors
            }}
          />
        ) : (
          <p>
            Open the link in the mail again, or begin anew in <Link to="/account">your account</Link>.
          </p>
        )}
      </div>
    </Page>
  )
}

/** Where the notice to the old address leads to. */
export function CancelEmailChange() {
  const ask = useAsk()
  const { session } = useSession()
  const token = useMailToken()
  const navigate = useNavigate()
  return (
    <Page
      title="Keep your e-mail address"
      narrow
      lead="This stops the change of your address, or takes it back. Every device is signed out by it."
    >
      <div className="card">
        {token ? (
          <Form
            action="Stop the change"
            kind="danger"
            send={async () => {
              const { cancelled, userErrors } = (await ask(CancelEmailChangeMutation, { input: { token } }))
                .cancelEmailChange
              if (cancelled) {
                await session.restore() // who is signed in here need not be who changes
                await navigate('/forgot', {
                  state: { notice: 'Your address stays as it was. Somebody may know your password: choose a new one.' },
                })
              }
              return userErrors
            }}
          />
        ) : (
          <p>Open the link in the mail again.</p>
        )}
      </div>
    </Page>
  )
}
