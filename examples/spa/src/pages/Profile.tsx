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
import { useMutate } from '../ui/useMutate'

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
  if (data)
    return <Page title="Profile not found" lead="This profile does not exist or has been deleted." children={null} />
  return <Pending title="Profile" error={error} onRetry={refetch} />
}

export function MyProfile() {
  const { data, error, refetch } = useQuery(ViewerQuery)
  const [deleted, setDeleted] = useState(false)
  if (!data) return <Pending title="My profile" error={error} onRetry={refetch} />
  const profile = data.me?.profile
  if (profile) return <ProfilePage title="My profile" profile={profile} onDelete={() => setDeleted(true)} />
  return (
    <Page title="My profile" lead="You have no profile, so you do not appear in People.">
      <Notice>{deleted ? 'Your profile has been deleted.' : null}</Notice>
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
          Loading…
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
  const mutate = useMutate()
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
              const { updateProfile } = await mutate(UpdateProfileMutation, { id: profile.id, input: input(values) })
              if (updateProfile.profile) {
                setEditing(false)
                setNotice('Your profile has been saved.')
              }
              return updateProfile.userErrors
            }}
          >
            <ProfileInputs profile={profile} />
          </Form>
        ) : (
          <>
            <p className={profile.description ? 'description' : 'description empty'}>
              {profile.description || 'No description yet.'}
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
              Last updated <Day of={profile.updatedOn} />
            </p>
          </>
        )}
      </article>
      {deleting && (
        <Confirm
          title="Delete your profile?"
          text="You will no longer appear in People. You keep your account and can create a new profile."
          action="Delete profile"
          onClose={() => setDeleting(false)}
          onConfirm={async () => {
            await mutate(DeleteProfileMutation, { id: profile.id }, refreshesLists)
            onDelete?.()
          }}
        />
      )}
    </Page>
  )
}

function CreateProfile() {
  const mutate = useMutate()
  return (
    <div className="card">
      <Form
        action="Create profile"
        send={async (values) => {
          const { createProfile } = await mutate(CreateProfileMutation, { input: input(values) }, refreshesLists)
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
        hint="Visible to everyone. Up to 10,000 characters."
        rows={6}
        defaultValue={profile?.description}
      />
      <Field
        name="location"
        label="Location"
        hint="For example, a city. Up to 30 characters."
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

/** Removes the lists of profiles from the cache and fetches the user's own profile again. */
const refreshesLists = {
  update: (cache: ApolloCache) => cache.evict({ id: 'ROOT_QUERY', fieldName: 'profiles' }),
  refetchQueries: [ViewerQuery],
  awaitRefetchQueries: true,
}

const input = (values: Values) => ({
  description: values('description'),
  location: values('location'),
  isOrganizer: values('isOrganizer') === 'yes',
})
