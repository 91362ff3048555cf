//! Every bound of this module.

use std::time::Duration;

/// What [`capture`](super::capture()) keeps of standard output, in bytes, unless told otherwise.
pub const CAPTURE_STDOUT: usize = 256 * 1024 * 1024;
/// What [`capture`](super::capture()) keeps of the end of standard error, in bytes.
pub const CAPTURE_STDERR: usize = 64 * 1024;
/// How long a captured command may take unless told otherwise.
pub const CAPTURE_TIMEOUT: Duration = Duration::from_secs(600);
/// How long a captured command may go on before it is looked at for a named pipe that it waits for.
pub const CAPTURE_PATIENCE: Duration = Duration::from_secs(2);
/// How often that is looked at then; it is killed when it waits in two looks.
pub const CAPTURE_LOOK: Duration = Duration::from_secs(1);
/// How long a captured command may take at most once a second signal has come. It is not nothing: git that is killed
/// halfway may leave its locks behind.
pub const CAPTURE_STOPPED: Duration = Duration::from_secs(2);
/// The same when that signal is older than [`CAPTURE_STOPPED`].
pub const CAPTURE_STOPPED_LATE: Duration = Duration::from_millis(500);
/// From asking to killing, for a captured command that waits for a named pipe or is to end at once.
pub const CAPTURE_GRACE: Duration = Duration::from_millis(300);

/// A run's log, in bytes, unless told otherwise.
pub const LOG: u64 = 64 * 1024 * 1024;
/// What is kept of the output beyond a log's bound: its end, in bytes.
pub const LOG_TAIL: usize = 64 * 1024;

/// How often an observer is asked unless told otherwise.
pub const TICK: Duration = Duration::from_millis(250);
/// From asking to killing, when a run is stopped, unless told otherwise.
pub const GRACE: Duration = Duration::from_secs(5);
/// From asking to killing, for processes left behind by a command that ended by itself.
pub const STRAY_GRACE: Duration = Duration::from_millis(500);
/// From killing to giving up on a process that doesn't die (it hangs in the kernel).
pub const GIVE_UP: Duration = Duration::from_secs(5);
/// How long a helper command that a dead process has left may go on before it is asked to end: git that is stopped halfway
/// may leave its locks behind.
pub const HELPER_PATIENCE: Duration = Duration::from_secs(10);
/// How often is looked whether such a helper has ended.
pub const HELPER_LOOK: Duration = Duration::from_millis(20);
/// How often a run's processes are looked up while it goes on.
pub const SCAN: Duration = Duration::from_secs(1);
/// How old such a look may be: the runs of a process share it.
pub const SHARED_LOOK: Duration = Duration::from_millis(500);
/// How long such a look waits for processes that are being started.
pub const START: Duration = Duration::from_millis(200);
/// How often they are looked up while it is being ended.
pub const ENDING_SCAN: Duration = Duration::from_millis(10);
/// How many processes left behind are reported; more are killed, not listed.
pub const STRAYS: usize = 256;

/// How many bytes may wait for a command to read them from its standard input.
pub const INPUT_WAITING: usize = 16 * 1024 * 1024;
/// How much is read from or written to a pipe at once, in bytes.
pub const CHUNK: usize = 64 * 1024;
/// How much is written to our own output at once, in bytes: a pipe that is ready takes as much without blocking
/// (`pipe(7)`, `PIPE_BUF`).
pub const ECHO_CHUNK: usize = 4096;
/// What is read, per stream, after the last process is dead.
pub const DRAIN: usize = 8 * 1024 * 1024;
/// How long an echo that nobody reads delays the end of a run that was stopped or timed out.
pub const ECHO_WAIT: Duration = Duration::from_secs(1);

/// How often an observer gets a line of output at most.
pub const LINE_EVERY: Duration = Duration::from_millis(100);
/// The length of such a line, in characters.
pub const LINE: usize = 200;
/// The length of a process's description, in characters.
pub const DESCRIPTION: usize = 120;

/// How often a child is looked at where the system has no handle to wait for (not on Linux).
pub const LOOK: Duration = Duration::from_millis(20);
/// How often a child on a terminal is checked for having been stopped, in its first second.
pub const STOP_CHECK: Duration = Duration::from_millis(25);
