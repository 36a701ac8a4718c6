// Package config reads the settings and reports all invalid ones at once. It knows which values each setting may have
// and how settings depend on each other. What a setting does is decided where it is used.
package config

import (
	"log/slog"
	"net/netip"
	"time"

	"latchkey/internal/account"
)

// Config is the validated settings.
type Config struct {
	Listen            string         // address to listen on, host:port; port 0 lets the system pick one
	DatabaseURL       DatabaseURL    // where everything is kept
	PublicURL         string         // the server's own address, without a trailing slash; https in production
	AppURL            string         // the single-page application's address, without a trailing slash
	AllowedOrigins    []string       // origins that may send credentials, as a browser writes them (RFC 6454, section 6.2)
	Secret            Secret         // 32 bytes or more; empty only with SQLite, when the caller makes one
	SecretPrevious    Secret         // the secret before it, which is only accepted; empty when there is none
	Mode              Mode           // what the server shows of itself, and what it insists on
	AccessTokenTTL    time.Duration  // 1s to 15m; 1m or more in production
	RefreshIdleTTL    time.Duration  // a session unused this long ends; more than 0, at most 8760h
	SessionTTL        time.Duration  // a session ends after this, however busy; more than 0, at most 8760h
	MaxSessions       int            // live ones a user may have; 1 to 1000
	RefreshGrace      time.Duration  // how long a used refresh token may come again; 0 to 60s
	PasswordMinLength int            // in Unicode code points; 8 to 64
	Registration      Registration   // who may register
	EmailVerification bool           // who registers must confirm an email address first
	SMTPURL           Secret         // smtp:// or smtps://; empty: mails go to the log, in production nowhere
	MailFrom          string         // who mails come from (RFC 5322, section 3.4)
	MailTemplates     string         // folder whose templates replace ours; empty for none
	NewDeviceNotice   bool           // a mail about each sign-in from a device not seen before
	LimitGuesses      int            // wrong passwords in a row, then the password must be reset; 5 to 1000
	LimitSignIn       account.Limit  // wrong passwords from one network
	LimitRegister     account.Limit  // new accounts from one network
	LimitRefresh      account.Limit  // refused refresh tokens from one network
	LimitMail         account.Limit  // requests for mails from one network
	Loosened          []string       // the limits that allow more than their defaults, by variable
	SigningAlg        string         // EdDSA, ES256, RS256 or HS256 (RFC 7518, section 3.1; RFC 8037, section 3.1)
	SigningKeyMaxAge  time.Duration  // the next signing key is made when the newest is this old; at least 24h
	LogFormat         string         // text, json, or empty: text on a terminal and json otherwise
	LogLevel          slog.Level     // the least level that is logged
	TrustedProxies    []netip.Prefix // peers whose X-Forwarded-For is believed; none by default
	MetricsListen     string         // address of metrics, health and profiles, host:port; empty for none
	Profiling         bool           // profiles there, too
	Traces            bool           // to the collector that the OTEL_ variables name
}

// Mode determines what the server reveals and which settings it requires.
type Mode string

const (
	Development Mode = "development"
	Production  Mode = "production"
)

// Registration is who may register.
type Registration string

const (
	Open   Registration = "open"
	Closed Registration = "closed"
	Invite Registration = "invite"
)
