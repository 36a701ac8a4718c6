// Package e2e is the harness of the end-to-end tests, which are in the folders below it, by subject: accounts,
// sessions, email, limits, hostile clients, operations, nodes and client libraries. They send requests over HTTP to the
// real server, on a database of their own, and read as stories:
//
//	func TestSignOut(t *testing.T) {
//		e2e.Each(t, func(t *testing.T, s *e2e.Env) {
//			mario := s.Register("mario")
//			mario.Ask(`{ me { username } }`, nil).Ok().Equals("me.username", "mario")
//			mario.SignOut(nil)
//			mario.Ask(`{ me { id } }`, nil).FailsWith("UNAUTHENTICATED", "REVOKED")
//		})
//	}
//
// # Starting a server
//
// [Each] runs a story on SQLite and on PostgreSQL, [EachStrict] also with serializable transactions, [EachOnTwoNodes]
// with two servers on the database. [Start] starts one server on a database of package storetest. They all take
// settings of the form LATCHKEY_X=value. An [Env] is the server with its database, clock and log. It stops at the end
// of the test, which fails if the log contains a password or token that a client sent or received.
//
// The servers of an Env run in the process of the test. A [Process] is a server in a process of its own, which can be
// killed. [Env.Run] and [Env.RunFails] run commands on the database of a server.
//
// # Signing in and asking
//
// A [Client] has the tokens of one session, or none: [Env.Register] and [Env.SignIn] return signed-in clients,
// [Env.Anonymous] one without tokens. [Client.Ask] sends an operation. Its [Response] is checked with methods that fail
// the test: [Response.Ok], [Response.Equals], [Response.FailsWith] for errors and [Response.HasUserErrors] for user
// errors. [Env.SendRaw] sends what an HTTP client cannot.
//
// # Emails
//
// [EachWithMail] starts a server with a [Mailbox], an SMTP server that keeps the emails. [Env.NextEmail] waits for the
// outbox and returns the [Email], and [Env.AssertNoEmail] checks that there is none. A mailbox can reject or delay
// emails.
//
// # Clock
//
// The [Clock] of a server stands still until [Clock.Advance] or [Clock.Set] moves it. A Process has the system clock.
// Background jobs other than the outbox run only when a test calls them, such as [SyncKeys].
//
// # Database
//
// [Env.Exec], [Env.Count], [Env.Values] and [Env.Dump] use a connection of their own to the database of a server.
//
// Long tests are shorter, or on one engine, with -short. Tests with random choices log LATCHKEY_TEST_SEED, with which
// they can be repeated.
package e2e
