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
import { useMutate, useBegin } from '../ui/useMutate'
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
  const mutate = useMutate()
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
            Loading…
          </p>
        )}
      </Page>
    )
  }
  const password = (
    <>
      {/* Password managers need the username. */}
      <input hidden readOnly autoComplete="username" value={me.username} />
      <PasswordField name="currentPassword" label="Current password" autoComplete="current-password" />
    </>
  )
  return (
    <Page title="Account" lead="Account details. Only you can see these.">
      <Notice>{notice}</Notice>
      <div className="card settings">
        <Section title="Name" now={me.name || 'Not set'} action="Change name" onOpen={() => setNotice(null)}>
          {(close) => (
            <Form
              action="Save name"
              onCancel={close}
              send={async (values) => {
                const { updateMe } = await mutate(ChangeNameMutation, { input: { name: values('name').trim() } })
                if (updateMe.user) {
                  close()
                  setNotice('Your name has been saved.')
                }
                return updateMe.userErrors
              }}
            >
              <Field
                name="name"
                label="Name"
                hint="What you want to be called. Optional."
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
                const { changeUsername } = await mutate(ChangeUsernameMutation, {
                  input: { newUsername: values('newUsername').trim(), currentPassword: values('currentPassword') },
                })
                if (changeUsername.user) {
                  close()
                  setNotice('Your username has been changed.')
                }
                return changeUsername.userErrors
              }}
            >
              <Field
                name="newUsername"
                label="New username"
                hint="Visible to everyone. Letters, digits and .&nbsp;+&nbsp;-&nbsp;_"
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
          title="Email address"
          now={
            <>
              {me.email ?? 'None. Add one so that you can recover your account.'}
              {me.email && (
                <>
                  {' '}
                  <span className={me.emailVerified ? 'badge good' : 'badge'}>
                    {me.emailVerified ? 'Confirmed' : 'Not confirmed'}
                  </span>
                </>
              )}
              {me.pendingEmail && (
                <span className="pending">Pending: {me.pendingEmail}. Open the link we emailed there to confirm.</span>
              )}
            </>
          }
          action={me.email ? 'Change address' : 'Add address'}
          onOpen={() => setNotice(null)}
        >
          {(close) => (
            <Form
              action="Send confirmation email"
              onCancel={close}
              send={async (values) => {
                const { requestEmailChange } = await mutate(ChangeEmailMutation, {
                  input: { newEmail: values('newEmail').trim(), currentPassword: values('currentPassword') },
                })
                if (requestEmailChange.user) {
                  close()
                  setNotice('Open the link we emailed to the new address to confirm it.')
                }
                return requestEmailChange.userErrors
              }}
            >
              <Field name="newEmail" label="New email address" type="email" autoComplete="email" />
              {password}
            </Form>
          )}
        </Section>
        <Section title="Password" action="Change password" onOpen={() => setNotice(null)}>
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
                  setNotice('Your password has been changed. All other devices have been signed out.')
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
          now="Permanently delete your account, profile and sessions."
          action="Delete account"
          danger
          onOpen={() => setNotice(null)}
        >
          {(close) => (
            <Form
              action="Delete permanently"
              kind="danger"
              onCancel={close}
              send={async (values) => {
                const { deleteMe } = await mutate(DeleteAccountMutation, {
                  input: { currentPassword: values('currentPassword') },
                })
                if (deleteMe.deletedUserId) {
                  flushSync(() => session.forget()) // redirects to the sign-in page
                  await navigate('/sign-up', { state: { notice: 'Your account has been deleted.' } })
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

/** A setting with its current value and a button that opens its form. The focus moves into the form and back. */
function Section({
  title,
  now,
  action,
  danger,
  onOpen,
  children,
}: {
  title: string
  now?: ReactNode
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
          {now && <p>{now}</p>}
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
