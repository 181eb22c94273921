-- What the fourth version adds: connections, jobs and chains, and what is remembered of their runs.

-- Connections, jobs and chains, each as its document.
CREATE TABLE weir_document (
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL, -- connection, job or chain
    id TEXT NOT NULL,
    document TEXT NOT NULL, -- JSON
    changed_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, kind, id)
) WITHOUT ROWID;

-- Credentials of connections, each sealed for its place.
CREATE TABLE weir_credential (
    tenant TEXT NOT NULL,
    connection TEXT NOT NULL,
    field TEXT NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (tenant, connection, field)
) WITHOUT ROWID;

-- Who may do what only one may do at a time, and until when by the database's clock. The token grows with each holder.
CREATE TABLE weir_lease (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    token INTEGER NOT NULL,
    until_ms INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE weir_run (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    job TEXT NOT NULL,
    chain TEXT, -- the run of a chain that it belongs to
    asked TEXT NOT NULL, -- JSON: what it was asked to do
    state TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    started_ms INTEGER,
    ended_ms INTEGER,
    resume_ms INTEGER, -- when a paused one goes on
    since TEXT, -- the window of an incremental run
    until TEXT,
    mapped TEXT, -- which working out of its rows is sent: a word that stands in the file with them
    counts TEXT NOT NULL, -- JSON
    error TEXT,
    cancelled INTEGER NOT NULL -- 1: somebody asked for its end
) WITHOUT ROWID;
CREATE INDEX weir_run_job ON weir_run (tenant, job, created_ms);
-- Never two runs of one job at a time.
CREATE UNIQUE INDEX weir_run_open ON weir_run (tenant, job) WHERE ended_ms IS NULL;

-- The records of runs that the queue has made durable, by batch.
CREATE TABLE weir_run_batch (
    run TEXT NOT NULL,
    batch TEXT NOT NULL,
    records INTEGER NOT NULL,
    last_row INTEGER NOT NULL, -- rows are sent in order
    PRIMARY KEY (run, batch)
) WITHOUT ROWID;

-- What the store's loader made of them, counted with its progress.
CREATE TABLE weir_run_load (
    run TEXT NOT NULL,
    batch TEXT NOT NULL,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    loaded INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    kept_out INTEGER NOT NULL, -- of people who were erased
    PRIMARY KEY (run, batch, topic, partition)
) WITHOUT ROWID;

-- Rows that a run could not send, as they came.
CREATE TABLE weir_run_error (
    run TEXT NOT NULL,
    row INTEGER NOT NULL, -- its place in the run
    step TEXT NOT NULL,
    code TEXT NOT NULL,
    field TEXT,
    message TEXT NOT NULL,
    hint TEXT NOT NULL,
    external_id TEXT,
    source TEXT NOT NULL, -- JSON: columns and values, in order
    PRIMARY KEY (run, row)
) WITHOUT ROWID;

-- Rows that somebody has mended and sent back, for the run that takes them.
CREATE TABLE weir_run_input (
    run TEXT NOT NULL,
    place INTEGER NOT NULL,
    source TEXT NOT NULL, -- JSON: columns and values, in order
    PRIMARY KEY (run, place)
) WITHOUT ROWID;

-- Up to where the changes of a dataset were read.
CREATE TABLE weir_cursor (
    tenant TEXT NOT NULL,
    job TEXT NOT NULL,
    dataset TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (tenant, job, dataset)
) WITHOUT ROWID;

-- What a job sent of each row of its source.
CREATE TABLE weir_job_row (
    tenant TEXT NOT NULL,
    job TEXT NOT NULL,
    external_id TEXT NOT NULL,
    key TEXT NOT NULL, -- of the row that it became, as on the queue
    hash BLOB NOT NULL, -- of what was sent
    gone INTEGER NOT NULL, -- 1: it was deleted
    PRIMARY KEY (tenant, job, external_id)
) WITHOUT ROWID;

-- Rows of a job whose lookups found nothing, and are tried again.
CREATE TABLE weir_job_unfound (
    tenant TEXT NOT NULL,
    job TEXT NOT NULL,
    external_id TEXT NOT NULL,
    PRIMARY KEY (tenant, job, external_id)
) WITHOUT ROWID;

-- What calls to other systems counted, by org and minute.
CREATE TABLE weir_spent (
    org TEXT NOT NULL,
    minute INTEGER NOT NULL,
    credits INTEGER NOT NULL,
    PRIMARY KEY (org, minute)
) WITHOUT ROWID;

-- Runs of chains: which run of a job belongs to one, that says itself.
CREATE TABLE weir_chain_run (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    chain TEXT NOT NULL,
    document TEXT NOT NULL, -- the chain as it was: JSON
    created_ms INTEGER NOT NULL,
    ended_ms INTEGER,
    state TEXT NOT NULL -- running, success, partial_success, failed
) WITHOUT ROWID;
-- Never two runs of one chain at a time.
CREATE UNIQUE INDEX weir_chain_run_open ON weir_chain_run (tenant, chain) WHERE ended_ms IS NULL;
CREATE INDEX weir_run_chain ON weir_run (chain) WHERE chain IS NOT NULL;

-- Contents of files that were loaded, by their digests, so that one that is sent twice is loaded once.
CREATE TABLE weir_seen_file (
    tenant TEXT NOT NULL,
    connection TEXT NOT NULL,
    digest TEXT NOT NULL,
    file TEXT NOT NULL,
    PRIMARY KEY (tenant, connection, digest)
) WITHOUT ROWID;

-- Up to when schedules were followed.
CREATE TABLE weir_due (
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL, -- job or chain
    id TEXT NOT NULL,
    seen_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, kind, id)
) WITHOUT ROWID;

-- What was changed of connections, jobs and chains.
CREATE TABLE weir_change (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    what TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX weir_change_at ON weir_change (tenant, at_ms);
