//! Every bound of the server, in one place.

use std::time::Duration;

/// The most tools in a page of their list.
pub const TOOLS_PAGE: usize = 100;
/// The most records in a page, when no number is asked for.
pub const PAGE: usize = 100;
/// The most records in a page.
pub const MOST_PAGE: usize = 500;
/// About how many bytes of JSON a page has at most; one record is in it, however large.
pub const PAGE_BYTES: usize = 200 << 10;
/// How many events are given when no number is asked for.
pub const EVENTS: usize = 20;
/// The most events in an answer.
pub const MOST_EVENTS: usize = 200;
/// The most messages that are delivered in an answer.
pub const MAIL: usize = 50;
/// The most bytes of what they say; one that is longer comes alone.
pub const MAIL_BYTES: usize = 24 << 10;
/// The most bytes of messages in an answer, as JSON; one that is longer comes alone.
pub const MAIL_JSON: usize = DIRECT - 1_000;
/// The most bytes of a run's output, or of a patch, in an answer.
pub const OUTPUT: usize = 50_000;
/// The most bytes of an answer to a caller in the same process; a bit less than a tool of the built-in agent may answer.
pub const DIRECT: usize = 48_000;
/// About how many bytes of a run's output are read; more are not kept.
pub const OUTPUT_READ: usize = 16 << 20;
/// The most paths of each kind that the status of a worktree names.
pub const PATHS: usize = 500;
/// The most bytes of a command.
pub const COMMAND: usize = 32 << 10;
/// The most characters of a message about progress.
pub const MESSAGE: usize = 200;
/// The most messages about progress that wait to be sent; what finds no room is left out.
pub const MESSAGES: usize = 32;
/// How often a call that has nothing to tell says that it goes on.
pub const PROGRESS_EVERY: Duration = Duration::from_secs(2);
/// The most calls that are at work at once; more wait.
pub const CALLS: usize = 64;
/// How long calls that are at work are waited for when the server ends: a command gets its grace, and its end is recorded.
pub const END_WAIT: Duration = Duration::from_secs(15);
/// The most bytes of a request over HTTP.
pub const REQUEST: usize = 1 << 20;
/// The most bytes of a line on standard input.
pub const LINE: usize = 4 << 20;
/// The most connections at once.
pub const CONNECTIONS: usize = 64;
/// How long a connection may take to say what it wants.
pub const HEADERS: Duration = Duration::from_secs(10);
/// How long it may take to say it.
pub const BODY: Duration = Duration::from_secs(15);
/// How often a stream that has nothing to tell shows that it is alive; a client that is gone is noticed by it.
pub const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// The most bytes of a cursor.
pub const CURSOR: usize = 512;
/// The most resources that a subscription is about.
pub const SUBSCRIBED: usize = 100;
/// How long one wait for events lasts before is looked whether anybody still listens.
pub const EVENTS_WAIT: Duration = Duration::from_millis(500);
