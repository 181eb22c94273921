-- What the second version adds: who was erased, of whom only hashes are kept, and their key with them; and which
-- companies are part of others. Rows of all objects are found by their ids.

CREATE TABLE weir_salt (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    salt BLOB NOT NULL
);
INSERT INTO weir_salt VALUES (1, randomblob(32));

-- Records of these people and of their users are kept out.
CREATE TABLE weir_suppressed (
    hash BLOB PRIMARY KEY, -- of a person's key, or of a user's id
    tenant TEXT NOT NULL,
    person BLOB NOT NULL, -- the hash of the person whose it is
    erased_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX weir_suppressed_person ON weir_suppressed (person);

-- Companies that were merged into others. What comes of them reaches the other, too.
CREATE TABLE weir_alias (
    tenant TEXT NOT NULL,
    key TEXT NOT NULL, -- of the company that is part of another
    id TEXT NOT NULL,
    into_key TEXT NOT NULL, -- of that other, which is part of none
    into_id TEXT NOT NULL,
    merged_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, key)
) WITHOUT ROWID;
CREATE INDEX weir_alias_id ON weir_alias (tenant, id);
CREATE INDEX weir_alias_into ON weir_alias (tenant, into_key);

DROP INDEX weir_row_company;
CREATE INDEX weir_row_id ON weir_row (tenant, id);
