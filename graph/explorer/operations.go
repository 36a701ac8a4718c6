package explorer

// operation is one that a developer can begin with.
type operation struct {
	Group     string `json:"group"`
	Title     string `json:"title"`
	Note      string `json:"note"`
	Query     string `json:"query"`
	Variables string `json:"variables"` // a JSON object, or empty
}

// operations ask for everything that the server can do. Who is signed in finds their own ids in the place of those
// that are all zeros.
var operations = []operation{
	{
		Group: "Begin",
		Title: "What this server asks for",
		Note:  "Who may register, and what a password must fulfil. Anyone may ask.",
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
		Group: "Begin",
		Title: "Register",
		Note:  "Makes a user with a profile and signs them in.",
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
		Group: "Begin",
		Title: "Sign in",
		Note:  "Begins a session with a password; the bar above does it for you.",
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
		Note:  "The private half of your account, and its profile.",
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
		Note:  "A field left out stays as it is; empty clears it.",
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
		Note:  "Asks for the password again.",
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
		Note:  "Ends every session, the bar's as well; the answer holds the next tokens.",
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
		Note:  "With its profile and sessions, for ever.",
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
		Note:  "In pages: pass endCursor as after to go on.",
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
		Note:  "All conditions of the filter must hold.",
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
		Note:  "The newest profiles: pass startCursor as before to go on.",
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
		Note:  "Yours, when you are signed in.",
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
		Title: "Fill in a profile",
		Note:  "Only its owner may.",
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
		Note:  "The user stays.",
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
		Title: "Make a profile",
		Note:  "For who deleted theirs.",
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
		Title: "Anything by its id",
		Note:  "A user, a profile or a session, if you may see it.",
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
		Note:  "Your live sessions, newest use first.",
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
		Note:  "Each refresh token works once and gives the next one; the bar above does it for you.",
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
		Note:  "Whether it would be accepted now. Changes nothing.",
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
		Note:  "For applications in browsers: scripts never see the refresh token.",
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
		Note:  "What an application does after it was reloaded.",
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
		Title: "End a session",
		Note:  "Its tokens stop working at once. The id is that of the session you are in: choose another.",
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
		Note:  "Or here as well, with keepCurrent false.",
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
		Note:  "Ends the session of the access token, and that of the cookie.",
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
		Group: "By e-mail",
		Title: "Activate an account",
		Note:  "With the token from the mail; in development the log has the mails.",
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
    "token": "what stands behind #token= in the link"
  }
}`,
	},
	{
		Group: "By e-mail",
		Title: "Send the activation again",
		Note:  "The answer does not tell whether anybody waits for it.",
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
		Group: "By e-mail",
		Title: "Ask for a new password",
		Note:  "The answer does not tell whether anybody has the address.",
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
		Group: "By e-mail",
		Title: "Set a new password",
		Note:  "With the token from the mail; every session ends.",
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
    "token": "what stands behind #token= in the link",
    "newPassword": "i-never-stop-jumping"
  }
}`,
	},
	{
		Group: "By e-mail",
		Title: "Ask for a forgotten username",
		Note:  "By mail; the answer does not tell whether anybody has the address.",
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
		Group: "By e-mail",
		Title: "Change your address",
		Note:  "The new one counts once a token from a mail to it was redeemed.",
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
		Group: "By e-mail",
		Title: "Confirm the new address",
		Note:  "With the token from the mail to it; every session ends.",
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
    "token": "what stands behind #token= in the link"
  }
}`,
	},
	{
		Group: "By e-mail",
		Title: "Stop the change",
		Note:  "With the token from the mail to the old address.",
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
    "token": "what stands behind #token= in the link"
  }
}`,
	},
}
