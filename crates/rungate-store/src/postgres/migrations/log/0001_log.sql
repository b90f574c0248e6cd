-- The log. What belongs to a day lies in partitions that are made when the day is first written and dropped whole.
--
-- Text is compared by its bytes (COLLATE "C"), as everywhere else in Rungate. Times are microseconds, days are days since
-- 1970-01-01, money is nano-USD.

-- How far each node's journal is applied; set in the transaction that applies it.
CREATE TABLE cursor (
    node     text COLLATE "C" PRIMARY KEY,
    sequence bigint NOT NULL
);

-- The days that have partitions.
CREATE TABLE day (
    day    integer PRIMARY KEY,
    rows   boolean NOT NULL DEFAULT false,
    bodies boolean NOT NULL DEFAULT false
);

-- Exchanges. An open one lies in the partition of no day (-1), so that its closing, which changes nearly every column and
-- index, leaves no dead row in its day: it is taken out of there and copied into its day.
CREATE TABLE exchange (
    day               integer NOT NULL,
    status            integer,
    is_error          smallint NOT NULL,
    created_at        bigint NOT NULL,
    opened_sequence   bigint,
    closed_sequence   bigint,
    cost              bigint,
    latency_ms        bigint,
    request_block     bigint,
    request_offset    bigint,
    request_length    bigint,
    request_flags     bigint,
    response_block    bigint,
    response_offset   bigint,
    response_length   bigint,
    response_flags    bigint,
    id                uuid NOT NULL,
    workspace         uuid NOT NULL,
    agent_id          uuid,
    member_id         uuid,
    virtual_key_id    uuid NOT NULL,
    provider_key_id   uuid,
    node              text COLLATE "C" NOT NULL,
    request_id        text COLLATE "C",
    run_id            text COLLATE "C",
    session_id        text COLLATE "C",
    trace_id          text COLLATE "C",
    agent_external_id text COLLATE "C" NOT NULL,
    model             text COLLATE "C",
    requested_model   text COLLATE "C",
    provider          text COLLATE "C",
    kind              text COLLATE "C" NOT NULL,
    outcome           text COLLATE "C" NOT NULL,
    error_code        text COLLATE "C",
    user_id           text COLLATE "C",
    response_id       text COLLATE "C",
    search            text COLLATE "C" NOT NULL,
    record            text COLLATE "C" NOT NULL,
    PRIMARY KEY (id, day)
) PARTITION BY RANGE (day);
-- Each ends in the order of lists, so that the first rows of a list are the first of its index.
CREATE INDEX exchange_by_time ON exchange (workspace, created_at, id);
CREATE INDEX exchange_by_key ON exchange (workspace, virtual_key_id, created_at, id);
CREATE INDEX exchange_by_agent ON exchange (workspace, agent_external_id, created_at, id);
CREATE INDEX exchange_by_agent_id ON exchange (workspace, agent_id, created_at, id) WHERE agent_id IS NOT NULL;
CREATE INDEX exchange_by_request_id ON exchange (workspace, request_id, created_at, id) WHERE request_id IS NOT NULL;
CREATE INDEX exchange_by_run ON exchange (workspace, run_id, created_at, id) WHERE run_id IS NOT NULL;
CREATE INDEX exchange_by_session ON exchange (workspace, session_id, created_at, id) WHERE session_id IS NOT NULL;
CREATE INDEX exchange_by_trace ON exchange (workspace, trace_id, created_at, id) WHERE trace_id IS NOT NULL;
CREATE INDEX exchange_by_user ON exchange (workspace, user_id, created_at, id) WHERE user_id IS NOT NULL;
CREATE INDEX exchange_by_response_id ON exchange (workspace, response_id, created_at, id) WHERE response_id IS NOT NULL;
CREATE INDEX exchange_by_error ON exchange (workspace, created_at, id) WHERE is_error = 1;
-- Every row of it is soon deleted.
CREATE TABLE exchange_open PARTITION OF exchange FOR VALUES FROM (-1) TO (0)
    WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- Properties, in the day of their exchange from its opening on.
CREATE TABLE property (
    day        integer NOT NULL,
    created_at bigint NOT NULL,
    workspace  uuid NOT NULL,
    exchange   uuid NOT NULL,
    key        text COLLATE "C" NOT NULL,
    value      text COLLATE "C" NOT NULL
) PARTITION BY RANGE (day);
CREATE INDEX property_by_value ON property (workspace, key, value, created_at, exchange);

-- Blocks of bodies, compressed; exchanges say which block, and where in it.
CREATE SEQUENCE body_block;
CREATE TABLE body (
    day       integer NOT NULL,
    raw_bytes bigint NOT NULL,
    block     bigint NOT NULL,
    checksum  bigint NOT NULL,
    data      bytea NOT NULL,
    PRIMARY KEY (block, day)
) PARTITION BY RANGE (day);
-- It is compressed already.
ALTER TABLE body ALTER COLUMN data SET STORAGE EXTERNAL;

-- What outlives the days.
CREATE TABLE run (
    started_at bigint NOT NULL,
    last_at    bigint NOT NULL,
    cost       bigint NOT NULL,
    errors     bigint NOT NULL,
    workspace  uuid NOT NULL,
    id         uuid NOT NULL UNIQUE,
    run_id     text COLLATE "C" NOT NULL,
    session_id text COLLATE "C",
    trace_id   text COLLATE "C",
    search     text COLLATE "C" NOT NULL,
    record     text COLLATE "C" NOT NULL,
    PRIMARY KEY (workspace, run_id)
) WITH (fillfactor = 80);
CREATE INDEX run_by_time ON run (workspace, last_at, run_id);
CREATE INDEX run_by_session ON run (workspace, session_id, last_at) WHERE session_id IS NOT NULL;
CREATE INDEX run_by_trace ON run (workspace, trace_id, last_at) WHERE trace_id IS NOT NULL;

CREATE TABLE run_agent (
    workspace uuid NOT NULL,
    agent     text COLLATE "C" NOT NULL,
    run_id    text COLLATE "C" NOT NULL,
    PRIMARY KEY (workspace, agent, run_id)
);

CREATE TABLE run_property (
    workspace uuid NOT NULL,
    key       text COLLATE "C" NOT NULL,
    value     text COLLATE "C" NOT NULL,
    run_id    text COLLATE "C" NOT NULL,
    PRIMARY KEY (workspace, key, value, run_id)
);

CREATE TABLE session (
    started_at bigint NOT NULL,
    last_at    bigint NOT NULL,
    workspace  uuid NOT NULL,
    session_id text COLLATE "C" NOT NULL,
    search     text COLLATE "C" NOT NULL,
    record     text COLLATE "C" NOT NULL,
    PRIMARY KEY (workspace, session_id)
) WITH (fillfactor = 80);
CREATE INDEX session_by_time ON session (workspace, last_at, session_id);

CREATE TABLE session_agent (
    workspace  uuid NOT NULL,
    agent      text COLLATE "C" NOT NULL,
    session_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (workspace, agent, session_id)
);

CREATE TABLE session_run (
    workspace  uuid NOT NULL,
    session_id text COLLATE "C" NOT NULL,
    run_id     text COLLATE "C" NOT NULL,
    PRIMARY KEY (workspace, session_id, run_id)
);

-- Sums by hour and day. Each combination that was ever used; its id is made from it. What is absent is an empty text.
CREATE TABLE rollup_key (
    id           uuid PRIMARY KEY,
    workspace    uuid NOT NULL,
    agent        text COLLATE "C" NOT NULL,
    run_agent    text COLLATE "C" NOT NULL,
    virtual_key  text COLLATE "C" NOT NULL,
    member       text COLLATE "C" NOT NULL,
    provider_key text COLLATE "C" NOT NULL,
    provider     text COLLATE "C" NOT NULL,
    model        text COLLATE "C" NOT NULL
);
CREATE INDEX rollup_key_by_agent ON rollup_key (workspace, agent);
CREATE INDEX rollup_key_by_run_agent ON rollup_key (workspace, run_agent);
CREATE INDEX rollup_key_by_virtual_key ON rollup_key (workspace, virtual_key);
CREATE INDEX rollup_key_by_member ON rollup_key (workspace, member);

-- `at` is the start of the bucket.
CREATE TABLE rollup_hour (
    workspace uuid NOT NULL,
    at        bigint NOT NULL,
    key       uuid NOT NULL,
    sums      bytea NOT NULL,
    PRIMARY KEY (workspace, at, key)
) WITH (fillfactor = 70);
CREATE INDEX rollup_hour_by_key ON rollup_hour (key, at);

CREATE TABLE rollup_day (
    workspace uuid NOT NULL,
    at        bigint NOT NULL,
    key       uuid NOT NULL,
    sums      bytea NOT NULL,
    PRIMARY KEY (workspace, at, key)
) WITH (fillfactor = 70);
CREATE INDEX rollup_day_by_key ON rollup_day (key, at);

-- The property keys that are rolled up; `is_filled` when older rows are in, too.
CREATE TABLE rollup_property (
    workspace uuid NOT NULL,
    property  text COLLATE "C" NOT NULL,
    is_filled boolean NOT NULL,
    PRIMARY KEY (workspace, property)
);

CREATE TABLE rollup_property_hour (
    workspace uuid NOT NULL,
    at        bigint NOT NULL,
    is_other  bigint NOT NULL,
    property  text COLLATE "C" NOT NULL,
    value     text COLLATE "C" NOT NULL,
    sums      bytea NOT NULL,
    PRIMARY KEY (workspace, property, at, is_other, value)
) WITH (fillfactor = 70);

CREATE TABLE rollup_property_day (
    workspace uuid NOT NULL,
    at        bigint NOT NULL,
    is_other  bigint NOT NULL,
    property  text COLLATE "C" NOT NULL,
    value     text COLLATE "C" NOT NULL,
    sums      bytea NOT NULL,
    PRIMARY KEY (workspace, property, at, is_other, value)
) WITH (fillfactor = 70);

-- Hours before this one were dropped and are not made again.
CREATE TABLE rollup_hours_kept (
    since bigint NOT NULL
);
INSERT INTO rollup_hours_kept (since) VALUES (-9223372036854775808);
