-- What the second version adds: who was erased. Only hashes are kept, and their key with them.

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
