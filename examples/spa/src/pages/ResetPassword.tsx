import { useQuery } from '@apollo/client/react'
import { Link, useNavigate } from 'react-router'

import { graphql } from '../gql'
import { Form, PasswordField } from '../ui/Form'
import { Page } from '../ui/Page'
import { passwordHint, ServerInfoQuery } from '../ui/serverInfo'
import { useMutate } from '../ui/useMutate'
import { useEmailToken } from '../ui/useEmailToken'
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
  const mutate = useMutate()
  const { session } = useSession()
  const token = useEmailToken()
  const navigate = useNavigate()
  const { data } = useQuery(ServerInfoQuery)
  if (!token) {
    return (
      <Page title="Choose a new password" narrow>
        <p className="card">
          Open the link in the email again, or <Link to="/forgot">request a new one</Link>.
        </p>
      </Page>
    )
  }
  return (
    <Page title="Choose a new password" narrow lead="This signs you out on all devices.">
      <div className="card">
        <Form
          action="Change password"
          send={async (values) => {
            const { changed, userErrors } = (
              await mutate(ResetPasswordMutation, { input: { token, newPassword: values('newPassword') } })
            ).resetPassword
            if (changed) {
              await session.restore() // another user may be signed in here
              await navigate('/sign-in', {
                state: { notice: 'Your password has been changed. Sign in with the new one.' },
              })
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
        Link not working? <Link to="/forgot">Request a new one</Link>
      </p>
    </Page>
  )
}
