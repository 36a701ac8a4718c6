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
func (in RegisterInput) Check() (errs UserErrors) {
	if in.Username == nil && in.Email == nil {
		errs.Add(UserError(Required, "Enter a username, an email address, or both."), "username")
	}
	if in.Username != nil {
		errs.Add(CheckUsername(*in.Username), "username")
	}
	if in.Email != nil {
		errs.Add(CheckEmail(*in.Email), "email")
	}
	if in.Name != nil {
		errs.Add(CheckName(*in.Name), "name")
	}
	if in.Profile != nil {
		errs = append(errs, in.Profile.Check("profile")...)
	}
	return errs
}

// ObtainTokenInput is the input of a sign-in.
type ObtainTokenInput struct {
	Identifier string
	Password   string
	Delivery   TokenDelivery
	DeviceName *string
}

// Check returns the user errors of the input, except those of identifier and password, which are verified.
func (in ObtainTokenInput) Check() (errs UserErrors) {
	if in.DeviceName != nil {
		errs.Add(CheckDeviceName(*in.DeviceName), "deviceName")
	}
	return errs
}

// UpdateMeInput changes the private part of the user's own account. Nil fields remain unchanged.
type UpdateMeInput struct {
	Name *string
}

// Check returns the user errors of the input.
func (in UpdateMeInput) Check() (errs UserErrors) {
	if in.Name != nil {
		errs.Add(CheckName(*in.Name), "name")
	}
	return errs
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

// Check returns the user errors of the input; path is the path to it inside a larger one.
func (in ProfileInput) Check(path ...string) (errs UserErrors) {
	if in.Description != nil {
		errs.Add(CheckDescription(*in.Description), append(path[:len(path):len(path)], "description")...)
	}
	if in.Location != nil {
		errs.Add(CheckLocation(*in.Location), append(path[:len(path):len(path)], "location")...)
	}
	return errs
}
