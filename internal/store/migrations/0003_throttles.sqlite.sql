-- What is counted against guessing: failures in a row of a subject (a user, or a bucket of names nobody has), and events of a
-- kind in a window of time. source is the network they come from, or empty for all networks together.
CREATE TABLE throttles (
  subject    TEXT    NOT NULL,
  source     TEXT    NOT NULL,
  count      INTEGER NOT NULL,
  since      INTEGER NOT NULL,
  until      INTEGER NOT NULL,
  counted_at INTEGER NOT NULL,
  PRIMARY KEY (subject, source)
) STRICT;

CREATE INDEX throttles_by_use ON throttles (counted_at);
