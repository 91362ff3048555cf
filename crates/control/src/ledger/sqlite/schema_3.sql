-- Version 3: what agents' runs tell and use, roles and profiles, and since when a task's limits count. New words: the events
-- `task.fenced`, `run.stop`, `worktree.run.outside`, `worktree.refresh`, `agent.limited`, `up.paused`, `up.resumed`, `up.draining`.

ALTER TABLE run ADD COLUMN role TEXT;
ALTER TABLE run ADD COLUMN base TEXT;
ALTER TABLE run ADD COLUMN session TEXT;
ALTER TABLE run ADD COLUMN input_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE run ADD COLUMN output_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE run ADD COLUMN cached_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE run ADD COLUMN cost_microusd INTEGER NOT NULL DEFAULT 0;
ALTER TABLE run ADD COLUMN stop_by TEXT;
ALTER TABLE run ADD COLUMN evidence_new_commits INTEGER NOT NULL DEFAULT 0;
ALTER TABLE run ADD COLUMN evidence_denied INTEGER NOT NULL DEFAULT 0;
ALTER TABLE run ADD COLUMN evidence_failed_calls INTEGER NOT NULL DEFAULT 0;
ALTER TABLE run ADD COLUMN evidence_output_hash TEXT;
ALTER TABLE run ADD COLUMN findings_critical INTEGER;
ALTER TABLE run ADD COLUMN findings_major INTEGER;
ALTER TABLE run ADD COLUMN findings_minor INTEGER;
CREATE INDEX run_started ON run (started_at) WHERE kind = 'agent';

ALTER TABLE task ADD COLUMN profile TEXT;
ALTER TABLE task ADD COLUMN opened_at INTEGER NOT NULL DEFAULT 0;
UPDATE task SET opened_at = created_at;
