-- Version 2: worktrees have ports, a JSON array of strings. New words: the kind of run `setup`; the events
-- `worktree.restore`, `worktree.adopt`, `snapshot.pruned`, `setup.approved`, `ledger.rebuilt`.

ALTER TABLE worktree ADD COLUMN ports TEXT NOT NULL DEFAULT '[]';
