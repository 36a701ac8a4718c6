package e2e

const RegisterMutation = `mutation ($input: RegisterInput!) { register(input: $input) {
	user { id username email emailVerified name role status createdAt lastLoginAt
		profile { id username description location isOrganizer dateJoined updatedOn viewerCanUpdate } }
	tokens { accessToken accessTokenExpiresAt refreshToken refreshTokenExpiresAt tokenType }
	userErrors { code field message } } }`

const ObtainTokenMutation = `mutation ($input: ObtainTokenInput!) { obtainToken(input: $input) {
	user { id username lastLoginAt profile { viewerCanUpdate } } tokens { accessToken refreshToken } userErrors { code field message } } }`

// The life of an account by email, told over HTTP and SMTP.

const (
	ActivateMutation     = `mutation ($t: String!) { activate(input: {token: $t}) { user { id username email emailVerified status } userErrors { code field } } }`
	ResendMutation       = `mutation ($e: String!) { resendActivation(input: {email: $e}) { accepted userErrors { code field } } }`
	RequestResetMutation = `mutation ($e: String!) { requestPasswordReset(input: {email: $e}) { accepted userErrors { code field } } }`
	ResetMutation        = `mutation ($t: String!, $p: String!) { resetPassword(input: {token: $t, newPassword: $p}) { changed userErrors { code field } } }`
	ReminderMutation     = `mutation ($e: String!) { requestUsernameReminder(input: {email: $e}) { accepted userErrors { code field } } }`
	RequestChangeQuery   = `mutation ($p: String!, $e: String!) { requestEmailChange(input: {currentPassword: $p, newEmail: $e}) {
		user { email pendingEmail emailVerified } userErrors { code field } } }`
	ConfirmMutation = `mutation ($t: String!) { confirmEmailChange(input: {token: $t}) { user { username email pendingEmail emailVerified } userErrors { code field } } }`
	CancelMutation  = `mutation ($t: String!) { cancelEmailChange(input: {token: $t}) { cancelled userErrors { code field } } }`

	NewPassword = "the-princess-is-in-another-castle"
)

const EmailVerification = "LATCHKEY_EMAIL_VERIFICATION=required"
