-- What was reported of runs, and what was said to it.
CREATE TABLE trail (
    sequence          INTEGER PRIMARY KEY,
    id                BLOB NOT NULL,
    workspace         BLOB NOT NULL,
    at                INTEGER NOT NULL,
    run_id            TEXT NOT NULL,
    session_id        TEXT,
    kind              TEXT NOT NULL,
    detail            TEXT NOT NULL,
    agent_id          BLOB,
    agent_external_id TEXT NOT NULL,
    virtual_key_id    BLOB,
    record            TEXT NOT NULL,
    content           BLOB
) STRICT;
CREATE INDEX trail_by_id ON trail (id);
CREATE INDEX trail_by_run ON trail (run_id, workspace, at, id);
CREATE INDEX trail_by_session ON trail (session_id, workspace) WHERE session_id IS NOT NULL;
CREATE INDEX trail_by_check ON trail (workspace, at, id) WHERE kind = 'check';

-- What retention was applied to this day last, as text; and whether rows are missing since.
ALTER TABLE applied ADD COLUMN retention TEXT;
ALTER TABLE applied ADD COLUMN is_thinned INTEGER NOT NULL DEFAULT 0;
