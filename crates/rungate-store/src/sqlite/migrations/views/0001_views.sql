-- What outlives the days.
CREATE TABLE pending (
    id         BLOB PRIMARY KEY,
    workspace  BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    record     TEXT NOT NULL
) STRICT;

CREATE TABLE run (
    workspace  BLOB NOT NULL,
    run_id     TEXT NOT NULL,
    id         BLOB NOT NULL UNIQUE,
    session_id TEXT,
    trace_id   TEXT,
    started_at INTEGER NOT NULL,
    last_at    INTEGER NOT NULL,
    cost       INTEGER NOT NULL,
    errors     INTEGER NOT NULL,
    search     TEXT NOT NULL,
    record     TEXT NOT NULL,
    UNIQUE (workspace, run_id)
) STRICT;
CREATE INDEX run_by_time ON run (workspace, last_at, run_id);
CREATE INDEX run_by_session ON run (workspace, session_id, last_at) WHERE session_id IS NOT NULL;
CREATE INDEX run_by_trace ON run (workspace, trace_id, last_at) WHERE trace_id IS NOT NULL;

CREATE TABLE run_agent (
    workspace BLOB NOT NULL,
    agent     TEXT NOT NULL,
    run_id    TEXT NOT NULL,
    PRIMARY KEY (workspace, agent, run_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE run_property (
    workspace BLOB NOT NULL,
    key       TEXT NOT NULL,
    value     TEXT NOT NULL,
    run_id    TEXT NOT NULL,
    PRIMARY KEY (workspace, key, value, run_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE session (
    workspace  BLOB NOT NULL,
    session_id TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    last_at    INTEGER NOT NULL,
    search     TEXT NOT NULL,
    record     TEXT NOT NULL,
    UNIQUE (workspace, session_id)
) STRICT;
CREATE INDEX session_by_time ON session (workspace, last_at, session_id);

CREATE TABLE session_agent (
    workspace  BLOB NOT NULL,
    agent      TEXT NOT NULL,
    session_id TEXT NOT NULL,
    PRIMARY KEY (workspace, agent, session_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE session_run (
    workspace  BLOB NOT NULL,
    session_id TEXT NOT NULL,
    run_id     TEXT NOT NULL,
    PRIMARY KEY (workspace, session_id, run_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE rollup (
    workspace             BLOB NOT NULL,
    dimension             TEXT NOT NULL,
    day                   INTEGER NOT NULL,
    entity                TEXT NOT NULL,
    requests              INTEGER NOT NULL,
    errors                INTEGER NOT NULL,
    input_tokens          INTEGER NOT NULL,
    output_tokens         INTEGER NOT NULL,
    cost                  INTEGER NOT NULL,
    unknown_cost_requests INTEGER NOT NULL,
    latency_ms            INTEGER NOT NULL,
    PRIMARY KEY (workspace, dimension, day, entity)
) STRICT, WITHOUT ROWID;
CREATE INDEX rollup_by_entity ON rollup (workspace, dimension, entity, day);

CREATE TABLE applied (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    sequence INTEGER NOT NULL
) STRICT;
INSERT INTO applied (only_row, sequence) VALUES (1, 0);

-- What a busy installation looks like; see the days of rows.
ANALYZE;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('run', 'run_by_time', '1000000 250000 2 1'),
    ('run', 'run_by_session', '1000000 250000 10 1'),
    ('run', 'run_by_trace', '1000000 250000 2 1'),
    ('session', 'session_by_time', '200000 50000 2 1');
