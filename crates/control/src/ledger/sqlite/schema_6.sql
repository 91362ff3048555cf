-- Version 6: who a task is meant for, whoever has it; and whether a run came to nothing because its agent's provider asked to slow
-- down.

ALTER TABLE task ADD COLUMN assignee TEXT;
UPDATE task SET assignee = owner WHERE status = 'pending';

ALTER TABLE run ADD COLUMN rate_limited INTEGER NOT NULL DEFAULT 0;
