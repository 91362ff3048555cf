//! Every bound of this crate.

use std::time::Duration;

/// The most conversations that are kept of a home; the ones that were written to last.
pub const CONVERSATIONS: usize = 50;
/// How long a conversation is kept after it was last written to.
pub const KEPT: Duration = Duration::from_secs(90 * 86_400);
/// The most lines of the editor's history.
pub const HISTORY: usize = 1_000;
/// The most tasks whose names are completed.
pub const COMPLETED: usize = 1_000;
/// The most bytes of that history.
pub const HISTORY_BYTES: u64 = 4 << 20;
/// The most bytes of what a person says in one go.
pub const PROMPT: usize = 256 << 10;
/// The most characters of a model's text that a person is shown in one turn.
pub const SHOWN: usize = 200_000;
/// The most characters of a summary of a call, and of its outcome.
pub const LINE: usize = 160;
/// The most bytes of a call's arguments in an event, as JSON; longer ones are left out.
pub const ARGUMENTS: usize = 64 << 10;
/// The most bytes of a call's arguments that a person is asked about; longer ones are refused.
pub const ASKED: usize = 64 << 10;
/// The most tasks, and as many worktrees, that a view of the board names.
pub const BOARD: usize = 40;
/// How long something goes on in silence until a person is told that it does.
pub const SILENCE: Duration = Duration::from_secs(2);
/// How often is looked whether a person should be told.
pub const TICK: Duration = Duration::from_millis(500);
/// How long a wait for news may last.
pub const WAIT: Duration = Duration::from_secs(600);
/// How long a wait for news lasts when nothing is said.
pub const WAIT_USUAL: Duration = Duration::from_secs(60);
/// How long one look for news lasts before is looked whether it was cancelled.
pub const WAIT_LOOK: Duration = Duration::from_millis(250);
