import { useQuery } from '@apollo/client/react'
import { Link, useNavigate } from 'react-router'

import { graphql } from '../gql'
import { Form, PasswordField } from '../ui/Form'
import { Page } from '../ui/Page'
import { passwordHint, ServerInfoQuery } from '../ui/serverInfo'
import { useAsk } from '../ui/useAsk'
import { useMailToken } from '../ui/useMailToken'
import { useSession } from '../ui/useSession'

const ResetPasswordMutation = graphql(`
  mutation ResetPassword($input: ResetPasswordInput!) {
    resetPassword(input: $input) {
      changed
      userErrors {
        field
        message
      }
    }
  }
`)

export function ResetPassword() {
  const ask = useAsk()
  const { session } = useSession()
  const token = useMailToken()
  const navigate = useNavigate()
  const { data } = useQuery(ServerInfoQuery)
  if (!token) {
    return (
      <Page title="Choose a new password" narrow>
        <p className="card">
          Open the link in the mail again, or <Link to="/forgot">ask for a new one</Link>.
        </p>
      </Page>
    )
  }
  return (
    <Page title="Choose a new password" narrow lead="Every device is signed out by this.">
      <div className="card">
        <Form
          action="Change password"
          send={async (values) => {
            const { changed, userErrors } = (
              await ask(ResetPasswordMutation, { input: { token, newPassword: values('newPassword') } })
            ).resetPassword
            if (changed) {
              await session.restore() // who is signed in here need not be who changes
              await navigate('/sign-in', { state: { notice: 'Your password is changed. Sign in with the new one.' } })
            }
            return userErrors
          }}
        >
          <PasswordField
            name="newPassword"
            label="New password"
            hint={passwordHint(data?.serverInfo.password)}
            autoComplete="new-password"
          />
        </Form>
      </div>
      <p className="aside">
        The link does not work any more? <Link to="/forgot">Ask for a new one</Link>
      </p>
    </Page>
  )
}
