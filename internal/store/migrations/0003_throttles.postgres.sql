-- What is counted against guessing: failures in a row of a subject (a user, or a bucket of names nobody has), and events of a
-- kind in a window of time. source is the network they come from, or empty for all networks together.
CREATE TABLE throttles (
  subject    TEXT COLLATE "C" NOT NULL,
  source     TEXT COLLATE "C" NOT NULL,
  count      BIGINT           NOT NULL,
  since      BIGINT           NOT NULL,
  until      BIGINT           NOT NULL,
  counted_at BIGINT           NOT NULL,
  PRIMARY KEY (subject, source)
);

CREATE INDEX throttles_by_use ON throttles (counted_at);
