// Package config reads the settings from flags and environment variables, with [Read], and reports all invalid ones at
// once. It knows which values each setting allows and how settings depend on each other, not what they are used for.
package config

import (
	"log/slog"
	"net/netip"
	"time"

	"latchkey/internal/account"
)

// Config is the settings, validated.
type Config struct {
	Listen            string         // address to listen on, host:port; port 0 lets the system pick one
	DatabaseURL       DatabaseURL    // the database
	PublicURL         string         // the server's own address, without a trailing slash; https in production
	AppURL            string         // the single-page application's address, without a trailing slash
	AllowedOrigins    []string       // origins that may send credentials, as a browser writes them (RFC 6454, section 6.2)
	Secret            Hidden         // 32 bytes or more; empty only with SQLite: the caller creates one
	SecretPrevious    Hidden         // the previous secret, only accepted; empty for none
	Mode              Mode           // development or production
	AccessTokenTTL    time.Duration  // 1s to 15m; 1m or more in production
	RefreshIdleTTL    time.Duration  // a session that is not used for this long ends; more than 0, at most 8760h
	SessionTTL        time.Duration  // a session ends after this, even if it is in use; more than 0, at most 8760h
	MaxSessions       int            // maximum of a user's live sessions; 1 to 1000
	RefreshGrace      time.Duration  // how long a used refresh token returns the same result; 0 to 60s
	PasswordMinLength int            // in Unicode code points; 8 to 64
	Registration      Registration   // who may register
	EmailVerification bool           // new users must confirm an email address first
	SMTPURL           Hidden         // smtp:// or smtps://; empty: email goes to the log; in production, none is sent
	MailFrom          string         // From address of emails (RFC 5322, section 3.4)
	MailTemplates     string         // folder whose templates replace ours; empty for none
	NewDeviceNotice   bool           // send an email about each sign-in from a new device
	LimitGuesses      int            // wrong passwords in a row before the password must be reset; 5 to 1000
	LimitSignIn       account.Limit  // wrong passwords from one network
	LimitRegister     account.Limit  // new accounts from one network
	LimitRefresh      account.Limit  // refused refresh tokens from one network
	LimitMail         account.Limit  // requests for emails from one network
	Loosened          []string       // the limits that allow more than their defaults, by variable
	SigningAlg        string         // EdDSA, ES256, RS256 or HS256 (RFC 7518, section 3.1; RFC 8037, section 3.1)
	SigningKeyMaxAge  time.Duration  // the next signing key is created when the newest is this old; at least 24h
	LogFormat         string         // text, json, or empty: text on a terminal and json otherwise
	LogLevel          slog.Level     // minimum level that is logged
	TrustedProxies    []netip.Prefix // peers whose X-Forwarded-For is trusted; none by default
	MetricsListen     string         // address of metrics, health and profiles, host:port; empty for none
	Profiling         bool           // serve profiles at MetricsListen
	Traces            bool           // send traces to the collector in the OTEL_ variables
}

// Mode determines which details the server reveals, and which settings it requires.
type Mode string

const (
	Development Mode = "development"
	Production  Mode = "production"
)

// Registration determines who may register.
type Registration string

const (
	Open   Registration = "open"
	Closed Registration = "closed"
	Invite Registration = "invite"
)
