import { useQuery } from '@apollo/client/react'
import { useEffect, useRef, useState, type ReactNode } from 'react'
import { flushSync } from 'react-dom'
import { useNavigate } from 'react-router'

import { graphql } from '../gql'
import { Alert } from '../ui/Alert'
import { Field, Form, PasswordField } from '../ui/Form'
import { ViewerQuery } from '../ui/Frame'
import { Notice } from '../ui/Notice'
import { Page } from '../ui/Page'
import { passwordHint, ServerInfoQuery } from '../ui/serverInfo'
import { useAsk, useBegin } from '../ui/useAsk'
import { useSession } from '../ui/useSession'

const ChangeNameMutation = graphql(`
  mutation ChangeName($input: UpdateMeInput!) {
    updateMe(input: $input) {
      user {
        id
        name
      }
      userErrors {
        field
        message
      }
    }
  }
`)

const ChangeUsernameMutation = graphql(`
  mutation ChangeUsername($input: ChangeUsernameInput!) {
    changeUsername(input: $input) {
      user {
        id
        username
        profile {
          id
          username
        }
      }
      userErrors {
        field
        message
      }
    }
  }
`)

const ChangeEmailMutation = graphql(`
  mutation ChangeEmail($input: RequestEmailChangeInput!) {
    requestEmailChange(input: $input) {
      user {
        id
        email
        pendingEmail
        emailVerified
      }
      userErrors {
        field
        message
      }
    }
  }
`)

const ChangePasswordMutation = graphql(`
  mutation ChangePassword($input: ChangePasswordInput!) {
    changePassword(input: $input) {
      tokens {
        accessToken
      }
      userErrors {
        field
        message
      }
    }
  }
`)

const DeleteAccountMutation = graphql(`
  mutation DeleteAccount($input: DeleteMeInput!) {
    deleteMe(input: $input) {
      deletedUserId
      userErrors {
        field
        message
      }
    }
  }
`)

export function Account() {
  const { data, error, refetch } = useQuery(ViewerQuery)
  const { data: server } = useQuery(ServerInfoQuery)
  const ask = useAsk()
  const begin = useBegin()
  const navigate = useNavigate()
  const { session } = useSession()
  const [notice, setNotice] = useState<string | null>(null)
  const me = data?.me
  if (!me) {
    return (
      <Page title="Account">
        {error ? (
          <Alert error={error} onRetry={() => void refetch().catch(() => {})} />
        ) : (
          <p className="waiting" role="status">
            One moment…
          </p>
        )}
      </Page>
    )
  }
  const password = (
    <>
      {/* Password managers want to know whose password it is. */}
      <input hidden readOnly autoComplete="username" value={me.username} />
      <PasswordField name="currentPassword" label="Your password" autoComplete="current-password" />
    </>
  )
  return (
    <Page title="Account" lead="The private half: nobody but you sees it.">
      <Notice>{notice}</Notice>
      <div className="card settings">
        <Section title="Name" now={me.name || 'Not given'} action="Change name" onOpen={() => setNotice(null)}>
          {(close) => (
            <Form
              action="Save name"
              onCancel={close}
              send={async (values) => {
                const { updateMe } = await ask(ChangeNameMutation, { input: { name: values('name').trim() } })
                if (updateMe.user) {
                  close()
                  setNotice('Your name is saved.')
                }
                return updateMe.userErrors
              }}
            >
              <Field
                name="name"
                label="Name"
                hint="How you want to be called; may be empty."
                autoComplete="name"
                defaultValue={me.name}
              />
            </Form>
          )}
        </Section>
        <Section title="Username" now={me.username} action="Change username" onOpen={() => setNotice(null)}>
          {(close) => (
            <Form
              action="Save username"
              onCancel={close}
              send={async (values) => {
                const { changeUsername } = await ask(ChangeUsernameMutation, {
                  input: { newUsername: values('newUsername').trim(), currentPassword: values('currentPassword') },
                })
                if (changeUsername.user) {
                  close()
                  setNotice('Your username is changed.')
                }
                return changeUsername.userErrors
              }}
            >
              <Field
                name="newUsername"
                label="New username"
                hint="Everybody sees it. Letters, digits and . + - _"
                autoComplete="username"
                autoCapitalize="none"
                spellCheck={false}
                defaultValue={me.username}
              />
              {password}
            </Form>
          )}
        </Section>
        <Section
          title="E-mail address"
          now={
            <>
              {me.email ?? 'None: add one, and you can get back in when you forget your password.'}
              {me.email && (
                <>
                  {' '}
                  <span className={me.emailVerified ? 'badge good' : 'badge'}>
                    {me.emailVerified ? 'Confirmed' : 'Not confirmed'}
                  </span>
                </>
              )}
              {me.pendingEmail && (
                <span className="pending">{me.pendingEmail} waits for you to follow the link in the mail there.</span>
              )}
            </>
          }
          action={me.email ? 'Change address' : 'Add address'}
          onOpen={() => setNotice(null)}
        >
          {(close) => (
            <Form
              action="Send mail to this address"
              onCancel={close}
              send={async (values) => {
                const { requestEmailChange } = await ask(ChangeEmailMutation, {
                  input: { newEmail: values('newEmail').trim(), currentPassword: values('currentPassword') },
                })
                if (requestEmailChange.user) {
                  close()
                  setNotice('A mail is on its way. Follow the link in it to confirm the address.')
                }
                return requestEmailChange.userErrors
              }}
            >
              <Field name="newEmail" label="New e-mail address" type="email" autoComplete="email" />
              {password}
            </Form>
          )}
        </Section>
        <Section title="Password" now="Only you know it." action="Change password" onOpen={() => setNotice(null)}>
          {(close) => (
            <Form
              action="Save password"
              onCancel={close}
              send={async (values) => {
                const { changePassword } = await begin(
                  ChangePasswordMutation,
                  {
                    input: {
                      currentPassword: values('currentPassword'),
                      newPassword: values('newPassword'),
                      delivery: 'COOKIE',
                    },
                  },
                  (data) => data.changePassword.tokens,
                )
                if (changePassword.tokens) {
                  close()
                  setNotice('Your password is changed, and all other devices are signed out.')
                }
                return changePassword.userErrors
              }}
            >
              {password}
              <PasswordField
                name="newPassword"
                label="New password"
                hint={passwordHint(server?.serverInfo.password)}
                autoComplete="new-password"
              />
            </Form>
          )}
        </Section>
      </div>
      <div className="card settings">
        <Section
          title="Delete account"
          now="Your account, profile and sessions go for ever."
          action="Delete account"
          danger
          onOpen={() => setNotice(null)}
        >
          {(close) => (
            <Form
              action="Delete for ever"
              kind="danger"
              onCancel={close}
              send={async (values) => {
                const { deleteMe } = await ask(DeleteAccountMutation, {
                  input: { currentPassword: values('currentPassword') },
                })
                if (deleteMe.deletedUserId) {
                  flushSync(() => session.forget()) // which leads to the sign-in page
                  await navigate('/sign-up', { state: { notice: 'Your account is deleted.' } })
                }
                return deleteMe.userErrors
              }}
            >
              {password}
            </Form>
          )}
        </Section>
      </div>
    </Page>
  )
}

/** A thing as it is now, and a button that opens the form to change it. The focus goes into the form and comes back. */
function Section({
  title,
  now,
  action,
  danger,
  onOpen,
  children,
}: {
  title: string
  now: ReactNode
  action: string
  danger?: boolean
  onOpen: () => void
  children: (close: () => void) => ReactNode
}) {
  const [open, setOpen] = useState(false)
  const [used, setUsed] = useState(false)
  const section = useRef<HTMLElement>(null)
  useEffect(() => {
    if (used) section.current?.querySelector<HTMLElement>(open ? 'input:not([hidden])' : 'button')?.focus()
  }, [open, used])
  return (
    <section ref={section} className="setting">
      <div className="now">
        <div>
          <h2>{title}</h2>
          <p>{now}</p>
        </div>
        {!open && (
          <button
            className={danger ? 'danger quiet' : ''}
            onClick={() => {
              onOpen()
              setUsed(true)
              setOpen(true)
            }}
          >
            {action}
          </button>
        )}
      </div>
      {open && children(() => setOpen(false))}
    </section>
  )
}
