import { useState } from 'react'
import { Link, useLocation } from 'react-router'

import { graphql } from '../gql'
import { Field, Form, PasswordField } from '../ui/Form'
import { Page } from '../ui/Page'
import { useBegin } from '../ui/useMutate'
import { useSession } from '../ui/useSession'

const SignInMutation = graphql(`
  mutation SignIn($input: ObtainTokenInput!) {
    obtainToken(input: $input) {
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

export function SignIn() {
  const begin = useBegin()
  const { state } = useSession()
  const location = useLocation()
  const [unconfirmed, setUnconfirmed] = useState(false)
  return (
    <Page title="Sign in" narrow>
      {state.status === 'signed-out' && state.lost && !location.state?.notice && (
        <p role="alert" className="alert">
          Your session has ended. If you did not sign out, sign in and check your devices.
        </p>
      )}
      <div className="card">
        <Form
          action="Sign in"
          send={async (values) => {
            const { obtainToken } = await begin(
              SignInMutation,
              {
                input: {
                  identifier: values('identifier'),
                  password: values('password'),
                  delivery: 'COOKIE',
                  deviceName: deviceName(navigator.userAgent),
                },
              },
              (data) => data.obtainToken.tokens,
            )
            setUnconfirmed(obtainToken.userErrors.some(({ code }) => code === 'EMAIL_NOT_VERIFIED'))
            return obtainToken.userErrors
          }}
        >
          <Field
            name="identifier"
            label="Username or email"
            autoComplete="username"
            autoCapitalize="none"
            spellCheck={false}
          />
          <PasswordField name="password" label="Password" autoComplete="current-password" />
        </Form>
        {unconfirmed && (
          <p>
            <Link to="/activate">Resend the confirmation email</Link>
          </p>
        )}
        <p className="aside">
          <Link to="/forgot">Forgot your password or username?</Link>
        </p>
      </div>
      <p className="aside">
        New here? <Link to="/sign-up">Create an account</Link>
      </p>
    </Page>
  )
}

/** Returns a name that the user will recognize in the list of devices, such as "Firefox on Linux". */
function deviceName(userAgent: string): string {
  const find = (names: Record<string, RegExp>) => Object.keys(names).find((name) => names[name]!.test(userAgent))
  const browser =
    find({ Edge: /Edg/, Opera: /OPR/, Firefox: /Firefox/, Chrome: /Chrom/, Safari: /Safari/ }) ?? 'Browser'
  const system = find({
    Android: /Android/,
    iPhone: /iPhone/,
    iPad: /iPad/,
    Windows: /Windows/,
    Mac: /Mac OS/,
    Linux: /Linux/,
  })
  return system ? `${browser} on ${system}` : browser
}
