-- Lists ask for what overlaps a span of time, by last activity: whether an entry began before its end is seen in the index.
DROP INDEX run_by_time;
CREATE INDEX run_by_time ON run (workspace, last_at, run_id, started_at);
DROP INDEX session_by_time;
CREATE INDEX session_by_time ON session (workspace, last_at, session_id, started_at);
DELETE FROM sqlite_stat1 WHERE idx IN ('run_by_time', 'session_by_time');
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('run', 'run_by_time', '1000000 250000 2 1 1'),
    ('session', 'session_by_time', '200000 50000 2 1 1');
