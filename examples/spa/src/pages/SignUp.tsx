import { useQuery } from '@apollo/client/react'
import { useState } from 'react'
import { Link } from 'react-router'

import { graphql } from '../gql'
import { Alert } from '../ui/Alert'
import { Field, Form, PasswordField } from '../ui/Form'
import { Page } from '../ui/Page'
import { passwordHint, ServerInfoQuery } from '../ui/serverInfo'
import { useBegin } from '../ui/useMutate'
import { Resend } from './Activate'

const SignUpMutation = graphql(`
  mutation SignUp($input: RegisterInput!) {
    register(input: $input) {
      user {
        id
        email
      }
      tokens {
        accessToken
      }
      userErrors {
        code
        field
        message
      }
    }
  }
`)

export function SignUp() {
  const begin = useBegin()
  const { data, error, refetch } = useQuery(ServerInfoQuery)
  const [sentTo, setSentTo] = useState<string | null>(null)

  if (sentTo !== null) {
    return (
      <Page
        title="Check your email"
        narrow
        lead={
          <>
            We have sent an email to <strong>{sentTo}</strong>. Open the link in it to activate your account.
          </>
        }
      >
        <Resend email={sentTo} />
      </Page>
    )
  }
  if (error && !data) {
    return (
      <Page title="Create account" narrow>
        <Alert error={error} onRetry={() => void refetch().catch(() => {})} />
      </Page>
    )
  }
  if (!data)
    return (
      <Page title="Create account" narrow>
        <p className="waiting" role="status">
          Loading…
        </p>
      </Page>
    )

  const { registration, emailVerification, password } = data.serverInfo
  if (registration !== 'OPEN') {
    return (
      <Page title="Create account" narrow>
        <p className="card">
          {registration === 'CLOSED'
            ? 'Registration is closed. Ask an administrator for an account.'
            : 'Registration is by invitation only.'}
        </p>
        <p className="aside">
          Have an account? <Link to="/sign-in">Sign in</Link>
        </p>
      </Page>
    )
  }
  return (
    <Page title="Create account" narrow>
      <div className="card">
        <Form
          action="Create account"
          send={async (values) => {
            const email = values('email').trim()
            const { register } = await begin(
              SignUpMutation,
              {
                input: {
                  username: values('username').trim(),
                  email: email || null,
                  name: values('name').trim() || null,
                  password: values('password'),
                  delivery: 'COOKIE',
                },
              },
              (data) => data.register.tokens,
            )
            if (register.userErrors.length === 0 && !register.tokens) setSentTo(email)
            return register.userErrors
          }}
        >
          <Field
            name="username"
            label="Username"
            hint="Visible to everyone. Letters, digits and .&nbsp;+&nbsp;-&nbsp;_"
            autoComplete="username"
            autoCapitalize="none"
            spellCheck={false}
          />
          <Field
            name="email"
            label="Email address"
            optional={!emailVerification}
            hint={emailVerification ? 'You must confirm it before you can sign in.' : 'Used to recover your account.'}
            type="email"
            autoComplete="email"
          />
          <Field
            name="name"
            label="Name"
            optional
            hint="What you want to be called. Only you can see it."
            autoComplete="name"
          />
          <PasswordField name="password" label="Password" hint={passwordHint(password)} autoComplete="new-password" />
        </Form>
      </div>
      <p className="aside">
        Have an account? <Link to="/sign-in">Sign in</Link>
      </p>
    </Page>
  )
}
