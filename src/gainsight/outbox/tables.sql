-- What an outbox has beside the tables of a store: which of its rows Gainsight does not have as they are, what it was
-- sent of each, how it writes their keys, and the calls that were made.

-- Rows that changed since they were sent.
CREATE TABLE IF NOT EXISTS gainsight_due (
    tenant TEXT NOT NULL,
    object TEXT NOT NULL,
    key TEXT NOT NULL,
    since_ms INTEGER NOT NULL, -- when the first record was received that is not sent
    PRIMARY KEY (tenant, object, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS gainsight_due_since ON gainsight_due (object, since_ms);

-- The last value of each field that was sent, or given up.
CREATE TABLE IF NOT EXISTS gainsight_sent (
    tenant TEXT NOT NULL,
    object TEXT NOT NULL,
    key TEXT NOT NULL,
    fields TEXT NOT NULL, -- a JSON object, each value as it came
    PRIMARY KEY (tenant, object, key)
) WITHOUT ROWID;

-- Gainsight's ids that the store was not told yet; null: it has none any more.
CREATE TABLE IF NOT EXISTS gainsight_learnt (
    tenant TEXT NOT NULL,
    object TEXT NOT NULL,
    key TEXT NOT NULL,
    gsid TEXT,
    since_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, object, key)
) WITHOUT ROWID;

-- The key fields of rows that Gainsight has, as it writes them.
CREATE TABLE IF NOT EXISTS gainsight_known (
    tenant TEXT NOT NULL,
    object TEXT NOT NULL,
    key TEXT NOT NULL,
    compared TEXT NOT NULL, -- how they are compared: rows that have this in common are one record there
    fields TEXT NOT NULL, -- a JSON object
    PRIMARY KEY (tenant, object, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS gainsight_known_compared ON gainsight_known (tenant, object, compared);

-- Calls of the last day.
CREATE TABLE IF NOT EXISTS gainsight_call (
    limits TEXT NOT NULL, -- those that they count for
    second INTEGER NOT NULL, -- since the Unix epoch
    calls INTEGER NOT NULL,
    PRIMARY KEY (limits, second)
) WITHOUT ROWID;

-- The second from which on calls may be made, after one that was throttled.
CREATE TABLE IF NOT EXISTS gainsight_closed (
    limits TEXT PRIMARY KEY,
    until INTEGER NOT NULL
) WITHOUT ROWID;

-- Why nothing goes out, while that is so; and that the org is to be asked anew which fields it has.
CREATE TABLE IF NOT EXISTS gainsight_state (
    what TEXT PRIMARY KEY, -- trouble, ask
    why TEXT NOT NULL,
    since_ms INTEGER NOT NULL
) WITHOUT ROWID;

-- Whatever the loader writes is due, in the same transaction.
CREATE TRIGGER IF NOT EXISTS gainsight_due_new AFTER INSERT ON weir_row BEGIN
    INSERT INTO gainsight_due SELECT NEW.tenant, NEW.object, NEW.key, NEW.modified_ms
    WHERE NOT EXISTS (
        SELECT 1 FROM gainsight_due WHERE tenant = NEW.tenant AND object = NEW.object AND key = NEW.key
    );
END;
CREATE TRIGGER IF NOT EXISTS gainsight_due_changed AFTER UPDATE OF fields ON weir_row
WHEN NEW.fields IS NOT OLD.fields BEGIN
    INSERT INTO gainsight_due SELECT NEW.tenant, NEW.object, NEW.key, NEW.modified_ms
    WHERE NOT EXISTS (
        SELECT 1 FROM gainsight_due WHERE tenant = NEW.tenant AND object = NEW.object AND key = NEW.key
    );
END;
CREATE TRIGGER IF NOT EXISTS gainsight_learnt_changed AFTER UPDATE OF gsid ON weir_row
WHEN NEW.gsid IS NOT OLD.gsid BEGIN
    INSERT OR REPLACE INTO gainsight_learnt
    VALUES (NEW.tenant, NEW.object, NEW.key, NEW.gsid, unixepoch() * 1000);
END;
-- An erasure takes all of it.
CREATE TRIGGER IF NOT EXISTS gainsight_gone AFTER DELETE ON weir_row BEGIN
    DELETE FROM gainsight_due WHERE tenant = OLD.tenant AND object = OLD.object AND key = OLD.key;
    DELETE FROM gainsight_sent WHERE tenant = OLD.tenant AND object = OLD.object AND key = OLD.key;
    DELETE FROM gainsight_learnt WHERE tenant = OLD.tenant AND object = OLD.object AND key = OLD.key;
    DELETE FROM gainsight_known WHERE tenant = OLD.tenant AND object = OLD.object AND key = OLD.key;
END;
