//! Every bound of this crate, in one place.

use std::time::Duration;

/// In how many places the files of a new worktree are looked for.
pub const SOURCES: usize = 4;
/// Among how many of the newest worktrees such places are chosen.
pub const SOURCES_AMONG: usize = 100;
/// How long a claim made by a person holds, in seconds: a day.
pub const PERSON_LEASE_S: u64 = 24 * 3600;
/// How long a supervised run's claim holds unless it is renewed, unless told otherwise.
pub const RUN_LEASE: Duration = Duration::from_secs(90);
/// The shortest such lease: a process on a busy machine must be able to keep it.
pub const LEAST_LEASE: Duration = Duration::from_secs(2);
/// The longest.
pub const MOST_LEASE: Duration = Duration::from_secs(3600);
/// In how many parts of its lease a run renews its claim.
pub const RENEWALS: u32 = 4;
/// How long beyond its lease a claim is let be at least, before it is taken away.
pub const LEASE_MARGIN: Duration = Duration::from_secs(1);
/// How often the leases of other processes are looked at.
pub const LEASES_LOOK: Duration = Duration::from_secs(1);
/// How often a supervisor looks whether its run was asked to stop, or its claim was taken away.
pub const ORDERS_LOOK: Duration = Duration::from_secs(1);
/// How often a task whose run was lost goes back by itself before it waits for a person, unless told otherwise: that many
/// losses are one too many.
pub const RECOVERIES: u32 = 3;
/// The most runs of agents on one task before it waits for a person, unless told otherwise.
pub const TASK_ATTEMPTS: u32 = 10;
/// How many runs of agents on one task may come to nothing in a row because their provider asked to slow down, before it waits for a
/// person. `up` rests longer after each of them, so that it takes hours to get there.
pub const RATE_LIMITED_RUNS: u32 = 20;
/// The largest limit on what a task may cost, in US dollars.
pub const MOST_DOLLARS: u64 = 1_000_000;
/// How long is waited for a supervisor to note the end of a run that was asked to stop, once its processes are gone.
pub const STOP_WAIT: Duration = Duration::from_secs(4);
/// How long a new attempt waits for the end of a run whose claim was replaced: its supervisor looks, asks, kills.
pub const SUPERSEDED_WAIT: Duration = Duration::from_secs(13);
/// How often is looked whether such a run has ended.
pub const RUN_OVER_LOOK: Duration = Duration::from_millis(50);
/// How long an `up` that begins or ends waits for another one that does at this moment.
pub const UP_LOCK_WAIT: Duration = Duration::from_secs(5);
/// How long a command in a worktree may take unless told otherwise.
pub const RUN_TIMEOUT: Duration = Duration::from_secs(300);
/// How long an agent may take unless told otherwise.
pub const AGENT_TIMEOUT: Duration = Duration::from_secs(3600);
/// How long a gate may take unless told otherwise.
pub const GATE_TIMEOUT: Duration = Duration::from_secs(1800);
/// The most bytes of a run's output that are kept.
pub const LOG_BYTES: u64 = 10 << 20;
/// What is kept of the end of a transcript that has reached its bound, in bytes.
pub const TRANSCRIPT_TAIL: usize = 64 << 10;
/// The most bytes of a log's line that are shown as one.
pub const LOG_LINE: usize = 256 << 10;
/// Logs up to so many bytes are not compressed.
pub const LOG_PLAIN: u64 = 64 << 10;
/// The most bytes that the logs of all runs take unless told otherwise.
pub const LOGS_KEPT: u64 = 1 << 30;
/// How long they are kept unless told otherwise.
pub const LOGS_KEPT_FOR: Duration = Duration::from_secs(90 * 86_400);
/// The background looks after logs at least after every so many runs.
pub const LOGS_LOOK: u64 = 50;
/// The most runs in a list when no number is asked for.
pub const RUNS_SHOWN: usize = 50;
/// The most worktrees of a repository that are looked into for conflicts; of more those that somebody was in last.
pub const CONFLICT_WORKTREES: usize = 100;
/// The most pairs of them that are merged to see whether they can be; those that share no path need not be.
pub const CONFLICT_PAIRS: usize = 2000;
/// How long pairs are merged before the rest is left out.
pub const CONFLICT_TIME: Duration = Duration::from_secs(20);
/// The most files that a conflict names.
pub const CONFLICT_FILES: usize = 50;
/// How long is waited for the lock around git's adding of worktrees.
pub const GIT_LOCK_WAIT: Duration = Duration::from_secs(120);
/// How long is waited for another process that writes views.
pub const VIEWS_LOCK_WAIT: Duration = Duration::from_secs(30);
/// How long is waited for another process that reads the same inbox, and for whoever it writes to.
pub const INBOX_LOCK_WAIT: Duration = Duration::from_secs(10);
/// How long is waited for another process that gates and lands; a gate may take long.
pub const MERGE_LOCK_WAIT: Duration = Duration::from_secs(3600);
/// How often a candidate is made anew because the target moved while the gate ran.
pub const LAND_TRIES: u32 = 5;
/// How long what tests the work before it is submitted may take unless told otherwise.
pub const VERIFY_TIMEOUT: Duration = Duration::from_secs(1800);
/// A ready task gains one in priority each time it has waited so long, unless told otherwise.
pub const AGEING: Duration = Duration::from_secs(3600);
/// How long an agent rests whose provider asked to slow down; twice as long each time it is asked again.
pub const BACK_OFF: Duration = Duration::from_secs(30);
/// The longest that it rests.
pub const MOST_BACK_OFF: Duration = Duration::from_secs(1800);
/// How long `up` waits for memory or a lower load while no agent is at work, before it starts one all the same.
pub const ADMISSION_PATIENCE: Duration = Duration::from_secs(60);
/// For how long the memory that an agent said it needs is counted as taken, although it may not have it yet.
pub const PROMISED_FOR: Duration = Duration::from_secs(15);
/// How many of the tasks that were waited for a prompt tells of.
pub const DEPENDENCIES_TOLD: usize = 20;
/// How many paths a prompt names at a time.
pub const PATHS_TOLD: usize = 20;
/// How many of the newest events of a task are looked at for what became of its last run.
pub const EVENTS_LOOKED_AT: usize = 200;
/// The most messages in one answer, when no number is asked for.
pub const MAIL_SHOWN: usize = 50;
/// The most that can be asked for.
pub const MOST_MAIL_SHOWN: usize = 1000;
/// The most bytes of messages that are delivered to a reader at once; a message that is longer comes alone.
pub const MAIL_READ_BYTES: usize = 1 << 20;
/// The most messages in one prompt.
pub const MAIL_TOLD: usize = 50;
/// The most bytes of messages in one prompt: a program may get its prompt as an argument, which the system bounds.
pub const MAIL_TOLD_BYTES: usize = 32 << 10;
/// How often a prompt is made when its messages are delivered elsewhere meanwhile; the last one has none.
pub const MAIL_TRIES: u32 = 5;
/// How many characters of an agent's line are shown.
pub const LINE_SHOWN: usize = 200;
/// The most bytes of a gate's output that a prompt quotes.
pub const FINDINGS_TAIL: usize = 8 << 10;
/// How many findings of a review go back to who did the work.
pub const FINDINGS_TOLD: usize = 30;
/// How much of the end of an agent's words is looked at for its verdict, in bytes.
pub const VERDICT_BYTES: usize = 64 << 10;
/// Free memory that `up` leaves for others unless told otherwise, in bytes.
pub const MIN_MEMORY: u64 = 256 << 20;
/// Free space on the disk that `up` leaves unless told otherwise, in bytes.
pub const MIN_DISK: u64 = 64 << 20;
/// The load for each processor from which on `up` starts no agent unless told otherwise.
pub const MAX_LOAD: f64 = 16.0;
/// How often a task goes back to its agent after a bounce before it waits for a person.
pub const REVISIONS: u32 = 2;
/// How many removed worktrees the index still shows.
pub const REMOVED_SHOWN: usize = 100;
/// The most events in one answer, when no number is asked for.
pub const EVENTS_SHOWN: usize = 20;
/// The most bytes of a gate's output that a reason quotes.
pub const REASON_TAIL: usize = 1500;
/// The most conflicting files that a reason names.
pub const CONFLICTS_NAMED: usize = 20;
/// The most agents at once.
pub const MOST_AGENTS: usize = 256;
/// With so many submissions that wait to land no further agent is started, or with two for each agent when that is more.
pub const WAITING: usize = 8;
/// The most messages that wait between the threads of `up`: agents and waiting submissions together fit in.
pub const MESSAGES: usize = 4096;
/// The most further repositories of a home.
pub const MOST_REPOS: usize = 100;
/// The most bytes of the file in a repository that says which home it belongs to.
pub const BELONGS_BYTES: u64 = 16 << 10;
/// The most bytes of a settings file.
pub const SETTINGS_BYTES: u64 = 1 << 20;
/// The most bytes of one task's file that an import reads.
pub const IMPORT_TASK_BYTES: u64 = 1 << 20;
/// The most bytes of an index of worktrees that an import reads.
pub const IMPORT_INDEX_BYTES: u64 = 16 << 20;
/// The most bytes of a log of events that an import reads.
pub const IMPORT_EVENTS_BYTES: u64 = 64 << 20;
/// The most bytes of a line of such a log.
pub const IMPORT_LINE_BYTES: usize = 1 << 20;
/// The most tasks that an import takes over.
pub const IMPORT_TASKS: usize = 100_000;
/// The most worktrees in an index that an import takes over.
pub const IMPORT_WORKTREES: usize = 10_000;
/// The most events that an import takes over.
pub const IMPORT_EVENTS: usize = 500_000;
/// The most problems that an import tells one by one.
pub const IMPORT_PROBLEMS: usize = 1000;
/// The most characters of a sentence of `doctor`.
pub const FINDING_CHARS: usize = 1000;
/// Free space that `doctor` calls little, in bytes.
pub const LITTLE_SPACE: u64 = 1 << 30;
/// How often `doctor` looks at views that lag before it says so: somebody may be about to write them.
pub const VIEW_LOOKS: u32 = 3;
/// How long `doctor` waits between these looks.
pub const VIEW_REST: Duration = Duration::from_millis(100);
/// How many ancestors of the target's tip `doctor` compares with a checkout's index.
pub const ANCESTORS_COMPARED: usize = 50;
/// How long a submission must have rested before `doctor` judges the ref that holds its head, in seconds.
pub const PIN_GRACE_S: u64 = 10;
/// How long a command of the set-up may take unless told otherwise.
pub const SETUP_TIMEOUT: Duration = Duration::from_secs(600);
/// The most ignored files that a new worktree gets copies of.
pub const COPY_FILES: u64 = 10_000;
/// Their most bytes.
pub const COPY_BYTES: u64 = 1 << 30;
/// The most files, links and directories in a directory that is cloned.
pub const CLONE_FILES: u64 = 2_000_000;
/// Its most bytes.
pub const CLONE_BYTES: u64 = 50 << 30;
/// The most bytes of `.worktreeinclude`.
pub const INCLUDE_BYTES: u64 = 64 << 10;
/// The most bytes of the file with approvals.
pub const APPROVALS_BYTES: u64 = 1 << 20;
/// The most bytes of a file that says who has a port, or which set-up is done.
pub const HOLDER_BYTES: u64 = 16 << 10;
/// How long is waited for another process that brings files into the same worktree.
pub const SETUP_LOCK_WAIT: Duration = Duration::from_secs(600);
/// How long is waited for another process that leases ports.
pub const PORTS_LOCK_WAIT: Duration = Duration::from_secs(60);
/// The range of ports that worktrees lease from unless told otherwise.
pub const FIRST_PORT: u16 = 20_000;
/// Its last port.
pub const LAST_PORT: u16 = 29_999;
/// The most ports of one worktree.
pub const MOST_PORTS: usize = 32;
/// The most bytes of untracked and ignored files that a snapshot takes in unless told otherwise.
pub const SNAPSHOT_BYTES: u64 = 1 << 30;
/// How long a snapshot is kept unless told otherwise.
pub const SNAPSHOT_AGE: Duration = Duration::from_secs(90 * 86_400);
/// How many snapshots of one name are kept unless told otherwise.
pub const SNAPSHOT_COUNT: usize = 50;
/// The most snapshots of one name that are pruned at once.
pub const SNAPSHOTS_PRUNED: usize = 1000;
/// How many spare worktrees are kept ready unless told otherwise.
pub const POOL_SIZE: usize = 2;
/// The most spare worktrees.
pub const MOST_SPARES: usize = 64;
/// How long the background tends a home at a time.
pub const TEND_FOR: Duration = Duration::from_secs(600);
/// How long it waits in one go, at most, while worktrees are being made that somebody waits for.
pub const TEND_PATIENCE: Duration = Duration::from_secs(60);
/// How long it pauses before it looks again whether they are there.
pub const TEND_PAUSE: Duration = Duration::from_millis(100);
/// How often it looks whether there is something new to do.
pub const TEND_ROUNDS: u32 = 100;
/// After what time spares are tried again where none could be made.
pub const POOL_RETRY: Duration = Duration::from_secs(600);
/// The most bytes that spare and recycled worktrees may take unless told otherwise.
pub const DISK_BYTES: u64 = 20 << 30;
/// From this age on `doctor` calls one of git's lock files old.
pub const STALE_LOCK: Duration = Duration::from_secs(10);
/// The most files and directories below one directory that `doctor` counts.
pub const ENTRIES_COUNTED: u64 = 200_000;
/// How many of the processes in a worktree are named.
pub const RESIDENTS_SHOWN: usize = 10;
/// How many runs a sentence names.
pub const RUNS_NAMED: usize = 8;
/// How many paths a sentence names.
pub const PATHS_NAMED: usize = 10;
/// Into how many branches that are not in the target's history a list of worktrees looks for their changes.
pub const MERGED_LOOKS: usize = 16;
/// Into how many worktrees that nobody is at work in is looked before and after an agent's run.
pub const OUTSIDE_SIBLINGS: usize = 16;
/// How large their indexes may be together, in bytes: some ten thousand files.
pub const OUTSIDE_INDEX_BYTES: u64 = 1 << 20;
/// How often what lies outside a worktree is looked at anew while something lands.
pub const OUTSIDE_TRIES: u32 = 100;
/// How often it is, when something is found, before it is believed.
pub const OUTSIDE_LOOKS: u32 = 3;
/// How long is waited between such looks.
pub const OUTSIDE_REST: Duration = Duration::from_millis(30);
/// How many events are read at a time to explain what was found.
pub const OUTSIDE_EVENTS: usize = 5_000;
/// How many in all; of a longer time nothing is explained.
pub const OUTSIDE_ALL_EVENTS: u64 = 200_000;
/// How many changes outside a worktree an event names.
pub const OUTSIDE_NAMED: usize = 50;
/// The fewest characters of a token.
pub const LEAST_TOKEN: usize = 16;
/// From how many bytes on a file has no token.
pub const TOKEN_BYTES: u64 = 4 << 10;
/// How long is waited until the first process of a run is known that is just being started.
pub const FIRST_PROCESS_WAIT: Duration = Duration::from_secs(3);
/// The largest file of an agent program that is edited, in bytes.
pub const HOOKUP_FILE: u64 = 1 << 20;
/// How many names are tried for a worktree that a program asks for in words of its own.
pub const NAMES_TRIED: u32 = 50;
/// How long an `up` that was started in the background may take until it is seen to be at work.
pub const UP_BEGINS: Duration = Duration::from_secs(20);
