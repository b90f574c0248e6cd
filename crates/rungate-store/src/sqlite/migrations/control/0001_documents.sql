CREATE TABLE document (
    kind         TEXT NOT NULL,
    id           BLOB NOT NULL,
    workspace    BLOB NOT NULL,
    version      INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    unique_names TEXT NOT NULL,
    facets       TEXT NOT NULL,
    search       TEXT NOT NULL,
    search_lower TEXT NOT NULL,
    json         TEXT NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX document_by_time ON document (kind, workspace, created_at, id);

CREATE TABLE unique_name (
    kind  TEXT NOT NULL,
    name  TEXT NOT NULL,
    value TEXT NOT NULL,
    id    BLOB NOT NULL,
    PRIMARY KEY (kind, name, value)
) STRICT, WITHOUT ROWID;
CREATE INDEX unique_name_by_id ON unique_name (kind, id);

CREATE TABLE facet (
    kind  TEXT NOT NULL,
    id    BLOB NOT NULL,
    name  TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (kind, id, name, value)
) STRICT, WITHOUT ROWID;

CREATE TABLE revision (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    value    INTEGER NOT NULL
) STRICT;
INSERT INTO revision (only_row, value) VALUES (1, 0);
