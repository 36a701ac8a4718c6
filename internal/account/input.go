package account

// TokenDelivery is how a refresh token reaches the client.
type TokenDelivery string

const (
	InBody   TokenDelivery = "BODY"
	InCookie TokenDelivery = "COOKIE"
)

// RegisterInput asks for a new account.
type RegisterInput struct {
	Username *string
	Email    *string
	Name     *string
	Password string
	Profile  *ProfileInput
	Delivery TokenDelivery
}

// Check returns all that is wrong with the input but its password, which needs a policy to judge.
func (in RegisterInput) Check() (m UserErrors) {
	if in.Username == nil && in.Email == nil {
		m.Add(UserError(Required, "Give a username or an e-mail address, or both."), "username")
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

// ObtainTokenInput signs in.
type ObtainTokenInput struct {
	Identifier string
	Password   string
	Delivery   TokenDelivery
	DeviceName *string
}

// Check returns all that is wrong with the input but its identifier and password, which are right or not.
func (in ObtainTokenInput) Check() (m UserErrors) {
	if in.DeviceName != nil {
		m.Add(CheckDeviceName(*in.DeviceName), "deviceName")
	}
	return m
}

// UpdateMeInput changes the private half of the caller's account. What is nil stays.
type UpdateMeInput struct {
	Name *string
}

// Check returns all that is wrong with the input.
func (in UpdateMeInput) Check() (m UserErrors) {
	if in.Name != nil {
		m.Add(CheckName(*in.Name), "name")
	}
	return m
}

// ChangePasswordInput replaces the caller's password.
type ChangePasswordInput struct {
	CurrentPassword string
	NewPassword     string
	Delivery        TokenDelivery
}

// ChangeUsernameInput replaces the caller's username.
type ChangeUsernameInput struct {
	CurrentPassword string
	NewUsername     string
}

// RequestEmailChangeInput asks for another e-mail address.
type RequestEmailChangeInput struct {
	CurrentPassword string
	NewEmail        string
}

// ProfileInput is what an owner may set of a profile. What is nil stays as it is.
type ProfileInput struct {
	Description *string
	Location    *string
	IsOrganizer *bool
}

// Check returns all that is wrong with the input; path is where it stands inside a larger one.
func (in ProfileInput) Check(path ...string) (m UserErrors) {
	if in.Description != nil {
		m.Add(CheckDescription(*in.Description), append(path[:len(path):len(path)], "description")...)
	}
	if in.Location != nil {
		m.Add(CheckLocation(*in.Location), append(path[:len(path):len(path)], "location")...)
	}
	return m
}
