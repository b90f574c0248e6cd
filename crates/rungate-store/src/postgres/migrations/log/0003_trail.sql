-- What was reported of runs, and what was said to it.
CREATE TABLE trail (
    day               integer NOT NULL,
    at                bigint NOT NULL,
    sequence          bigint NOT NULL,
    id                uuid NOT NULL,
    workspace         uuid NOT NULL,
    agent_id          uuid,
    virtual_key_id    uuid,
    node              text COLLATE "C" NOT NULL,
    run_id            text COLLATE "C" NOT NULL,
    session_id        text COLLATE "C",
    kind              text COLLATE "C" NOT NULL,
    detail            text COLLATE "C" NOT NULL,
    agent_external_id text COLLATE "C" NOT NULL,
    record            text COLLATE "C" NOT NULL,
    content           bytea,
    PRIMARY KEY (node, sequence, day)
) PARTITION BY RANGE (day);
CREATE INDEX trail_by_id ON trail (id);
CREATE INDEX trail_by_run ON trail (workspace, run_id, at, id);
CREATE INDEX trail_by_session ON trail (workspace, session_id) WHERE session_id IS NOT NULL;
CREATE INDEX trail_by_check ON trail (workspace, at, id) WHERE kind = 'check';

-- How a run was ended; NULL while nobody has.
ALTER TABLE run ADD COLUMN ended text COLLATE "C";

-- What retention was applied to a day last, as text; and whether rows are missing since.
ALTER TABLE day ADD COLUMN retention text;
ALTER TABLE day ADD COLUMN is_thinned boolean NOT NULL DEFAULT false;
