-- Version 1. Times are microseconds since the Unix epoch; lists are JSON arrays of strings; an unsigned number above
-- the signed range is stored as the negative number with the same bits; a process is `<pid> <start time> <boot id>`.
-- `ord` is the order of creation. Long texts stand last, so that the columns before them stay on the row's own page.

CREATE TABLE task (
    ord INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    repo TEXT NOT NULL,
    status TEXT NOT NULL,
    priority INTEGER NOT NULL,
    owner TEXT,
    labels TEXT NOT NULL,
    after_ids TEXT NOT NULL,
    worktree TEXT,
    worktree_state TEXT NOT NULL,
    last_worktree TEXT,
    closeout_action TEXT,
    closeout_reason TEXT,
    closeout_at INTEGER,
    gate TEXT,
    epoch INTEGER NOT NULL,
    lease_until INTEGER,
    holder TEXT,
    run INTEGER,
    attempts INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    rev INTEGER NOT NULL,
    subject TEXT NOT NULL,
    reason TEXT NOT NULL,
    description TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX task_id ON task (id);
CREATE INDEX task_ready ON task (status, priority DESC, ord, id);
CREATE INDEX task_brief ON task (id, status, rev);

CREATE TABLE dependency (
    task TEXT NOT NULL,
    on_task TEXT NOT NULL,
    PRIMARY KEY (task, on_task)
) STRICT, WITHOUT ROWID;
CREATE INDEX dependency_reverse ON dependency (on_task, task);

CREATE TABLE worktree (
    ord INTEGER PRIMARY KEY,
    id INTEGER NOT NULL,
    repo TEXT NOT NULL,
    name TEXT NOT NULL,
    branch TEXT NOT NULL,
    base TEXT NOT NULL,
    base_ref TEXT NOT NULL,
    path TEXT NOT NULL,
    git_entry TEXT NOT NULL,
    status TEXT NOT NULL,
    task TEXT,
    operation TEXT,
    operation_by TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    kept_at INTEGER,
    removed_at INTEGER,
    last_entered_at INTEGER,
    last_command_at INTEGER,
    last_command_preview TEXT NOT NULL,
    rev INTEGER NOT NULL,
    reason TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX worktree_id ON worktree (id);
CREATE UNIQUE INDEX worktree_live_name ON worktree (name COLLATE NOCASE) WHERE status <> 'removed';
CREATE UNIQUE INDEX worktree_live_task ON worktree (task) WHERE status <> 'removed' AND task IS NOT NULL;
CREATE INDEX worktree_name ON worktree (name);
CREATE INDEX worktree_task ON worktree (task) WHERE task IS NOT NULL;

CREATE TABLE run (
    ord INTEGER PRIMARY KEY,
    id INTEGER NOT NULL,
    repo TEXT NOT NULL,
    worktree TEXT NOT NULL,
    worktree_id INTEGER NOT NULL,
    task TEXT,
    epoch INTEGER NOT NULL,
    kind TEXT NOT NULL,
    agent TEXT,
    status TEXT NOT NULL,
    supervisor TEXT NOT NULL,
    child TEXT,
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    exit_code INTEGER,
    signal INTEGER,
    evidence_head TEXT,
    evidence_commits INTEGER,
    evidence_dirty_files INTEGER,
    rev INTEGER NOT NULL,
    command TEXT NOT NULL,
    error TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX run_id ON run (id);
CREATE INDEX run_open ON run (ord) WHERE status IN ('starting', 'running');
CREATE INDEX run_task ON run (task) WHERE task IS NOT NULL;
CREATE INDEX run_worktree ON run (worktree_id);

CREATE TABLE submission (
    ord INTEGER PRIMARY KEY,
    id INTEGER NOT NULL,
    repo TEXT NOT NULL,
    worktree TEXT NOT NULL,
    worktree_id INTEGER NOT NULL,
    task TEXT,
    epoch INTEGER NOT NULL,
    branch TEXT NOT NULL,
    head TEXT NOT NULL,
    target TEXT NOT NULL,
    strategy TEXT NOT NULL,
    gate TEXT,
    status TEXT NOT NULL,
    onto TEXT,
    candidate TEXT,
    worker TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    rev INTEGER NOT NULL,
    reason TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX submission_id ON submission (id);
CREATE INDEX submission_open ON submission (ord) WHERE status IN ('queued', 'testing');
CREATE INDEX submission_task ON submission (task) WHERE task IS NOT NULL;
CREATE INDEX submission_worktree ON submission (worktree_id);

CREATE TABLE event (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    kind TEXT NOT NULL,
    task_id TEXT,
    worktree TEXT,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX event_task ON event (task_id, seq) WHERE task_id IS NOT NULL;
CREATE INDEX event_worktree ON event (worktree, seq) WHERE worktree IS NOT NULL;

CREATE TABLE counter (
    name TEXT NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
