-- What the third version adds: ids of users that are one user's, and users who belong to companies without anybody
-- having said who they are.

-- The person by the user's own records; none where only joins tell whose the user is. `person` is the one that counts.
ALTER TABLE weir_user ADD COLUMN told TEXT;
UPDATE weir_user SET told = person;

-- What comes under one id is of the person of another one.
CREATE TABLE weir_join (
    tenant TEXT NOT NULL,
    user_id TEXT NOT NULL,
    into_id TEXT NOT NULL,
    rank INTEGER NOT NULL, -- what was said later has more
    PRIMARY KEY (tenant, user_id)
) WITHOUT ROWID;
CREATE INDEX weir_join_into ON weir_join (tenant, into_id);

-- Users of companies. The view of links shows them once it is known who they are.
CREATE TABLE weir_member (
    tenant TEXT NOT NULL,
    user_id TEXT NOT NULL,
    company TEXT NOT NULL, -- its id
    created_ms INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    told_ms INTEGER NOT NULL, -- when that was said last
    PRIMARY KEY (tenant, user_id, company)
) WITHOUT ROWID;
CREATE INDEX weir_member_company ON weir_member (tenant, company);
