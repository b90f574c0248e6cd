-- Sums by hour and day. The older sums (`rollup`) are moved at the first start and stay behind empty.

-- Each combination that was ever used. What is absent is an empty text.
CREATE TABLE rollup_key (
    id           INTEGER PRIMARY KEY,
    workspace    BLOB NOT NULL,
    agent        TEXT NOT NULL,
    run_agent    TEXT NOT NULL,
    virtual_key  TEXT NOT NULL,
    member       TEXT NOT NULL,
    provider_key TEXT NOT NULL,
    provider     TEXT NOT NULL,
    model        TEXT NOT NULL,
    UNIQUE (workspace, agent, run_agent, virtual_key, member, provider_key, provider, model)
) STRICT;
CREATE INDEX rollup_key_by_run_agent ON rollup_key (workspace, run_agent);
CREATE INDEX rollup_key_by_virtual_key ON rollup_key (workspace, virtual_key);
CREATE INDEX rollup_key_by_member ON rollup_key (workspace, member);

-- `at` is the start of the bucket in microseconds.
CREATE TABLE rollup_hour (
    workspace BLOB NOT NULL,
    at        INTEGER NOT NULL,
    key       INTEGER NOT NULL,
    sums      BLOB NOT NULL,
    PRIMARY KEY (workspace, at, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX rollup_hour_by_key ON rollup_hour (key, at);

CREATE TABLE rollup_day (
    workspace BLOB NOT NULL,
    at        INTEGER NOT NULL,
    key       INTEGER NOT NULL,
    sums      BLOB NOT NULL,
    PRIMARY KEY (workspace, at, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX rollup_day_by_key ON rollup_day (key, at);

-- The property keys that are rolled up; `is_filled` when older rows are in, too.
CREATE TABLE rollup_property (
    workspace BLOB NOT NULL,
    property  TEXT NOT NULL,
    is_filled INTEGER NOT NULL,
    PRIMARY KEY (workspace, property)
) STRICT, WITHOUT ROWID;

CREATE TABLE rollup_property_hour (
    workspace BLOB NOT NULL,
    property  TEXT NOT NULL,
    at        INTEGER NOT NULL,
    is_other  INTEGER NOT NULL,
    value     TEXT NOT NULL,
    sums      BLOB NOT NULL,
    PRIMARY KEY (workspace, property, at, is_other, value)
) STRICT, WITHOUT ROWID;

CREATE TABLE rollup_property_day (
    workspace BLOB NOT NULL,
    property  TEXT NOT NULL,
    at        INTEGER NOT NULL,
    is_other  INTEGER NOT NULL,
    value     TEXT NOT NULL,
    sums      BLOB NOT NULL,
    PRIMARY KEY (workspace, property, at, is_other, value)
) STRICT, WITHOUT ROWID;

-- Hours before this one (microseconds) were dropped and are not made again.
CREATE TABLE rollup_hours_kept (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    since    INTEGER NOT NULL
) STRICT;
INSERT INTO rollup_hours_kept (only_row, since) VALUES (1, -9223372036854775808);
