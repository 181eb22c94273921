-- The tables of a store in SQLite. What others read are the views, which are made as fields are seen.

-- How far each loader has got.
CREATE TABLE weir_progress (
    loader TEXT NOT NULL,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    next INTEGER NOT NULL, -- the first offset that is not loaded
    PRIMARY KEY (loader, topic, partition)
) WITHOUT ROWID;

-- People, companies, links between them, and objects of a tenant's own.
CREATE TABLE weir_row (
    tenant TEXT NOT NULL,
    object TEXT NOT NULL,
    key TEXT NOT NULL, -- as on the queue, without the tenant
    id TEXT NOT NULL, -- Weir's
    gsid TEXT, -- Gainsight's
    fields TEXT NOT NULL, -- a JSON object, each value as it came
    written TEXT NOT NULL, -- who wrote each field, and when
    created_ms INTEGER NOT NULL,
    modified_ms INTEGER NOT NULL,
    modified_by TEXT NOT NULL,
    deleted_ms INTEGER,
    person TEXT, -- of a link: the person's key
    company TEXT, -- of a link: the id of its company, or of the one that this is part of
    PRIMARY KEY (tenant, object, key)
) WITHOUT ROWID;
CREATE INDEX weir_row_company ON weir_row (tenant, id) WHERE object = 'company';
CREATE INDEX weir_link_person ON weir_row (tenant, person) WHERE object = 'company_person';
CREATE INDEX weir_link_company ON weir_row (tenant, company) WHERE object = 'company_person';

-- Which person a user of a sender's app is.
CREATE TABLE weir_user (
    tenant TEXT NOT NULL,
    user_id TEXT NOT NULL,
    person TEXT NOT NULL, -- the person's key
    rank INTEGER NOT NULL, -- what was said later has more
    PRIMARY KEY (tenant, user_id)
) WITHOUT ROWID;
CREATE INDEX weir_user_person ON weir_user (tenant, person);

CREATE TABLE weir_event (
    tenant TEXT NOT NULL,
    source TEXT NOT NULL,
    event_id TEXT NOT NULL,
    topic TEXT,
    contract TEXT,
    name TEXT,
    version TEXT,
    user_id TEXT,
    time TEXT NOT NULL, -- RFC 3339 in UTC, with at least milliseconds
    received_ms INTEGER NOT NULL,
    properties TEXT NOT NULL -- JSON as it came
);
CREATE INDEX weir_event_user ON weir_event (tenant, user_id, time);

-- Which records were loaded, by a hash of their ce_source and ce_id, so that a repeat is known as one.
CREATE TABLE weir_seen (
    identity BLOB PRIMARY KEY,
    day INTEGER NOT NULL -- since the Unix epoch
) WITHOUT ROWID;

-- Records that can't be loaded.
CREATE TABLE weir_failed (
    id INTEGER PRIMARY KEY,
    loader TEXT NOT NULL,
    tenant TEXT,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    "offset" INTEGER NOT NULL,
    run TEXT,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    record TEXT NOT NULL, -- JSON, as `weir tail --json` prints it
    failed_at TEXT NOT NULL
);

-- The columns of the views beside the standard ones, in order of first sight.
CREATE TABLE weir_field (
    place INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    object TEXT NOT NULL,
    field TEXT NOT NULL,
    "column" TEXT NOT NULL,
    shapes INTEGER NOT NULL, -- what its values were: 1 numbers, 2 booleans, 4 others
    UNIQUE (tenant, object, field)
);
