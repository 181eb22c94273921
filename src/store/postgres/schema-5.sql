-- What the fifth version adds: runs of files that were sent to Weir. There may be several of a job, one after another.

ALTER TABLE weir_run ADD COLUMN uploaded bigint NOT NULL DEFAULT 0; -- 1: it reads a file that was sent
DROP INDEX weir_run_open;
-- Never two runs of one job that read what is there at a time.
CREATE UNIQUE INDEX weir_run_open ON weir_run (tenant, job) WHERE ended_ms IS NULL AND uploaded = 0;
CREATE INDEX weir_run_waiting ON weir_run (tenant, job, created_ms) WHERE ended_ms IS NULL;

-- Rows change often. With room beside them in their page, most changes leave the indexes as they are.
ALTER TABLE weir_row SET (fillfactor = 70);
ALTER TABLE weir_user SET (fillfactor = 70);
