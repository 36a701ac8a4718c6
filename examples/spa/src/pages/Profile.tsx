import type { ApolloCache } from '@apollo/client'
import { useQuery } from '@apollo/client/react'
import { useState, type ReactNode } from 'react'
import { Link, useParams } from 'react-router'

import { graphql } from '../gql'
import type { ProfileFieldsFragment } from '../gql/graphql'
import { Alert } from '../ui/Alert'
import { Avatar } from '../ui/Avatar'
import { Confirm } from '../ui/Confirm'
import { Field, Form, TextField, type Values } from '../ui/Form'
import { ViewerQuery } from '../ui/Frame'
import { Notice } from '../ui/Notice'
import { Heading, Page } from '../ui/Page'
import { Day } from '../ui/Time'
import { useAsk } from '../ui/useAsk'

export const ProfileFields = graphql(`
  fragment ProfileFields on Profile {
    id
    username
    description
    location
    isOrganizer
    dateJoined
    updatedOn
    viewerCanUpdate
  }
`)

const ProfileQuery = graphql(`
  query Profile($id: ID!) {
    profile(id: $id) {
      ...ProfileFields
    }
  }
`)

const UpdateProfileMutation = graphql(`
  mutation UpdateProfile($id: ID!, $input: ProfileInput!) {
    updateProfile(id: $id, input: $input) {
      profile {
        ...ProfileFields
      }
      userErrors {
        field
        message
      }
    }
  }
`)

const CreateProfileMutation = graphql(`
  mutation CreateProfile($input: ProfileInput!) {
    createProfile(input: $input) {
      profile {
        ...ProfileFields
      }
      userErrors {
        field
        message
      }
    }
  }
`)

const DeleteProfileMutation = graphql(`
  mutation DeleteProfile($id: ID!) {
    deleteProfile(id: $id) {
      deletedProfileId
    }
  }
`)

export function SomeProfile() {
  const { id = '' } = useParams()
  const { data, error, refetch } = useQuery(ProfileQuery, { variables: { id } })
  if (data?.profile) return <ProfilePage key={id} title={data.profile.username} profile={data.profile} />
  if (data) return <Page title="Nobody here" lead="There is no such profile, or not any more." children={null} />
  return <Pending title="Profile" error={error} onRetry={refetch} />
}

export function MyProfile() {
  const { data, error, refetch } = useQuery(ViewerQuery)
  const [deleted, setDeleted] = useState(false)
  if (!data) return <Pending title="My profile" error={error} onRetry={refetch} />
  const profile = data.me?.profile
  if (profile) return <ProfilePage title="My profile" profile={profile} onDelete={() => setDeleted(true)} />
  return (
    <Page title="My profile" lead="You have no profile at the moment: nobody finds you among the people.">
      <Notice>{deleted ? 'Your profile is deleted.' : null}</Notice>
      <CreateProfile />
    </Page>
  )
}

function Pending({
  title,
  error,
  onRetry,
}: {
  title: string
  error: unknown
  onRetry: () => Promise<unknown>
}): ReactNode {
  return (
    <Page title={title}>
      {error ? (
        <Alert error={error} onRetry={() => void onRetry().catch(() => {})} />
      ) : (
        <p className="waiting" role="status">
          One moment…
        </p>
      )}
    </Page>
  )
}

function ProfilePage({
  title,
  profile,
  onDelete,
}: {
  title: string
  profile: ProfileFieldsFragment
  onDelete?: () => void
}) {
  const ask = useAsk()
  const [editing, setEditing] = useState(false)
  const [deleting, setDeleting] = useState(false)
  const [notice, setNotice] = useState<string | null>(null)
  const mine = onDelete !== undefined
  return (
    <Page title={title} ownHeading={!mine}>
      {!mine && (
        <p className="back">
          <Link to="/people">← All people</Link>
        </p>
      )}
      <Notice>{notice}</Notice>
      <article className="card profile">
        <header>
          <Avatar name={profile.username} large />
          <div>
            {mine ? <p className="username">{profile.username}</p> : <Heading>{profile.username}</Heading>}
            <p className="facts">
              <span className="badge">{profile.isOrganizer ? 'Organizer' : 'Attendee'}</span>
              {profile.location && <span>{profile.location}</span>}
              <span>
                Joined <Day of={profile.dateJoined} />
              </span>
            </p>
          </div>
        </header>
        {editing ? (
          <Form
            action="Save"
            onCancel={() => setEditing(false)}
            send={async (values) => {
              const { updateProfile } = await ask(UpdateProfileMutation, { id: profile.id, input: input(values) })
              if (updateProfile.profile) {
                setEditing(false)
                setNotice('Your profile is saved.')
              }
              return updateProfile.userErrors
            }}
          >
            <ProfileInputs profile={profile} />
          </Form>
        ) : (
          <>
            <p className={profile.description ? 'description' : 'description empty'}>
              {profile.description || 'Nothing here yet.'}
            </p>
            {profile.viewerCanUpdate && (
              <div className="buttons">
                <button
                  onClick={() => {
                    setNotice(null)
                    setEditing(true)
                  }}
                >
                  Edit
                </button>
                {onDelete && (
                  <button className="quiet" onClick={() => setDeleting(true)}>
                    Delete profile
                  </button>
                )}
              </div>
            )}
            <p className="hint">
              Last changed <Day of={profile.updatedOn} />
            </p>
          </>
        )}
      </article>
      {deleting && (
        <Confirm
          title="Delete your profile?"
          text="Nobody finds you among the people then. Your account stays, and you can make another profile."
          action="Delete profile"
          onClose={() => setDeleting(false)}
          onConfirm={async () => {
            await ask(DeleteProfileMutation, { id: profile.id }, changesTheList)
            onDelete?.()
          }}
        />
      )}
    </Page>
  )
}

function CreateProfile() {
  const ask = useAsk()
  return (
    <div className="card">
      <Form
        action="Create profile"
        send={async (values) => {
          const { createProfile } = await ask(CreateProfileMutation, { input: input(values) }, changesTheList)
          return createProfile.userErrors
        }}
      >
        <ProfileInputs />
      </Form>
    </div>
  )
}

function ProfileInputs({ profile }: { profile?: ProfileFieldsFragment }) {
  return (
    <>
      <TextField
        name="description"
        label="About you"
        hint="What others should know. Up to 10,000 characters."
        rows={6}
        defaultValue={profile?.description}
      />
      <Field
        name="location"
        label="Location"
        hint="Up to 30 characters, such as a city."
        defaultValue={profile?.location}
      />
      <fieldset>
        <legend>At events</legend>
        <label className="choice">
          <input type="radio" name="isOrganizer" value="" defaultChecked={!profile?.isOrganizer} /> I attend
        </label>
        <label className="choice">
          <input type="radio" name="isOrganizer" value="yes" defaultChecked={profile?.isOrganizer ?? false} /> I
          organize
        </label>
      </fieldset>
    </>
  )
}

/** Forgets the pages of profiles, and asks for the user's own again. */
const changesTheList = {
  update: (cache: ApolloCache) => cache.evict({ id: 'ROOT_QUERY', fieldName: 'profiles' }),
  refetchQueries: [ViewerQuery],
  awaitRefetchQueries: true,
}

const input = (values: Values) => ({
  description: values('description'),
  location: values('location'),
  isOrganizer: values('isOrganizer') === 'yes',
})
