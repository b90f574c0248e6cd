-- Lists ask for what overlaps a span of time, by last activity: whether an entry began before its end is seen in the index.
DROP INDEX run_by_time;
CREATE INDEX run_by_time ON run (workspace, last_at, run_id, started_at);
DROP INDEX session_by_time;
CREATE INDEX session_by_time ON session (workspace, last_at, session_id, started_at);
