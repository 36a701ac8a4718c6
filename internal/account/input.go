package account

// TokenDelivery is how to deliver a refresh token.
type TokenDelivery string

const (
	InBody   TokenDelivery = "BODY"
	InCookie TokenDelivery = "COOKIE"
)

// RegisterInput is the input of a registration.
type RegisterInput struct {
	Username *string
	Email    *string
	Name     *string
	Password string
	Profile  *ProfileInput
	Delivery TokenDelivery
}

// Check returns the user errors of the input, except those of the password, which depend on a policy.
func (in RegisterInput) Check() (m UserErrors) {
	if in.Username == nil && in.Email == nil {
		m.Add(UserError(Required, "Enter a username, an email address, or both."), "username")
	}
	if in.Username != nil {
		m.Add(CheckUsername(*in.Username), "username")
	}
	if in.Email != nil {
		m.Add(CheckEmail(*in.Email), "email")
	}
	if in.Name != nil {
		m.Add(CheckName(*in.Name), "name")
	}
	if in.Profile != nil {
		m = append(m, in.Profile.Check("profile")...)
	}
	return m
}

// ObtainTokenInput is the input of a sign-in.
type ObtainTokenInput struct {
	Identifier string
	Password   string
	Delivery   TokenDelivery
	DeviceName *string
}

// Check returns the user errors of the input, except those of identifier and password, which are verified.
func (in ObtainTokenInput) Check() (m UserErrors) {
	if in.DeviceName != nil {
		m.Add(CheckDeviceName(*in.DeviceName), "deviceName")
	}
	return m
}

// UpdateMeInput changes the private part of the user's own account. Nil fields remain unchanged.
type UpdateMeInput struct {
	Name *string
}

// Check returns the user errors of the input.
func (in UpdateMeInput) Check() (m UserErrors) {
	if in.Name != nil {
		m.Add(CheckName(*in.Name), "name")
	}
	return m
}

// ChangePasswordInput replaces the user's own password.
type ChangePasswordInput struct {
	CurrentPassword string
	NewPassword     string
	Delivery        TokenDelivery
}

// ChangeUsernameInput replaces the user's own username.
type ChangeUsernameInput struct {
	CurrentPassword string
	NewUsername     string
}

// RequestEmailChangeInput requests a change of the user's own email address.
type RequestEmailChangeInput struct {
	CurrentPassword string
	NewEmail        string
}

// ProfileInput is what an owner may change of a profile. Nil fields remain unchanged.
type ProfileInput struct {
	Description *string
	Location    *string
	IsOrganizer *bool
}

// Check returns the user errors of the input; path is its path inside a larger input.
func (in ProfileInput) Check(path ...string) (m UserErrors) {
	if in.Description != nil {
		m.Add(CheckDescription(*in.Description), append(path[:len(path):len(path)], "description")...)
	}
	if in.Location != nil {
		m.Add(CheckLocation(*in.Location), append(path[:len(path):len(path)], "location")...)
	}
	return m
}
