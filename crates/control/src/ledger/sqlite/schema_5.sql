-- Version 5: the team: who can get mail, the mail, and requests that are answered once; and whether a task needs a plan. New
-- words: the role of a run `plan`; the events `mail.sent`, `mail.delivered`, `mail.returned`, `shutdown.requested`,
-- `shutdown.approved`, `shutdown.rejected`, `shutdown.withdrawn`, `plan.submitted`, `plan.approved`, `plan.rejected`,
-- `plan.withdrawn`.

ALTER TABLE task ADD COLUMN plan TEXT;

CREATE TABLE member (
    ord INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    role TEXT NOT NULL,
    waiting INTEGER NOT NULL,
    joined_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    rev INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX member_id ON member (id);

CREATE TABLE mail (
    ord INTEGER PRIMARY KEY,
    id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    sender TEXT NOT NULL,
    recipient TEXT NOT NULL,
    request INTEGER,
    answer TEXT,
    task TEXT,
    sent_at INTEGER NOT NULL,
    delivered_at INTEGER,
    run INTEGER,
    rev INTEGER NOT NULL,
    content TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX mail_id ON mail (id);
CREATE INDEX mail_waiting ON mail (recipient, ord) WHERE delivered_at IS NULL;
CREATE INDEX mail_recipient ON mail (recipient, ord);
CREATE INDEX mail_run ON mail (run) WHERE run IS NOT NULL;

CREATE TABLE request (
    ord INTEGER PRIMARY KEY,
    id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    status TEXT NOT NULL,
    sender TEXT NOT NULL,
    recipient TEXT NOT NULL,
    task TEXT,
    epoch INTEGER NOT NULL,
    run INTEGER,
    created_at INTEGER NOT NULL,
    decided_at INTEGER,
    rev INTEGER NOT NULL,
    feedback TEXT NOT NULL,
    content TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX request_id ON request (id);
CREATE INDEX request_counts ON request (kind, ord) WHERE status IN ('requested', 'submitted', 'approved');
CREATE INDEX request_task ON request (task) WHERE task IS NOT NULL;
