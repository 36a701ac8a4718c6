import { useState } from 'react'
import { useNavigate } from 'react-router'

import { graphql } from '../gql'
import { Field, Form } from '../ui/Form'
import { Notice } from '../ui/Notice'
import { Page } from '../ui/Page'
import { useAsk } from '../ui/useAsk'
import { useMailToken } from '../ui/useMailToken'

const ActivateMutation = graphql(`
  mutation Activate($input: ActivateInput!) {
    activate(input: $input) {
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

const ResendMutation = graphql(`
  mutation Resend($input: ResendActivationInput!) {
    resendActivation(input: $input) {
      accepted
      userErrors {
        field
        message
      }
    }
  }
`)

export function Activate() {
  const ask = useAsk()
  const token = useMailToken()
  const navigate = useNavigate()
  if (!token)
    return (
      <Page title="Confirm your e-mail address" narrow>
        <Resend email="" />
      </Page>
    )
  return (
    <Page title="Confirm your e-mail address" narrow lead="One step more, and your account is ready.">
      <div className="card">
        <Form
          action="Confirm address"
          send={async () => {
            const { user, userErrors } = (await ask(ActivateMutation, { input: { token } })).activate
            if (user)
              await navigate('/sign-in', { state: { notice: 'Your address is confirmed. You can sign in now.' } })
            return userErrors
          }}
        />
      </div>
      <Resend email="" />
    </Page>
  )
}

/** Asks for the mail with the link once more. */
export function Resend({ email }: { email: string }) {
  const ask = useAsk()
  const [sentTo, setSentTo] = useState<string | null>(null)
  return (
    <section className="card">
      <h2>No mail, or the link does not work?</h2>
      <Notice>{sentTo && `If an account waits with the address ${sentTo}, a mail is on its way to it.`}</Notice>
      <Form
        action="Send it again"
        kind="minor"
        send={async (values) => {
          const address = values('email').trim()
          const { accepted, userErrors } = (await ask(ResendMutation, { input: { email: address } })).resendActivation
          setSentTo(accepted ? address : null)
          return userErrors
        }}
      >
        <Field name="email" label="E-mail address" type="email" autoComplete="email" defaultValue={email} />
      </Form>
    </section>
  )
}
