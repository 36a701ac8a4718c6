package cli

// commands are all there are, each with its arguments. The help of an argument completes the sentence "… needs".
type commands struct {
	Serve serve `cmd:"" default:"1" help:"Answer requests; what latchkey does without a command."`
	Keys  struct {
		List   listKeys   `cmd:"" help:"Show the signing keys."`
		Rotate rotateKeys `cmd:"" help:"Make the next signing key."`
		Retire retireKey  `cmd:"" help:"Remove a signing key, and refuse its tokens."`
	} `cmd:"" help:"The keys that sign access tokens."`
	Mail struct {
		Preview previewMail `cmd:"" help:"Show a mail."`
		Test    testMail    `cmd:"" help:"Send a mail to an address, to see whether mails arrive."`
	} `cmd:"" help:"The mails to users."`
	User struct {
		Create        createUser    `cmd:"" help:"Make an active user, also where registration is closed."`
		List          listUsers     `cmd:"" help:"Show the users, oldest first."`
		Show          showUser      `cmd:"" help:"Show a user, and where they are signed in."`
		Disable       disableUser   `cmd:"" help:"Shut a user out, which ends every session."`
		Enable        enableUser    `cmd:"" help:"Let a disabled user in again."`
		Role          setRole       `cmd:"" help:"Change what a user may do, which ends every session."`
		ResetPassword resetPassword `cmd:"" help:"Mail a user the link for a new password. Nobody else ever sets one."`
		Delete        deleteUser    `cmd:"" help:"Remove a user with all that is theirs, for ever."`
	} `cmd:"" help:"The users. USER is an ID, a username or an email address."`
	Sessions struct {
		Revoke revokeSessions `cmd:"" help:"End all sessions of a user, or one session."`
	} `cmd:"" help:"Where users are signed in; user show lists it."`
	Migrate struct {
		Status migrateStatus `cmd:"" help:"Show the steps of the database's schema."`
		Up     migrateUp     `cmd:"" help:"Bring the schema up to date, as serve does when it starts."`
	} `cmd:"" help:"The database's schema."`
	Backup     backup      `cmd:"" help:"Copy a SQLite database into a file, while servers go on."`
	Move       move        `cmd:"" help:"Move a SQLite database to PostgreSQL, with everybody signed in."`
	Check      check       `cmd:"" help:"Look for what is wrong with settings and database."`
	RestoreCut restoreCut  `cmd:"" help:"End every session begun before now, after restoring a backup."`
	Schema     printSchema `cmd:"" help:"Print the GraphQL schema."`
	Version    showVersion `cmd:"" help:"Print the version of this program."`
}
