-- One day of exchanges. The search text stands before the record, so that a search does not read the record.
CREATE TABLE exchange (
    seq               INTEGER PRIMARY KEY,
    id                BLOB NOT NULL UNIQUE,
    workspace         BLOB NOT NULL,
    created_at        INTEGER NOT NULL,
    opened_sequence   INTEGER,
    closed_sequence   INTEGER,
    request_id        TEXT,
    run_id            TEXT,
    session_id        TEXT,
    trace_id          TEXT,
    agent_id          BLOB,
    agent_external_id TEXT NOT NULL,
    member_id         BLOB,
    virtual_key_id    BLOB NOT NULL,
    provider_key_id   BLOB,
    model             TEXT,
    requested_model   TEXT,
    provider          TEXT,
    kind              TEXT NOT NULL,
    status            INTEGER,
    outcome           TEXT NOT NULL,
    is_error          INTEGER NOT NULL,
    error_code        TEXT,
    user_id           TEXT,
    cost              INTEGER,
    latency_ms        INTEGER,
    response_id       TEXT,
    request_block     INTEGER,
    request_offset    INTEGER,
    request_length    INTEGER,
    request_flags     INTEGER,
    response_block    INTEGER,
    response_offset   INTEGER,
    response_length   INTEGER,
    response_flags    INTEGER,
    search            TEXT NOT NULL,
    record            TEXT NOT NULL
) STRICT;
CREATE INDEX exchange_by_time ON exchange (workspace, created_at, id);
CREATE INDEX exchange_by_key ON exchange (workspace, virtual_key_id, created_at);
CREATE INDEX exchange_by_agent ON exchange (workspace, agent_external_id, created_at);
CREATE INDEX exchange_by_agent_id ON exchange (workspace, agent_id, created_at) WHERE agent_id IS NOT NULL;
CREATE INDEX exchange_by_request_id ON exchange (workspace, request_id, created_at) WHERE request_id IS NOT NULL;
CREATE INDEX exchange_by_run ON exchange (workspace, run_id, created_at) WHERE run_id IS NOT NULL;
CREATE INDEX exchange_by_session ON exchange (workspace, session_id, created_at) WHERE session_id IS NOT NULL;
CREATE INDEX exchange_by_trace ON exchange (workspace, trace_id, created_at) WHERE trace_id IS NOT NULL;
CREATE INDEX exchange_by_user ON exchange (workspace, user_id, created_at) WHERE user_id IS NOT NULL;
CREATE INDEX exchange_by_response_id ON exchange (workspace, response_id, created_at) WHERE response_id IS NOT NULL;
CREATE INDEX exchange_by_error ON exchange (workspace, created_at) WHERE is_error = 1;

CREATE TABLE property (
    workspace  BLOB NOT NULL,
    key        TEXT NOT NULL,
    value      TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    exchange   INTEGER NOT NULL,
    PRIMARY KEY (workspace, key, value, created_at, exchange)
) STRICT, WITHOUT ROWID;

CREATE TABLE applied (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    sequence INTEGER NOT NULL
) STRICT;
INSERT INTO applied (only_row, sequence) VALUES (1, 0);

-- What a busy day looks like, so that lists are led by the column that narrows them most. Without this the planner takes
-- the index by time for nearly all of them.
ANALYZE;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('exchange', 'exchange_by_time', '200000 50000 2 1'),
    ('exchange', 'exchange_by_key', '200000 50000 2000 1'),
    ('exchange', 'exchange_by_agent', '200000 50000 2000 1'),
    ('exchange', 'exchange_by_agent_id', '200000 50000 2000 1'),
    ('exchange', 'exchange_by_request_id', '100000 25000 1 1'),
    ('exchange', 'exchange_by_run', '100000 25000 10 1'),
    ('exchange', 'exchange_by_session', '100000 25000 20 1'),
    ('exchange', 'exchange_by_trace', '100000 25000 10 1'),
    ('exchange', 'exchange_by_user', '100000 25000 50 1'),
    ('exchange', 'exchange_by_response_id', '50000 12500 1 1'),
    ('exchange', 'exchange_by_error', '5000 1250 1');
