-- The tables of a store in PostgreSQL, in the schema in which the URL's role makes tables. What others read are the
-- views, which are made as fields are seen. Keys compare byte by byte: so all loaders lock rows in the same order.

-- One row: what tables these are. Whoever changes them, the fields or a view locks it.
CREATE TABLE weir_store (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    version integer NOT NULL,
    revision bigint NOT NULL DEFAULT 0 -- grows with weir_field
);

-- How far each loader has got.
CREATE TABLE weir_progress (
    loader text COLLATE "C" NOT NULL,
    topic text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    next bigint NOT NULL, -- the first offset that is not loaded
    PRIMARY KEY (loader, topic, partition)
);

-- People, companies, links between them, and objects of a tenant's own. The defaults are for an earlier Weir that still
-- loads beside this one: it makes a row before it knows what to write.
CREATE TABLE weir_row (
    tenant text COLLATE "C" NOT NULL,
    object text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL, -- as on the queue, without the tenant
    id text COLLATE "C" NOT NULL DEFAULT '', -- Weir's
    gsid text, -- Gainsight's
    fields json NOT NULL DEFAULT '{}', -- each value as it came, in the order of first sight
    shown jsonb NOT NULL DEFAULT '{}', -- the same for the views: quick to look into, but 1e3 is 1000
    written text NOT NULL DEFAULT '', -- who wrote each field, and when
    created_ms bigint NOT NULL DEFAULT 0,
    modified_ms bigint NOT NULL DEFAULT 0,
    modified_by text NOT NULL DEFAULT '',
    deleted_ms bigint,
    person text COLLATE "C", -- of a link: the person's key
    company text COLLATE "C", -- of a link: the id of its company, or of the one that this is part of
    PRIMARY KEY (tenant, object, key)
);
CREATE INDEX weir_row_company ON weir_row (tenant, id) WHERE object = 'company';
CREATE INDEX weir_link_person ON weir_row (tenant, person) WHERE object = 'company_person';
CREATE INDEX weir_link_company ON weir_row (tenant, company) WHERE object = 'company_person';

-- Which person a user of a sender's app is.
CREATE TABLE weir_user (
    tenant text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    person text COLLATE "C" NOT NULL, -- the person's key
    rank bigint NOT NULL, -- what was said later has more
    PRIMARY KEY (tenant, user_id)
);
CREATE INDEX weir_user_person ON weir_user (tenant, person);

CREATE TABLE weir_event (
    tenant text COLLATE "C" NOT NULL,
    source text NOT NULL,
    event_id text NOT NULL,
    topic text,
    contract text,
    name text,
    version text,
    user_id text COLLATE "C",
    time timestamptz NOT NULL,
    received_ms bigint NOT NULL,
    properties jsonb NOT NULL
);
CREATE INDEX weir_event_user ON weir_event (tenant, user_id, time);

-- Which records were loaded, by a hash of their ce_source and ce_id, so that a repeat is known as one.
CREATE TABLE weir_seen (
    identity bytea PRIMARY KEY,
    day integer NOT NULL -- since the Unix epoch
);
CREATE INDEX weir_seen_day ON weir_seen (day);

-- Records that can't be loaded.
CREATE TABLE weir_failed (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    loader text NOT NULL,
    tenant text,
    topic text NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    run text,
    reason text NOT NULL,
    detail text NOT NULL,
    record text NOT NULL, -- JSON, as `weir tail --json` prints it
    failed_at timestamptz NOT NULL
);

-- The columns of the views beside the standard ones, in order of first sight.
CREATE TABLE weir_field (
    place bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL,
    object text COLLATE "C" NOT NULL,
    field text COLLATE "C" NOT NULL,
    "column" text NOT NULL,
    shapes smallint NOT NULL -- what its values were: 1 numbers, 2 booleans, 4 others
);
-- By a hash, because no index holds a name of any length.
CREATE UNIQUE INDEX weir_field_name ON weir_field (tenant, object, md5(field));

-- What the views show of a value: NULL where it does not fit. They never fail, whatever the value is.

CREATE FUNCTION weir_time(ms bigint) RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE RETURN
    CASE WHEN ms BETWEEN -62135596800000 AND 253402300799999
        THEN timestamptz '1970-01-01 00:00:00+00' + ms * interval '1 millisecond' END;

-- Exactly as it came, which `fields` has.
CREATE FUNCTION weir_text(value jsonb, fields json, name text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN
    CASE WHEN jsonb_typeof(value) IN ('string', 'boolean') THEN value #>> '{}'
        WHEN jsonb_typeof(value) IN ('number', 'object', 'array') THEN (fields -> name)::text END;

CREATE FUNCTION weir_json(value jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN
    CASE WHEN jsonb_typeof(value) <> 'null' THEN value END;

CREATE FUNCTION weir_boolean(value jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN
    CASE WHEN jsonb_typeof(value) IN ('boolean', 'string')
        THEN CASE lower(btrim(value #>> '{}')) WHEN 'true' THEN true WHEN 'false' THEN false END END;

-- A text counts if it is a number as JSON has them, with an exponent that `numeric` holds.
CREATE FUNCTION weir_number(value jsonb) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN
    CASE WHEN jsonb_typeof(value) = 'number'
        OR jsonb_typeof(value) = 'string' AND length(btrim(value #>> '{}')) <= 400
        AND btrim(value #>> '{}') ~ '^-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]{1,3})?$'
        THEN btrim(value #>> '{}')::numeric END;

-- The text of an ISO date, with or without a time, of a day that there is.
CREATE FUNCTION weir_moment(value jsonb) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN
    CASE WHEN jsonb_typeof(value) = 'string' AND btrim(value #>> '{}') ~ (
            '^(?!0000)([0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)'
            || '|02-(0[1-9]|1[0-9]|2[0-8]))'
            || '|([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)'
            || '([ T]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]+)?)?'
            || '( *([Zz]|[+-](0[0-9]|1[0-4]):[0-5][0-9]))?)?$'
        ) THEN btrim(value #>> '{}') END;

-- The date as it is written.
CREATE FUNCTION weir_date(value jsonb) RETURNS date LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN
    make_date(substr(weir_moment(value), 1, 4)::integer, substr(weir_moment(value), 6, 2)::integer,
        substr(weir_moment(value), 9, 2)::integer);

-- Without an offset: UTC. Digits beyond microseconds are cut: PostgreSQL reads only so many.
CREATE FUNCTION weir_datetime(value jsonb) RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE RETURN
    (regexp_replace(weir_moment(value), '([.][0-9]{6})[0-9]+', '\1')
        || CASE WHEN weir_moment(value) ~ '([Zz]|:[0-9.]+ *[+-][0-9:]+)$' THEN '' ELSE ' UTC' END)::timestamptz;
