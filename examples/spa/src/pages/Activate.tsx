import { useState } from 'react'
import { useNavigate } from 'react-router'

import { graphql } from '../gql'
import { Field, Form } from '../ui/Form'
import { Notice } from '../ui/Notice'
import { Page } from '../ui/Page'
import { useMutate } from '../ui/useMutate'
import { useEmailToken } from '../ui/useEmailToken'

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
  const mutate = useMutate()
  const token = useEmailToken()
  const navigate = useNavigate()
  if (!token)
    return (
      <Page title="Confirm your email address" narrow>
        <Resend email="" />
      </Page>
    )
  return (
    <Page title="Confirm your email address" narrow lead="This activates your account.">
      <div className="card">
        <Form
          action="Confirm email address"
          send={async () => {
            const { user, userErrors } = (await mutate(ActivateMutation, { input: { token } })).activate
            if (user)
              await navigate('/sign-in', { state: { notice: 'Your email address is confirmed. You can now sign in.' } })
            return userErrors
          }}
        />
      </div>
      <Resend email="" />
    </Page>
  )
}

/** A form that requests another activation email. */
export function Resend({ email }: { email: string }) {
  const mutate = useMutate()
  const [sentTo, setSentTo] = useState<string | null>(null)
  return (
    <section className="card">
      <h2>No email, or link not working?</h2>
      <Notice>{sentTo && `If ${sentTo} still needs to be confirmed, we have sent an email to it.`}</Notice>
      <Form
        action="Resend email"
        kind="minor"
        send={async (values) => {
          const address = values('email').trim()
          const { accepted, userErrors } = (await mutate(ResendMutation, { input: { email: address } }))
            .resendActivation
          setSentTo(accepted ? address : null)
          return userErrors
        }}
      >
        <Field name="email" label="Email address" type="email" autoComplete="email" defaultValue={email} />
      </Form>
    </section>
  )
}
