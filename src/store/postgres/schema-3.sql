-- What the third version adds: ids of users that are one user's, and users who belong to companies without anybody
-- having said who they are.

-- The person by the user's own records; none where only joins tell whose the user is. `person` is the one that counts.
ALTER TABLE weir_user ADD COLUMN told text COLLATE "C";
UPDATE weir_user SET told = person;

-- What comes under one id is of the person of another one. Whoever writes users holds a lock on it.
CREATE TABLE weir_join (
    tenant text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    into_id text COLLATE "C" NOT NULL,
    rank bigint NOT NULL, -- what was said later has more
    PRIMARY KEY (tenant, user_id)
);
CREATE INDEX weir_join_into ON weir_join (tenant, into_id);

-- Users of companies. The view of links shows them once it is known who they are.
CREATE TABLE weir_member (
    tenant text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    company text COLLATE "C" NOT NULL, -- its id
    created_ms bigint NOT NULL,
    created_by text NOT NULL,
    told_ms bigint NOT NULL, -- when that was said last
    PRIMARY KEY (tenant, user_id, company)
);
CREATE INDEX weir_member_company ON weir_member (tenant, company);
