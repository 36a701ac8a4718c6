import { useState } from 'react'
import { Link } from 'react-router'

import { graphql } from '../gql'
import { Field, Form } from '../ui/Form'
import { Page } from '../ui/Page'
import { useMutate } from '../ui/useMutate'

const ForgotPasswordMutation = graphql(`
  mutation ForgotPassword($input: RequestPasswordResetInput!) {
    requestPasswordReset(input: $input) {
      accepted
      userErrors {
        field
        message
      }
    }
  }
`)

const ForgotUsernameMutation = graphql(`
  mutation ForgotUsername($input: RequestUsernameReminderInput!) {
    requestUsernameReminder(input: $input) {
      accepted
      userErrors {
        field
        message
      }
    }
  }
`)

export function Forgot() {
  const mutate = useMutate()
  const [sentTo, setSentTo] = useState<string | null>(null)
  if (sentTo !== null) {
    return (
      <Page title="Check your email" narrow>
        <div className="card">
          <p>
            If an account uses <strong>{sentTo}</strong>, we have sent an email to it.
          </p>
          <p>
            Nothing after a few minutes? Check your spam folder, or{' '}
            <button className="link" onClick={() => setSentTo(null)}>
              try another address
            </button>
            .
          </p>
        </div>
        <p className="aside">
          <Link to="/sign-in">Back to sign in</Link>
        </p>
      </Page>
    )
  }
  return (
    <Page title="Recover your account" narrow lead="We'll send an email to the address of your account.">
      <div className="card">
        <Form
          action="Send email"
          send={async (values) => {
            const input = { email: values('email').trim() }
            const { accepted, userErrors } =
              values('what') === 'username'
                ? (await mutate(ForgotUsernameMutation, { input })).requestUsernameReminder
                : (await mutate(ForgotPasswordMutation, { input })).requestPasswordReset
            if (accepted) setSentTo(input.email)
            return userErrors
          }}
        >
          <fieldset>
            <legend>What did you forget?</legend>
            <label className="choice">
              <input type="radio" name="what" value="password" defaultChecked /> My password
            </label>
            <label className="choice">
              <input type="radio" name="what" value="username" /> My username
            </label>
          </fieldset>
          <Field name="email" label="Email address" type="email" autoComplete="email" />
        </Form>
      </div>
      <p className="aside">
        <Link to="/sign-in">Back to sign in</Link>
      </p>
    </Page>
  )
}
