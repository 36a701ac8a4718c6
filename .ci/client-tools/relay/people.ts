import { graphql } from 'relay-runtime'

export const list = graphql`
  query peopleListQuery($location: String) { ...people_list @arguments(location: $location) }
`

export const page = graphql`
  fragment people_list on Query
  @argumentDefinitions(first: { type: "Int", defaultValue: 20 } after: { type: "String" } location: { type: "String" })
  @refetchable(queryName: "peopleNextQuery") {
    profiles(first: $first, after: $after, filter: { location: $location }) @connection(key: "people_profiles") {
      edges { node { id ...people_person } }
    }
  }
`

export const person = graphql`
  fragment people_person on Profile @refetchable(queryName: "peoplePersonQuery") {
    username
    location
    viewerCanUpdate
    updatedOn
  }
`

export const remove = graphql`
  mutation peopleRemoveMutation($id: ID!, $connections: [ID!]!) {
    deleteProfile(id: $id) { deletedProfileId @deleteEdge(connections: $connections) }
  }
`
