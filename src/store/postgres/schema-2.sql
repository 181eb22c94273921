-- What the second version adds: who was erased, of whom only hashes are kept, and their key with them; and which
-- companies are part of others. Rows of all objects are found by their ids.

CREATE TABLE weir_salt (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    salt bytea NOT NULL
);
INSERT INTO weir_salt (salt) VALUES (uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));

-- Records of these people and of their users are kept out. Each transaction of a loader locks this table, and who adds
-- to it keeps all others out: so none can write what was just erased.
CREATE TABLE weir_suppressed (
    hash bytea PRIMARY KEY, -- of a person's key, or of a user's id
    tenant text COLLATE "C" NOT NULL,
    person bytea NOT NULL, -- the hash of the person whose it is
    erased_ms bigint NOT NULL
);
CREATE INDEX weir_suppressed_person ON weir_suppressed (person);

-- Companies that were merged into others. What comes of them reaches the other, too.
CREATE TABLE weir_alias (
    tenant text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL, -- of the company that is part of another
    id text COLLATE "C" NOT NULL,
    into_key text COLLATE "C" NOT NULL, -- of that other, which is part of none
    into_id text COLLATE "C" NOT NULL,
    merged_ms bigint NOT NULL,
    PRIMARY KEY (tenant, key)
);
CREATE INDEX weir_alias_id ON weir_alias (tenant, id);
CREATE INDEX weir_alias_into ON weir_alias (tenant, into_key);

DROP INDEX weir_row_company;
CREATE INDEX weir_row_id ON weir_row (tenant, id);
