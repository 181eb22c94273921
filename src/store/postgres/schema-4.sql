-- What the fourth version adds: connections, jobs and chains, and what is remembered of their runs.

-- Connections, jobs and chains, each as its document.
CREATE TABLE weir_document (
    tenant text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL, -- connection, job or chain
    id text COLLATE "C" NOT NULL,
    document text NOT NULL, -- JSON
    changed_ms bigint NOT NULL,
    PRIMARY KEY (tenant, kind, id)
);

-- Credentials of connections, each sealed for its place.
CREATE TABLE weir_credential (
    tenant text COLLATE "C" NOT NULL,
    connection text COLLATE "C" NOT NULL,
    field text COLLATE "C" NOT NULL,
    sealed bytea NOT NULL,
    PRIMARY KEY (tenant, connection, field)
);

-- Who may do what only one may do at a time, and until when by the database's clock. The token grows with each holder.
CREATE TABLE weir_lease (
    name text COLLATE "C" PRIMARY KEY,
    holder text NOT NULL,
    token bigint NOT NULL,
    until_ms bigint NOT NULL
);

CREATE TABLE weir_run (
    id text COLLATE "C" PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL,
    job text COLLATE "C" NOT NULL,
    chain text, -- the run of a chain that it belongs to
    asked text NOT NULL, -- JSON: what it was asked to do
    state text COLLATE "C" NOT NULL,
    created_ms bigint NOT NULL,
    started_ms bigint,
    ended_ms bigint,
    resume_ms bigint, -- when a paused one goes on
    since text, -- the window of an incremental run
    until text,
    mapped text, -- which working out of its rows is sent: a word that stands in the file with them
    counts text NOT NULL, -- JSON
    error text,
    cancelled bigint NOT NULL -- 1: somebody asked for its end
);
CREATE INDEX weir_run_job ON weir_run (tenant, job, created_ms);
-- Never two runs of one job at a time.
CREATE UNIQUE INDEX weir_run_open ON weir_run (tenant, job) WHERE ended_ms IS NULL;

-- The records of runs that the queue has made durable, by batch.
CREATE TABLE weir_run_batch (
    run text COLLATE "C" NOT NULL,
    batch text COLLATE "C" NOT NULL,
    records bigint NOT NULL,
    last_row bigint NOT NULL, -- rows are sent in order
    PRIMARY KEY (run, batch)
);

-- What the store's loader made of them, counted with its progress.
CREATE TABLE weir_run_load (
    run text COLLATE "C" NOT NULL,
    batch text COLLATE "C" NOT NULL,
    topic text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    loaded bigint NOT NULL,
    failed bigint NOT NULL,
    kept_out bigint NOT NULL, -- of people who were erased
    PRIMARY KEY (run, batch, topic, partition)
);

-- Rows that a run could not send, as they came.
CREATE TABLE weir_run_error (
    run text COLLATE "C" NOT NULL,
    row bigint NOT NULL, -- its place in the run
    step text NOT NULL,
    code text NOT NULL,
    field text,
    message text NOT NULL,
    hint text NOT NULL,
    external_id text,
    source text NOT NULL, -- JSON: columns and values, in order
    PRIMARY KEY (run, row)
);

-- Rows that somebody has mended and sent back, for the run that takes them.
CREATE TABLE weir_run_input (
    run text COLLATE "C" NOT NULL,
    place bigint NOT NULL,
    source text NOT NULL, -- JSON: columns and values, in order
    PRIMARY KEY (run, place)
);

-- Up to where the changes of a dataset were read.
CREATE TABLE weir_cursor (
    tenant text COLLATE "C" NOT NULL,
    job text COLLATE "C" NOT NULL,
    dataset text COLLATE "C" NOT NULL,
    at text NOT NULL,
    PRIMARY KEY (tenant, job, dataset)
);

-- What a job sent of each row of its source.
CREATE TABLE weir_job_row (
    tenant text COLLATE "C" NOT NULL,
    job text COLLATE "C" NOT NULL,
    external_id text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL, -- of the row that it became, as on the queue
    hash bytea NOT NULL, -- of what was sent
    gone bigint NOT NULL, -- 1: it was deleted
    PRIMARY KEY (tenant, job, external_id)
);

-- Rows of a job whose lookups found nothing, and are tried again.
CREATE TABLE weir_job_unfound (
    tenant text COLLATE "C" NOT NULL,
    job text COLLATE "C" NOT NULL,
    external_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, job, external_id)
);

-- What calls to other systems counted, by org and minute.
CREATE TABLE weir_spent (
    org text COLLATE "C" NOT NULL,
    minute bigint NOT NULL,
    credits bigint NOT NULL,
    PRIMARY KEY (org, minute)
);

-- Runs of chains: which run of a job belongs to one, that says itself.
CREATE TABLE weir_chain_run (
    id text COLLATE "C" PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL,
    chain text COLLATE "C" NOT NULL,
    document text NOT NULL, -- the chain as it was: JSON
    created_ms bigint NOT NULL,
    ended_ms bigint,
    state text NOT NULL -- running, success, partial_success, failed
);
-- Never two runs of one chain at a time.
CREATE UNIQUE INDEX weir_chain_run_open ON weir_chain_run (tenant, chain) WHERE ended_ms IS NULL;
CREATE INDEX weir_run_chain ON weir_run (chain) WHERE chain IS NOT NULL;

-- Contents of files that were loaded, by their digests, so that one that is sent twice is loaded once.
CREATE TABLE weir_seen_file (
    tenant text COLLATE "C" NOT NULL,
    connection text COLLATE "C" NOT NULL,
    digest text COLLATE "C" NOT NULL,
    file text NOT NULL,
    PRIMARY KEY (tenant, connection, digest)
);

-- Up to when schedules were followed.
CREATE TABLE weir_due (
    tenant text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL, -- job or chain
    id text COLLATE "C" NOT NULL,
    seen_ms bigint NOT NULL,
    PRIMARY KEY (tenant, kind, id)
);

-- What was changed of connections, jobs and chains.
CREATE TABLE weir_change (
    id text COLLATE "C" PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL,
    at_ms bigint NOT NULL,
    kind text NOT NULL,
    subject text NOT NULL,
    what text NOT NULL
);
CREATE INDEX weir_change_at ON weir_change (tenant, at_ms);
