package explorer

// operation is an example.
type operation struct {
	Group     string `json:"group"`
	Title     string `json:"title"`
	Note      string `json:"note"`
	Query     string `json:"query"`
	Variables string `json:"variables"` // a JSON object, or empty
}

// operations are the examples. Together they use every root field. The page replaces IDs of zeros with those of the
// signed-in user.
var operations = []operation{
	{
		Group: "Getting started",
		Title: "Server settings",
		Note:  "Who can register, and the password rules. No sign-in required.",
		Query: `query ServerInfo {
  serverInfo {
    registration
    emailVerification
    password {
      minLength
      maxLength
    }
  }
}`,
	},
	{
		Group: "Getting started",
		Title: "Register",
		Note:  "Creates a user with a profile and signs them in.",
		Query: `mutation Register($input: RegisterInput!) {
  register(input: $input) {
    user {
      id
      username
      email
      status
      profile {
        id
        location
      }
    }
    tokens {
      accessToken
      accessTokenExpiresAt
      refreshToken
    }
    userErrors {
      code
      field
      message
    }
  }
}`,
		Variables: `{
  "input": {
    "username": "mario",
    "email": "mario@example.com",
    "password": "i-keep-jumping",
    "profile": {
      "location": "Rome"
    }
  }
}`,
	},
	{
		Group: "Getting started",
		Title: "Sign in",
		Note:  "Starts a session with a password. The bar above does this for you.",
		Query: `mutation SignIn($input: ObtainTokenInput!) {
  obtainToken(input: $input) {
    user {
      id
      username
    }
    tokens {
      accessToken
      accessTokenExpiresAt
      refreshToken
      refreshTokenExpiresAt
      tokenType
    }
    userErrors {
      code
      message
    }
  }
}`,
		Variables: `{
  "input": {
    "identifier": "mario",
    "password": "i-keep-jumping",
    "deviceName": "Explorer"
  }
}`,
	},
	{
		Group: "Your account",
		Title: "Who am I?",
		Note:  "Your account details and your profile.",
		Query: `query Me {
  me {
    id
    username
    email
    pendingEmail
    emailVerified
    name
    role
    status
    createdAt
    lastLoginAt
    profile {
      id
      description
      location
      isOrganizer
      viewerCanUpdate
    }
  }
}`,
	},
	{
		Group: "Your account",
		Title: "Change your name",
		Note:  "An omitted field keeps its value. An empty value clears it.",
		Query: `mutation UpdateMe($input: UpdateMeInput!) {
  updateMe(input: $input) {
    user {
      id
      name
    }
    userErrors {
      code
      field
      message
    }
  }
}`,
		Variables: `{
  "input": {
    "name": "Mario M."
  }
}`,
	},
	{
		Group: "Your account",
		Title: "Change your username",
		Note:  "Requires the current password.",
		Query: `mutation ChangeUsername($input: ChangeUsernameInput!) {
  changeUsername(input: $input) {
    user {
      id
      username
    }
    userErrors {
      code
      field
      message
    }
  }
}`,
		Variables: `{
  "input": {
    "currentPassword": "i-keep-jumping",
    "newUsername": "supermario"
  }
}`,
	},
	{
		Group: "Your account",
		Title: "Change your password",
		Note:  "Ends every session, including that of the bar above. The response contains new tokens.",
		Query: `mutation ChangePassword($input: ChangePasswordInput!) {
  changePassword(input: $input) {
    tokens {
      accessToken
      accessTokenExpiresAt
      refreshToken
    }
    userErrors {
      code
      field
      message
    }
  }
}`,
		Variables: `{
  "input": {
    "currentPassword": "i-keep-jumping",
    "newPassword": "i-never-stop-jumping"
  }
}`,
	},
	{
		Group: "Your account",
		Title: "Delete your account",
		Note:  "Permanently, with its profile and sessions.",
		Query: `mutation DeleteMe($input: DeleteMeInput!) {
  deleteMe(input: $input) {
    deletedUserId
    userErrors {
      code
      field
      message
    }
  }
}`,
		Variables: `{
  "input": {
    "currentPassword": "i-keep-jumping"
  }
}`,
	},
	{
		Group: "Profiles",
		Title: "List profiles",
		Note:  "One page at a time. For the next page, pass endCursor as after.",
		Query: `query Profiles($first: Int, $after: String, $orderBy: ProfileOrder) {
  profiles(first: $first, after: $after, orderBy: $orderBy) {
    totalCount
    pageInfo {
      hasNextPage
      endCursor
    }
    edges {
      cursor
      node {
        id
        username
        location
        dateJoined
      }
    }
  }
}`,
		Variables: `{
  "first": 10,
  "after": null,
  "orderBy": {
    "field": "USERNAME",
    "direction": "ASC"
  }
}`,
	},
	{
		Group: "Profiles",
		Title: "Search profiles",
		Note:  "Returns profiles that match all conditions of the filter.",
		Query: `query SearchProfiles($filter: ProfileFilter) {
  profiles(first: 20, filter: $filter) {
    totalCount
    nodes {
      id
      username
      description
      location
      isOrganizer
    }
  }
}`,
		Variables: `{
  "filter": {
    "search": "mario",
    "isOrganizer": false
  }
}`,
	},
	{
		Group: "Profiles",
		Title: "Page backward",
		Note:  "The newest profiles. For older ones, pass startCursor as before.",
		Query: `query LatestProfiles($last: Int, $before: String) {
  profiles(last: $last, before: $before) {
    pageInfo {
      hasPreviousPage
      startCursor
    }
    nodes {
      id
      username
      dateJoined
    }
  }
}`,
		Variables: `{
  "last": 10,
  "before": null
}`,
	},
	{
		Group: "Profiles",
		Title: "One profile",
		Note:  "Your own, if you are signed in.",
		Query: `query Profile($id: ID!) {
  profile(id: $id) {
    id
    username
    description
    location
    isOrganizer
    dateJoined
    updatedOn
    viewerCanUpdate
  }
}`,
		Variables: `{
  "id": "profile_00000000-0000-7000-8000-000000000000"
}`,
	},
	{
		Group: "Profiles",
		Title: "Update a profile",
		Note:  "Only its owner can do this.",
		Query: `mutation UpdateProfile($id: ID!, $input: ProfileInput!) {
  updateProfile(id: $id, input: $input) {
    profile {
      id
      description
      location
      isOrganizer
      updatedOn
    }
    userErrors {
      code
      field
      message
    }
  }
}`,
		Variables: `{
  "id": "profile_00000000-0000-7000-8000-000000000000",
  "input": {
    "description": "A plumber",
    "location": "Rome",
    "isOrganizer": true
  }
}`,
	},
	{
		Group: "Profiles",
		Title: "Delete a profile",
		Note:  "The account is kept.",
		Query: `mutation DeleteProfile($id: ID!) {
  deleteProfile(id: $id) {
    deletedProfileId
    userErrors {
      code
      message
    }
  }
}`,
		Variables: `{
  "id": "profile_00000000-0000-7000-8000-000000000000"
}`,
	},
	{
		Group: "Profiles",
		Title: "Create a profile",
		Note:  "For a user who has none.",
		Query: `mutation CreateProfile($input: ProfileInput!) {
  createProfile(input: $input) {
    profile {
      id
      description
      location
    }
    userErrors {
      code
      field
      message
    }
  }
}`,
		Variables: `{
  "input": {
    "description": "A plumber again",
    "location": "Rome"
  }
}`,
	},
	{
		Group: "Profiles",
		Title: "Any object by ID",
		Note:  "A user, profile or session that you are allowed to see.",
		Query: `query Node($id: ID!) {
  node(id: $id) {
    id
    __typename
    ... on User {
      username
      email
    }
    ... on Profile {
      username
      location
    }
    ... on Session {
      deviceName
      lastUsedAt
      isCurrent
    }
  }
}`,
		Variables: `{
  "id": "user_00000000-0000-7000-8000-000000000000"
}`,
	},
	{
		Group: "Sessions and tokens",
		Title: "Where am I signed in?",
		Note:  "Your active sessions, most recently used first.",
		Query: `query Sessions {
  me {
    sessions {
      id
      deviceName
      userAgent
      ipAddress
      createdAt
      lastUsedAt
      expiresAt
      isCurrent
    }
  }
}`,
	},
	{
		Group: "Sessions and tokens",
		Title: "Refresh",
		Note:  "Each refresh token works once and returns the next one. The bar above does this for you.",
		Query: `mutation Refresh($input: RefreshTokenInput!) {
  refreshToken(input: $input) {
    tokens {
      accessToken
      accessTokenExpiresAt
      refreshToken
      refreshTokenExpiresAt
    }
    userErrors {
      code
      message
    }
  }
}`,
		Variables: `{
  "input": {
    "refreshToken": "paste it here"
  }
}`,
	},
	{
		Group: "Sessions and tokens",
		Title: "Check a token",
		Note:  "Returns whether the token is valid now. Changes nothing.",
		Query: `mutation VerifyToken($input: VerifyTokenInput!) {
  verifyToken(input: $input) {
    valid
    kind
    expiresAt
  }
}`,
		Variables: `{
  "input": {
    "token": "paste it here"
  }
}`,
	},
	{
		Group: "Sessions and tokens",
		Title: "Sign in with a cookie",
		Note:  "For applications in a browser: scripts never see the refresh token.",
		Query: `mutation SignInWithCookie($input: ObtainTokenInput!) {
  obtainToken(input: $input) {
    user {
      username
    }
    tokens {
      accessToken
      refreshToken
      refreshTokenExpiresAt
    }
    userErrors {
      code
      message
    }
  }
}`,
		Variables: `{
  "input": {
    "identifier": "mario",
    "password": "i-keep-jumping",
    "delivery": "COOKIE"
  }
}`,
	},
	{
		Group: "Sessions and tokens",
		Title: "Refresh with a cookie",
		Note:  "What an application does after a reload.",
		Query: `mutation RefreshWithCookie {
  refreshToken(input: {}) {
    tokens {
      accessToken
      accessTokenExpiresAt
    }
    userErrors {
      code
      message
    }
  }
}`,
	},
	{
		Group: "Sessions and tokens",
		Title: "Revoke a session",
		Note:  "Its tokens stop working immediately. The ID is that of your current session: choose another.",
		Query: `mutation RevokeSession($id: ID!) {
  revokeSession(id: $id) {
    revokedSessionId
    userErrors {
      code
      message
    }
  }
}`,
		Variables: `{
  "id": "session_00000000-0000-7000-8000-000000000000"
}`,
	},
	{
		Group: "Sessions and tokens",
		Title: "Sign out everywhere else",
		Note:  "To sign out here as well, set keepCurrent to false.",
		Query: `mutation SignOutEverywhere($input: SignOutEverywhereInput!) {
  signOutEverywhere(input: $input) {
    revokedCount
  }
}`,
		Variables: `{
  "input": {
    "keepCurrent": true
  }
}`,
	},
	{
		Group: "Sessions and tokens",
		Title: "Sign out",
		Note:  "Ends the session of the access token and that of the cookie.",
		Query: `mutation SignOut($input: SignOutInput!) {
  signOut(input: $input) {
    signedOut
  }
}`,
		Variables: `{
  "input": {}
}`,
	},
	{
		Group: "Email",
		Title: "Activate an account",
		Note:  "Requires the token from the email. In development, emails are in the server's log.",
		Query: `mutation Activate($input: ActivateInput!) {
  activate(input: $input) {
    user {
      id
      status
      emailVerified
    }
    userErrors {
      code
      field
      message
    }
  }
}`,
		Variables: `{
  "input": {
    "token": "the part after #token= in the link"
  }
}`,
	},
	{
		Group: "Email",
		Title: "Resend the activation email",
		Note:  "The response does not reveal whether the address has an account.",
		Query: `mutation ResendActivation($input: ResendActivationInput!) {
  resendActivation(input: $input) {
    accepted
    userErrors {
      code
      field
      message
    }
  }
}`,
		Variables: `{
  "input": {
    "email": "mario@example.com"
  }
}`,
	},
	{
		Group: "Email",
		Title: "Request a password reset",
		Note:  "The response does not reveal whether the address has an account.",
		Query: `mutation RequestPasswordReset($input: RequestPasswordResetInput!) {
  requestPasswordReset(input: $input) {
    accepted
    userErrors {
      code
      field
      message
    }
  }
}`,
		Variables: `{
  "input": {
    "email": "mario@example.com"
  }
}`,
	},
	{
		Group: "Email",
		Title: "Set a new password",
		Note:  "Requires the token from the email. Ends every session.",
		Query: `mutation ResetPassword($input: ResetPasswordInput!) {
  resetPassword(input: $input) {
    changed
    userErrors {
      code
      field
      message
    }
  }
}`,
		Variables: `{
  "input": {
    "token": "the part after #token= in the link",
    "newPassword": "i-never-stop-jumping"
  }
}`,
	},
	{
		Group: "Email",
		Title: "Request a username reminder",
		Note:  "By email. The response does not reveal whether the address has an account.",
		Query: `mutation RequestUsernameReminder($input: RequestUsernameReminderInput!) {
  requestUsernameReminder(input: $input) {
    accepted
    userErrors {
      code
      field
      message
    }
  }
}`,
		Variables: `{
  "input": {
    "email": "mario@example.com"
  }
}`,
	},
	{
		Group: "Email",
		Title: "Change your email address",
		Note:  "The new address takes effect once it is confirmed with the token from the email.",
		Query: `mutation RequestEmailChange($input: RequestEmailChangeInput!) {
  requestEmailChange(input: $input) {
    user {
      id
      email
      pendingEmail
    }
    userErrors {
      code
      field
      message
    }
  }
}`,
		Variables: `{
  "input": {
    "currentPassword": "i-keep-jumping",
    "newEmail": "mario@example.org"
  }
}`,
	},
	{
		Group: "Email",
		Title: "Confirm the new email address",
		Note:  "Requires the token from the email to the new address. Ends every session.",
		Query: `mutation ConfirmEmailChange($input: ConfirmEmailChangeInput!) {
  confirmEmailChange(input: $input) {
    user {
      id
      email
      emailVerified
    }
    userErrors {
      code
      field
      message
    }
  }
}`,
		Variables: `{
  "input": {
    "token": "the part after #token= in the link"
  }
}`,
	},
	{
		Group: "Email",
		Title: "Cancel the email change",
		Note:  "Requires the token from the email to the old address.",
		Query: `mutation CancelEmailChange($input: CancelEmailChangeInput!) {
  cancelEmailChange(input: $input) {
    cancelled
    userErrors {
      code
      field
      message
    }
  }
}`,
		Variables: `{
  "input": {
    "token": "the part after #token= in the link"
  }
}`,
	},
}
