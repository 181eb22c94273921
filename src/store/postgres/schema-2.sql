-- What the second version adds: who was erased. Only hashes are kept, and their key with them.

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
