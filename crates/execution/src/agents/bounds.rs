//! Every bound of this module.

use std::time::Duration;

/// The most bytes of a program's line that are understood; a longer one is cut, and then hardly understood.
pub const LINE: usize = 4 << 20;
/// The most bytes of a text in an event.
pub const TEXT: usize = 16 << 10;
/// The most characters of a summary, and of a name that a program gives to something.
pub const SUMMARY: usize = 200;
/// The most paths of a tool call.
pub const PATHS: usize = 50;
/// The most tool calls, refusals and messages of one conversation that are remembered, so as to tell each of them once.
pub const REMEMBERED: usize = 10_000;
/// The most bytes of a prompt that go into one argument; the system takes no more than 128 KiB.
pub const ARGUMENT: usize = 100 * 1024;
/// The most bytes of a command line that is judged; a longer one is refused.
pub const JUDGED: usize = 32 * 1024;
/// The most refusals that a tally lists; further ones are counted.
pub const DENIED: usize = 50;
/// How often an agent whose work broke off at a refusal is told to go on without.
pub const REFUSALS: u32 = 5;
/// How long a program may go on after it said that it is done.
pub const FINISH: Duration = Duration::from_secs(30);
/// How long a program may take to say its version.
pub const VERSION: Duration = Duration::from_secs(20);
/// The most bytes that it may say then.
pub const VERSION_BYTES: usize = 64 * 1024;
