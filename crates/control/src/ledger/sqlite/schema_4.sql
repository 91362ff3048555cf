-- Version 4: since when a removed worktree was not looked at any more.

ALTER TABLE worktree ADD COLUMN looked_at INTEGER;
