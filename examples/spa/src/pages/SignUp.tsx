import { useQuery } from '@apollo/client/react'
import { useState } from 'react'
import { Link } from 'react-router'

import { graphql } from '../gql'
import { Alert } from '../ui/Alert'
import { Field, Form, PasswordField } from '../ui/Form'
import { Page } from '../ui/Page'
import { passwordHint, ServerInfoQuery } from '../ui/serverInfo'
import { useBegin } from '../ui/useAsk'
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
  const [waitsFor, setWaitsFor] = useState<string | null>(null)

  if (waitsFor !== null) {
    return (
      <Page
        title="Look into your mailbox"
        narrow
        lead={
          <>
            A mail is on its way to <strong>{waitsFor}</strong>. Follow the link in it, and your account is ready.
          </>
        }
      >
        <Resend email={waitsFor} />
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
          One moment…
        </p>
      </Page>
    )

  const { registration, emailVerification, password } = data.serverInfo
  if (registration !== 'OPEN') {
    return (
      <Page title="Create account" narrow>
        <p className="card">
          {registration === 'CLOSED'
            ? 'New accounts are made by those who run this site.'
            : 'Only those who were invited can join.'}
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
            if (register.userErrors.length === 0 && !register.tokens) setWaitsFor(email)
            return register.userErrors
          }}
        >
          <Field
            name="username"
            label="Username"
            hint="Everybody sees it. Letters, digits and . + - _"
            autoComplete="username"
            autoCapitalize="none"
            spellCheck={false}
          />
          <Field
            name="email"
            label="E-mail address"
            optional={!emailVerification}
            hint={
              emailVerification ? 'You confirm it before you begin.' : 'The way back when you forget your password.'
            }
            type="email"
            autoComplete="email"
          />
          <Field
            name="name"
            label="Name"
            optional
            hint="How you want to be called. Nobody else sees it."
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
