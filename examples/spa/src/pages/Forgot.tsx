import { useState } from 'react'
import { Link } from 'react-router'

import { graphql } from '../gql'
import { Field, Form } from '../ui/Form'
import { Page } from '../ui/Page'
import { useAsk } from '../ui/useAsk'

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
  const ask = useAsk()
  const [askedFor, setAskedFor] = useState<string | null>(null)
  if (askedFor !== null) {
    return (
      <Page title="Look into your mailbox" narrow>
        <div className="card">
          <p>
            If an account has the address <strong>{askedFor}</strong>, a mail is on its way to it.
          </p>
          <p>
            Nothing there after a few minutes? Look among the junk, or{' '}
            <button className="link" onClick={() => setAskedFor(null)}>
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
    <Page title="Forgot something?" narrow lead="We send help to the e-mail address of your account.">
      <div className="card">
        <Form
          action="Send mail"
          send={async (values) => {
            const input = { email: values('email').trim() }
            const { accepted, userErrors } =
              values('what') === 'username'
                ? (await ask(ForgotUsernameMutation, { input })).requestUsernameReminder
                : (await ask(ForgotPasswordMutation, { input })).requestPasswordReset
            if (accepted) setAskedFor(input.email)
            return userErrors
          }}
        >
          <fieldset>
            <legend>What have you forgotten?</legend>
            <label className="choice">
              <input type="radio" name="what" value="password" defaultChecked /> My password
            </label>
            <label className="choice">
              <input type="radio" name="what" value="username" /> My username
            </label>
          </fieldset>
          <Field name="email" label="E-mail address" type="email" autoComplete="email" />
        </Form>
      </div>
      <p className="aside">
        <Link to="/sign-in">Back to sign in</Link>
      </p>
    </Page>
  )
}
