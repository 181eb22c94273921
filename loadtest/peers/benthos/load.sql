-- The least that keeps people, companies, links and events: the newest fields of each, and each event once.
CREATE TABLE entity (kind text, key text, fields jsonb NOT NULL, PRIMARY KEY (kind, key));
CREATE TABLE event (
    source text, id text, topic text, name text, version text, contract text, "user" text, time timestamptz,
    properties jsonb, PRIMARY KEY (source, id)
);
