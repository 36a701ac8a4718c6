-- Times are microseconds since 1970 in UTC; keys are canonical forms computed in Go.

CREATE TABLE settings (
  name  TEXT    NOT NULL PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT;

CREATE TABLE signing_keys (
  kid        TEXT    NOT NULL PRIMARY KEY,
  alg        TEXT    NOT NULL,
  number     INTEGER NOT NULL,
  sealed     BLOB    NOT NULL,
  created_at INTEGER NOT NULL,
  signs_from INTEGER NOT NULL,
  UNIQUE (alg, number)
) STRICT;

CREATE TABLE users (
  id             TEXT    NOT NULL PRIMARY KEY,
  username       TEXT    NOT NULL,
  username_key   TEXT    NOT NULL UNIQUE,
  email          TEXT,
  email_key      TEXT    UNIQUE,
  email_verified INTEGER NOT NULL,
  name           TEXT    NOT NULL,
  role           TEXT    NOT NULL CHECK (role IN ('MEMBER', 'STAFF', 'ADMIN')),
  status         TEXT    NOT NULL CHECK (status IN ('ACTIVE', 'PENDING', 'DISABLED')),
  password_hash  TEXT    NOT NULL,
  epoch          INTEGER NOT NULL,
  created_at     INTEGER NOT NULL,
  last_login_at  INTEGER
) STRICT;

CREATE TABLE profiles (
  id              TEXT    NOT NULL PRIMARY KEY,
  user_id         TEXT    NOT NULL UNIQUE REFERENCES users (id) ON DELETE CASCADE,
  username        TEXT    NOT NULL,
  username_key    TEXT    NOT NULL,
  description     TEXT    NOT NULL,
  description_key TEXT    NOT NULL,
  location        TEXT    NOT NULL,
  location_key    TEXT    NOT NULL,
  is_organizer    INTEGER NOT NULL CHECK (is_organizer IN (0, 1)),
  date_joined     INTEGER NOT NULL,
  updated_on      INTEGER NOT NULL
) STRICT;

-- The condition always holds, but a query must state it to use these two. So no planner takes them for a query with a
-- filter, passing over most of the table when the few that match come last.
CREATE INDEX profiles_by_date ON profiles (date_joined, id) WHERE id <> '';
CREATE INDEX profiles_by_username ON profiles (username_key) WHERE id <> '';
CREATE INDEX profiles_by_kind_and_date ON profiles (is_organizer, date_joined, id);
CREATE INDEX profiles_by_kind_and_username ON profiles (is_organizer, username_key);
CREATE INDEX profiles_by_location_and_date ON profiles (location_key, date_joined, id);
CREATE INDEX profiles_by_location_and_username ON profiles (location_key, username_key);
CREATE INDEX profiles_by_both_and_date ON profiles (is_organizer, location_key, date_joined, id);
CREATE INDEX profiles_by_both_and_username ON profiles (is_organizer, location_key, username_key);

CREATE TABLE sessions (
  id              TEXT    NOT NULL PRIMARY KEY,
  user_id         TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  user_epoch      INTEGER NOT NULL,
  salt            BLOB    NOT NULL,
  key_id          INTEGER NOT NULL,
  parent_key_id   INTEGER NOT NULL,
  generation      INTEGER NOT NULL,
  generation_at   INTEGER NOT NULL,
  created_at      INTEGER NOT NULL,
  last_used_at    INTEGER NOT NULL,
  expires_at      INTEGER NOT NULL,
  revoked_at      INTEGER,
  revoke_reason   TEXT,
  grace_replays   INTEGER NOT NULL,
  refreshes       INTEGER NOT NULL,
  refreshes_since INTEGER NOT NULL,
  auth_time       INTEGER NOT NULL,
  device_name     TEXT    NOT NULL,
  user_agent      TEXT    NOT NULL,
  ip_created      TEXT    NOT NULL,
  ip_last         TEXT    NOT NULL
) STRICT;

CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_use ON sessions (last_used_at);
