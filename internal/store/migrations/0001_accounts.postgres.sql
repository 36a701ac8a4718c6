-- Times are microseconds since 1970 in UTC; keys are canonical forms computed in Go. COLLATE "C" puts text in the
-- same order as SQLite does.

CREATE TABLE settings (
  name  TEXT   NOT NULL PRIMARY KEY,
  value BIGINT NOT NULL
);

CREATE TABLE signing_keys (
  kid        TEXT   NOT NULL PRIMARY KEY,
  alg        TEXT   NOT NULL,
  number     BIGINT NOT NULL,
  sealed     BYTEA  NOT NULL,
  created_at BIGINT NOT NULL,
  signs_from BIGINT NOT NULL,
  UNIQUE (alg, number)
);

CREATE TABLE users (
  id             TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  username       TEXT NOT NULL,
  username_key   TEXT COLLATE "C" NOT NULL CONSTRAINT users_username_key UNIQUE,
  email          TEXT,
  email_key      TEXT COLLATE "C" CONSTRAINT users_email_key UNIQUE,
  email_verified BOOLEAN NOT NULL,
  name           TEXT NOT NULL,
  role           TEXT NOT NULL CHECK (role IN ('MEMBER', 'STAFF', 'ADMIN')),
  status         TEXT NOT NULL CHECK (status IN ('ACTIVE', 'PENDING', 'DISABLED')),
  password_hash  TEXT NOT NULL,
  epoch          BIGINT NOT NULL,
  created_at     BIGINT NOT NULL,
  last_login_at  BIGINT
);

CREATE TABLE profiles (
  id              TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  user_id         TEXT COLLATE "C" NOT NULL CONSTRAINT profiles_user_id UNIQUE REFERENCES users (id) ON DELETE CASCADE,
  username        TEXT NOT NULL,
  username_key    TEXT COLLATE "C" NOT NULL,
  description     TEXT NOT NULL,
  description_key TEXT COLLATE "C" NOT NULL,
  location        TEXT NOT NULL,
  location_key    TEXT COLLATE "C" NOT NULL,
  is_organizer    BOOLEAN NOT NULL,
  date_joined     BIGINT NOT NULL,
  updated_on      BIGINT NOT NULL
);

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
  id              TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  user_id         TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  user_epoch      BIGINT NOT NULL,
  salt            BYTEA  NOT NULL,
  key_id          BIGINT NOT NULL,
  parent_key_id   BIGINT NOT NULL,
  generation      BIGINT NOT NULL,
  generation_at   BIGINT NOT NULL,
  created_at      BIGINT NOT NULL,
  last_used_at    BIGINT NOT NULL,
  expires_at      BIGINT NOT NULL,
  revoked_at      BIGINT,
  revoke_reason   TEXT,
  grace_replays   BIGINT NOT NULL,
  refreshes       BIGINT NOT NULL,
  refreshes_since BIGINT NOT NULL,
  auth_time       BIGINT NOT NULL,
  device_name     TEXT NOT NULL,
  user_agent      TEXT NOT NULL,
  ip_created      TEXT NOT NULL,
  ip_last         TEXT NOT NULL
);

CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_use ON sessions (last_used_at);
