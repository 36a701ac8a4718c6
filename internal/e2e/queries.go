package e2e

// RegisterMutation registers a user.
const RegisterMutation = `mutation ($input: RegisterInput!) { register(input: $input) {
	user { id username email emailVerified name role status createdAt lastLoginAt
		profile { id username description location isOrganizer dateJoined updatedOn viewerCanUpdate } }
	tokens { accessToken accessTokenExpiresAt refreshToken refreshTokenExpiresAt tokenType }
	userErrors { code field message } } }`

// ObtainTokenMutation signs in.
const ObtainTokenMutation = `mutation ($input: ObtainTokenInput!) { obtainToken(input: $input) {
	user { id username lastLoginAt profile { viewerCanUpdate } } tokens { accessToken refreshToken } userErrors { code field message } } }`

// The operations on email addresses and forgotten passwords. Their variables are $t, a one-time token, $e, an email
// address, and $p, a password.
const (
	ActivateMutation                = `mutation ($t: String!) { activate(input: {token: $t}) { user { id username email emailVerified status } userErrors { code field } } }`
	ResendActivationMutation        = `mutation ($e: String!) { resendActivation(input: {email: $e}) { accepted userErrors { code field } } }`
	RequestPasswordResetMutation    = `mutation ($e: String!) { requestPasswordReset(input: {email: $e}) { accepted userErrors { code field } } }`
	ResetPasswordMutation           = `mutation ($t: String!, $p: String!) { resetPassword(input: {token: $t, newPassword: $p}) { changed userErrors { code field } } }`
	RequestUsernameReminderMutation = `mutation ($e: String!) { requestUsernameReminder(input: {email: $e}) { accepted userErrors { code field } } }`
	RequestEmailChangeMutation      = `mutation ($p: String!, $e: String!) { requestEmailChange(input: {currentPassword: $p, newEmail: $e}) {
		user { email pendingEmail emailVerified } userErrors { code field } } }`
	ConfirmEmailChangeMutation = `mutation ($t: String!) { confirmEmailChange(input: {token: $t}) { user { username email pendingEmail emailVerified } userErrors { code field } } }`
	CancelEmailChangeMutation  = `mutation ($t: String!) { cancelEmailChange(input: {token: $t}) { cancelled userErrors { code field } } }`

	NewPassword = "the-princess-is-in-another-castle"
)

// ListProfilesQuery returns a page of profiles.
const ListProfilesQuery = `query ($first: Int, $after: String, $last: Int, $before: String, $filter: ProfileFilter, $order: ProfileOrder) {
	profiles(first: $first, after: $after, last: $last, before: $before, filter: $filter, orderBy: $order) {
		edges { cursor node { id username } } nodes { id username } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }`
