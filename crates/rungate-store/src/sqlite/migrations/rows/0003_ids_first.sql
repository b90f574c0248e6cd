-- Ids lead their indexes: they tell rows apart at once, where a workspace that nearly all rows share had to be compared first
-- each time.
DROP INDEX exchange_by_request_id;
DROP INDEX exchange_by_run;
DROP INDEX exchange_by_session;
DROP INDEX exchange_by_trace;
DROP INDEX exchange_by_user;
DROP INDEX exchange_by_response_id;

CREATE INDEX exchange_by_request_id ON exchange (request_id, workspace, created_at) WHERE request_id IS NOT NULL;
CREATE INDEX exchange_by_run ON exchange (run_id, workspace, created_at) WHERE run_id IS NOT NULL;
CREATE INDEX exchange_by_session ON exchange (session_id, workspace, created_at) WHERE session_id IS NOT NULL;
CREATE INDEX exchange_by_trace ON exchange (trace_id, workspace, created_at) WHERE trace_id IS NOT NULL;
CREATE INDEX exchange_by_user ON exchange (user_id, workspace, created_at) WHERE user_id IS NOT NULL;
CREATE INDEX exchange_by_response_id ON exchange (response_id, workspace, created_at) WHERE response_id IS NOT NULL;

-- Dropping an index drops what was said of it, too; see the first step.
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('exchange', 'exchange_by_request_id', '100000 1 1 1'),
    ('exchange', 'exchange_by_run', '100000 10 10 1'),
    ('exchange', 'exchange_by_session', '100000 20 20 1'),
    ('exchange', 'exchange_by_trace', '100000 10 10 1'),
    ('exchange', 'exchange_by_user', '100000 50 50 1'),
    ('exchange', 'exchange_by_response_id', '50000 1 1 1');
