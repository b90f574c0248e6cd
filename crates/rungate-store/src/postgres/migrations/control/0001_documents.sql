CREATE TABLE document (
    kind         text COLLATE "C" NOT NULL,
    id           uuid NOT NULL,
    workspace    uuid NOT NULL,
    version      bigint NOT NULL,
    created_at   bigint NOT NULL,
    updated_at   bigint NOT NULL,
    unique_names text NOT NULL,
    facets       text NOT NULL,
    search       text NOT NULL,
    search_lower text COLLATE "C" NOT NULL,
    json         text NOT NULL,
    PRIMARY KEY (kind, id)
);
CREATE INDEX document_by_time ON document (kind, workspace, created_at, id);

CREATE TABLE unique_name (
    kind  text COLLATE "C" NOT NULL,
    name  text COLLATE "C" NOT NULL,
    value text COLLATE "C" NOT NULL,
    id    uuid NOT NULL,
    PRIMARY KEY (kind, name, value)
);
CREATE INDEX unique_name_by_id ON unique_name (kind, id);

CREATE TABLE facet (
    kind  text COLLATE "C" NOT NULL,
    id    uuid NOT NULL,
    name  text COLLATE "C" NOT NULL,
    value text COLLATE "C" NOT NULL,
    PRIMARY KEY (kind, id, name, value)
);

-- Every commit locks this row first, so that commits follow one another and a reader of a revision sees all of it.
CREATE TABLE revision (
    only_row integer PRIMARY KEY CHECK (only_row = 1),
    value    bigint NOT NULL
);
INSERT INTO revision (only_row, value) VALUES (1, 0);
