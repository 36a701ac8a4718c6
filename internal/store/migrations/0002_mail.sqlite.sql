-- An address that waits for confirmation: the new one of a change, or, while the account is PENDING, that of its email
-- column, which has no key until then. Several accounts may wait for one address; the first to prove it has it. Until then
-- its profile is only a draft, in JSON, that nobody sees.
ALTER TABLE users ADD COLUMN pending_email TEXT;
ALTER TABLE users ADD COLUMN pending_email_key TEXT;
ALTER TABLE users ADD COLUMN profile_draft TEXT;

CREATE INDEX users_by_pending_email_key ON users (pending_email_key, created_at) WHERE pending_email_key IS NOT NULL;

CREATE TABLE one_time_tokens (
  user_id     TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  purpose     TEXT    NOT NULL,
  address     TEXT    NOT NULL,
  address_key TEXT    NOT NULL,
  hash        BLOB    NOT NULL UNIQUE,
  created_at  INTEGER NOT NULL,
  expires_at  INTEGER NOT NULL,
  PRIMARY KEY (user_id, purpose, address_key)
) STRICT;

CREATE INDEX one_time_tokens_by_address ON one_time_tokens (address_key);
CREATE INDEX one_time_tokens_by_expiry ON one_time_tokens (expires_at);

-- The outbox. ASKED: to whom it goes, if to anybody, is still to be found out. asked_for and minute are those of a request;
-- they keep requests for one address from being more than one a minute, also when they come at once.
CREATE TABLE mails (
  id           TEXT    NOT NULL PRIMARY KEY,
  letter       TEXT    NOT NULL,
  state        TEXT    NOT NULL CHECK (state IN ('ASKED', 'READY', 'SENT', 'FAILED', 'DROPPED')),
  user_id      TEXT,
  recipient    TEXT    NOT NULL,
  address_key  TEXT    NOT NULL,
  asked_for    TEXT,
  minute       INTEGER,
  languages    TEXT    NOT NULL,
  username     TEXT    NOT NULL,
  new_email    TEXT    NOT NULL,
  device       TEXT    NOT NULL,
  ip_address   TEXT    NOT NULL,
  sealed_token BLOB,
  attempts     INTEGER NOT NULL,
  created_at   INTEGER NOT NULL,
  due_at       INTEGER NOT NULL,
  expires_at   INTEGER NOT NULL,
  UNIQUE (address_key, asked_for, minute)
) STRICT;

CREATE INDEX mails_by_due ON mails (due_at) WHERE state IN ('ASKED', 'READY');
CREATE INDEX mails_by_user ON mails (user_id);
CREATE INDEX mails_by_creation ON mails (created_at);

-- Where users have signed in from: what kind of program, in which network.
CREATE TABLE devices (
  user_id TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  agent   TEXT    NOT NULL,
  network TEXT    NOT NULL,
  seen_at INTEGER NOT NULL,
  PRIMARY KEY (user_id, network, agent)
) STRICT;

CREATE INDEX devices_by_use ON devices (seen_at);
