package cli

// commands are all commands with their arguments. The help of an argument completes a sentence such as "user show
// needs …".
type commands struct {
	Serve serve `cmd:"" default:"1" help:"Run the server; the default command."`
	Keys  struct {
		List   keysList   `cmd:"" help:"List the signing keys."`
		Rotate keysRotate `cmd:"" help:"Create the next signing key."`
		Retire keysRetire `cmd:"" help:"Delete a signing key and reject its tokens."`
	} `cmd:"" help:"The keys that sign access tokens."`
	Mail struct {
		Preview mailPreview `cmd:"" help:"Show an email with sample data."`
		Test    mailTest    `cmd:"" help:"Send a test email to an address."`
	} `cmd:"" help:"The emails to users."`
	User struct {
		Create        userCreate        `cmd:"" help:"Create an active user, even if registration is closed."`
		List          userList          `cmd:"" help:"List the users, oldest first."`
		Show          userShow          `cmd:"" help:"Show a user and their sessions."`
		Disable       userDisable       `cmd:"" help:"Disable a user and revoke their sessions."`
		Enable        userEnable        `cmd:"" help:"Enable a disabled user."`
		Role          userRole          `cmd:"" help:"Change the role of a user and revoke their sessions."`
		ResetPassword userResetPassword `cmd:"" help:"Email a user a link to set a new password."`
		Delete        userDelete        `cmd:"" help:"Permanently delete a user with their profile and sessions."`
	} `cmd:"" help:"The users. USER is an ID, a username or an email address."`
	Sessions struct {
		Revoke sessionsRevoke `cmd:"" help:"Revoke all sessions of a user, or one session."`
	} `cmd:"" help:"The sessions of users; user show lists them."`
	Migrate struct {
		Status migrateStatus `cmd:"" help:"Show the migrations of the database's schema."`
		Up     migrateUp     `cmd:"" help:"Apply all migrations, as serve does when it starts."`
	} `cmd:"" help:"The database's schema."`
	Backup     backup     `cmd:"" help:"Copy a SQLite database to a file while servers run."`
	Move       move       `cmd:"" help:"Move a SQLite database to PostgreSQL. Users stay signed in."`
	Check      check      `cmd:"" help:"Check the settings and the database for problems."`
	RestoreCut restoreCut `cmd:"" help:"Revoke every session created before now, after restoring a backup."`
	Schema     schema     `cmd:"" help:"Print the GraphQL schema."`
	Version    version    `cmd:"" help:"Print the version of this program."`
}
